// Which files are the rotated versions of a tailed file, and which of them we were reading.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "processors/file/directory.h"
#include "processors/file/tail_state.h"

namespace runnel {

// Matches `*` and `?` as a shell does.
bool matches_glob(std::string_view glob, std::string_view text);

// The rotated versions of the file at `path` that were changed since then, oldest first: files of
// its directory that match `pattern`, in which `${filename}` is its name without the last
// extension, as in MiNiFi. Empty when the directory cannot be read.
std::vector<FileFacts> rolled_files(const std::string& path, std::string_view pattern);

// Which of them is the file of the state: the same inode, or, copied and truncated, the same bytes
// in a file that was changed since. An error: it seems to be there, but cannot be looked into now.
Result<std::optional<std::size_t>> find_rolled(const std::vector<FileFacts>& rolled,
                                               const TailState& state);

// Whether a rotated version was compressed, by its name.
bool is_compressed(std::string_view name);

// "/a/b.log" -> "/a" and "b.log"; "b.log" -> "." and "b.log".
std::string directory_of(const std::string& path);
std::string name_of_file(const std::string& path);

}  // namespace runnel
