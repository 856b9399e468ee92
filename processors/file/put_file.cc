// PutFile: writes the content of each FlowFile to a file.
//
// It is written under a hidden name, fsynced, and renamed; so a reader never sees half a file, and
// a power cut loses none that was reported written.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>

#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/file/content_import.h"
#include "processors/file/directory.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class ConflictResolution { kFail, kReplace, kIgnore };

template <>
struct EnumNames<ConflictResolution> {
  static constexpr std::array<std::pair<ConflictResolution, std::string_view>, 3> names{
      {{ConflictResolution::kFail, "fail"},
       {ConflictResolution::kReplace, "replace"},
       {ConflictResolution::kIgnore, "ignore"}}};
};

namespace {

struct PutFileConfig {
  Text directory = Text(".");
  ConflictResolution conflict_resolution = ConflictResolution::kFail;
  bool create_missing_directories = true;
  std::int32_t file_count_max = -1;
  std::optional<std::string> permissions;
  std::optional<std::string> directory_permissions;
};

class PutFile final : public Processor {
 public:
  using Config = PutFileConfig;
  static Result<std::unique_ptr<PutFile>> make(Config config);
  PutFile(Config config, std::optional<std::uint32_t> mode,
          std::optional<std::uint32_t> directory_mode)
      : config_(std::move(config)), mode_(mode), directory_mode_(directory_mode) {}

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  Result<> put(Session& session, FlowFile flowfile, const std::string& directory) const;

  const Config config_;
  const std::optional<std::uint32_t> mode_;
  const std::optional<std::uint32_t> directory_mode_;
  Context* context_ = nullptr;
  Relationship success_;
  Relationship failure_;
};

Result<std::optional<std::uint32_t>> octal(const std::optional<std::string>& text,
                                           std::string_view property) {
  if (!text) return std::optional<std::uint32_t>();
  std::uint32_t mode = 0;
  for (const char c : *text) {
    const bool is_digit = c >= '0' && c <= '7';
    if (is_digit) mode = mode * 8 + static_cast<std::uint32_t>(c - '0');
    if (!is_digit || mode > 07777) {
      return invalid("property `" + std::string(property) + "`: `" + *text +
                     "` is no octal number such as 0644");
    }
  }
  return std::optional<std::uint32_t>(mode);
}

// How many files a directory holds, counted up to `enough`.
std::size_t file_count(const std::string& directory, std::size_t enough) {
  std::size_t count = 0;
  DirectoryFilter filter;
  filter.is_recursive = false;
  const Result<> walked = each_file(directory, filter, INT64_MAX / 2,
                                    [&](const FileFacts&) { return ++count < enough; });
  return walked.ok() ? count : 0;
}

}  // namespace

ProcessorType put_file() {
  using C = PutFileConfig;
  return Describe<PutFile>(
             "PutFile",
             "Writes the content of each FlowFile to a file named by its attribute `filename`.")
      .property("Directory", &C::directory, {.doc = "Where to write."})
      .property("Conflict Resolution Strategy", &C::conflict_resolution,
                {.doc = "What to do when a file of this name is there already: `fail`, `replace` "
                        "it, or `ignore` the FlowFile (it goes to `success`)."})
      .property("Create Missing Directories", &C::create_missing_directories,
                {.doc = "Make directories that are not there."})
      .property("Maximum File Count", &C::file_count_max,
                {.doc = "A directory with so many files takes no more: the FlowFile goes to "
                        "`failure`. -1: no limit.",
                 .min = -1})
      .property("Permissions", &C::permissions, {.doc = "Of new files, octal.", .example = "0644"})
      .property("Directory Permissions", &C::directory_permissions,
                {.doc = "Of new directories, octal.", .example = "0755"})
      .relationship("success", "Written, or ignored.")
      .relationship("failure", "Not written.")
      .reads("filename", "The file's name; without it the FlowFile's uuid.")
      .concurrent();
}

Result<std::unique_ptr<PutFile>> PutFile::make(Config config) {
  TRY_ASSIGN(mode, octal(config.permissions, "Permissions"));
  TRY_ASSIGN(directory_mode, octal(config.directory_permissions, "Directory Permissions"));
  return std::make_unique<PutFile>(std::move(config), mode, directory_mode);
}

Result<> PutFile::on_trigger(Session& session) {
  const FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<std::string> directory = config_.directory.of(flowfile);
  const Result<> put_result =
      directory.ok() ? put(session, flowfile, *directory) : directory.error();
  if (put_result.ok()) {
    session.transfer(flowfile, success_);
    return {};
  }
  if (put_result.code() == Code::kCorrupt) return put_result.error();  // of its content
  context_->bulletin(BulletinLevel::kError,
                     "FlowFile " + flowfile.uuid() + ": " + put_result.error().text());
  session.penalize(flowfile);
  session.transfer(flowfile, failure_);
  return {};
}

Result<> PutFile::put(Session& session, FlowFile flowfile, const std::string& directory) const {
  const std::string name(flowfile.attribute("filename").value_or(std::string_view{}));
  const std::string file_name = name.empty() ? flowfile.uuid() : name;
  if (file_name.find('/') != std::string::npos || file_name.find('\0') != std::string::npos ||
      file_name == "." || file_name == "..") {
    return invalid("attribute `filename` is no file name: `" + file_name.substr(0, 200) + "`");
  }
  if (directory.empty()) return invalid("`Directory` has no value");
  if (config_.create_missing_directories) TRY(make_directories(directory, directory_mode_));
  const std::string target = joined_path(directory, file_name);
  const bool is_there = ::access(target.c_str(), F_OK) == 0;
  if (is_there && config_.conflict_resolution == ConflictResolution::kIgnore) return {};
  if (is_there && config_.conflict_resolution == ConflictResolution::kFail) {
    return invalid("`" + target + "` exists already");
  }
  if (!is_there && config_.file_count_max >= 0) {
    const auto count_max = static_cast<std::size_t>(config_.file_count_max);
    if (file_count(directory, count_max + 1) >= count_max) {
      return invalid("`" + directory + "` holds " + std::to_string(count_max) + " files already");
    }
  }
  const std::string temporary = joined_path(directory, "." + flowfile.uuid() + ".part");
  TRY_ASSIGN(file, OpenFile::open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW,
                                  mode_.value_or(0644)));
  Result<> written = export_content(session, flowfile, file);
  if (written.ok()) written = file.sync();
  if (written.ok() && mode_ && ::fchmod(file.descriptor(), *mode_) != 0) {
    written = system_error("setting permissions", errno);
  }
  // Without `replace`, a file that has come in the meantime is not overwritten.
  if (written.ok() && config_.conflict_resolution == ConflictResolution::kReplace) {
    if (std::rename(temporary.c_str(), target.c_str()) != 0) {
      written = system_error("renaming to `" + target + "`", errno);
    }
  } else if (written.ok()) {
    const Result<bool> moved = move_if_absent(temporary, target);
    if (moved.ok() && !*moved) {
      ::unlink(temporary.c_str());
      if (config_.conflict_resolution == ConflictResolution::kIgnore) return {};
      return invalid("`" + target + "` exists already");
    }
    if (!moved.ok()) written = moved.error();
  }
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  TRY(sync_directory(directory));
  session.event(flowfile, ProvenanceKind::kSend, "file://" + target);
  return {};
}

}  // namespace runnel
