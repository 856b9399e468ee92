// TailFile: makes FlowFiles of the lines that are appended to a file, over its rotations.
//
// The position is committed together with the lines, so after a crash no line is missing and none
// comes twice. Rotation by rename: the old file is found again by its inode, read to its end, and
// then what was rolled after it, oldest first. Rotation by copy and truncate: the copy is found by
// its first bytes. A line without its delimiter waits for the rest, unless its file was rotated
// away.

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/file/directory.h"
#include "processors/file/tail_state.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class TailMode { kSingleFile, kMultipleFile };
enum class StartPosition { kBeginningOfFile, kBeginningOfTime, kCurrentTime };
enum class ResultMode { kPerDelimiter, kPerBatch };

template <>
struct EnumNames<TailMode> {
  static constexpr std::array<std::pair<TailMode, std::string_view>, 2> names{
      {{TailMode::kSingleFile, "Single file"}, {TailMode::kMultipleFile, "Multiple file"}}};
};
template <>
struct EnumNames<StartPosition> {
  static constexpr std::array<std::pair<StartPosition, std::string_view>, 3> names{
      {{StartPosition::kBeginningOfTime, "Beginning of Time"},
       {StartPosition::kBeginningOfFile, "Beginning of File"},
       {StartPosition::kCurrentTime, "Current Time"}}};
};
template <>
struct EnumNames<ResultMode> {
  static constexpr std::array<std::pair<ResultMode, std::string_view>, 2> names{
      {{ResultMode::kPerDelimiter, "Flow file per delimiter"},
       {ResultMode::kPerBatch, "Flow file per batch"}}};
};

namespace {

using namespace std::chrono_literals;

struct TailFileConfig {
  EnvironmentText file_to_tail;
  std::string input_delimiter = "\\n";
  bool includes_delimiter = true;
  TailMode tail_mode = TailMode::kSingleFile;
  std::optional<EnvironmentText> base_directory;
  bool recursive_lookup = false;
  std::chrono::milliseconds lookup_frequency = 10min;
  std::string rolling_pattern = "${filename}.*";
  StartPosition start_position = StartPosition::kBeginningOfFile;
  std::uint32_t batch_size = 0;
  ResultMode result_mode = ResultMode::kPerDelimiter;
  Size line_size_max{16 << 20};
};

class TailFile final : public Processor {
 public:
  using Config = TailFileConfig;
  static Result<std::unique_ptr<TailFile>> make(Config config);
  TailFile(Config config, std::string delimiter, std::optional<Regex> name)
      : config_(std::move(config)), delimiter_(std::move(delimiter)), name_(std::move(name)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  // One pass over one piece of a file.
  struct Reading {
    const OpenFile& file;
    const FileFacts& facts;
    const std::string& path;  // of the file as it is tailed, whatever it is called now
    TailState& state;
    bool
        is_finished;  // nothing more will be appended: what is left without delimiter is a line too
  };

  Result<> look_up();
  Result<> tail(Session& session, const std::string& path);
  Result<> begin(Session& session, const std::string& path, const OpenFile& file,
                 const FileFacts& facts, TailState& state);
  Result<> finish_rotated(Session& session, const std::string& path, TailState& state);
  std::vector<FileFacts> rolled_files(const std::string& path, std::int64_t since_ms) const;
  Result<bool> read_rolled(Session& session, const std::string& path, TailState& state,
                           const std::vector<FileFacts>& rolled, const FileFacts& file);
  Result<> read(Session& session, const Reading& reading);
  Result<> emit(Session& session, const Reading& reading, std::uint64_t from,
                std::string_view bytes);
  bool is_slice_full() const { return lines_ >= line_count_max(); }
  std::uint32_t line_count_max() const {
    return config_.batch_size == 0 ? kLinesMax : std::min(config_.batch_size, kLinesMax);
  }

  static constexpr std::uint32_t kLinesMax =
      256;  // in one call; the runtime calls again while there are more

  const Config config_;
  const std::string delimiter_;
  const std::optional<Regex> name_;
  Context* context_ = nullptr;
  Relationship success_;
  std::vector<std::string> paths_;
  SteadyTime looked_up_at_{};
  bool has_looked_up_ = false;
  std::uint32_t lines_ = 0;  // made by this call
  std::vector<char> buffer_;
};

constexpr std::size_t kBuffer = 128 << 10;
constexpr std::size_t kFilesMax = 10'000;
constexpr std::string_view kStatePrefix = "tail:";

// "\\n" -> newline, as people write it in a property.
std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[++i];
    out += next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : next == '0' ? '\0' : next;
  }
  return out;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_in(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// Matches `*` and `?` as a shell does.
bool matches_glob(std::string_view glob, std::string_view text) {
  if (glob.empty()) return text.empty();
  if (glob[0] == '*') {
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (matches_glob(glob.substr(1), text.substr(i))) return true;
    }
    return false;
  }
  return !text.empty() && (glob[0] == '?' || glob[0] == text[0]) &&
         matches_glob(glob.substr(1), text.substr(1));
}

}  // namespace

