// DirectoryLock: one agent on a state directory, whoever comes second is refused.

#pragma once

#include <memory>
#include <string>

#include "agent/base/result.h"

namespace runnel {

// Makes the state directory if it is not there, with those above it. kUnavailable: its disk is
// full, or read-only with the directory in it in which it is to stand, and may take it later.
// kInvalid: there can be none.
Result<> make_state_directory(const std::string& directory);

class DirectoryLock {
 public:
  // Makes the directory if it is not there. kUnavailable: another process holds it, and the text
  // says which; or it cannot be made now. kInvalid: it cannot be made. The kernel lets go of it
  // when a process ends, however it ends.
  static Result<std::unique_ptr<DirectoryLock>> take(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
};

}  // namespace runnel
