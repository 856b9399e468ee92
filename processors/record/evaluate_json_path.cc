// EvaluateJsonPath: takes values out of JSON content, into attributes or as the new content.

#include <array>
#include <string>
#include <vector>

#include "agent/flow/el/json_path.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"

namespace runnel {

enum class JsonDestination { kAttribute, kContent };
enum class NullRepresentation { kEmptyString, kNullText };
enum class PathNotFound { kIgnore, kWarn, kSkip };
enum class ReturnType { kAutoDetect, kJson, kScalar };

template <>
struct EnumNames<JsonDestination> {
  static constexpr std::array<std::pair<JsonDestination, std::string_view>, 2> names{
      {{JsonDestination::kContent, "flowfile-content"},
       {JsonDestination::kAttribute, "flowfile-attribute"}}};
};
template <>
struct EnumNames<NullRepresentation> {
  static constexpr std::array<std::pair<NullRepresentation, std::string_view>, 2> names{
      {{NullRepresentation::kEmptyString, "empty string"},
       {NullRepresentation::kNullText, "the string 'null'"}}};
};
template <>
struct EnumNames<PathNotFound> {
  static constexpr std::array<std::pair<PathNotFound, std::string_view>, 3> names{
      {{PathNotFound::kWarn, "warn"},
       {PathNotFound::kIgnore, "ignore"},
       {PathNotFound::kSkip, "skip"}}};
};
template <>
struct EnumNames<ReturnType> {
  static constexpr std::array<std::pair<ReturnType, std::string_view>, 3> names{
      {{ReturnType::kAutoDetect, "auto-detect"},
       {ReturnType::kJson, "json"},
       {ReturnType::kScalar, "scalar"}}};
};

namespace {

struct EvaluateJsonPathConfig {
  JsonDestination destination = JsonDestination::kAttribute;
  NullRepresentation null_representation = NullRepresentation::kEmptyString;
  PathNotFound path_not_found = PathNotFound::kIgnore;
  ReturnType return_type = ReturnType::kAutoDetect;
  Size content_size_max{20 << 20};
  DynamicProperties paths;
};

class EvaluateJsonPath final : public Processor {
 public:
  using Config = EvaluateJsonPathConfig;
  static Result<std::unique_ptr<EvaluateJsonPath>> make(Config config);
  explicit EvaluateJsonPath(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;

 private:
  struct Rule {
    std::string attribute;
    JsonPath path;
  };
  struct Found {
    const Rule* rule;
    std::optional<std::string> value;  // nothing: the path names nothing
  };

  Result<std::vector<Found>> evaluate(std::string_view content) const;
  Result<std::string> rendered(const JsonMatch& match) const;

  const Config config_;
  std::vector<Rule> rules_;
  Context* context_ = nullptr;
  Relationship matched_;
  Relationship unmatched_;
  Relationship failure_;
};

}  // namespace

ProcessorType evaluate_json_path() {
  using C = EvaluateJsonPathConfig;
  return Describe<EvaluateJsonPath>("EvaluateJsonPath",
                                    "Takes values out of JSON content by JSON paths; every further "
                                    "property is an attribute's name and a path.")
      .property("Destination", &C::destination,
                {.doc = "Whether the values become attributes, or the one value becomes the "
                        "content (with a single path)."})
      .property("Null Value Representation", &C::null_representation,
                {.doc = "How JSON's null is written."})
      .property("Path Not Found Behavior", &C::path_not_found,
                {.doc = "When a path names nothing: `ignore` sets the attribute to the empty "
                        "string, `warn` does so and says it, `skip` leaves the attribute out."})
      .property("Return Type", &C::return_type,
                {.doc = "`scalar`: an object or array is a failure; `json`: anything, as JSON "
                        "text; `auto-detect`: scalar for attributes, json for content."})
      .property(
          "Maximum Content Size", &C::content_size_max,
          {.doc = "A FlowFile with more content, or with more than 1,000,000 values in it, goes "
                  "to `failure`.",
           .min = Size{1},
           .max = Size{64 << 20}})
      .dynamic_properties(
          &C::paths, {.name = "attribute", .doc = "The JSON path whose value it gets: `$.speed`."})
      .relationship("matched", "At least one path named something.")
      .relationship("unmatched", "No path named anything.")
      .relationship("failure", "The content is no JSON, or a value is of the wrong type.")
      .concurrent()
      .example(R"(fields:
  type: EvaluateJsonPath
  properties: {speed: "$.speed", vehicle: "$.vehicle.id"}
)");
}

Result<std::unique_ptr<EvaluateJsonPath>> EvaluateJsonPath::make(Config config) {
  auto made = std::make_unique<EvaluateJsonPath>(std::move(config));
  for (const auto& [name, text] : made->config_.paths) {
    TRY_ASSIGN(path, JsonPath::compile(text).within("property `" + name + "`"));
    made->rules_.push_back({name, std::move(path)});
  }
  if (made->config_.destination == JsonDestination::kContent && made->rules_.size() != 1) {
    return invalid("the destination `flowfile-content` needs exactly one path, and there are " +
                   std::to_string(made->rules_.size()));
  }
  return made;
}

Result<> EvaluateJsonPath::start(Context& context) {
  context_ = &context;
  matched_ = context.relationship("matched");
  unmatched_ = context.relationship("unmatched");
  failure_ = context.relationship("failure");
  return {};
}

Result<std::string> EvaluateJsonPath::rendered(const JsonMatch& match) const {
  if (match.kind == JsonKind::kNull) {
    return std::string(config_.null_representation == NullRepresentation::kNullText ? "null" : "");
  }
  const bool wants_scalar = config_.return_type == ReturnType::kScalar ||
                            (config_.return_type == ReturnType::kAutoDetect &&
                             config_.destination == JsonDestination::kAttribute);
  if (wants_scalar && !match.is_scalar()) {
    return invalid("the value is an object or an array, and `Return Type` wants a scalar");
  }
  return match.text;
}

Result<std::vector<EvaluateJsonPath::Found>> EvaluateJsonPath::evaluate(
    std::string_view content) const {
  TRY_ASSIGN(document, JsonDocument::parse(content).within("the content is no JSON"));
  std::vector<Found> all;
  for (const Rule& rule : rules_) {
    const Result<JsonMatch> match = rule.path.read(document);
    if (!match.ok() && match.code() == Code::kNotFound) {
      all.push_back({&rule, std::nullopt});
      continue;
    }
    if (!match.ok()) return match.error().within("path `" + std::string(rule.path.text()) + "`");
    if (!rule.path.is_definite() && match->text == "[]") {
      all.push_back({&rule, std::nullopt});
      continue;
    }
    TRY_ASSIGN(value, rendered(*match).within("path `" + std::string(rule.path.text()) + "`"));
    all.push_back({&rule, std::move(value)});
  }
  return all;
}

Result<> EvaluateJsonPath::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<std::string_view> content =
      session.content(flowfile, config_.content_size_max.bytes);
  if (!content.ok() && content.code() != Code::kFull) return content.error();
  const Result<std::vector<Found>> found = content.ok() ? evaluate(*content) : content.error();
  if (!found.ok()) {
    context_->bulletin(BulletinLevel::kError,
                       "FlowFile " + flowfile.uuid() + ": " + found.error().text());
    session.penalize(flowfile);
    session.transfer(flowfile, failure_);
    return {};
  }
  bool has_any = false;
  for (const Found& one : *found) {
    has_any = has_any || one.value.has_value();
    if (!one.value && config_.path_not_found == PathNotFound::kWarn) {
      context_->bulletin(BulletinLevel::kWarning, "FlowFile " + flowfile.uuid() + ": path `" +
                                                      std::string(one.rule->path.text()) +
                                                      "` names nothing");
    }
    if (config_.destination == JsonDestination::kContent) {
      if (one.value) TRY(session.write(flowfile, *one.value));
    } else if (one.value || config_.path_not_found != PathNotFound::kSkip) {
      flowfile.set(one.rule->attribute, one.value.value_or(""));
    }
  }
  session.transfer(flowfile, has_any ? matched_ : unmatched_);
  return {};
}

}  // namespace runnel