ProcessorType tail_file() {
  using C = TailFileConfig;
  return Describe<TailFile>("TailFile",
                            "Makes FlowFiles of the lines that are appended to a file, or to "
                            "several, over their rotations.")
      .property("File to Tail", &C::file_to_tail,
                {.doc = "The file's path; in the mode `Multiple file` a regular expression for "
                        "whole file names.",
                 .required = true,
                 .example = "/var/log/syslog"})
      .property("tail-mode", &C::tail_mode, {.doc = "One file, or all that match in a directory."})
      .property("tail-base-directory", &C::base_directory,
                {.doc = "Where to look for files in the mode `Multiple file`."})
      .property("Recursive lookup", &C::recursive_lookup,
                {.doc = "Look into its subdirectories, too."})
      .property("Lookup frequency", &C::lookup_frequency,
                {.doc = "How often to look for new files in the mode `Multiple file`.", .min = 0ms})
      .property("Input Delimiter", &C::input_delimiter,
                {.doc = "What ends a line; one character, `\\n` and the like. Empty: whatever is "
                        "there makes one FlowFile."})
      .property("Include Delimiter", &C::includes_delimiter,
                {.doc = "Whether the delimiter is part of the FlowFile's content."})
      .property("Rolling Filename Pattern", &C::rolling_pattern,
                {.doc = "Which files in the same directory are rotated versions; `${filename}` is "
                        "the tailed file's name without its last extension, "
                        "`*` and `?` stand for anything and any one character."})
      .property("Initial Start Position", &C::start_position,
                {.doc = "Where to begin with a file that was never seen: at its beginning, at the "
                        "beginning of its oldest rotated version, or at its end."})
      .property("Batch Size", &C::batch_size,
                {.doc = "Lines taken in one run; 0: as many as there are.", .max = 1'000'000})
      .property("Result Mode", &C::result_mode,
                {.doc = "A FlowFile for each line, or for all lines of one run."})
      .property("Maximum Line Size", &C::line_size_max,
                {.doc = "A longer line is cut into pieces of this size.",
                 .min = Size{1024},
                 .max = Size{1 << 30}})
      .relationship("success", "The lines.")
      .writes("filename",
              "The file's name, then the positions of the FlowFile's first and last byte: "
              "`app.100-199.log`.")
      .writes("path", "The file's directory.")
      .writes("absolute.path", "The file's directory, absolute.")
      .input(InputRule::kForbidden)
      .trigger(DefaultTrigger::kTimer)
      .example(R"(syslog:
  type: TailFile
  properties: {File to Tail: /var/log/syslog, Include Delimiter: "false"}
)");
}

Result<std::unique_ptr<TailFile>> TailFile::make(Config config) {
  std::string delimiter = unescaped(config.input_delimiter);
  if (delimiter.size() > 1) {
    return invalid("property `Input Delimiter`: `" + config.input_delimiter +
                   "` is more than one character");
  }
  std::optional<Regex> name;
  if (config.tail_mode == TailMode::kMultipleFile) {
    if (!config.base_directory) {
      return invalid("the mode `Multiple file` needs `tail-base-directory`");
    }
    TRY_ASSIGN(pattern,
               Regex::compile(config.file_to_tail.value).within("property `File to Tail`"));
    name = std::move(pattern);
  }
  return std::make_unique<TailFile>(std::move(config), std::move(delimiter), std::move(name));
}

Result<> TailFile::on_trigger(Session& session) {
  TRY(look_up());
  lines_ = 0;
  for (const std::string& path : paths_) {
    TRY(tail(session, path));
    if (is_slice_full()) break;
  }
  return {};
}

Result<> TailFile::look_up() {
  if (config_.tail_mode == TailMode::kSingleFile) {
    if (paths_.empty()) paths_.push_back(config_.file_to_tail.value);
    return {};
  }
  const SteadyTime now = context_->clock().steady();
  if (has_looked_up_ && now - looked_up_at_ < config_.lookup_frequency) return {};
  has_looked_up_ = true;
  looked_up_at_ = now;
  DirectoryFilter filter;
  filter.is_recursive = config_.recursive_lookup;
  filter.name = name_;
  filter.age_ms_min = INT64_MIN / 2;
  std::vector<std::string> paths;
  TRY(each_file(config_.base_directory->value, filter, context_->clock().wall_ms(),
                [&](const FileFacts& file) {
                  paths.push_back(file.path);
                  return paths.size() < kFilesMax;
                }));
  std::sort(paths.begin(), paths.end());
  // A file that has gone may have been rotated: it stays until its rest is read.
  for (const std::string& old : paths_) {
    if (!std::binary_search(paths.begin(), paths.end(), old) && paths.size() < kFilesMax) {
      paths.insert(std::lower_bound(paths.begin(), paths.end(), old), old);
    }
  }
  paths_ = std::move(paths);
  return {};
}

