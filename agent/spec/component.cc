// Checks of values against their descriptions, with the cure in each complaint.

#include "agent/spec/component.h"

#include <algorithm>
#include <cmath>

#include "agent/base/bytes.h"
#include "agent/spec/render.h"

namespace runnel {
namespace {

constexpr std::size_t kShownValue = 80;  // bytes of a value that a complaint repeats
constexpr std::size_t kShownChoices = 12;

std::string quoted(std::string_view text) {
  std::string out("`");
  out += to_utf8(text.substr(0, kShownValue));
  if (text.size() > kShownValue) out += "…";
  return out + '`';
}

std::string shown(const PropertySpec& spec, std::string_view value) {
  return spec.is_sensitive ? "the value" : quoted(value);
}

Result<> check_bounds(const PropertySpec& spec, std::string_view value, double number) {
  if (spec.min && number < *spec.min) {
    return invalid(shown(spec, value) + " is too small; the least is `" +
                   bound_text(spec, *spec.min) + "`");
  }
  if (spec.max && number > *spec.max) {
    return invalid(shown(spec, value) + " is too large; the most is `" +
                   bound_text(spec, *spec.max) + "`");
  }
  return {};
}

// The error of a parser, without the value where nobody may see it.
Error refused(const PropertySpec& spec, const Error& error) {
  if (!spec.is_sensitive) return error;
  return invalid("the value is no " + std::string(name_of(spec.kind)));
}

Result<> check_choice(const PropertySpec& spec, std::string_view value) {
  std::vector<std::string> names;
  for (const Choice& choice : spec.choices) {
    if (choice.value == value) return {};
    names.push_back(choice.value);
  }
  std::string text = shown(spec, value) + " is not allowed; ";
  const std::string_view near = nearest(value, names);
  if (!near.empty()) text += "did you mean " + quoted(near) + "? ";
  text += near.empty() ? "one of " : "One of ";
  for (std::size_t i = 0; i < names.size() && i < kShownChoices; ++i) {
    text += (i == 0 ? "" : ", ") + quoted(names[i]);
  }
  if (names.size() > kShownChoices) {
    text += " and " + std::to_string(names.size() - kShownChoices) + " more";
  }
  return invalid(text);
}

}  // namespace

const PropertySpec* ComponentSpec::property(std::string_view wanted) const {
  for (const PropertySpec& one : properties) {
    if (one.name == wanted) return &one;
  }
  return nullptr;
}

bool ComponentSpec::does_provide(std::string_view what) const {
  return std::find(provides.begin(), provides.end(), what) != provides.end();
}

const RelationshipSpec* ComponentSpec::relationship(std::string_view wanted) const {
  for (const RelationshipSpec& one : relationships) {
    if (one.name == wanted) return &one;
  }
  return nullptr;
}

Result<> check_value(const PropertySpec& spec, std::string_view value) {
  if (spec.expressions != ExpressionScope::kNone && value.find("${") != std::string_view::npos) {
    return {};
  }
  if (value.empty()) {
    if (spec.kind == PropertyKind::kText && !spec.is_required) return {};
    return invalid(spec.is_required ? "must not be empty"
                                    : "is empty; leave it out, or write a value");
  }
  double number = 0;
  switch (spec.kind) {
    case PropertyKind::kText:
    case PropertyKind::kService:  // whether there is one is a question to the flow
      return {};
    case PropertyKind::kBoolean:
      if (equal_ignoring_case(value, "true") || equal_ignoring_case(value, "false")) return {};
      return invalid(shown(spec, value) + " is neither `true` nor `false`");
    case PropertyKind::kChoice:
      return check_choice(spec, value);
    case PropertyKind::kInteger: {
      const auto parsed = parse_int(value);
      if (!parsed) return refused(spec, parsed.error());
      number = static_cast<double>(*parsed);
      break;
    }
    case PropertyKind::kDecimal: {
      const auto parsed = parse_double(value);
      if (!parsed) return refused(spec, parsed.error());
      number = *parsed;
      break;
    }
    case PropertyKind::kPeriod: {
      const auto parsed = parse_period(value);
      if (!parsed) return refused(spec, parsed.error());
      number = static_cast<double>(parsed->count());
      break;
    }
    case PropertyKind::kSize: {
      const auto parsed = parse_size(value);
      if (!parsed) return refused(spec, parsed.error());
      number = static_cast<double>(*parsed);
      break;
    }
  }
  return check_bounds(spec, value, number);
}

std::vector<PropertyComplaint> check_values(const ComponentSpec& spec,
                                            const PropertyValues& values) {
  std::vector<PropertyComplaint> complaints;
  const auto has_service = [&values](const PropertySpec& one) {
    const auto service = values.find(one.replaced_by);
    return !one.replaced_by.empty() && service != values.end() && !service->second.empty();
  };
  for (const PropertySpec& one : spec.properties) {
    const auto found = values.find(one.name);
    if (found == values.end()) {
      if (one.is_required && !has_service(one)) {
        std::string text = "property `" + one.name + "` is missing";
        if (!one.example.empty()) text += "; for example `" + one.example + "`";
        if (!one.replaced_by.empty())
          text += "; or `" + one.replaced_by + "`, whose service has it";
        complaints.push_back({one.name, std::move(text)});
      }
      continue;
    }
    if (has_service(one)) {
      complaints.push_back({one.name, "property `" + one.name + "` is said by the service of `" +
                                          one.replaced_by + "`; leave one of them out"});
      continue;
    }
    const auto checked = check_value(one, found->second);
    if (!checked) {
      complaints.push_back({one.name, "property `" + one.name + "`: " + checked.error().text()});
    }
  }
  if (spec.dynamic_properties) return complaints;
  std::vector<std::string> names;
  for (const PropertySpec& one : spec.properties) names.push_back(one.name);
  for (const auto& [name, value] : values) {
    if (spec.property(name)) continue;
    std::string text = "`" + spec.type + "` has no property " + quoted(name);
    const std::string_view near = nearest(name, names);
    if (!near.empty()) text += "; did you mean " + quoted(near) + "?";
    complaints.push_back({name, std::move(text)});
  }
  return complaints;
}

std::string_view name_of(PropertyKind kind) {
  switch (kind) {
    case PropertyKind::kText:
      return "text";
    case PropertyKind::kInteger:
      return "integer";
    case PropertyKind::kDecimal:
      return "decimal";
    case PropertyKind::kBoolean:
      return "boolean";
    case PropertyKind::kPeriod:
      return "period";
    case PropertyKind::kSize:
      return "size";
    case PropertyKind::kChoice:
      return "choice";
    case PropertyKind::kService:
      return "service";
  }
  return "text";
}

std::string_view name_of(ComponentKind kind) {
  return kind == ComponentKind::kService ? "service" : "processor";
}

std::string_view name_of(ExpressionScope scope) {
  switch (scope) {
    case ExpressionScope::kNone:
      return "none";
    case ExpressionScope::kEnvironment:
      return "environment";
    case ExpressionScope::kFlowFile:
      return "flowfile";
  }
  return "none";
}

std::string_view name_of(InputRule rule) {
  switch (rule) {
    case InputRule::kForbidden:
      return "forbidden";
    case InputRule::kAllowed:
      return "allowed";
    case InputRule::kRequired:
      return "required";
  }
  return "allowed";
}

}  // namespace runnel
