// Reading a master key: from files, and from the programs that open sealed ones.

#include "agent/runtime/key_source.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/cipher.h"
#include "agent/base/descriptor.h"
#include "agent/base/ids.h"

extern char** environ;

namespace runnel {
namespace {

constexpr std::size_t kKeyTextMax = 4096;

Result<std::string> read_all(const Descriptor& from) {
  Result<std::string> text = read_to_end(from, kKeyTextMax);
  if (text.ok()) return text;
  return invalid(text.code() == Code::kFull ? "it is too long for a key" : text.error().text());
}

Result<std::string> key_of_file(const std::string& path, bool checks_mode) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return invalid("`" + path + "`: " + std::strerror(errno));
  struct stat status {};
  if (::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode))
    return invalid("`" + path + "` is no file");
  // systemd sees to the directory of credentials; its files may belong to root.
  if (checks_mode && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
    return invalid("`" + path + "` can be read or written by others; `chmod 600` it");
  TRY_ASSIGN(text, read_all(file).within("`" + path + "`"));
  return parse_key(text).within("`" + path + "`");
}

// What the program writes to its standard output. No shell has a part in it.
Result<std::string> key_of_program(const std::vector<std::string>& words) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return invalid(std::strerror(errno));
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to.number(), STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = 0;
  const int failed =
      ::posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return invalid("`" + words[0] + "` cannot be run: " + std::strerror(failed));
  to.close();
  Result<std::string> text = read_all(from);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return invalid("`" + words[0] + "` gave no key (it says why on standard error)");
  TRY(text);
  return parse_key(*text).within("what `" + words[0] + "` gave");
}

struct Source {
  std::string kind;
  std::string what;
};

Result<Source> source_of(std::string_view text) {
  const std::size_t colon = text.find(':');
  Source source;
  if (colon == text.npos || text.starts_with('/') || text.starts_with('.')) {
    source = {"file", std::string(text)};
  } else {
    source = {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  }
  const bool is_known = source.kind == "file" || source.kind == "credential" ||
                        source.kind == "sealed" || source.kind == "tpm2";
  if (!is_known || source.what.empty()) {
    return invalid("`" + std::string(text) +
                   "` is no source of a key: `file:PATH`, `credential:NAME`, `sealed:PATH` or "
                   "`tpm2:OBJECT`");
  }
  if (source.kind == "credential" && source.what.find('/') != std::string::npos)
    return invalid("`" + source.what + "` is no name of a credential");
  return source;
}

}  // namespace

Result<std::string> parse_key(std::string_view text) {
  if (text.size() == kCipherKeyBytes) return std::string(text);
  const Result<std::string> key = from_hex(trimmed(text));
  if (!key.ok() || key->size() != kCipherKeyBytes)
    return invalid("a key is 32 bytes, or 64 hexadecimal digits");
  return *key;
}

Result<> check_key_source(std::string_view source) {
  TRY(source_of(source));
  return {};
}

Result<std::string> read_master_key(std::string_view text) {
  TRY_ASSIGN(source, source_of(text));
  if (source.kind == "file") return key_of_file(source.what, true).within("encryption key");
  if (source.kind == "credential") {
    const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr) {
      return invalid(
          "encryption key: there is no $CREDENTIALS_DIRECTORY; does the unit say "
          "LoadCredential=" +
          source.what + "?");
    }
    return key_of_file(std::string(directory) + "/" + source.what, false).within("encryption key");
  }
  if (source.kind == "sealed")
    return key_of_program({"systemd-creds", "decrypt", source.what, "-"}).within("encryption key");
  return key_of_program({"tpm2_unseal", "-Q", "-c", source.what}).within("encryption key");
}

Result<> make_key_file(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file.is_open()) return invalid("`" + path + "`: " + std::strerror(errno));
  std::string key = random_bytes(kCipherKeyBytes);
  std::string text = to_hex(key) + "\n";
  const ssize_t written = ::write(file.number(), text.data(), text.size());
  const bool is_whole = written == static_cast<ssize_t>(text.size()) && ::fsync(file.number()) == 0;
  const int why = errno;
  wipe(key);
  wipe(text);
  if (!is_whole) {
    ::unlink(path.c_str());
    return unavailable("`" + path + "`: " + std::strerror(why));
  }
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open() || ::fsync(directory.number()) != 0)
    return unavailable("`" + folder + "`: " + std::strerror(errno));
  return {};
}

}  // namespace runnel