Result<> TailFile::tail(Session& session, const std::string& path) {
  const std::string key = std::string(kStatePrefix) + path;
  const std::optional<std::string> saved = session.state(key);
  TailState state;
  if (saved) {
    TRY_ASSIGN(parsed, TailState::parse(*saved));
    state = parsed;
  }
  const TailState before = state;
  const Result<FileFacts> facts = facts_of(path);
  if (!facts.ok()) {
    if (facts.code() != Code::kNotFound) return facts.error();
    if (!saved) return {};  // not there yet
    TRY(finish_rotated(session, path, state));
  } else {
    const Result<OpenFile> file = OpenFile::open(path, O_RDONLY);
    if (!file.ok()) return file.code() == Code::kNotFound ? Result<>{} : file.error();
    if (!saved) {
      TRY(begin(session, path, *file, *facts, state));
    } else if (!is_same_file(state, *file, *facts)) {
      TRY(finish_rotated(session, path, state));
      if (!is_slice_full()) {
        state = TailState{
            .device = facts->device, .inode = facts->inode, .modified_ms = facts->modified_ms};
      }
    }
    const bool is_current = state.device == facts->device && state.inode == facts->inode;
    if (is_current && !is_slice_full()) {
      TRY(read(session, {*file, *facts, path, state, false}));
    }
  }
  if (state.text() != before.text() || !saved) session.set_state(key, state.text());
  return {};
}

// A file that was never seen: decides where to begin.
Result<> TailFile::begin(Session& session, const std::string& path, const OpenFile& file,
                         const FileFacts& facts, TailState& state) {
  state = TailState{.device = facts.device, .inode = facts.inode, .modified_ms = facts.modified_ms};
  if (config_.start_position == StartPosition::kCurrentTime) {
    state.position = facts.size;
    note_head(state, file);
  } else if (config_.start_position == StartPosition::kBeginningOfTime) {
    // As if the oldest rotated version had been at hand and nothing of it read.
    const std::vector<FileFacts> rolled = rolled_files(path, INT64_MIN);
    if (rolled.empty()) return {};
    state = TailState{
        .device = rolled[0].device, .inode = rolled[0].inode, .modified_ms = rolled[0].modified_ms};
    TRY(finish_rotated(session, path, state));
    if (!is_slice_full()) {
      state =
          TailState{.device = facts.device, .inode = facts.inode, .modified_ms = facts.modified_ms};
    }
  }
  return {};
}

// The rotated versions of a file that were changed since then, oldest first.
std::vector<FileFacts> TailFile::rolled_files(const std::string& path,
                                              std::int64_t since_ms) const {
  const std::string name = name_in(path);
  // MiNiFi: `${filename}` is the name without its last extension, or the whole when there is none.
  const std::size_t dot = name.rfind('.');
  const std::string stem = dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
  std::string glob = config_.rolling_pattern;
  constexpr std::string_view kPlaceholder = "${filename}";
  for (std::size_t at = glob.find(kPlaceholder); at != std::string::npos;
       at = glob.find(kPlaceholder, at)) {
    glob.replace(at, kPlaceholder.size(), stem);
    at += stem.size();
  }
  std::vector<FileFacts> rolled;
  DirectoryFilter filter;
  filter.is_recursive = false;
  filter.age_ms_min = INT64_MIN / 2;
  const Result<> walked =
      each_file(parent_of(path), filter, context_->clock().wall_ms(), [&](const FileFacts& file) {
        if (file.name != name && file.modified_ms >= since_ms && matches_glob(glob, file.name)) {
          rolled.push_back(file);
        }
        return rolled.size() < kFilesMax;
      });
  if (!walked.ok())
    log_debug("file", "looking for rotated files", {{"reason", walked.error().text()}});
  std::sort(rolled.begin(), rolled.end(), [](const FileFacts& a, const FileFacts& b) {
    return std::pair(a.modified_ms, b.name) < std::pair(b.modified_ms, a.name);
  });
  return rolled;
}

