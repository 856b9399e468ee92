// What descriptions do that depends on no component: kept out of the headers, as there are many
// components.

#include "agent/sdk/describe.h"

#include <algorithm>

#include "agent/base/assert.h"

namespace runnel {

void PropertySetters::add(std::string name, std::size_t offset,
                          Result<> (*set)(void*, std::string_view)) {
  for (const Setter& known : setters_) RUNNEL_ASSERT(known.offset != offset);
  setters_.push_back({std::move(name), offset, set});
}

void PropertySetters::add_dynamic(std::size_t offset) {
  RUNNEL_ASSERT(!dynamic_);
  dynamic_ = offset;
}

Result<> PropertySetters::fill(void* config, const PropertyValues& values) const {
  char* const begin = static_cast<char*>(config);
  for (const Setter& setter : setters_) {
    const auto found = values.find(setter.name);
    if (found == values.end()) continue;
    TRY(setter.set(begin + setter.offset, found->second).within("property `" + setter.name + "`"));
  }
  if (!dynamic_) return {};
  auto& dynamic = *reinterpret_cast<DynamicProperties*>(begin + *dynamic_);
  for (const auto& entry : values) {
    const bool is_made_up =
        std::none_of(setters_.begin(), setters_.end(),
                     [&entry](const Setter& one) { return one.name == entry.first; });
    if (is_made_up) dynamic.emplace_back(entry.first, entry.second);
  }
  return {};
}

ComponentDraft::ComponentDraft(ComponentKind kind, std::string type, std::string doc) {
  spec_.kind = kind;
  spec_.type = std::move(type);
  spec_.doc = std::move(doc);
}

void ComponentDraft::add_property(std::string name, PropertyFacts&& facts,
                                  const MemberBinding& binding, std::size_t offset,
                                  std::string default_text) {
  RUNNEL_ASSERT(spec_.property(name) == nullptr);
  setters_.add(name, offset, binding.set);
  PropertySpec& added = spec_.properties.emplace_back();
  added.name = std::move(name);
  added.doc = std::move(facts.doc);
  added.kind = facts.choices.empty() ? binding.kind : PropertyKind::kChoice;
  added.is_required = facts.required;
  added.is_sensitive = facts.sensitive;
  added.expressions = binding.expressions.value_or(facts.expressions);
  added.service = binding.service;
  if (facts.min) added.min = facts.min->value;
  if (facts.max) added.max = facts.max->value;
  added.choices = std::move(facts.choices);
  added.choices.insert(added.choices.end(), binding.choices.begin(), binding.choices.end());
  added.example = std::move(facts.example);
  added.replaced_by = std::move(facts.replaced_by);
  if (!facts.required && !default_text.empty()) added.default_value = std::move(default_text);
}

}  // namespace runnel
