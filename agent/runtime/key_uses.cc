// Looking for the names of data keys in a state directory.

#include "agent/runtime/key_uses.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/runtime/ledger_reader.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kNameBytes = 8;
constexpr std::size_t kSegmentBlock = 4096;
constexpr std::size_t kSearchPiece = 256 << 10;

class Search {
 public:
  explicit Search(const std::set<std::string>& asked) {
    for (const std::string& name : asked) {
      const Result<std::string> bytes = from_hex(name);
      if (bytes.ok() && bytes->size() == kNameBytes) left_.push_back(*bytes);
    }
  }

  bool is_over() const { return left_.empty(); }
  std::set<std::string> found() const { return found_; }

  void note(std::string_view name) {
    const auto at = std::find(left_.begin(), left_.end(), name);
    if (at == left_.end()) return;
    found_.insert(to_hex(*at));
    left_.erase(at);
  }

  Result<> heads_of_blocks(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::array<char, kNameBytes> head{};
    for (std::uint64_t at = 0; !is_over(); at += kSegmentBlock) {
      file.seekg(static_cast<std::streamoff>(at));
      if (!file.read(head.data(), head.size())) break;
      note({head.data(), head.size()});
    }
    return file.bad() || !file.is_open() ? Result<>(unread(path)) : Result<>();
  }

  Result<> anywhere(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string piece;
    std::vector<char> room(kSearchPiece);
    while (!is_over() && file) {
      file.read(room.data(), static_cast<std::streamsize>(room.size()));
      // A name may begin in the piece before.
      piece.erase(0, piece.size() - std::min(piece.size(), kNameBytes - 1));
      piece.append(room.data(), static_cast<std::size_t>(file.gcount()));
      for (const std::string& name : std::vector<std::string>(left_))
        if (piece.find(name) != piece.npos) note(name);
    }
    return file.bad() || !file.is_open() ? Result<>(unread(path)) : Result<>();
  }

 private:
  static Error unread(const fs::path& path) {
    return unavailable("`" + path.string() + "` cannot be read");
  }

  std::vector<std::string> left_;
  std::set<std::string> found_;
};

// Where nothing is ever sealed, or what is asked otherwise.
bool is_passed_over(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name == "lock" || name == "reserve" || name == "counts") return true;
  for (const char* database : {"ledger.db", "durable.db", "uplink.db"})
    if (name.starts_with(database)) return true;
  return path.extension() == ".blk" || path.extension() == ".seg";
}

}  // namespace

Result<std::set<std::string>> data_keys_in_use(const std::string& state_dir,
                                               const std::set<std::string>& asked) {
  std::error_code error;
  const fs::path root(state_dir);
  if (fs::exists(root / "quarantine", error) && !fs::is_empty(root / "quarantine", error))
    return asked;
  Search search(asked);
  TRY_ASSIGN(rows, LedgerReader::data_keys(state_dir));
  for (const std::string& name : rows) search.note(name);
  // A directory of ours may be a link to another disk; links in it are not ours.
  fs::recursive_directory_iterator files(root, fs::directory_options::follow_directory_symlink,
                                         error);
  for (; !error && files != fs::recursive_directory_iterator() && !search.is_over();
       files.increment(error)) {
    const fs::path& path = files->path();
    if (path == root / "keys") {
      files.disable_recursion_pending();
      continue;
    }
    if (files.depth() > 0 && files->is_symlink(error)) files.disable_recursion_pending();
    if (!files->is_regular_file(error) || is_passed_over(path)) continue;
    if (path.extension() == ".enc") {
      TRY(search.heads_of_blocks(path));
    } else {
      TRY(search.anywhere(path));
    }
  }
  if (error) return unavailable("`" + state_dir + "`: " + error.message());
  return search.found();
}

}  // namespace runnel
