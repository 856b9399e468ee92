// FetchFile: gives each FlowFile the content of the file that it names.
//
// Moving or deleting the file afterwards happens only when the FlowFile with its new content is
// safe.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>

#include "agent/base/ids.h"
#include "agent/base/log.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/file/content_import.h"
#include "processors/file/directory.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class CompletionStrategy { kNone, kMoveFile, kDeleteFile };
enum class MoveConflict { kRename, kReplaceFile, kKeepExisting, kFail };
enum class NotedAs { kTrace, kDebug, kInfo, kWarn, kError, kCritical, kOff };

template <>
struct EnumNames<CompletionStrategy> {
  static constexpr std::array<std::pair<CompletionStrategy, std::string_view>, 3> names{
      {{CompletionStrategy::kNone, "None"},
       {CompletionStrategy::kMoveFile, "Move File"},
       {CompletionStrategy::kDeleteFile, "Delete File"}}};
};
template <>
struct EnumNames<MoveConflict> {
  static constexpr std::array<std::pair<MoveConflict, std::string_view>, 4> names{
      {{MoveConflict::kRename, "Rename"},
       {MoveConflict::kReplaceFile, "Replace File"},
       {MoveConflict::kKeepExisting, "Keep Existing"},
       {MoveConflict::kFail, "Fail"}}};
};
template <>
struct EnumNames<NotedAs> {
  static constexpr std::array<std::pair<NotedAs, std::string_view>, 7> names{
      {{NotedAs::kTrace, "TRACE"},
       {NotedAs::kDebug, "DEBUG"},
       {NotedAs::kInfo, "INFO"},
       {NotedAs::kWarn, "WARN"},
       {NotedAs::kError, "ERROR"},
       {NotedAs::kCritical, "CRITICAL"},
       {NotedAs::kOff, "OFF"}}};
};

