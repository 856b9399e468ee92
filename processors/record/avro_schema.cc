// Reading Avro's schemas, which may come with hostile content.

#include "processors/record/avro_schema.h"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/base/bytes.h"

namespace runnel::avro {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, 14> kNames{"null",   "boolean", "int",    "long",   "float",
                                                  "double", "bytes",   "string", "record", "enum",
                                                  "fixed",  "array",   "map",    "union"};

std::optional<Kind> kind_of(std::string_view name) {
  if (name == "error") return Kind::kRecord;
  if (name == "union") return std::nullopt;  // it is written as a list
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<Kind>(found - kNames.begin());
}

bool is_primitive(Kind kind) { return kind <= Kind::kString; }

bool is_name(std::string_view name) {
  const auto is_letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || !is_letter(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

bool is_full_name(std::string_view name) {
  for (const std::string_view part : split(name, '.')) {
    if (!is_name(part)) return false;
  }
  return true;
}

std::string text_member(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// In a default, characters up to U+00FF stand for the bytes of `bytes` and `fixed`.
std::optional<std::string> latin_bytes(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80) {
      out += text[i];
    } else if ((lead == 0xC2 || lead == 0xC3) && i + 1 < text.size()) {
      ++i;
      out += static_cast<char>((lead & 0x03) << 6 | (static_cast<unsigned char>(text[i]) & 0x3F));
    } else {
      return std::nullopt;
    }
  }
  return out;
}

// Passes over what is none.
std::vector<std::string> aliases_of(const Json& json) {
  std::vector<std::string> out;
  const auto found = json.find("aliases");
  if (found == json.end() || !found->is_array()) return out;
  for (const Json& one : *found) {
    if (one.is_string() && is_full_name(one.get<std::string>()))
      out.push_back(one.get<std::string>());
  }
  return out;
}

// The texts of a default that stand for bytes; false: one of them does not. A default of a union is
// of its first branch.
bool turn_to_bytes(Value& value, const Type& type) {
  if (type.kind == Kind::kUnion) return turn_to_bytes(value, *type.branches[0]);
  if (auto* text = std::get_if<std::string>(&value.held)) {
    if (type.kind != Kind::kBytes && type.kind != Kind::kFixed) return true;
    auto bytes = latin_bytes(*text);
    if (bytes) *text = std::move(*bytes);
    return bytes.has_value();
  }
  if (auto* list = std::get_if<Value::List>(&value.held); list && type.kind == Kind::kArray) {
    return std::all_of(list->begin(), list->end(),
                       [&](Value& one) { return turn_to_bytes(one, *type.branches[0]); });
  }
  auto* const fields = std::get_if<Value::Fields>(&value.held);
  if (fields == nullptr) return true;
  return std::all_of(fields->begin(), fields->end(), [&](Field& one) {
    if (type.kind == Kind::kMap) return turn_to_bytes(one.value, *type.branches[0]);
    for (const MemberField& field : type.fields)
      if (field.name == one.name) return turn_to_bytes(one.value, *field.type);
    return true;
  });
}

Value value_of(const Json& json) {
  if (json.is_boolean()) return Value{json.get<bool>()};
  if (json.is_number_integer() || json.is_number_unsigned()) {
    const bool fits = !json.is_number_unsigned() || json.get<std::uint64_t>() <= INT64_MAX;
    if (fits) return Value{json.get<std::int64_t>()};
    return Value{BigInteger{json.dump()}};
  }
  if (json.is_number()) return Value{json.get<double>()};
  if (json.is_string()) return Value{json.get<std::string>()};
  if (json.is_array()) {
    Value::List list;
    for (const Json& one : json) list.push_back(value_of(one));
    return Value{std::move(list)};
  }
  if (json.is_object()) {
    Value::Fields fields;
    for (const auto& [name, one] : json.items()) fields.push_back({name, value_of(one)});
    return Value{std::move(fields)};
  }
  return Value{};
}

// Of nlohmann's tree; it is not built deeper than this.
Json parsed(std::string_view text) {
  const auto is_kept = [](int depth, Json::parse_event_t, Json&) {
    return depth <= 4 * static_cast<int>(SchemaLimits::kDepth);
  };
  return Json::parse(text, is_kept, /*allow_exceptions=*/false);
}

}  // namespace

std::string_view name_of(Kind kind) { return kNames[static_cast<std::size_t>(kind)]; }

class SchemaParser {
 public:
  explicit SchemaParser(Schema& schema) : schema_(schema) {}

