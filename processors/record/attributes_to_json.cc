// AttributesToJSON: writes attributes as one JSON object, into the content or into the attribute
// `JSONAttributes`.

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"

namespace runnel {

enum class AttributesDestination { kAttribute, kContent };

template <>
struct EnumNames<AttributesDestination> {
  static constexpr std::array<std::pair<AttributesDestination, std::string_view>, 2> names{
      {{AttributesDestination::kAttribute, "flowfile-attribute"},
       {AttributesDestination::kContent, "flowfile-content"}}};
};

namespace {

struct AttributesToJsonConfig {
  std::optional<std::string> attributes_list;
  std::optional<std::string> attributes_expression;
  AttributesDestination destination = AttributesDestination::kAttribute;
  bool include_core_attributes = true;
  bool null_value = false;
};

class AttributesToJson final : public Processor {
 public:
  using Config = AttributesToJsonConfig;
  static Result<std::unique_ptr<AttributesToJson>> make(Config config);
  explicit AttributesToJson(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    success_ = context.relationship("success");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  bool is_wanted(std::string_view name) const;
  std::string json_of(FlowFile flowfile) const;

  const Config config_;
  std::set<std::string, std::less<>> listed_;
  std::optional<Regex> pattern_;
  Relationship success_;
};

// NiFi's CoreAttributes that a flow carries.
constexpr std::array<std::string_view, 7> kCoreAttributes{
    "path", "absolute.path", "filename", "uuid", "priority", "mime.type", "discard.reason"};

}  // namespace

ProcessorType attributes_to_json() {
  using C = AttributesToJsonConfig;
  return Describe<AttributesToJson>(
             "AttributesToJSON",
             "Writes attributes as one JSON object, into the content or an attribute.")
      .property(
          "Attributes List", &C::attributes_list,
          {.doc = "Which attributes, separated by commas. Neither this nor the expression: all."})
      .property(
          "Attributes Regular Expression", &C::attributes_expression,
          {.doc = "Attributes whose whole name matches are written, beside those of the list."})
      .property("Destination", &C::destination,
                {.doc = "Where the object goes: attribute `JSONAttributes` or the content."})
      .property(
          "Include Core Attributes", &C::include_core_attributes,
          {.doc = "Where all are written: whether `uuid`, `filename`, `path` and NiFi's other "
                  "core attributes are among them. What the list or the expression names is "
                  "written in any case, and nothing else."})
      .property("Null Value", &C::null_value,
                {.doc = "An attribute of the list that is missing or empty is written as null, not "
                        "as the empty string."})
      .relationship("success", "Every FlowFile.")
      .writes("JSONAttributes", "The object, with the destination `flowfile-attribute`.")
      .writes("mime.type", "`application/json`, with the destination `flowfile-content`.")
      .concurrent();
}

Result<std::unique_ptr<AttributesToJson>> AttributesToJson::make(Config config) {
  auto made = std::make_unique<AttributesToJson>(std::move(config));
  if (made->config_.attributes_list) {
    for (const std::string_view part : split(*made->config_.attributes_list, ',')) {
      if (!trimmed(part).empty()) made->listed_.emplace(trimmed(part));
    }
  }
  if (made->config_.attributes_expression) {
    TRY_ASSIGN(pattern, Regex::compile(*made->config_.attributes_expression)
                            .within("property `Attributes Regular Expression`"));
    made->pattern_ = std::move(pattern);
  }
  return made;
}

bool AttributesToJson::is_wanted(std::string_view name) const {
  if (listed_.contains(name)) return true;
  if (pattern_) return pattern_->matches(name);
  if (!listed_.empty()) return false;
  return config_.include_core_attributes ||
         std::find(kCoreAttributes.begin(), kCoreAttributes.end(), name) == kCoreAttributes.end();
}

std::string AttributesToJson::json_of(FlowFile flowfile) const {
  std::map<std::string, std::string> chosen;
  flowfile.each_attribute([&](std::string_view name, std::string_view value) {
    if (is_wanted(name)) chosen.emplace(name, value);
  });
  for (const std::string& name : listed_) chosen.try_emplace(name, "");
  std::string json = "{";
  for (const auto& [name, value] : chosen) {
    if (json.size() > 1) json += ',';
    json += json_quoted(name) + ':' +
            (value.empty() && config_.null_value ? "null" : json_quoted(value));
  }
  return json + "}";
}

Result<> AttributesToJson::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const std::string json = json_of(flowfile);
  if (config_.destination == AttributesDestination::kContent) {
    TRY(session.write(flowfile, json));
    flowfile.set("mime.type", "application/json");
  } else {
    flowfile.set("JSONAttributes", json);
  }
  session.transfer(flowfile, success_);
  return {};
}

}  // namespace runnel
