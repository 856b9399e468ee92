// GetFile: makes a FlowFile of each file in a directory, and removes the file when the FlowFile is
// safe.
//
// A crash between the two gives the file again. With `Keep Source File` every run takes every file,
// as in MiNiFi: use ListFile to see each once.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/file/content_import.h"
#include "processors/file/directory.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct GetFileConfig {
  EnvironmentText input_directory;
  bool recurse = true;
  bool keep_source_file = false;
  std::chrono::milliseconds age_min = 0ms;
  std::chrono::milliseconds age_max = 0ms;
  Size size_min{0};
  Size size_max{0};
  bool ignore_hidden = true;
  std::chrono::milliseconds polling_interval = 0ms;
  std::uint32_t batch_size = 10;
  std::string file_filter = ".*";
};

// The files that must not be taken again, because they will be removed when their FlowFiles are
// safe.
class TakenFiles {
 public:
  bool contains(const std::string& path) {
    Lock lock(mutex_);
    return paths_.contains(path);
  }
  void add(const std::string& path) {
    Lock lock(mutex_);
    paths_.insert(path);
  }
  void forget(const std::string& path) {
    Lock lock(mutex_);
    paths_.erase(path);
  }

 private:
  Mutex mutex_;
  std::set<std::string> paths_ GUARDED_BY(mutex_);
};

// Holds a file for one FlowFile: removed when that is safe, free to be taken again when its session
// rolled back.
class Claim {
 public:
  Claim(std::shared_ptr<TakenFiles> taken, const FileFacts& as_read)
      : taken_(std::move(taken)), path_(as_read.path), as_read_(as_read) {
    taken_->add(path_);
  }
  ~Claim() {
    if (!is_stuck_) taken_->forget(path_);
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  // Returns why it could not be removed; it will then not be taken again before a restart. One that
  // was written to after it was read stays, and is taken again.
  Result<> remove() {
    const Result<FileFacts> now = facts_of(path_);
    if (now.ok() && !is_unchanged(as_read_, *now)) return {};
    if (::unlink(path_.c_str()) == 0 || errno == ENOENT) return {};
    const int number = errno;
    is_stuck_ = true;
    return system_error("removing `" + path_ + "`", number);
  }

 private:
  std::shared_ptr<TakenFiles> taken_;
  std::string path_;
  FileFacts as_read_;
  bool is_stuck_ = false;
};

class GetFile final : public Processor {
 public:
  using Config = GetFileConfig;
  static Result<std::unique_ptr<GetFile>> make(Config config);
  GetFile(Config config, DirectoryFilter filter)
      : config_(std::move(config)), filter_(std::move(filter)) {}

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;

 private:
  Result<> list();
  Result<> take(Session& session, const FileFacts& file);

  const Config config_;
  const DirectoryFilter filter_;
  Context* context_ = nullptr;
  Relationship success_;
  std::deque<FileFacts> found_;
  SteadyTime listed_at_{};
  bool has_listed_ = false;
  // Files that were taken and are to be removed; shared with what waits to remove them, which may
  // outlive this object.
  std::shared_ptr<TakenFiles> taken_ = std::make_shared<TakenFiles>();
};

constexpr std::size_t kListMax =
    10'000;  // files listed at once; the rest is found by the next listing

}  // namespace

