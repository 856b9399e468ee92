// ScratchDirectory: a state directory for one trial, gone with it.

#pragma once

#include <string>

#include "agent/base/result.h"

namespace runnel {

class ScratchDirectory {
 public:
  enum class Where {
    kMemory,  // a file system in memory where the machine has one (/dev/shm), unless $TMPDIR says
              // otherwise
    kDisk,    // the machine's temporary directory ($TMPDIR, /tmp)
  };
  static Result<ScratchDirectory> make(Where where);
  ~ScratchDirectory();
  ScratchDirectory(ScratchDirectory&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;

  const std::string& path() const { return path_; }

 private:
  explicit ScratchDirectory(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace runnel
