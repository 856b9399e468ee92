// Looking through directories: which files there are, of what size and age, under which names;
// within bounds.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/flow/el/regex.h"

namespace runnel {

struct FileFacts {
  std::string path;       // as it can be opened
  std::string directory;  // absolute, without a slash at the end
  std::string relative;   // the directory below the one searched: "" or "a/b"
  std::string name;
  std::uint64_t size = 0;
  std::int64_t modified_ms = 0;  // since the epoch
  std::uint64_t inode = 0;
  std::uint64_t device = 0;
  std::uint32_t mode = 0;
  std::uint32_t owner = 0;
  std::uint32_t group = 0;
};

struct DirectoryFilter {
  bool is_recursive = true;
  bool ignores_hidden = true;
  std::optional<Regex> name;  // the whole name
  std::optional<Regex> path;  // the whole relative directory
  std::int64_t age_ms_min = 0;
  std::optional<std::int64_t> age_ms_max;
  std::uint64_t size_min = 0;
  std::optional<std::uint64_t> size_max;
};

// Visits the regular files that pass the filter, in no particular order, until `visit` returns
// false. Symbolic links to files are followed, to directories are not. kNotFound: there is no such
// directory; files that vanish or cannot be read on the way are passed over.
Result<> each_file(const std::string& directory, const DirectoryFilter& filter, std::int64_t now_ms,
                   const std::function<bool(const FileFacts&)>& visit);

// Facts of one file; kNotFound, kUnavailable (no permission) or kInvalid (no regular file).
Result<FileFacts> facts_of(const std::string& path);
class OpenFile;
// The same of a file that is open, by its descriptor: `path` and the names are as given,
// `directory` is left empty.
Result<FileFacts> facts_of(const OpenFile& file, const std::string& path);

// Whether it is the same file, and nobody has written to it between the two looks.
bool is_unchanged(const FileFacts& before, const FileFacts& now);

// The absolute path with symbolic links resolved; as given when that cannot be done.
std::string absolute_path(const std::string& path);

// rwxr-x---, as ls shows it.
std::string permissions_text(std::uint32_t mode);
std::string user_name(std::uint32_t id);
std::string group_name(std::uint32_t id);

// "/a/b" and "c" -> "/a/b/c".
std::string joined_path(std::string_view directory, std::string_view name);

// A file descriptor that closes itself.
class OpenFile {
 public:
  OpenFile() = default;
  explicit OpenFile(int descriptor) : descriptor_(descriptor) {}
  OpenFile(OpenFile&& other) noexcept : descriptor_(other.release()) {}
  OpenFile& operator=(OpenFile&& other) noexcept;
  ~OpenFile();

  // kNotFound, kUnavailable: why the system would not open it. `flags` as open(2).
  static Result<OpenFile> open(const std::string& path, int flags, std::uint32_t mode = 0644);

  explicit operator bool() const { return descriptor_ >= 0; }
  int descriptor() const { return descriptor_; }
  // Fills as much of `into` as there is from `offset` on; 0 at the end.
  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const;
  Result<> write_all(std::string_view bytes) const;
  Result<> sync() const;
  int release();

 private:
  int descriptor_ = -1;
};

// Gives a file another name, on the same file system; false: there is one of this name already.
Result<bool> move_if_absent(const std::string& from, const std::string& to);
// Makes a directory and those above it that are missing. `mode` as chmod, whatever the umask;
// nothing: 0755 less the umask.
Result<> make_directories(const std::string& directory, std::optional<std::uint32_t> mode = {});

// What errno says, as an error whose code tells what to do.
Error system_error(std::string_view what, int number);
// fsyncs a directory, so that a file's new name in it survives a power cut.
Result<> sync_directory(const std::string& directory);

}  // namespace runnel
