// Renders descriptions: for the terminal, and as the pages of processors/reference/.

#include "agent/spec/render.h"

#include <algorithm>
#include <cmath>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr std::size_t kWidth = 96;

// `text` in lines of at most kWidth, each behind `indent` blanks.
std::string wrapped(std::string_view text, std::size_t indent) {
  std::string out;
  for (const std::string_view paragraph : split(text, '\n')) {
    std::string line;
    for (const std::string_view word : split(paragraph, ' ')) {
      if (word.empty()) continue;
      if (!line.empty() && indent + line.size() + 1 + word.size() > kWidth) {
        out += std::string(indent, ' ') + line + '\n';
        line.clear();
      }
      if (!line.empty()) line += ' ';
      line += word;
    }
    out += line.empty() ? "\n" : std::string(indent, ' ') + line + '\n';
  }
  return out;
}

std::string expressions_text(ExpressionScope scope) {
  switch (scope) {
    case ExpressionScope::kNone:
      return {};
    case ExpressionScope::kEnvironment:
      return "expressions, evaluated once at start";
    case ExpressionScope::kFlowFile:
      return "expressions, evaluated for each FlowFile";
  }
  return {};
}

std::string bounds_text(const PropertySpec& spec) {
  if (spec.min && spec.max) {
    return bound_text(spec, *spec.min) + " to " + bound_text(spec, *spec.max);
  }
  if (spec.min) return "at least " + bound_text(spec, *spec.min);
  if (spec.max) return "at most " + bound_text(spec, *spec.max);
  return {};
}

// "period, 1 sec to 1 hour, required, sensitive, …"
std::string facts_text(const PropertySpec& spec) {
  std::string out(name_of(spec.kind));
  if (!spec.service.empty()) out += " that provides " + spec.service;
  const auto add = [&](const std::string& fact) {
    if (!fact.empty()) out += ", " + fact;
  };
  add(bounds_text(spec));
  if (spec.is_required)
    add(spec.replaced_by.empty() ? "required" : "required without `" + spec.replaced_by + "`");
  if (!spec.is_required && !spec.replaced_by.empty()) add("not beside `" + spec.replaced_by + "`");
  if (spec.is_sensitive) add("sensitive");
  add(expressions_text(spec.expressions));
  return out;
}

std::string manners_text(const ComponentSpec& spec) {
  if (spec.is_service()) {
    std::string provides;
    for (const std::string& one : spec.provides) provides += (provides.empty() ? "" : ", ") + one;
    return "A controller service. Provides: " + provides + ".";
  }
  std::string out = "Input: " + std::string(name_of(spec.input)) + ". Runs ";
  out += spec.trigger == DefaultTrigger::kEvent ? "when there is something to do"
                                                : "every second unless its flow says otherwise";
  out += spec.is_single_threaded ? "; one task at a time." : "; several tasks at once.";
  return out;
}

std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') {
      out += "\\|";
    } else {
      out += c == '\n' ? ' ' : c;
    }
  }
  return out;
}

std::string code(std::string_view text) {
  return text.empty() ? std::string() : "`" + cell(text) + "`";
}

std::string choices_text(const PropertySpec& spec) {
  std::string out;
  for (const Choice& choice : spec.choices) {
    out += (out.empty() ? "" : ", ") + code(choice.value);
    if (!choice.doc.empty()) out += " (" + cell(choice.doc) + ")";
  }
  return out;
}

std::string attributes_page(std::string_view title, const std::vector<AttributeSpec>& attributes) {
  if (attributes.empty()) return {};
  std::string out = "\n## " + std::string(title) + "\n\n| attribute | |\n|---|---|\n";
  for (const AttributeSpec& one : attributes) {
    out += "| " + code(one.name) + " | " + cell(one.doc) + " |\n";
  }
  return out;
}

std::string attributes_text(std::string_view title, const std::vector<AttributeSpec>& attributes) {
  if (attributes.empty()) return {};
  std::string out = '\n' + std::string(title) + ":\n";
  for (const AttributeSpec& one : attributes) out += "  " + one.name + '\n' + wrapped(one.doc, 6);
  return out;
}

}  // namespace

std::string bound_text(const PropertySpec& spec, double bound) {
  // A manifest from elsewhere may hold any number.
  const double number = std::isfinite(bound) ? std::clamp(bound, -9e18, 9e18) : 0.0;
  if (spec.kind == PropertyKind::kPeriod) {
    return period_text(std::chrono::nanoseconds(std::llround(number)));
  }
  if (spec.kind == PropertyKind::kSize) {
    return size_text(static_cast<std::uint64_t>(std::max(number, 0.0)));
  }
  if (std::floor(bound) == bound && std::fabs(bound) < 9e15) {
    return std::to_string(std::llround(bound));
  }
  std::string out = std::to_string(bound);
  while (out.back() == '0') out.pop_back();
  return out;
}

