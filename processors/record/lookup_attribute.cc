// LookupAttribute: sets attributes to what a lookup service has for their keys.

#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/record/lookup.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

struct LookupAttributeConfig {
  ServiceRef<LookupService> lookup;
  bool includes_empty = true;
  DynamicProperties keys;
};

class LookupAttribute final : public Processor {
 public:
  using Config = LookupAttributeConfig;
  using Keys = std::vector<std::pair<std::string, Text>>;
  LookupAttribute(Config config, Keys keys) : config_(std::move(config)), keys_(std::move(keys)) {}
  static Result<std::unique_ptr<LookupAttribute>> make(Config config);

  Result<> start(Context& context) override {
    context_ = &context;
    matched_ = context.relationship("matched");
    unmatched_ = context.relationship("unmatched");
    failure_ = context.relationship("failure");
    TRY_ASSIGN(lookup, context.service(config_.lookup));
    if (!lookup->key_names().empty())
      return invalid(
          "property `Lookup Service`: its service takes several keys together, which "
          "LookupRecord has");
    lookup_ = lookup;
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  // Whether any key was found.
  Result<bool> look_up(FlowFile flowfile);

  const Config config_;
  const Keys keys_;
  Context* context_ = nullptr;
  LookupService* lookup_ = nullptr;
  Relationship matched_;
  Relationship unmatched_;
  Relationship failure_;
};

}  // namespace

ProcessorType lookup_attribute() {
  using C = LookupAttributeConfig;
  return Describe<LookupAttribute>("LookupAttribute",
                                   "Sets attributes to what a lookup service has for their keys.")
      .property("Lookup Service", &C::lookup,
                {.doc = "The service that has the values.", .required = true, .example = "depots"})
      .property("Include Empty Values", &C::includes_empty,
                {.doc = "Set an attribute also where nothing is found (to `null`) or the value is "
                        "empty, and count it as found, as NiFi does."})
      .dynamic_properties(&C::keys, {.name = "Attribute",
                                     .doc = "The attribute to set; the value is its key.",
                                     .expressions = ExpressionScope::kFlowFile})
      .relationship("matched", "FlowFiles for which something was found.")
      .relationship("unmatched", "FlowFiles for which nothing was found.")
      .relationship("failure", "FlowFiles whose keys cannot be made.")
      .concurrent();
}

Result<std::unique_ptr<LookupAttribute>> LookupAttribute::make(Config config) {
  Keys keys;
  for (const auto& [name, value] : config.keys) {
    TRY_ASSIGN(key, PropertyTraits<Text>::parse(value).within("property `" + name + "`"));
    keys.emplace_back(name, std::move(key));
  }
  return std::make_unique<LookupAttribute>(std::move(config), std::move(keys));
}

Result<> LookupAttribute::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<bool> is_matched = look_up(flowfile);
  if (!is_matched.ok()) {
    if (is_matched.code() != Code::kInvalid) return is_matched.error();
    context_->bulletin(BulletinLevel::kWarning, is_matched.error().text());
    session.transfer(flowfile, failure_);
    return {};
  }
  session.transfer(flowfile, *is_matched ? matched_ : unmatched_);
  return {};
}

Result<bool> LookupAttribute::look_up(FlowFile flowfile) {
  bool is_matched = false;
  std::vector<std::pair<std::string, std::string>> found;
  for (const auto& [name, key] : keys_) {
    TRY_ASSIGN(text, key.of(flowfile));
    TRY_ASSIGN(value, lookup_->find(text));
    const bool has_value = value && !trimmed(*value).empty();
    if (!has_value && !config_.includes_empty) continue;
    found.emplace_back(name, has_value ? std::move(*value) : value ? "" : "null");
    is_matched = true;
  }
  // All keys are of the FlowFile as it came.
  for (const auto& [name, value] : found) flowfile.set(name, value);
  return is_matched;
}

}  // namespace runnel
