// TailFile: makes FlowFiles of the lines that are appended to a file, over its rotations.
//
// The position is committed together with the lines, so after a crash no line is missing and none
// comes twice. Rotation by rename: the old file is found again by its inode, read until nothing was
// appended for `Post-Rotation Tail Period` (its writer may not have noticed yet), and then what was
// rolled after it, oldest first. Rotation by copy and truncate: the copy is found by its bytes. A
// line without its delimiter waits for the rest, unless its file was rotated away.

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/file/directory.h"
#include "processors/file/tail_rotation.h"
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
  std::chrono::milliseconds post_rotation_period = 5s;
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
  // A file as it is tailed, whatever its rotated versions are called.
  struct Tailed {
    std::string path;
    std::string state_key;
    std::string stem;       // its name without the extension
    std::string extension;  // with the dot
    std::string directory;  // as it was given, with a slash at the end
    std::string absolute_directory;
    std::string uri;            // for provenance
    bool was_missing = false;   // at the last look into the directory
    bool is_rest_read = false;  // since it is missing
  };
  // One pass over one piece of a file.
  struct Reading {
    const OpenFile& file;
    const FileFacts& facts;
    const Tailed& tailed;
    TailState& state;
    // Nothing more will be appended: what is left without delimiter is a line too.
    bool is_finished;
  };

  static Tailed tailed_of(std::string path);
  Result<> look_up(Session& session);
  Result<> tail(Session& session, Tailed& tailed);
  void begin(const OpenFile& file, const FileFacts& facts, const Tailed& tailed, TailState& state);
  Result<bool> finish_rotated(Session& session, const Tailed& tailed, TailState& state,
                              bool is_replaced);
  Result<bool> read_rolled(Session& session, const Tailed& tailed, TailState& state,
                           const std::string& path, bool may_end, bool has_newer);
  bool is_quiet(const FileFacts& facts) const;
  Result<> read(Session& session, const Reading& reading);
  Result<std::size_t> take_lines(Session& session, const Reading& reading, std::string_view piece,
                                 bool is_at_end, std::string& batch);
  Result<> emit(Session& session, const Tailed& tailed, std::uint64_t from, std::string_view bytes);
  bool is_batch() const { return config_.result_mode == ResultMode::kPerBatch; }
  bool is_slice_full() const { return lines_ >= lines_max() || bytes_ >= kBytesMax; }
  std::uint32_t lines_max() const {
    const std::uint32_t most = is_batch() ? std::numeric_limits<std::uint32_t>::max() : kLinesMax;
    return config_.batch_size == 0 ? most : std::min(config_.batch_size, most);
  }

  // In one call; it calls itself again while there is more.
  static constexpr std::uint32_t kLinesMax = 256;
  static constexpr std::uint64_t kBytesMax = 1 << 20;

  const Config config_;
  const std::string delimiter_;
  const std::optional<Regex> name_;
  Context* context_ = nullptr;
  Relationship success_;
  std::vector<Tailed> files_;  // in the order of their paths
  std::size_t first_ = 0;      // whose turn it is
  SteadyTime looked_up_at_{};
  bool has_looked_up_ = false;
  // Whether files that were never seen were there before this processor was: then the start
  // position counts. Later ones are read from their beginning.
  bool is_first_look_ = false;
  std::uint32_t lines_ = 0;  // made by this call
  std::uint64_t bytes_ = 0;
  std::vector<char> buffer_;
  std::string name_text_;
};

constexpr std::size_t kBuffer = 128 << 10;
constexpr std::size_t kFilesMax = 10'000;
constexpr std::string_view kStatePrefix = "tail:";
constexpr std::string_view kBegun = "begun";

void append_decimal(std::string& text, std::uint64_t number) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  text.append(digits.data(), end);
}

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

TailState fresh_state(const FileFacts& facts) {
  return {.device = facts.device, .inode = facts.inode, .modified_ms = facts.modified_ms};
}

}  // namespace

