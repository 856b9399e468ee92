// A directory of one's own for a while.

#include "agent/trial/scratch.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace runnel {

Result<ScratchDirectory> ScratchDirectory::make() {
  std::error_code failed;
  const auto parent = std::filesystem::temp_directory_path(failed);
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
