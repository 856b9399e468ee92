// The machine's own disk, by POSIX.

#include "agent/runtime/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace runnel {
namespace {

Error disk_error(const std::string& path, std::string_view what) {
  const int number = errno;
  std::string text = std::string(what) + " `" + path + "`: " + std::strerror(number);
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) return full(std::move(text));
  return number == ENOENT ? not_found(std::move(text)) : unavailable(std::move(text));
}

class PosixFile final : public DiskFile {
 public:
  PosixFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  ~PosixFile() override { ::close(descriptor_); }

  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const override {
    while (true) {
      const ssize_t got = ::pread(descriptor_, into, size, static_cast<off_t>(offset));
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return disk_error(path_, "reading");
    }
  }

  Result<> write_at(std::uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written =
          ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (written < 0) {
        if (errno == EINTR) continue;
        return disk_error(path_, "writing");
      }
      offset += static_cast<std::uint64_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  Result<> sync() override {
    if (::fdatasync(descriptor_) != 0) return disk_error(path_, "fsync of");
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) return disk_error(path_, "looking at");
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  const std::string path_;
  const int descriptor_;
};

class PosixDisk final : public Disk {
 public:
  Result<> make_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return disk_error(path, "making");
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    DIR* const dir = ::opendir(directory.c_str());
    if (dir == nullptr) return disk_error(directory, "opening");
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(dir)) names.emplace_back(entry->d_name);
    ::closedir(dir);
    return names;
  }

  Result<std::unique_ptr<DiskFile>> make(const std::string& path) override {
    return opened(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, "making");
  }
  Result<std::unique_ptr<DiskFile>> open(const std::string& path) override {
    return opened(path, O_RDWR | O_CLOEXEC, "opening");
  }

  Result<> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return disk_error(path, "removing");
    return {};
  }

  Result<> rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) return disk_error(from, "moving");
    return {};
  }

  Result<> link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) != 0) return disk_error(from, "linking");
    return {};
  }

  std::uint64_t identity(const std::string& path) override {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
  }

  Result<std::uint64_t> free_bytes(const std::string& directory) override {
    struct statvfs disk {};
    if (::statvfs(directory.c_str(), &disk) != 0) return disk_error(directory, "looking at");
    return std::uint64_t{disk.f_bavail} * disk.f_frsize;
  }

  Result<> sync_directory(const std::string& path) override {
    const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return disk_error(path, "opening");
    const bool is_synced = ::fsync(directory) == 0;
    Result<> result = is_synced ? Result<>() : Result<>(disk_error(path, "fsync of"));
    ::close(directory);
    return result;
  }

 private:
  static Result<std::unique_ptr<DiskFile>> opened(const std::string& path, int flags,
                                                  std::string_view what) {
    const int descriptor = ::open(path.c_str(), flags, 0600);
    if (descriptor < 0) return disk_error(path, what);
    return std::unique_ptr<DiskFile>(std::make_unique<PosixFile>(path, descriptor));
  }
};

}  // namespace

Result<std::size_t> read_whole_at(const DiskFile& file, std::uint64_t offset, char* into,
                                  std::size_t size) {
  std::size_t there = 0;
  while (there < size) {
    TRY_ASSIGN(got, file.read_at(offset + there, into + there, size - there));
    if (got == 0) break;
    there += got;
  }
  return there;
}

Disk& real_disk() {
  static PosixDisk disk;
  return disk;
}

}  // namespace runnel