ProcessorType tail_file() {
  using C = TailFileConfig;
  return Describe<TailFile>("TailFile",
                            "Makes FlowFiles of the lines that are appended to a file, or to "
                            "several, over their rotations. MiNiFi's `State File` and `Attribute "
                            "Provider Service` are not there: the positions are committed with the "
                            "lines, in the agent's own database.")
      .property("File to Tail", &C::file_to_tail,
                {.doc = "The file's path; in the mode `Multiple file` a regular expression for "
                        "whole file names, which must not match their rotated versions.",
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
                        "`*` and `?` stand for anything and any one character. Compressed ones "
                        "are told, and not read: let them be compressed one rotation later "
                        "(logrotate: `delaycompress`)."})
      .property("Post-Rotation Tail Period", &C::post_rotation_period,
                {.doc = "A rotated file is read until nothing was appended to it for so long: its "
                        "writer may go on for a moment before it opens the new one.",
                 .min = 0ms,
                 .max = 1h})
      .property("Initial Start Position", &C::start_position,
                {.doc = "Where to begin with a file that was never seen: at its beginning, at the "
                        "beginning of its oldest rotated version, or at its end. A file that comes "
                        "later is read from its beginning."})
      .property("Batch Size", &C::batch_size,
                {.doc = "Lines in one FlowFile in the mode `Flow file per batch`, and in one "
                        "session; 0: as many as there are (1 MB).",
                 .max = 1'000'000})
      .property("Result Mode", &C::result_mode, {.doc = "A FlowFile for each line, or for many."})
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
  TRY(look_up(session));
  lines_ = 0;
  bytes_ = 0;
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const std::size_t at = (first_ + i) % files_.size();
    const Result<> done = tail(session, files_[at]);
    if (!done.ok() && config_.tail_mode == TailMode::kMultipleFile && done.code() != Code::kFull) {
      // One that cannot be read does not keep us from the others; it has made no lines.
      context_->bulletin(BulletinLevel::kError, done.error().text());
      continue;
    }
    TRY(done);
    if (is_slice_full()) {
      first_ = (at + 1) % files_.size();  // the others are not kept waiting by a busy one
      context_->wake();
      return {};
    }
  }
  is_first_look_ = false;
  return {};
}

TailFile::Tailed TailFile::tailed_of(std::string path) {
  Tailed tailed;
  const std::string name = name_of_file(path);
  const std::size_t dot = name.rfind('.');
  const bool has_extension = dot != std::string::npos && dot > 0;
  tailed.stem = has_extension ? name.substr(0, dot) : name;
  tailed.extension = has_extension ? name.substr(dot) : "";
  const std::string directory = directory_of(path);
  tailed.directory = directory + (directory == "/" ? "" : "/");
  const std::string whole = absolute_path(directory);
  tailed.absolute_directory = whole + (whole == "/" ? "" : "/");
  tailed.uri = "file://" + tailed.absolute_directory + name;
  tailed.state_key = std::string(kStatePrefix) + path;
  tailed.path = std::move(path);
  return tailed;
}

Result<> TailFile::look_up(Session& session) {
  if (!has_looked_up_) {
    is_first_look_ = !session.state(kBegun).has_value();
    if (is_first_look_) session.set_state(kBegun, "1");
  }
  if (config_.tail_mode == TailMode::kSingleFile) {
    has_looked_up_ = true;
    if (files_.empty()) files_.push_back(tailed_of(config_.file_to_tail.value));
    return {};
  }
  const SteadyTime now = context_->clock().steady();
  if (has_looked_up_ && now - looked_up_at_ < config_.lookup_frequency) return {};
  DirectoryFilter filter;
  filter.is_recursive = config_.recursive_lookup;
  filter.name = name_;
  std::vector<std::string> paths;
  TRY(each_file(config_.base_directory->value, filter, context_->clock().wall_ms(),
                [&](const FileFacts& file) {
                  paths.push_back(file.path);
                  return paths.size() < kFilesMax;
                }));
  if (paths.size() == kFilesMax) {
    context_->bulletin(BulletinLevel::kWarning,
                       "more than 10,000 files match: the others are not tailed");
  }
  has_looked_up_ = true;
  looked_up_at_ = now;
  std::sort(paths.begin(), paths.end());
  std::vector<Tailed> files;
  for (std::string& path : paths) files.push_back(tailed_of(std::move(path)));
  // A file that has gone may have been rotated: it stays until its rest is read, for one more look.
  for (Tailed& old : files_) {
    const auto is_it = [&old](const Tailed& one) { return one.path == old.path; };
    if (std::any_of(files.begin(), files.end(), is_it)) continue;
    if (old.was_missing && old.is_rest_read) {
      session.remove_state(old.state_key);
    } else {
      old.was_missing = true;
      files.push_back(std::move(old));
    }
  }
  files_ = std::move(files);
  first_ = 0;
  return {};
}

