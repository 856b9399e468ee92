// Opens without waiting, reads no more than is allowed.

#include "agent/base/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/descriptor.h"

namespace runnel {
namespace {

Error unreadable() {
  const std::string text = std::string("cannot be read: ") + std::strerror(errno);
  return errno == ENOENT || errno == ENOTDIR ? not_found(text) : unavailable(text);
}

}  // namespace

Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max) {
  const bool is_open_already = path == "/dev/stdin" || path.starts_with("/dev/fd/");
  // O_NONBLOCK: a named pipe would hold us until somebody writes to it.
  const int waits = is_open_already ? 0 : O_NONBLOCK;
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | waits));
  struct stat facts {};
  if (!file.is_open() || ::fstat(file.number(), &facts) != 0) return unreadable();
  if (S_ISDIR(facts.st_mode)) return invalid("is a folder");
  if (!S_ISREG(facts.st_mode) && !is_open_already) return invalid("is no regular file");
  Result<std::string> text = read_to_end(file, bytes_max);
  if (text.ok()) return text;
  if (text.code() == Code::kFull) return invalid("is larger than " + size_text(bytes_max));
  return text.error().within("cannot be read");
}

}  // namespace runnel
