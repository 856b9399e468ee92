// A directory of one's own for a while.

#include "agent/trial/scratch.h"

#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace runnel {
namespace {

constexpr const char* kMemory = "/dev/shm";
constexpr std::uint64_t kRoom = 256 << 20;  // below it, a content of a test might not fit

bool has_memory() {
  struct statvfs room {};
  return ::access(kMemory, W_OK | X_OK) == 0 && ::statvfs(kMemory, &room) == 0 &&
         std::uint64_t{room.f_bavail} * room.f_frsize >= kRoom;
}

}  // namespace

Result<ScratchDirectory> ScratchDirectory::make(Where where) {
  std::error_code failed;
  std::filesystem::path parent = kMemory;
  if (where == Where::kDisk || ::getenv("TMPDIR") != nullptr || !has_memory())
    parent = std::filesystem::temp_directory_path(failed);
  if (failed) return unavailable("no temporary directory: " + failed.message());
  std::string path = (parent / "runnel-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr)
    return unavailable("`" + path + "` cannot be made: " + std::strerror(errno));
  return ScratchDirectory(std::move(path));
}

ScratchDirectory::~ScratchDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace runnel