// An error other than kFull has made no lines and changed nothing.
Result<> TailFile::tail(Session& session, Tailed& tailed) {
  const std::optional<std::string> saved = session.state(tailed.state_key);
  TailState state;
  if (saved) {
    TRY_ASSIGN(parsed, TailState::parse(*saved));
    state = parsed;
  }
  // Without waiting: a pipe in its place is refused, not waited for.
  const Result<OpenFile> file = OpenFile::open(tailed.path, O_RDONLY | O_NONBLOCK);
  if (!file.ok()) {
    if (file.code() != Code::kNotFound) return file.error();
    if (!saved) return {};  // not there yet
    tailed.is_rest_read = false;
    TRY(finish_rotated(session, tailed, state, false));
    tailed.is_rest_read = !is_slice_full();
  } else {
    TRY_ASSIGN(facts, facts_of(*file, tailed.path));
    if (!saved) begin(*file, facts, tailed, state);
    bool is_current = is_same_file(state, *file, facts);
    if (!is_current) {
      TRY_ASSIGN(is_done, finish_rotated(session, tailed, state, true));
      if (is_done) state = fresh_state(facts);
      is_current = is_done;
    }
    if (is_current && !is_slice_full()) TRY(read(session, {*file, facts, tailed, state, false}));
  }
  std::string text = state.text();
  if (text != saved) session.set_state(tailed.state_key, text);
  return {};
}

// A file that was never seen: decides where to begin.
void TailFile::begin(const OpenFile& file, const FileFacts& facts, const Tailed& tailed,
                     TailState& state) {
  state = fresh_state(facts);
  if (!is_first_look_) return;
  if (config_.start_position == StartPosition::kCurrentTime) {
    state.position = facts.size;
    note_marks(state, file);
  } else if (config_.start_position == StartPosition::kBeginningOfTime) {
    // As if the oldest rotated version had been at hand and nothing of it read.
    const auto rolled = rolled_files(tailed.path, config_.rolling_pattern);
    if (!rolled.empty()) state = fresh_state(rolled[0]);
  }
}

// The file of `state` is no longer at its path, or was truncated: reads its rest, and what was
// rolled after it. Whether all of that is done.
Result<bool> TailFile::finish_rotated(Session& session, const Tailed& tailed, TailState& state,
                                      bool is_replaced) {
  const std::vector<FileFacts> rolled = rolled_files(tailed.path, config_.rolling_pattern);
  TRY_ASSIGN(ours, find_rolled(rolled, state));
  if (!ours && is_replaced && state.position > 0) {
    context_->bulletin(
        BulletinLevel::kWarning,
        "`" + tailed.path +
            "` was truncated or replaced, and no rotated version of it was found: what was "
            "appended to it after byte " +
            std::to_string(state.position) + " is missing");
  }
  const std::int64_t last_seen_ms = state.modified_ms;
  const std::uint32_t lines_before = lines_;
  for (std::size_t i = ours.value_or(0); i < rolled.size(); ++i) {
    if (!ours && rolled[i].modified_ms <= last_seen_ms) continue;
    if (i != ours && is_compressed(rolled[i].name)) {
      context_->bulletin(
          BulletinLevel::kWarning,
          "`" + rolled[i].path + "` is compressed, and is not read: what it holds is missing");
      if (!ours) state.modified_ms = rolled[i].modified_ms;  // once
      continue;
    }
    if (i != ours) state = fresh_state(rolled[i]);
    const bool has_newer = i + 1 < rolled.size();
    const Result<bool> is_done =
        read_rolled(session, tailed, state, rolled[i].path, has_newer || is_replaced, has_newer);
    // What was read of those before it counts; the next look meets the error alone.
    if (!is_done.ok() && (is_done.code() == Code::kFull || lines_ == lines_before))
      return is_done.error();
    if (!is_done.ok() || !*is_done) return false;
  }
  return true;
}

