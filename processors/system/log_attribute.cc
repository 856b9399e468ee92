// LogAttribute: writes a FlowFile's attributes, and if wanted its content, to the agent's log.

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"

namespace runnel {

// MiNiFi's levels; our log has no `trace` and no `critical`: they are `debug` and `error`.
enum class LogAttributeLevel { kInfo, kTrace, kDebug, kWarn, kError, kCritical };

template <>
struct EnumNames<LogAttributeLevel> {
  static constexpr std::array<std::pair<LogAttributeLevel, std::string_view>, 6> names{
      {{LogAttributeLevel::kTrace, "trace"},
       {LogAttributeLevel::kDebug, "debug"},
       {LogAttributeLevel::kInfo, "info"},
       {LogAttributeLevel::kWarn, "warn"},
       {LogAttributeLevel::kError, "error"},
       {LogAttributeLevel::kCritical, "critical"}}};
};

namespace {

struct LogAttributeConfig {
  LogAttributeLevel log_level = LogAttributeLevel::kInfo;
  std::optional<std::string> attributes_to_log;
  std::optional<std::string> attributes_to_ignore;
  bool log_payload = false;
  bool hexencode_payload = false;
  std::uint32_t maximum_payload_line_length = 0;
  std::optional<std::string> log_prefix;
  std::uint32_t flow_files_to_log = 1;
};

class LogAttribute final : public Processor {
 public:
  using Config = LogAttributeConfig;
  explicit LogAttribute(Config config);

  Result<> start(Context& context) override {
    path_ = context.path();
    success_ = context.relationship("success");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  bool is_wanted(std::string_view attribute) const;
  Result<std::string> payload(Session& session, FlowFile flowfile) const;
  LogLevel level() const;

  const Config config_;
  std::vector<std::string> wanted_;
  std::vector<std::string> ignored_;
  std::string path_;
  Relationship success_;
};

// No more content than this is logged of one FlowFile.
constexpr std::size_t kPayloadMax = 64 * 1024;
// And no more FlowFiles than this in one session.
constexpr std::uint32_t kFlowFilesMax = 10'000;

std::vector<std::string> names_of(const std::optional<std::string>& list) {
  std::vector<std::string> names;
  if (!list) return names;
  for (const std::string_view name : split(*list, ',')) {
    if (!trimmed(name).empty()) names.emplace_back(trimmed(name));
  }
  return names;
}

bool is_among(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

ProcessorType log_attribute() {
  using C = LogAttributeConfig;
  return Describe<LogAttribute>("LogAttribute",
                                "Writes the attributes of each FlowFile, and if wanted its "
                                "content, to the agent's log: one line each.")
      .property("Log Level", &C::log_level,
                {.doc = "The level of the lines. `trace` is written as `debug`, `critical` as "
                        "`error`."})
      .property("Attributes to Log", &C::attributes_to_log,
                {.doc = "Names, separated by commas; all if empty.", .example = "mqtt.topic,speed"})
      .property("Attributes to Ignore", &C::attributes_to_ignore,
                {.doc = "Names, separated by commas, that are left out."})
      .property("Log Payload", &C::log_payload,
                {.doc = "Whether the content is written too, up to 64 KiB of it."})
      .property("Hexencode Payload", &C::hexencode_payload,
                {.doc = "Whether content is written in hexadecimal."})
      .property("Maximum Payload Line Length", &C::maximum_payload_line_length,
                {.doc = "Content is broken into pieces of so many characters, separated by a "
                        "line feed. `0`: one piece."})
      .property("Log Prefix", &C::log_prefix, {.doc = "Text in front of each line."})
      .property("FlowFiles To Log", &C::flow_files_to_log,
                {.doc = "FlowFiles written each time it is run; `0`: all that are queued.",
                 .max = 10'000})
      .relationship("success", "Every FlowFile, unchanged.")
      .example(R"(show:
  type: LogAttribute
  properties: {Log Payload: true}
  terminate: [success]
)");
}

LogAttribute::LogAttribute(Config config)
    : config_(std::move(config)),
      wanted_(names_of(config_.attributes_to_log)),
      ignored_(names_of(config_.attributes_to_ignore)) {}

bool LogAttribute::is_wanted(std::string_view attribute) const {
  return (wanted_.empty() || is_among(wanted_, attribute)) && !is_among(ignored_, attribute);
}

LogLevel LogAttribute::level() const {
  switch (config_.log_level) {
    case LogAttributeLevel::kTrace:
    case LogAttributeLevel::kDebug:
      return LogLevel::kDebug;
    case LogAttributeLevel::kWarn:
      return LogLevel::kWarn;
    case LogAttributeLevel::kError:
    case LogAttributeLevel::kCritical:
      return LogLevel::kError;
    case LogAttributeLevel::kInfo:
      break;
  }
  return LogLevel::kInfo;
}

Result<std::string> LogAttribute::payload(Session& session, FlowFile flowfile) const {
  TRY_ASSIGN(reader, session.reader(flowfile));
  std::string bytes(std::min<std::uint64_t>(flowfile.size(), kPayloadMax), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    TRY_ASSIGN(got, reader->read(std::span<char>(bytes).subspan(filled)));
    if (got == 0) break;
    filled += got;
  }
  bytes.resize(filled);
  if (config_.hexencode_payload) bytes = to_hex(std::string_view(bytes));
  const std::size_t width = config_.maximum_payload_line_length;
  if (width == 0) return bytes;
  std::string lines;
  for (std::size_t at = 0; at < bytes.size(); at += width) {
    if (at > 0) lines += '\n';
    lines.append(bytes, at, width);
  }
  return lines;
}

Result<> LogAttribute::on_trigger(Session& session) {
  const std::uint32_t count_max =
      config_.flow_files_to_log == 0 ? kFlowFilesMax : config_.flow_files_to_log;
  for (std::uint32_t i = 0; i < count_max; ++i) {
    FlowFile flowfile = session.get();
    if (!flowfile) break;
    std::string text = config_.log_prefix ? *config_.log_prefix + " " : std::string();
    text += "FlowFile " + flowfile.uuid();
    text += " entered=" + iso_time(flowfile.entry_ms());
    text += " size=" + std::to_string(flowfile.size());
    flowfile.each_attribute([&](std::string_view name, std::string_view value) {
      if (!is_wanted(name)) return;
      text += ' ';
      text += name;
      text += '=';
      text += json_quoted(value);
    });
    if (config_.log_payload) {
      TRY_ASSIGN(content, payload(session, flowfile));
      text += " payload=" + json_quoted(content);
    }
    log_line_unlimited(level(), path_, text);
    session.transfer(flowfile, success_);
  }
  return {};
}

}  // namespace runnel
