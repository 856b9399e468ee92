// UpdateAttribute: sets attributes, each to the value of an expression.
//
// All expressions see the FlowFile as it came in: one attribute's new value is not seen by
// another's expression (NiFi's rule).

#include <string>
#include <utility>
#include <vector>

#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

struct UpdateAttributeConfig {
  std::optional<std::string> delete_attributes;
  DynamicProperties attributes;
};

class UpdateAttribute final : public Processor {
 public:
  using Config = UpdateAttributeConfig;
  static Result<std::unique_ptr<UpdateAttribute>> make(Config config);

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  struct Rule {
    std::string name;
    Text value;
  };

  Context* context_ = nullptr;
  Relationship success_;
  Relationship failure_;
  std::vector<Rule> constants_;
  std::vector<Rule> computed_;
  std::vector<std::string> values_;  // of `computed_`, reused
  std::optional<Regex> deleted_;
};

}  // namespace

ProcessorType update_attribute() {
  return Describe<UpdateAttribute>("UpdateAttribute",
                                   "Sets attributes of each FlowFile; every further property is an "
                                   "attribute's name and its new value.")
      .property("Delete Attributes Expression", &UpdateAttributeConfig::delete_attributes,
                {.doc = "Attributes whose whole name matches this regular expression are removed."})
      .dynamic_properties(&UpdateAttributeConfig::attributes,
                          {.name = "attribute",
                           .doc = "The attribute's new value.",
                           .expressions = ExpressionScope::kFlowFile})
      .relationship("success", "The FlowFile with its new attributes.")
      .optional_relationship(
          "failure",
          "An expression has no value for this FlowFile, or not the right kind of value. Left out "
          "of a flow: such a FlowFile stays queued, is penalized and tried again.")
      .concurrent()
      .example(R"(enrich:
  type: UpdateAttribute
  properties: {vehicle: "${mqtt.topic:getDelimitedField(2, '/')}", site: depot-7}
)");
}

Result<std::unique_ptr<UpdateAttribute>> UpdateAttribute::make(Config config) {
  auto made = std::make_unique<UpdateAttribute>();
  if (config.delete_attributes) {
    TRY_ASSIGN(pattern, Regex::compile(*config.delete_attributes)
                            .within("property `Delete Attributes Expression`"));
    made->deleted_ = std::move(pattern);
  }
  for (auto& [name, text] : config.attributes) {
    TRY_ASSIGN(value, PropertyTraits<Text>::parse(text).within("property `" + name + "`"));
    auto& rules = value.is_constant() ? made->constants_ : made->computed_;
    rules.push_back({std::move(name), std::move(value)});
  }
  made->values_.resize(made->computed_.size());
  return made;
}

Result<> UpdateAttribute::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  for (std::size_t i = 0; i < computed_.size(); ++i) {
    values_[i].clear();
    const FlowFileScope scope(flowfile, context_->clock());
    const Result<> evaluated = computed_[i].value.expression().append_to(values_[i], scope);
    if (!evaluated.ok()) {
      context_->bulletin(BulletinLevel::kError, "FlowFile " + flowfile.uuid() + ": attribute `" +
                                                    computed_[i].name +
                                                    "`: " + evaluated.error().text());
      if (!failure_) return evaluated.error().within("attribute `" + computed_[i].name + "`");
      session.penalize(flowfile);
      session.transfer(flowfile, failure_);
      return {};
    }
  }
  if (deleted_) {
    std::vector<std::string> doomed;
    flowfile.each_attribute([&](std::string_view name, std::string_view) {
      if (deleted_->matches(name)) doomed.emplace_back(name);
    });
    for (const std::string& name : doomed) flowfile.remove(name);
  }
  for (const Rule& rule : constants_) flowfile.set(rule.name, rule.value.constant());
  for (std::size_t i = 0; i < computed_.size(); ++i) flowfile.set(computed_[i].name, values_[i]);
  session.transfer(flowfile, success_);
  return {};
}

}  // namespace runnel
