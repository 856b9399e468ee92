// The machine's disk, of which a test may have some things otherwise.

#pragma once

#include "agent/runtime/disk.h"

namespace runnel::test {

class WrappedDisk : public Disk {
 public:
  Result<> make_directory(const std::string& path) override { return under().make_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return under().list(path);
  }
  Result<std::unique_ptr<DiskFile>> make(const std::string& path) override {
    return under().make(path);
  }
  Result<std::unique_ptr<DiskFile>> open(const std::string& path) override {
    return under().open(path);
  }
  Result<> remove(const std::string& path) override { return under().remove(path); }
  Result<> rename(const std::string& from, const std::string& to) override {
    return under().rename(from, to);
  }
  Result<> link(const std::string& from, const std::string& to) override {
    return under().link(from, to);
  }
  std::uint64_t identity(const std::string& path) override { return under().identity(path); }
  Result<std::uint64_t> free_bytes(const std::string& path) override {
    return under().free_bytes(path);
  }
  Result<> sync_directory(const std::string& path) override { return under().sync_directory(path); }

 protected:
  static Disk& under() { return real_disk(); }
};

}  // namespace runnel::test
