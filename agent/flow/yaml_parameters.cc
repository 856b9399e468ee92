// Reading parameter contexts, and making one list of what they and those they inherit say.

#include "agent/flow/yaml_parameters.h"

#include <algorithm>
#include <array>

#include "agent/flow/yaml_fields.h"

namespace runnel {

void ParameterContexts::read(const YamlNode& node) {
  const bool is_map =
      Fields(node, "`parameter_contexts`", reading_.complaints, "`{name: {parameters: {…}}}`")
          .is_map();
  if (!is_map) return;
  for (const YamlNode::Entry& entry : node.entries) {
    ParameterContext context;
    context.name = entry.key;
    context.at = entry.key_at;
    check_name(entry.key, entry.key_at, reading_.complaints);
    Fields fields(*entry.value, "a parameter context", reading_.complaints,
                  "`{parameters: {…}, inherits: […]}`");
    context.doc = fields.text("doc").value_or("");
    context.inherits = fields.words("inherits");
    if (const YamlNode* parameters = fields.find("parameters")) {
      context.parameters = read_parameters(*parameters, reading_);
    }
    if (const YamlNode* provider = fields.find("provider")) read_provider(*provider, context);
    fields.refuse_others();
    contexts_.push_back(std::move(context));
  }
  for (const ParameterContext& context : contexts_) by_name_.emplace(context.name, &context);
  for (const ParameterContext& context : contexts_) {
    for (const NamedPlace& one : context.inherits) {
      if (find(one.name) == nullptr) complain_unknown(one.name, one.at);
    }
  }
  for (const ParameterContext& context : contexts_) depth_of(context);
}

void ParameterContexts::read_provider(const YamlNode& node, ParameterContext& context) {
  constexpr std::array<std::string_view, 4> kKinds{"environment", "file", "directory",
                                                   "credentials"};
  using Kind = ParameterProvider::Kind;
  Fields fields(node, "a provider", reading_.complaints, "`{type: directory, path: /run/secrets}`");
  ParameterProvider provider;
  provider.at = node.at;
  if (fields.is_map()) fields.require("type");
  const auto kind = fields.choice("type", kKinds);
  if (kind) provider.kind = static_cast<Kind>(*kind);
  provider.path = fields.text("path").value_or("");
  provider.include = fields.text("include").value_or("");
  provider.is_sensitive = fields.boolean("sensitive").value_or(true);
  fields.refuse_others();
  if (!kind) return;
  const bool has_path = provider.kind == Kind::kFile || provider.kind == Kind::kDirectory;
  if (has_path && !provider.path.starts_with('/')) {
    reading_.complaints.add(node.at, "a provider of the type `" +
                                         std::string(name_of(provider.kind)) +
                                         "` needs a `path` that begins with `/`");
    return;
  }
  if (!has_path && !provider.path.empty()) {
    reading_.complaints.add(node.at, "`path` belongs to the types `file` and `directory`");
    return;
  }
  if (provider.kind == Kind::kEnvironment && provider.include.empty()) {
    reading_.complaints.add(node.at,
                            "a provider of the type `environment` needs `include`: the names "
                            "that it takes, for example `VEHICLE_*`");
    return;
  }
  context.provider = std::move(provider);
}

bool ParameterContexts::give(const std::string& name, const std::string& value) {
  bool is_used = false;
  for (ParameterContext& context : contexts_) {
    for (Parameter& one : context.parameters) {
      if (one.name != name) continue;
      one.value = value;
      is_used = true;
    }
  }
  return is_used;
}

std::vector<std::string> ParameterContexts::parameter_names() const {
  std::vector<std::string> names;
  for (const ParameterContext& context : contexts_) {
    for (const Parameter& one : context.parameters) names.push_back(one.name);
  }
  return names;
}

const ParameterContext* ParameterContexts::find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

void ParameterContexts::complain_unknown(const std::string& name, Position at) const {
  if (reading_.complaints.is_full()) return reading_.complaints.add(at, {});
  std::vector<std::string> names;
  for (const ParameterContext& one : contexts_) names.push_back(one.name);
  std::string cure = did_you_mean(name, names);
  if (cure.empty()) {
    cure =
        names.empty() ? "; the flow has no `parameter_contexts`" : "; there are " + listed(names);
  }
  reading_.complaints.add(at, "there is no parameter context " + backquoted(name) + cure);
}

void ParameterContexts::add_to(ParameterScope& scope, const std::string& name, Position at) {
  const ParameterContext* context = find(name);
  if (context == nullptr) return complain_unknown(name, at);
  const Resolved* resolved = resolve(*context);
  if (resolved == nullptr) return;
  if (resolved->is_open) scope.set_open();
  scope.set_context(resolved->parameters);
}

// What is there already comes first; but a value that is missing is filled, and what is sensitive
// anywhere is sensitive.
void ParameterContexts::add(Resolved& into, const Parameter& parameter) {
  const auto [found, is_new] = into.parameters.emplace(parameter.name, parameter);
  if (is_new) return;
  if (!found->second.value) found->second.value = parameter.value;
  found->second.is_sensitive = found->second.is_sensitive || parameter.is_sensitive;
}

void ParameterContexts::add_provided(const ParameterContext& context, Resolved& into) {
  const ParameterProvider& provider = *context.provider;
  if (!reading_.options.provide) {
    into.is_open = true;
    return;
  }
  const Result<ProvidedValues> provided = reading_.options.provide(provider);
  if (!provided.ok()) {
    const bool is_warning =
        provided.code() == Code::kNotFound && reading_.options.may_lack_providers;
    into.is_open = true;
    reading_.complaints.add(
        provider.at,
        "parameter context " + backquoted(context.name) + ": " + provided.error().text(),
        is_warning ? Severity::kWarning : Severity::kError);
    return;
  }
  for (const auto& [name, value] : *provided) {
    Parameter parameter;
    parameter.name = name;
    parameter.value = value;
    parameter.is_sensitive = provider.is_sensitive;
    parameter.at = provider.at;
    add(into, parameter);
  }
}

// How deep it inherits; nothing: in a circle or too deep, which has been complained of.
std::optional<std::size_t> ParameterContexts::depth_of(const ParameterContext& context) {
  constexpr std::size_t kMax = FlowReadLimits::kContextDepth;
  if (const auto known = depths_.find(&context); known != depths_.end()) return known->second;
  if (inside_.contains(&context)) {
    reading_.complaints.add(context.at, "parameter context " + backquoted(context.name) +
                                            " inherits itself, over what it inherits");
    return std::nullopt;
  }
  inside_.insert(&context);
  std::optional<std::size_t> depth = 0;
  for (const NamedPlace& one : context.inherits) {
    const ParameterContext* inherited = depth && *depth <= kMax ? find(one.name) : nullptr;
    if (inherited == nullptr) continue;
    const auto theirs = inside_.size() > kMax ? std::optional(kMax) : depth_of(*inherited);
    depth = theirs ? std::optional(std::max(*depth, *theirs + 1)) : std::nullopt;
  }
  if (depth && *depth > kMax) {
    reading_.complaints.add(context.at, "parameter contexts inherit each other more than " +
                                            std::to_string(kMax) + " deep");
    depth.reset();
  }
  inside_.erase(&context);
  return depths_[&context] = depth;
}

// nullptr: it inherits itself or too deep, or all of them are too large, which has been complained
// of.
const ParameterContexts::Resolved* ParameterContexts::resolve(const ParameterContext& context) {
  if (const auto known = resolved_.find(&context); known != resolved_.end()) return &known->second;
  if (!depth_of(context) || resolved_count_ > FlowReadLimits::kNodes) return nullptr;
  Resolved out;
  for (const Parameter& one : context.parameters) add(out, one);
  if (context.provider) add_provided(context, out);
  for (const NamedPlace& one : context.inherits) {
    const ParameterContext* inherited = find(one.name);
    if (inherited == nullptr) continue;
    const Resolved* theirs = resolve(*inherited);
    if (theirs == nullptr) continue;
    out.is_open = out.is_open || theirs->is_open;
    for (const auto& [name, parameter] : theirs->parameters) add(out, parameter);
  }
  resolved_count_ += out.parameters.size();
  if (resolved_count_ > FlowReadLimits::kNodes) {
    reading_.complaints.add(context.at, "parameter contexts have more than " +
                                            std::to_string(FlowReadLimits::kNodes) +
                                            " parameters, with those that they inherit");
    return nullptr;
  }
  for (const Parameter& one : context.parameters) {
    const Parameter& meant = out.parameters.find(one.name)->second;
    if (meant.value || out.is_open) continue;
    reading_.complaints.add(one.at, "parameter " + backquoted(one.name) +
                                        " has no value; give it by `--param " + one.name +
                                        "=VALUE`, by `value`, by a provider or by a context that "
                                        "is inherited");
  }
  return &resolved_.emplace(&context, std::move(out)).first->second;
}

}  // namespace runnel