// The file of `state` is no longer at its path, or was truncated: reads its rest, and what was
// rolled after it.
Result<> TailFile::finish_rotated(Session& session, const std::string& path, TailState& state) {
  const std::vector<FileFacts> rolled = rolled_files(path, state.modified_ms);
  // The one we were reading: by inode, else (copied and truncated) by its first bytes.
  std::size_t ours = rolled.size();
  for (std::size_t i = 0; i < rolled.size() && ours == rolled.size(); ++i) {
    if (rolled[i].device == state.device && rolled[i].inode == state.inode) ours = i;
  }
  for (std::size_t i = 0; i < rolled.size() && ours == rolled.size() && state.head_size > 0; ++i) {
    const Result<OpenFile> file = OpenFile::open(rolled[i].path, O_RDONLY);
    if (file.ok() && rolled[i].size >= state.position &&
        head_hash(*file, state.head_size) == state.head_hash) {
      ours = i;
    }
  }
  if (ours == rolled.size() && state.position > 0) {
    context_->bulletin(
        BulletinLevel::kWarning,
        "`" + path +
            "` was truncated or replaced, and no rotated version of it was found: what was "
            "appended after byte " +
            std::to_string(state.position) + " before that is missing");
  }
  for (std::size_t i = ours == rolled.size() ? 0 : ours; i < rolled.size(); ++i) {
    if (ours == rolled.size() && rolled[i].modified_ms <= state.modified_ms) continue;
    if (i != ours) {
      state = TailState{.device = rolled[i].device,
                        .inode = rolled[i].inode,
                        .modified_ms = rolled[i].modified_ms};
    }
    TRY_ASSIGN(is_done, read_rolled(session, path, state, rolled, rolled[i]));
    if (!is_done) return {};
  }
  return {};
}

// Returns whether its end was reached.
Result<bool> TailFile::read_rolled(Session& session, const std::string& path, TailState& state,
                                   const std::vector<FileFacts>&, const FileFacts& rolled) {
  const Result<OpenFile> file = OpenFile::open(rolled.path, O_RDONLY);
  if (!file.ok()) {
    if (file.code() == Code::kNotFound) return true;
    return file.error();
  }
  // A copied file has another inode than the one we know: from now on it is this one.
  state.device = rolled.device;
  state.inode = rolled.inode;
  TRY(read(session, {*file, rolled, path, state, true}));
  return state.position >= rolled.size;
}

Result<> TailFile::read(Session& session, const Reading& reading) {
  TailState& state = reading.state;
  buffer_.resize(kBuffer);
  std::string batch;  // of the mode `Flow file per batch`
  const std::uint64_t batch_from = state.position;
  while (!is_slice_full()) {
    TRY_ASSIGN(got, reading.file.read_at(state.position, buffer_.data(), buffer_.size()));
    if (got == 0) break;
    const std::string_view piece(buffer_.data(), got);
    std::size_t used = 0;
    while (used < piece.size() && !is_slice_full()) {
      const std::size_t end =
          delimiter_.empty() ? piece.size() - 1 : piece.find(delimiter_[0], used);
      std::size_t next = end == std::string_view::npos ? piece.size() : end + 1;
      if (end == std::string_view::npos) {
        const bool is_last = reading.is_finished && state.position + got >= reading.facts.size;
        const bool is_too_long = used == 0 && buffer_.size() >= config_.line_size_max.bytes;
        if (!is_last && !is_too_long) break;
      }
      const std::string_view line = piece.substr(used, next - used);
      if (config_.result_mode == ResultMode::kPerBatch) {
        batch += line;
        ++lines_;
      } else {
        TRY(emit(session, reading, state.position + used, line));
      }
      used = next;
    }
    state.position += used;
    if (used == 0) {
      const bool is_whole_file = got < buffer_.size();
      if (is_whole_file || buffer_.size() >= config_.line_size_max.bytes) break;
      buffer_.resize(std::min<std::size_t>(buffer_.size() * 2, config_.line_size_max.bytes));
    }
  }
  if (!batch.empty()) TRY(emit(session, reading, batch_from, batch));
  state.modified_ms = reading.facts.modified_ms;
  note_head(state, reading.file);
  if (buffer_.capacity() > kBuffer * 4) std::vector<char>().swap(buffer_);
  return {};
}

Result<> TailFile::emit(Session& session, const Reading& reading, std::uint64_t from,
                        std::string_view bytes) {
  const std::size_t size = bytes.size();
  if (!config_.includes_delimiter && !delimiter_.empty() && !bytes.empty() &&
      bytes.back() == delimiter_[0]) {
    bytes.remove_suffix(1);
  }
  ++lines_;
  FlowFile flowfile = session.create();
  TRY(session.write(flowfile, bytes));
  const std::string name = name_in(reading.path);
  const std::size_t dot = name.rfind('.');
  const bool has_extension = dot != std::string::npos && dot > 0;
  const std::string range = "." + std::to_string(from) + "-" + std::to_string(from + size - 1);
  flowfile.set("filename",
               has_extension ? name.substr(0, dot) + range + name.substr(dot) : name + range);
  flowfile.set("path", parent_of(reading.path) + "/");
  flowfile.set("absolute.path", reading.facts.directory + "/");
  session.transfer(flowfile, success_);
  return {};
}

}  // namespace runnel
