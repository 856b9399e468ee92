// Files of the data folder.

#include "hub/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "agent/base/bytes.h"
#include "agent/base/text_file.h"

namespace runnel::hub {
namespace {

constexpr int kLockTries = 30;  // of 100 ms

}  // namespace

Result<> write_file(const std::string& path, std::string_view bytes, bool is_public) {
  const std::string temporary = path + ".new";
  const int file =
      ::open(temporary.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, is_public ? 0644 : 0600);
  if (file < 0) return unavailable("writing `" + path + "`: " + std::strerror(errno));
  std::string_view rest = bytes;
  bool is_good = true;
  while (is_good && !rest.empty()) {
    const ssize_t wrote = ::write(file, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    is_good = wrote > 0;
    if (is_good) rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  is_good = is_good && ::fsync(file) == 0;
  ::close(file);
  if (!is_good || ::rename(temporary.c_str(), path.c_str()) != 0) {
    return unavailable("writing `" + path + "`: " + std::strerror(errno));
  }
  return Ok{};
}

Result<std::string> read_file(const std::string& path) {
  constexpr std::size_t kBytesMax = 1 << 20;
  return read_text_file(path, kBytesMax).within("`" + path + "`");
}

Result<std::string> read_secret(const std::string& path) {
  TRY_ASSIGN(text, read_file(path));
  return std::string(trimmed(text.substr(0, text.find('\n'))));
}

Result<> lock_for_good(const DataFolder& folder) {
  const int file = ::open(folder.lock().c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (file < 0) return unavailable("opening `" + folder.lock() + "`: " + std::strerror(errno));
  // A hub that was told to stop, or was killed a moment ago, is given time to be gone.
  bool is_ours = ::flock(file, LOCK_EX | LOCK_NB) == 0;
  for (int tries = 0; !is_ours && tries < kLockTries; ++tries) {
    ::usleep(100'000);
    is_ours = ::flock(file, LOCK_EX | LOCK_NB) == 0;
  }
  if (!is_ours) {
    ::close(file);
    return unavailable("another hub serves from `" + folder.path +
                       "`; stop it, or give another --data");
  }
  return Ok{};
}

}  // namespace runnel::hub