namespace {

struct FetchFileConfig {
  Text file_to_fetch;
  CompletionStrategy completion_strategy = CompletionStrategy::kNone;
  std::optional<Text> move_destination;
  MoveConflict move_conflict = MoveConflict::kRename;
  NotedAs when_not_found = NotedAs::kError;
  NotedAs when_denied = NotedAs::kError;
};

class FetchFile final : public Processor {
 public:
  using Config = FetchFileConfig;
  explicit FetchFile(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;

 private:
  Result<std::string> path_of(FlowFile flowfile) const;
  void fail(Session& session, FlowFile flowfile, Relationship to, NotedAs level,
            std::string_view why) const;
  Result<> complete(Session& session, FlowFile flowfile, const std::string& path) const;

  const Config config_;
  Context* context_ = nullptr;
  Relationship success_;
  Relationship not_found_;
  Relationship permission_denied_;
  Relationship failure_;
};

bool exists(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

// Where a file may be moved to under this strategy; empty: leave the one there and delete ours.
Result<std::string> destination_of(const std::string& directory, const std::string& name,
                                   MoveConflict strategy) {
  std::string target = joined_path(directory, name);
  if (!exists(target) || strategy == MoveConflict::kReplaceFile) return target;
  if (strategy == MoveConflict::kKeepExisting) return std::string();
  if (strategy == MoveConflict::kFail) return invalid("`" + target + "` exists already");
  return joined_path(directory, random_uuid().text() + "." + name);
}

}  // namespace

ProcessorType fetch_file() {
  using C = FetchFileConfig;
  return Describe<FetchFile>("FetchFile",
                             "Gives each FlowFile the content of the file that it names.")
      .property(
          "File to Fetch", &C::file_to_fetch,
          {.doc =
               "The file's path. Empty: `${absolute.path}/${filename}`, as ListFile writes them."})
      .property("Completion Strategy", &C::completion_strategy,
                {.doc = "What becomes of the file when the FlowFile is safe."})
      .property("Move Destination Directory", &C::move_destination,
                {.doc = "Where `Move File` puts it; made when it is missing."})
      .property("Move Conflict Strategy", &C::move_conflict,
                {.doc = "What to do when a file of this name is there already. `Rename`: put a "
                        "unique prefix before the name."})
      .property("Log level when file not found", &C::when_not_found,
                {.doc = "How loudly to tell that a file is not there."})
      .property("Log level when permission denied", &C::when_denied,
                {.doc = "How loudly to tell that a file may not be read."})
      .relationship("success", "FlowFiles with the file's content.")
      .relationship("not.found", "The file is not there.")
      .relationship("permission.denied", "The file may not be read.")
      .relationship("failure", "The file could not be read, or may not be moved.");
}

Result<> FetchFile::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  not_found_ = context.relationship("not.found");
  permission_denied_ = context.relationship("permission.denied");
  failure_ = context.relationship("failure");
  if (config_.completion_strategy == CompletionStrategy::kMoveFile && !config_.move_destination) {
    return invalid(
        "`Completion Strategy` is `Move File`: say where, by `Move Destination Directory`");
  }
  return {};
}

Result<std::string> FetchFile::path_of(FlowFile flowfile) const {
  if (!config_.file_to_fetch.is_empty()) return config_.file_to_fetch.of(flowfile);
  const auto directory = flowfile.attribute("absolute.path");
  const auto name = flowfile.attribute("filename");
  if (!directory || !name) return invalid("it has no attributes `absolute.path` and `filename`");
  return joined_path(*directory, *name);
}

void FetchFile::fail(Session& session, FlowFile flowfile, Relationship to, NotedAs level,
                     std::string_view why) const {
  if (level != NotedAs::kOff) {
    const BulletinLevel bulletin = level >= NotedAs::kError  ? BulletinLevel::kError
                                   : level == NotedAs::kWarn ? BulletinLevel::kWarning
                                   : level == NotedAs::kInfo ? BulletinLevel::kInfo
                                                             : BulletinLevel::kDebug;
    context_->bulletin(bulletin, "FlowFile " + flowfile.uuid() + ": " + std::string(why));
  }
  session.penalize(flowfile);
  session.transfer(flowfile, to);
}

Result<> FetchFile::on_trigger(Session& session) {
  const FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<std::string> path = path_of(flowfile);
  if (!path.ok()) {
    fail(session, flowfile, failure_, NotedAs::kError, path.error().text());
    return {};
  }
  if (::access(path->c_str(), R_OK) != 0 && errno == EACCES) {
    fail(session, flowfile, permission_denied_, config_.when_denied,
         "`" + *path + "` may not be read");
    return {};
  }
  const Result<FileFacts> facts = facts_of(*path);
  const Result<OpenFile> file = facts.ok() ? OpenFile::open(*path, O_RDONLY) : facts.error();
  if (!file.ok()) {
    const bool is_missing = file.code() == Code::kNotFound;
    fail(session, flowfile, is_missing ? not_found_ : failure_,
         is_missing ? config_.when_not_found : NotedAs::kError, file.error().text());
    return {};
  }
  const Result<> imported = import_content(session, flowfile, *file);
  if (!imported.ok()) {
    if (imported.code() == Code::kFull) return imported;  // it stays queued until there is room
    fail(session, flowfile, failure_, NotedAs::kError, imported.error().text());
    return {};
  }
  const Result<> completed = complete(session, flowfile, *path);
  if (!completed.ok()) {
    fail(session, flowfile, failure_, NotedAs::kError, completed.error().text());
    return {};
  }
  session.event(flowfile, ProvenanceKind::kFetch, "file://" + *path);
  session.transfer(flowfile, success_);
  return {};
}

Result<> FetchFile::complete(Session& session, FlowFile flowfile, const std::string& path) const {
  if (config_.completion_strategy == CompletionStrategy::kNone) return {};
  std::string target;
  if (config_.completion_strategy == CompletionStrategy::kMoveFile) {
    TRY_ASSIGN(directory, config_.move_destination->of(flowfile));
    if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) {
      return system_error("making `" + directory + "`", errno);
    }
    TRY_ASSIGN(chosen,
               destination_of(directory, path.substr(path.rfind('/') + 1), config_.move_conflict));
    target = std::move(chosen);
  }
  session.when_safe([path, target, context = context_] {
    const int failed =
        target.empty() ? ::unlink(path.c_str()) : std::rename(path.c_str(), target.c_str());
    if (failed != 0 && errno != ENOENT) {
      context->bulletin(BulletinLevel::kWarning,
                        system_error("after fetching, `" + path + "`", errno).text());
    }
  });
  return {};
}

}  // namespace runnel