  // When all types are there.
  Result<> finish_defaults() {
    for (Type& type : schema_.types_) {
      for (MemberField& field : type.fields) {
        if (field.default_value && !turn_to_bytes(*field.default_value, *field.type))
          return invalid("the default of `" + field.name + "` is no bytes");
      }
    }
    return {};
  }

  Result<const Type*> type(const Json& json, const std::string& space, std::size_t depth) {
    if (depth > SchemaLimits::kDepth) return invalid("types nest too deeply");
    if (schema_.types_.size() >= SchemaLimits::kTypes) return invalid("there are too many types");
    if (json.is_string()) return reference(json.get<std::string>(), space);
    if (json.is_array()) return union_of(json, space, depth);
    if (!json.is_object()) return invalid("a type is a name, an object or a list");
    const auto inner = json.find("type");
    if (inner == json.end()) return invalid("a type without `type`");
    if (!inner->is_string()) return type(*inner, space, depth + 1);
    const std::optional<Kind> kind = kind_of(inner->get<std::string>());
    if (!kind || is_primitive(*kind)) return reference(inner->get<std::string>(), space);
    if (*kind == Kind::kArray || *kind == Kind::kMap) return container(json, *kind, space, depth);
    return named(json, *kind, space, depth);
  }

 private:
  Type& add(Kind kind) {
    Type& made = schema_.types_.emplace_back();
    made.kind = kind;
    return made;
  }

  Result<const Type*> reference(const std::string& name, const std::string& space) {
    const std::optional<Kind> kind = kind_of(name);
    if (kind && is_primitive(*kind)) {
      const Type*& known = primitives_[static_cast<std::size_t>(*kind)];
      if (known == nullptr) known = &add(*kind);
      return known;
    }
    auto found = named_.find(name);
    if (found == named_.end() && !space.empty()) found = named_.find(space + "." + name);
    if (found == named_.end()) return invalid("there is no type `" + name.substr(0, 200) + "`");
    return found->second;
  }

  Result<const Type*> union_of(const Json& json, const std::string& space, std::size_t depth) {
    Type& made = add(Kind::kUnion);
    std::set<std::string> seen;
    for (const Json& one : json) {
      TRY_ASSIGN(branch, type(one, space, depth + 1));
      if (branch->kind == Kind::kUnion) return invalid("a union stands in a union");
      const std::string name =
          branch->name.empty() ? std::string(name_of(branch->kind)) : branch->name;
      if (!seen.insert(name).second) return invalid("a union has `" + name + "` twice");
      made.branches.push_back(branch);
    }
    if (made.branches.empty()) return invalid("a union has no branches");
    return &made;
  }

  Result<const Type*> container(const Json& json, Kind kind, const std::string& space,
                                std::size_t depth) {
    const char* const key = kind == Kind::kArray ? "items" : "values";
    const auto items = json.find(key);
    if (items == json.end())
      return invalid("`" + std::string(name_of(kind)) + "` without `" + key + "`");
    TRY_ASSIGN(item, type(*items, space, depth + 1));
    Type& made = add(kind);
    made.branches.push_back(item);
    return &made;
  }