ProcessorType get_file() {
  using C = GetFileConfig;
  return Describe<GetFile>("GetFile",
                           "Makes a FlowFile of each file in a directory. The file is removed when "
                           "the FlowFile is safe.")
      .property(
          "Input Directory", &C::input_directory,
          {.doc = "The directory to look into.", .required = true, .example = "/var/spool/in"})
      .property("Recurse Subdirectories", &C::recurse,
                {.doc = "Look into its subdirectories, too."})
      .property("Keep Source File", &C::keep_source_file,
                {.doc = "Leave the file where it is. Each run then takes it again."})
      .property(
          "Minimum File Age", &C::age_min,
          {.doc = "Younger files (by modification) are left alone: they may still be written.",
           .min = 0ms})
      .property("Maximum File Age", &C::age_max,
                {.doc = "Older files are left alone. `0 sec`: no limit.", .min = 0ms})
      .property("Minimum File Size", &C::size_min, {.doc = "Smaller files are left alone."})
      .property("Maximum File Size", &C::size_max,
                {.doc = "Larger files are left alone. `0 B`: no limit."})
      .property("Ignore Hidden Files", &C::ignore_hidden,
                {.doc = "Leave files alone whose names begin with a dot."})
      .property("Polling Interval", &C::polling_interval,
                {.doc = "At least so long between two looks into the directory.", .min = 0ms})
      .property("Batch Size", &C::batch_size,
                {.doc = "Files taken in one run.", .min = 1, .max = 10'000})
      .property("File Filter", &C::file_filter,
                {.doc = "Only files whose whole name matches this regular expression."})
      .relationship("success", "Every file.")
      .writes("filename", "The file's name.")
      .writes(
          "path",
          "Its directory, relative to the input directory; `./` for the input directory itself.")
      .writes("absolute.path", "Its directory, absolute.")
      .input(InputRule::kForbidden)
      .trigger(DefaultTrigger::kTimer)
      .example(R"(spool:
  type: GetFile
  properties: {Input Directory: /var/spool/in, File Filter: '.*\.json'}
)");
}

Result<std::unique_ptr<GetFile>> GetFile::make(Config config) {
  DirectoryFilter filter;
  filter.is_recursive = config.recurse;
  filter.ignores_hidden = config.ignore_hidden;
  filter.age_ms_min = config.age_min.count();
  if (config.age_max.count() > 0) filter.age_ms_max = config.age_max.count();
  filter.size_min = config.size_min.bytes;
  if (config.size_max.bytes > 0) filter.size_max = config.size_max.bytes;
  if (config.file_filter != ".*") {  // for which a line end in a name is none of its letters
    TRY_ASSIGN(name, Regex::compile(config.file_filter).within("property `File Filter`"));
    filter.name = std::move(name);
  }
  return std::make_unique<GetFile>(std::move(config), std::move(filter));
}

Result<> GetFile::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  return {};
}

Result<> GetFile::list() {
  const SteadyTime now = context_->clock().steady();
  if (has_listed_ && now - listed_at_ < config_.polling_interval) return {};
  has_listed_ = true;
  listed_at_ = now;
  return each_file(config_.input_directory.value, filter_, context_->clock().wall_ms(),
                   [this](const FileFacts& file) {
                     if (!taken_->contains(file.path)) found_.push_back(file);
                     return found_.size() < kListMax;
                   });
}

Result<> GetFile::on_trigger(Session& session) {
  if (found_.empty()) TRY(list());
  for (std::uint32_t i = 0; i < config_.batch_size && !found_.empty(); ++i) {
    const FileFacts file = std::move(found_.front());
    found_.pop_front();
    const Result<> taken = take(session, file);
    if (taken.ok() || taken.code() == Code::kNotFound) continue;  // somebody else took it
    if (taken.code() == Code::kFull) {
      found_.push_front(file);
      return taken;
    }
    context_->bulletin(BulletinLevel::kWarning, taken.error().text());
  }
  return {};
}

Result<> GetFile::take(Session& session, const FileFacts& file) {
  TRY_ASSIGN(open, OpenFile::open(file.path, O_RDONLY | O_NONBLOCK));
  TRY_ASSIGN(as_read, facts_of(open, file.path));  // before the first byte: a later one shows
  FlowFile flowfile = session.create();
  const Result<> imported = import_content(session, flowfile, open);
  if (!imported.ok()) {
    session.drop(flowfile);
    return imported.error().within("reading `" + file.path + "`");
  }
  flowfile.set("filename", file.name);
  flowfile.set("path", file.relative.empty() ? "./" : file.relative + "/");
  flowfile.set("absolute.path", file.directory + "/");
  session.event(flowfile, ProvenanceKind::kReceive, "file://" + file.path);
  session.transfer(flowfile, success_);
  if (config_.keep_source_file) return {};
  session.when_safe([claim = std::make_shared<Claim>(taken_, as_read), context = context_] {
    const Result<> removed = claim->remove();
    if (!removed.ok()) context->bulletin(BulletinLevel::kError, removed.error().text());
  });
  return {};
}

}  // namespace runnel
