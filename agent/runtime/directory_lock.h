// DirectoryLock: one agent on a state directory, whoever comes second is refused; also when
// somebody has cleared away the file `lock` meanwhile.

#pragma once

#include <memory>
#include <string>

#include "agent/base/descriptor.h"
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

 private:
  DirectoryLock(int file, int directory) : file_(file), directory_(directory) {}
  bool is_held() const;

  const Descriptor file_;  // without a number where nothing can be written
  const Descriptor directory_;
};

}  // namespace runnel
