// ListFile: makes an empty FlowFile of each file in a directory that is new or was changed since
// the last look.
//
// What was seen is kept as state, in the same commit as the FlowFiles: the latest time of
// modification, and the files that had it (NiFi's "tracking timestamps").

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/file/directory.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct ListFileConfig {
  EnvironmentText input_directory;
  bool recurse = true;
  std::optional<std::string> file_filter;
  std::optional<std::string> path_filter;
  std::chrono::milliseconds age_min = 0ms;
  std::optional<std::chrono::milliseconds> age_max;
  Size size_min{0};
  std::optional<Size> size_max;
  bool ignore_hidden = true;
};

class ListFile final : public Processor {
 public:
  using Config = ListFileConfig;
  static Result<std::unique_ptr<ListFile>> make(Config config);
  ListFile(Config config, DirectoryFilter filter)
      : config_(std::move(config)), filter_(std::move(filter)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  void emit(Session& session, const FileFacts& file) const;

  const Config config_;
  const DirectoryFilter filter_;
  Context* context_ = nullptr;
  Relationship success_;
};

constexpr std::size_t kListMax = 1000;     // FlowFiles in one session; the rest follows at once
constexpr std::int64_t kAheadMs = 60'000;  // what the clock of a file server may be ahead
constexpr std::string_view kLatest = "listing.latest_ms";
constexpr std::string_view kSeen = "listing.seen:";  // + path, of files modified at just that time

}  // namespace

ProcessorType list_file() {
  using C = ListFileConfig;
  return Describe<ListFile>("ListFile",
                            "Makes an empty FlowFile of each file in a directory that is new or "
                            "was changed, by its time of modification: what comes with an older "
                            "one than the newest that was listed (moved there, copied with its "
                            "time, written while the clock was behind) is not seen. FetchFile gets "
                            "the content.")
      .property("Input Directory", &C::input_directory,
                {.doc = "The directory to look into.", .required = true})
      .property("Recurse Subdirectories", &C::recurse,
                {.doc = "Look into its subdirectories, too."})
      .property("File Filter", &C::file_filter,
                {.doc = "Only files whose whole name matches this regular expression."})
      .property("Path Filter", &C::path_filter,
                {.doc = "Only files in subdirectories whose whole relative path matches this "
                        "regular expression."})
      .property("Minimum File Age", &C::age_min,
                {.doc = "Younger files are left for later.", .min = 0ms})
      .property("Maximum File Age", &C::age_max, {.doc = "Older files are left out.", .min = 0ms})
      .property("Minimum File Size", &C::size_min, {.doc = "Smaller files are left out."})
      .property("Maximum File Size", &C::size_max, {.doc = "Larger files are left out."})
      .property("Ignore Hidden Files", &C::ignore_hidden,
                {.doc = "Leave out files whose names begin with a dot."})
      .relationship("success", "One FlowFile for each new or changed file.")
      .writes("filename", "The file's name.")
      .writes(
          "path",
          "Its directory, relative to the input directory; `./` for the input directory itself.")
      .writes("absolute.path", "Its directory, absolute.")
      .writes("file.owner", "Who owns it.")
      .writes("file.group", "Its group.")
      .writes("file.size", "Bytes.")
      .writes("file.permissions", "As `ls` shows them: `rw-r-----`.")
      .writes("file.lastModifiedTime", "When it was last changed, as 2026-01-01T00:00:00.000Z.")
      .input(InputRule::kForbidden)
      .trigger(DefaultTrigger::kTimer);
}

Result<std::unique_ptr<ListFile>> ListFile::make(Config config) {
  DirectoryFilter filter;
  filter.is_recursive = config.recurse;
  filter.ignores_hidden = config.ignore_hidden;
  filter.age_ms_min = config.age_min.count();
  if (config.age_max) filter.age_ms_max = config.age_max->count();
  filter.size_min = config.size_min.bytes;
  if (config.size_max) filter.size_max = config.size_max->bytes;
  if (config.file_filter) {
    TRY_ASSIGN(name, Regex::compile(*config.file_filter).within("property `File Filter`"));
    filter.name = std::move(name);
  }
  if (config.path_filter) {
    TRY_ASSIGN(path, Regex::compile(*config.path_filter).within("property `Path Filter`"));
    filter.path = std::move(path);
  }
  return std::make_unique<ListFile>(std::move(config), std::move(filter));
}

Result<> ListFile::on_trigger(Session& session) {
  const std::string latest_text = session.state(kLatest).value_or("");
  std::int64_t latest =
      latest_text.empty() ? INT64_MIN : parse_int(latest_text).value_or(INT64_MIN);
  const std::int64_t now_ms = context_->clock().wall_ms();
  if (latest > now_ms + kAheadMs) {
    context_->bulletin(BulletinLevel::kWarning,
                       "the newest file that was listed is of " + iso_time(latest) +
                           ", which is yet to come: until then no older one is listed. If the "
                           "clock was wrong then, clear the state of this processor");
  }
  std::map<std::string, bool, std::less<>> seen;
  session.each_state([&](std::string_view key, std::string_view) {
    if (key.starts_with(kSeen)) seen.emplace(key.substr(kSeen.size()), true);
  });
  // The oldest come first, so that a session that is full leaves only newer ones for the next.
  // Memory is bounded by what one session takes.
  std::multimap<std::int64_t, FileFacts> fresh;
  bool has_more = false;
  TRY(each_file(config_.input_directory.value, filter_, now_ms, [&](const FileFacts& file) {
    if (file.modified_ms < latest) return true;
    if (file.modified_ms == latest && seen.contains(file.path)) return true;
    fresh.emplace(file.modified_ms, file);
    if (fresh.size() > kListMax) {
      fresh.erase(std::prev(fresh.end()));
      has_more = true;
    }
    return true;
  }));
  if (fresh.empty()) return {};
  for (const auto& [modified_ms, file] : fresh) {
    emit(session, file);
    if (modified_ms > latest) {
      for (const auto& [path, is_old] : seen) session.remove_state(std::string(kSeen) + path);
      seen.clear();
      latest = modified_ms;
    }
    seen.emplace(file.path, false);
    session.set_state(std::string(kSeen) + file.path, "");
  }
  session.set_state(kLatest, std::to_string(latest));
  if (has_more) context_->wake();
  return {};
}

void ListFile::emit(Session& session, const FileFacts& file) const {
  FlowFile flowfile = session.create();
  flowfile.set("filename", file.name);
  flowfile.set("path", file.relative.empty() ? "./" : file.relative + "/");
  flowfile.set("absolute.path", file.directory + "/");
  flowfile.set("file.owner", user_name(file.owner));
  flowfile.set("file.group", group_name(file.group));
  flowfile.set("file.size", std::to_string(file.size));
  flowfile.set("file.permissions", permissions_text(file.mode));
  flowfile.set("file.lastModifiedTime", iso_time(file.modified_ms));
  session.transfer(flowfile, success_);
}

}  // namespace runnel
