// Opens without waiting, reads no more than is allowed.

#include "agent/base/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

class OpenText {
 public:
  // O_NONBLOCK: a named pipe would hold us until somebody writes to it.
  explicit OpenText(const std::string& path, bool is_open_already)
      : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | (is_open_already ? 0 : O_NONBLOCK))) {}
  ~OpenText() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenText(const OpenText&) = delete;
  OpenText& operator=(const OpenText&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

Error unreadable() {
  const std::string text = std::string("cannot be read: ") + std::strerror(errno);
  return errno == ENOENT || errno == ENOTDIR ? not_found(text) : unavailable(text);
}

}  // namespace

Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
  const bool is_open_already = path == "/dev/stdin" || path.starts_with("/dev/fd/");
  const OpenText file(path, is_open_already);
  struct stat facts {};
  if (file.fd() < 0 || ::fstat(file.fd(), &facts) != 0) return unreadable();
  if (S_ISDIR(facts.st_mode)) return invalid("is a folder");
  if (!S_ISREG(facts.st_mode) && !is_open_already) return invalid("is no regular file");
  std::string text;
  constexpr std::size_t kPiece = 64 * 1024;
  while (true) {
    const std::size_t size = text.size();
    text.resize(size + kPiece);
    const ssize_t got = ::read(file.fd(), text.data() + size, kPiece);
    text.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got < 0 && errno != EINTR) return unreadable();
    if (got == 0) return text;
    if (text.size() > bytes_max) return invalid("is larger than " + size_text(bytes_max));
  }
}

}  // namespace runnel
