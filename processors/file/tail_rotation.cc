// Rotated versions are found by name, told apart by inode and content, and put in order by time.

#include "processors/file/tail_rotation.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <utility>

#include "agent/base/log.h"

namespace runnel {
namespace {

constexpr std::size_t kRolledMax = 10'000;

std::string glob_of(const std::string& name, std::string_view pattern) {
  const std::size_t dot = name.rfind('.');
  const std::string stem = dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
  std::string glob(pattern);
  constexpr std::string_view kPlaceholder = "${filename}";
  for (std::size_t at = glob.find(kPlaceholder); at != std::string::npos;
       at = glob.find(kPlaceholder, at)) {
    glob.replace(at, kPlaceholder.size(), stem);
    at += stem.size();
  }
  return glob;
}

}  // namespace

// Goes back to the last `*` only: no more steps than glob times text.
bool matches_glob(std::string_view glob, std::string_view text) {
  std::size_t g = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      star_text = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

bool is_compressed(std::string_view name) {
  constexpr std::array<std::string_view, 8> kEnds{".gz",  ".bz2", ".xz",  ".zst",
                                                  ".lz4", ".lzo", ".zip", ".Z"};
  return std::any_of(kEnds.begin(), kEnds.end(),
                     [name](std::string_view end) { return name.ends_with(end); });
}

std::vector<FileFacts> rolled_files(const std::string& path, std::string_view pattern) {
  const std::string name = name_of_file(path);
  const std::string glob = glob_of(name, pattern);
  std::vector<FileFacts> rolled;
  DirectoryFilter filter;
  filter.is_recursive = false;
  filter.ignores_hidden = false;
  const Result<> walked = each_file(directory_of(path), filter, 0, [&](const FileFacts& file) {
    if (file.name != name && matches_glob(glob, file.name)) rolled.push_back(file);
    return rolled.size() < kRolledMax;
  });
  if (!walked.ok()) {
    log_debug("file", "looking for rotated files", {{"reason", walked.error().text()}});
  }
  // Of two that were changed at the same moment, `app.log.2` is older than `app.log.1`.
  std::sort(rolled.begin(), rolled.end(), [](const FileFacts& a, const FileFacts& b) {
    return std::pair(a.modified_ms, b.name) < std::pair(b.modified_ms, a.name);
  });
  return rolled;
}

Result<std::optional<std::size_t>> find_rolled(const std::vector<FileFacts>& rolled,
                                               const TailState& state) {
  for (std::size_t i = 0; i < rolled.size(); ++i) {
    if (rolled[i].device != state.device || rolled[i].inode != state.inode) continue;
    if (rolled[i].size < state.position) continue;
    const Result<OpenFile> file = OpenFile::open(rolled[i].path, O_RDONLY);
    if (!file.ok() && file.code() != Code::kNotFound) return file.error();
    if (file.ok() && has_marks(state, *file)) return std::optional(i);
  }
  if (state.head_size == 0) return std::optional<std::size_t>();
  for (std::size_t i = 0; i < rolled.size(); ++i) {
    if (rolled[i].modified_ms < state.modified_ms || rolled[i].size < state.position) continue;
    const Result<OpenFile> file = OpenFile::open(rolled[i].path, O_RDONLY);
    if (file.ok() && has_marks(state, *file)) return std::optional(i);
  }
  return std::optional<std::size_t>();
}

}  // namespace runnel
