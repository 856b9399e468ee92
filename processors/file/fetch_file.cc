// FetchFile: gives each FlowFile the content of the file that it names.
//
// Moving or deleting the file afterwards happens only when the FlowFile with its new content is
// safe, and only if nobody has written to it since it was read. What is to go to another file
// system is copied there under a hidden name before.

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
  Result<> complete(Session& session, FlowFile flowfile, const FileFacts& file) const;

  const Config config_;
  Context* context_ = nullptr;
  Relationship success_;
  Relationship not_found_;
  Relationship permission_denied_;
  Relationship failure_;
};

// What becomes of a file when its FlowFile is safe. Destroyed without that, all is as it was.
class Completion {
 public:
  // `directory`: where it is moved to; empty: it is deleted.
  Completion(FileFacts as_read, std::string directory, MoveConflict conflict)
      : as_read_(std::move(as_read)), directory_(std::move(directory)), conflict_(conflict) {}
  ~Completion() {
    if (!copy_.empty()) ::unlink(copy_.c_str());
  }
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  std::string target() const { return joined_path(directory_, as_read_.name); }
  // Where it is to be moved to another file system: puts a copy there.
  Result<> copy_across(Session& session, FlowFile flowfile);
  // Returns why the file stays.
  Result<> carry_out();

 private:
  Result<> remove() const;
  Result<bool> move_to(const std::string& target);

  const FileFacts as_read_;
  const std::string directory_;
  const MoveConflict conflict_;
  std::string copy_;  // its path
};

Result<> Completion::copy_across(Session& session, FlowFile flowfile) {
  struct stat status {};
  if (::stat(directory_.c_str(), &status) != 0) return system_error("`" + directory_ + "`", errno);
  if (status.st_dev == as_read_.device) return {};
  const std::string path = joined_path(directory_, "." + flowfile.uuid() + ".part");
  TRY_ASSIGN(file,
             OpenFile::open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, as_read_.mode & 0777));
  copy_ = path;
  TRY(export_content(session, flowfile, file));
  return file.sync();
}

Result<> Completion::carry_out() {
  const Result<FileFacts> now = facts_of(as_read_.path);
  if (!now.ok() && now.code() == Code::kNotFound) return {};  // somebody else took it
  if (!now.ok() || !is_unchanged(as_read_, *now))
    return unavailable("it was changed after it was read, and stays where it is");
  if (directory_.empty()) return remove();
  const bool is_copied = !copy_.empty();
  TRY_ASSIGN(is_moved, move_to(target()));
  if (!is_moved && conflict_ == MoveConflict::kFail)
    return invalid("`" + target() + "` exists already");
  if (!is_moved && conflict_ == MoveConflict::kRename) {
    // The name is nobody's.
    TRY(move_to(joined_path(directory_, random_uuid().text() + "." + as_read_.name)));
    is_moved = true;
  }
  return is_copied || !is_moved ? remove() : Result<>();
}

Result<> Completion::remove() const {
  if (::unlink(as_read_.path.c_str()) == 0 || errno == ENOENT) return {};
  return system_error("removing it", errno);
}

// False: there is a file of this name, which is not to be replaced.
Result<bool> Completion::move_to(const std::string& target) {
  const std::string& from = copy_.empty() ? as_read_.path : copy_;
  if (conflict_ != MoveConflict::kReplaceFile) {
    TRY_ASSIGN(is_moved, move_if_absent(from, target));
    if (is_moved) copy_.clear();
    return is_moved;
  }
  if (std::rename(from.c_str(), target.c_str()) != 0)
    return system_error("renaming to `" + target + "`", errno);
  copy_.clear();
  return true;
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
  const Result<FileFacts> facts = facts_of(*path);  // no pipe or device is opened
  const Result<OpenFile> file =
      facts.ok() ? OpenFile::open(*path, O_RDONLY | O_NONBLOCK) : facts.error();
  if (!file.ok()) {
    const bool is_missing = file.code() == Code::kNotFound;
    fail(session, flowfile, is_missing ? not_found_ : failure_,
         is_missing ? config_.when_not_found : NotedAs::kError, file.error().text());
    return {};
  }
  TRY_ASSIGN(as_read, facts_of(*file, *path));  // before the first byte: a later one shows
  const Result<> imported = import_content(session, flowfile, *file);
  if (!imported.ok()) {
    if (imported.code() == Code::kFull) return imported;  // it stays queued until there is room
    fail(session, flowfile, failure_, NotedAs::kError, imported.error().text());
    return {};
  }
  const Result<> completed = complete(session, flowfile, as_read);
  if (!completed.ok()) {
    fail(session, flowfile, failure_, NotedAs::kError, completed.error().text());
    return {};
  }
  session.event(flowfile, ProvenanceKind::kFetch, "file://" + *path);
  session.transfer(flowfile, success_);
  return {};
}

Result<> FetchFile::complete(Session& session, FlowFile flowfile, const FileFacts& file) const {
  if (config_.completion_strategy == CompletionStrategy::kNone) return {};
  const bool is_move = config_.completion_strategy == CompletionStrategy::kMoveFile;
  std::string directory;
  if (is_move) {
    TRY_ASSIGN(given, config_.move_destination->of(flowfile));
    if (given.empty()) return invalid("`Move Destination Directory` has no value");
    TRY(make_directories(given));
    directory = std::move(given);
  }
  const auto completion =
      std::make_shared<Completion>(file, std::move(directory), config_.move_conflict);
  if (is_move) {
    struct stat status {};
    // What is told here goes to `failure`; who comes in later is seen when it is moved.
    if (config_.move_conflict == MoveConflict::kFail &&
        ::lstat(completion->target().c_str(), &status) == 0)
      return invalid("`" + completion->target() + "` exists already");
    TRY(completion->copy_across(session, flowfile));
  }
  session.when_safe([completion, path = file.path, context = context_] {
    const Result<> done = completion->carry_out();
    if (!done.ok())
      context->bulletin(BulletinLevel::kWarning,
                        "after fetching, `" + path + "`: " + done.error().text());
  });
  return {};
}

}  // namespace runnel
