// ScratchDirectory: a state directory for one trial, gone with it.

#pragma once

#include <string>

#include "agent/base/result.h"

namespace runnel {

class ScratchDirectory {
 public:
  // Below the machine's temporary directory ($TMPDIR).
  static Result<ScratchDirectory> make();
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