std::string_view first_sentence(std::string_view doc) {
  for (std::size_t i = 0; i + 1 < doc.size(); ++i) {
    if (doc[i] == '.' && (doc[i + 1] == ' ' || doc[i + 1] == '\n')) return doc.substr(0, i + 1);
  }
  return doc;
}

std::string describe_text(const ComponentSpec& spec) {
  std::string out = spec.type + "\n" + wrapped(spec.doc, 2) + wrapped(manners_text(spec), 2);
  if (!spec.properties.empty()) out += "\nProperties:\n";
  for (const PropertySpec& one : spec.properties) {
    out += "  " + one.name;
    if (one.default_value) out += " = " + *one.default_value;
    out += "   (" + facts_text(one) + ")\n" + wrapped(one.doc, 6);
    for (const Choice& choice : one.choices) {
      out += "      - " + choice.value + (choice.doc.empty() ? "" : ": " + choice.doc) + '\n';
    }
    if (!one.example.empty()) out += "      Example: " + one.example + '\n';
  }
  if (spec.dynamic_properties) {
    out += "  <" + spec.dynamic_properties->name + ">   (any name)\n" +
           wrapped(spec.dynamic_properties->doc, 6);
  }
  if (!spec.relationships.empty()) out += "\nRelationships:\n";
  for (const RelationshipSpec& one : spec.relationships) {
    out += "  " + one.name + (one.is_optional ? "   (may be left out)" : "") + '\n' +
           wrapped(one.doc, 6);
  }
  out += attributes_text("Writes attributes", spec.writes);
  out += attributes_text("Reads attributes", spec.reads);
  if (!spec.example.empty()) {
    out += "\nExample:\n";
    for (const std::string_view line : split(trimmed(spec.example), '\n')) {
      out += "  " + std::string(line) + '\n';
    }
  }
  return out;
}

std::string describe_list(std::span<const ComponentSpec> specs) {
  std::size_t width = 0;
  for (const ComponentSpec& spec : specs) width = std::max(width, spec.type.size());
  std::string out;
  for (const ComponentSpec& spec : specs) {
    out += spec.type + std::string(width - spec.type.size() + 2, ' ');
    out += std::string(first_sentence(spec.doc)) + '\n';
  }
  return out;
}

std::string reference_page(const ComponentSpec& spec) {
  std::string out =
      "<!-- Generated from the description of this component by `./dev generate`; edit that. -->\n";
  out += "# " + spec.type + "\n\n" + spec.doc + "\n\n" + manners_text(spec) + '\n';
  if (!spec.properties.empty() || spec.dynamic_properties) {
    out += "\n## Properties\n\n| property | default | kind | |\n|---|---|---|---|\n";
  }
  for (const PropertySpec& one : spec.properties) {
    out += "| **" + cell(one.name) + "** | " + code(one.default_value.value_or("")) + " | " +
           facts_text(one) + " | " + cell(one.doc);
    if (!one.choices.empty()) out += " One of " + choices_text(one) + ".";
    if (!one.example.empty()) out += " Example: " + code(one.example) + ".";
    out += " |\n";
  }
  if (spec.dynamic_properties) {
    const DynamicPropertySpec& dynamic = *spec.dynamic_properties;
    const std::string expressions = expressions_text(dynamic.expressions);
    out += "| *" + cell(dynamic.name) + "* | | any name" +
           (expressions.empty() ? "" : ", " + expressions) + " | " + cell(dynamic.doc);
    if (dynamic.makes_relationship) out += " Each adds a relationship of its name.";
    out += " |\n";
  }
  if (!spec.relationships.empty()) {
    out += "\n## Relationships\n\n| relationship | |\n|---|---|\n";
    for (const RelationshipSpec& one : spec.relationships) {
      out += "| **" + cell(one.name) + "** | " + cell(one.doc) +
             (one.is_optional ? " May be left out." : "") + " |\n";
    }
  }
  out += attributes_page("Attributes written", spec.writes);
  out += attributes_page("Attributes read", spec.reads);
  if (!spec.example.empty()) {
    out += "\n## Example\n\n```yaml\n" + std::string(trimmed(spec.example)) + "\n```\n";
  }
  return out;
}

std::string reference_index(std::span<const ComponentSpec> specs) {
  const auto table = [specs](ComponentKind kind) {
    std::string out = "| " + std::string(name_of(kind)) + " | |\n|---|---|\n";
    for (const ComponentSpec& spec : specs) {
      if (spec.kind != kind) continue;
      out += "| [" + spec.type + "](" + spec.type + ".md) | " +
             cell(std::string(first_sentence(spec.doc))) + " |\n";
    }
    return out;
  };
  return "<!-- Generated from the registry by `./dev generate`; edit that. -->\n# Processors\n\n" +
         table(ComponentKind::kProcessor) + "\n# Controller services\n\n" +
         table(ComponentKind::kService);
}

}  // namespace runnel