  Result<const Type*> named(const Json& json, Kind kind, std::string space, std::size_t depth) {
    std::string name = text_member(json, "name");
    if (!is_full_name(name))
      return invalid("`" + name.substr(0, 200) + "` is no name of a " + std::string(name_of(kind)));
    if (const std::size_t dot = name.rfind('.'); dot != std::string::npos) {
      space = name.substr(0, dot);
    } else {
      const auto own = json.find("namespace");
      if (own != json.end() && own->is_string()) space = own->get<std::string>();
      if (!space.empty() && !is_full_name(space))
        return invalid("`" + space.substr(0, 200) + "` is no namespace");
      if (!space.empty()) name = space + "." + name;
    }
    Type& made = add(kind);
    made.name = name;
    made.aliases = aliases_of(json);
    if (!named_.emplace(name, &made).second)
      return invalid("the type `" + name + "` is there twice");
    Result<> filled;
    if (kind == Kind::kRecord) filled = fill_record(made, json, space, depth);
    if (kind == Kind::kEnum) filled = fill_enum(made, json);
    if (kind == Kind::kFixed) filled = fill_fixed(made, json);
    TRY(std::move(filled).within("`" + name + "`"));
    return &made;
  }

  Result<> fill_record(Type& made, const Json& json, const std::string& space, std::size_t depth) {
    const auto fields = json.find("fields");
    if (fields == json.end() || !fields->is_array()) return invalid("a record without `fields`");
    std::set<std::string> seen;
    for (const Json& one : *fields) {
      if (!one.is_object()) return invalid("a field is an object");
      MemberField field;
      field.name = text_member(one, "name");
      if (!is_name(field.name))
        return invalid("`" + field.name.substr(0, 200) + "` names no field");
      if (!seen.insert(field.name).second)
        return invalid("the field `" + field.name + "` is there twice");
      const auto inner = one.find("type");
      if (inner == one.end()) return invalid("the field `" + field.name + "` has no type");
      TRY_ASSIGN(type_of_field, type(*inner, space, depth + 1));
      field.type = type_of_field;
      if (const auto value = one.find("default"); value != one.end()) {
        field.default_value = value_of(*value);
      }
      field.aliases = aliases_of(one);
      made.fields.push_back(std::move(field));
    }
    return {};
  }

  static Result<> fill_enum(Type& made, const Json& json) {
    const auto symbols = json.find("symbols");
    if (symbols == json.end() || !symbols->is_array()) return invalid("an enum without `symbols`");
    std::set<std::string> seen;
    for (const Json& one : *symbols) {
      if (!one.is_string() || !is_name(one.get<std::string>()))
        return invalid("a symbol is a name");
      made.symbols.push_back(one.get<std::string>());
      if (!seen.insert(made.symbols.back()).second)
        return invalid("the symbol `" + made.symbols.back() + "` is there twice");
    }
    made.default_symbol = text_member(json, "default");
    if (!made.default_symbol.empty() && !seen.contains(made.default_symbol))
      return invalid("the default `" + made.default_symbol.substr(0, 200) + "` is no symbol");
    return {};
  }

  static Result<> fill_fixed(Type& made, const Json& json) {
    const auto size = json.find("size");
    if (size == json.end() || !size->is_number_unsigned()) return invalid("a fixed without `size`");
    if (size->get<std::uint64_t>() > SchemaLimits::kFixed) return invalid("a fixed is too large");
    made.size = size->get<std::size_t>();
    return {};
  }

  Schema& schema_;
  std::map<std::string, const Type*, std::less<>> named_;
  std::array<const Type*, 8> primitives_{};
};

Result<std::shared_ptr<const Schema>> Schema::parse(std::string_view json) {
  if (json.size() > SchemaLimits::kText) return invalid("the schema is too large");
  const Json tree = parsed(json);
  if (tree.is_discarded()) return invalid("the schema is no JSON");
  auto schema = std::make_shared<Schema>();
  SchemaParser parser(*schema);
  TRY_ASSIGN(root, parser.type(tree, {}, 0).within("schema"));
  TRY(parser.finish_defaults().within("schema"));
  schema->root_ = root;
  schema->text_ = json;
  return std::shared_ptr<const Schema>(std::move(schema));
}

}  // namespace runnel::avro
