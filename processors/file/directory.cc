// Directories and files by the system's own calls: std::filesystem has no inode and no fsync.

#include "processors/file/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr std::size_t kDepthMax = 64;

struct DirDelete {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

void fill(FileFacts& facts, const struct stat& status) {
  facts.size = static_cast<std::uint64_t>(status.st_size);
  facts.modified_ms =
      std::int64_t{status.st_mtim.tv_sec} * 1000 + status.st_mtim.tv_nsec / 1'000'000;
  facts.inode = status.st_ino;
  facts.device = status.st_dev;
  facts.mode = status.st_mode;
  facts.owner = status.st_uid;
  facts.group = status.st_gid;
}

bool passes(const DirectoryFilter& filter, const FileFacts& facts, std::int64_t now_ms) {
  const std::int64_t age = now_ms - facts.modified_ms;
  // A file from the future (a clock that was set back) is young as far as it is near: who writes to
  // it now makes it of now.
  if (filter.age_ms_min > 0 && std::abs(age) < filter.age_ms_min) return false;
  if (filter.age_ms_max && age > *filter.age_ms_max) return false;
  if (facts.size < filter.size_min) return false;
  return !filter.size_max || facts.size <= *filter.size_max;
}

class Walk {
 public:
  Walk(const DirectoryFilter& filter, std::int64_t now_ms,
       const std::function<bool(const FileFacts&)>& visit)
      : filter_(filter), now_ms_(now_ms), visit_(visit) {}

  // Returns false when the visitor has had enough.
  bool go(DIR* raw, const std::string& directory, const std::string& relative, std::size_t depth) {
    const std::unique_ptr<DIR, DirDelete> dir(raw);
    while (const dirent* entry = ::readdir(dir.get())) {
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (filter_.ignores_hidden && name[0] == '.') continue;
      if (!enter(directory, relative, std::string(name), depth)) return false;
    }
    return true;
  }

 private:
  bool enter(const std::string& directory, const std::string& relative, const std::string& name,
             std::size_t depth) {
    const std::string path = joined_path(directory, name);
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) return true;
    if (S_ISDIR(status.st_mode)) {
      if (!filter_.is_recursive || depth >= kDepthMax) return true;
      DIR* below = ::opendir(path.c_str());
      const std::string deeper = relative.empty() ? name : relative + "/" + name;
      return below == nullptr || go(below, path, deeper, depth + 1);
    }
    // A name may be any bytes; a pattern is for text.
    if (filter_.name && !filter_.name->matches(to_utf8(name))) return true;
    if (filter_.path && !filter_.path->matches(to_utf8(relative))) return true;
    if (S_ISLNK(status.st_mode) && ::stat(path.c_str(), &status) != 0) return true;
    if (!S_ISREG(status.st_mode)) return true;
    FileFacts facts{.path = path, .directory = directory, .relative = relative, .name = name};
    fill(facts, status);
    return !passes(filter_, facts, now_ms_) || visit_(facts);
  }

  const DirectoryFilter& filter_;
  const std::int64_t now_ms_;
  const std::function<bool(const FileFacts&)>& visit_;
};

}  // namespace

Error system_error(std::string_view what, int number) {
  std::string text = std::string(what) + ": " + std::strerror(number);
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return not_found(std::move(text));
    case ENOSPC:
    case EDQUOT:
      return full(std::move(text));
    case EINVAL:
    case ENAMETOOLONG:
    case EISDIR:
      return invalid(std::move(text));
    default:
      return unavailable(std::move(text));
  }
}

Result<> each_file(const std::string& directory, const DirectoryFilter& filter, std::int64_t now_ms,
                   const std::function<bool(const FileFacts&)>& visit) {
  DIR* dir = ::opendir(directory.c_str());
  if (dir == nullptr) return system_error("directory `" + directory + "`", errno);
  Walk walk(filter, now_ms, visit);
  walk.go(dir, absolute_path(directory), "", 0);
  return {};
}

