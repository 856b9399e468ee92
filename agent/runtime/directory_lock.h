// DirectoryLock: one agent on a state directory, whoever comes second is refused.

#pragma once

#include <memory>
#include <string>

#include "agent/base/result.h"

namespace runnel {

class DirectoryLock {
 public:
  // Makes the directory if it is not there. kUnavailable: another process holds it; the text says
  // which. The kernel lets go of it when a process ends, however it ends.
  static Result<std::unique_ptr<DirectoryLock>> take(const std::string& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
};

}  // namespace runnel