// Whether its end was reached, and nothing more is to be expected.
Result<bool> TailFile::read_rolled(Session& session, const Tailed& tailed, TailState& state,
                                   const std::string& path, bool may_end, bool has_newer) {
  const Result<OpenFile> file = OpenFile::open(path, O_RDONLY);
  if (!file.ok()) {
    if (file.code() == Code::kNotFound) return true;
    return file.error();
  }
  TRY_ASSIGN(facts, facts_of(*file, path));
  const bool is_finished = may_end && (has_newer || is_quiet(facts));
  // A copied file has another inode than the one we know: from now on it is this one.
  state.device = facts.device;
  state.inode = facts.inode;
  TRY(read(session, {*file, facts, tailed, state, is_finished}));
  if (is_slice_full() || state.position < facts.size) return false;
  if (!is_finished && may_end) {
    context_->wake_at(context_->clock().steady() + config_.post_rotation_period);
  }
  return is_finished;
}

// Nothing was appended for a while. A clock that was set back does not make us wait.
bool TailFile::is_quiet(const FileFacts& facts) const {
  const std::int64_t age_ms = context_->clock().wall_ms() - facts.modified_ms;
  return std::abs(age_ms) >= config_.post_rotation_period.count();
}

Result<> TailFile::read(Session& session, const Reading& reading) {
  TailState& state = reading.state;
  buffer_.resize(std::max(buffer_.size(), kBuffer));
  std::string batch;  // of the mode `Flow file per batch`
  const std::uint64_t began = state.position;
  while (!is_slice_full()) {
    const auto got = reading.file.read_at(state.position, buffer_.data(), buffer_.size());
    if (!got.ok() && state.position == began) return got.error();
    if (!got.ok() || *got == 0) break;
    const bool is_at_end = reading.is_finished && state.position + *got >= reading.facts.size;
    TRY_ASSIGN(used, take_lines(session, reading, {buffer_.data(), *got}, is_at_end, batch));
    state.position += used;
    if (used > 0) continue;
    if (*got < buffer_.size()) break;  // a line whose end is not written yet
    buffer_.resize(std::min<std::size_t>(buffer_.size() * 2, config_.line_size_max.bytes + 1));
  }
  if (!batch.empty()) TRY(emit(session, reading.tailed, began, batch));
  if (state.position != began || state.tail_size == 0) note_marks(state, reading.file);
  state.modified_ms = reading.facts.modified_ms;
  if (buffer_.size() > kBuffer * 4) std::vector<char>().swap(buffer_);
  return {};
}

// Makes FlowFiles of the whole lines at the beginning of `piece`; returns how many bytes that were.
Result<std::size_t> TailFile::take_lines(Session& session, const Reading& reading,
                                         std::string_view piece, bool is_at_end,
                                         std::string& batch) {
  const std::size_t line_max = config_.line_size_max.bytes;
  std::size_t used = 0;
  while (used < piece.size() && !is_slice_full()) {
    const std::size_t end = delimiter_.empty() ? piece.size() - 1 : piece.find(delimiter_[0], used);
    std::size_t next = end == std::string_view::npos ? piece.size() : end + 1;
    if (next - used > line_max) {
      next = used + line_max;  // cut
    } else if (end == std::string_view::npos && !is_at_end && next - used < line_max) {
      break;
    }
    const std::string_view line = piece.substr(used, next - used);
    if (is_batch()) {
      batch += line;
    } else {
      TRY(emit(session, reading.tailed, reading.state.position + used, line));
    }
    ++lines_;
    bytes_ += line.size();
    used = next;
  }
  return used;
}

Result<> TailFile::emit(Session& session, const Tailed& tailed, std::uint64_t from,
                        std::string_view bytes) {
  const std::uint64_t last = from + bytes.size() - 1;
  if (!config_.includes_delimiter && !delimiter_.empty() && bytes.back() == delimiter_[0]) {
    bytes.remove_suffix(1);
  }
  FlowFile flowfile = session.create();
  TRY(session.write(flowfile, bytes));
  name_text_.assign(tailed.stem);
  append_decimal(name_text_.append(1, '.'), from);
  append_decimal(name_text_.append(1, '-'), last);
  name_text_.append(tailed.extension);
  flowfile.set("absolute.path", tailed.absolute_directory);
  flowfile.set("filename", name_text_);
  flowfile.set("path", tailed.directory);
  session.event(flowfile, ProvenanceKind::kReceive, tailed.uri);
  session.transfer(flowfile, success_);
  return {};
}

}  // namespace runnel