Result<FileFacts> facts_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error("`" + path + "`", errno);
  if (!S_ISREG(status.st_mode)) return invalid("`" + path + "` is no regular file");
  FileFacts facts;
  facts.path = path;
  const std::string whole = absolute_path(path);
  const std::size_t slash = whole.rfind('/');
  facts.directory = slash == 0 ? "/" : whole.substr(0, slash);
  facts.name = path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
  fill(facts, status);
  return facts;
}

Result<FileFacts> facts_of(const OpenFile& file, const std::string& path) {
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) return system_error("`" + path + "`", errno);
  if (!S_ISREG(status.st_mode)) return invalid("`" + path + "` is no regular file");
  FileFacts facts;
  facts.path = path;
  facts.name = path.substr(path.rfind('/') == std::string::npos ? 0 : path.rfind('/') + 1);
  fill(facts, status);
  return facts;
}

bool is_unchanged(const FileFacts& before, const FileFacts& now) {
  return now.device == before.device && now.inode == before.inode && now.size == before.size &&
         now.modified_ms == before.modified_ms;
}

std::string absolute_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         std::free);
  return real ? std::string(real.get()) : path;
}

std::string permissions_text(std::uint32_t mode) {
  constexpr std::string_view kLetters = "rwxrwxrwx";
  std::string text;
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    text += (mode & (0400U >> i)) != 0 ? kLetters[i] : '-';
  }
  return text;
}

std::string user_name(std::uint32_t id) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(id, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return std::to_string(id);
}

std::string group_name(std::uint32_t id) {
  std::array<char, 4096> buffer{};
  ::group entry{};
  ::group* found = nullptr;
  if (::getgrgid_r(id, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->gr_name;
  }
  return std::to_string(id);
}

std::string joined_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') path += '/';
  path += name;
  return path;
}

// FAT has no second names for a file; NFS does not know how to rename unless; some have neither.
Result<bool> move_if_absent(const std::string& from, const std::string& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return true;
  if (errno == EINVAL || errno == ENOSYS) {
    if (::link(from.c_str(), to.c_str()) == 0) {
      ::unlink(from.c_str());
      return true;
    }
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS) {
      struct stat status {};
      if (::lstat(to.c_str(), &status) == 0) return false;
      if (::rename(from.c_str(), to.c_str()) == 0) return true;
    }
  }
  if (errno == EEXIST) return false;
  return system_error("renaming to `" + to + "`", errno);
}

Result<> make_directories(const std::string& directory, std::optional<std::uint32_t> mode) {
  for (std::size_t at = directory.find('/', 1);; at = directory.find('/', at + 1)) {
    const std::string part = directory.substr(0, at);
    if (::mkdir(part.c_str(), 0755) == 0) {
      if (mode && ::chmod(part.c_str(), *mode) != 0)
        return system_error("setting permissions of `" + part + "`", errno);
    } else if (errno != EEXIST) {
      return system_error("making `" + part + "`", errno);
    }
    if (at == std::string::npos) return {};
  }
}

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = other.release();
  }
  return *this;
}

OpenFile::~OpenFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int OpenFile::release() {
  const int descriptor = descriptor_;
  descriptor_ = -1;
  return descriptor;
}

Result<OpenFile> OpenFile::open(const std::string& path, int flags, std::uint32_t mode) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (descriptor < 0) return system_error("opening `" + path + "`", errno);
  return OpenFile(descriptor);
}

Result<std::size_t> OpenFile::read_at(std::uint64_t offset, char* into, std::size_t size) const {
  while (true) {
    const ssize_t got = ::pread(descriptor_, into, size, static_cast<off_t>(offset));
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) return system_error("reading", errno);
  }
}

Result<> OpenFile::write_all(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return system_error("writing", errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<> OpenFile::sync() const {
  if (::fsync(descriptor_) != 0) return system_error("fsync", errno);
  return {};
}

Result<> sync_directory(const std::string& directory) {
  TRY_ASSIGN(file, OpenFile::open(directory, O_RDONLY | O_DIRECTORY));
  return file.sync();
}

}  // namespace runnel
