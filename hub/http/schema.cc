// Reads the shapes of schemas.cc: checks JSON against them, and turns them into JSON Schema.

#include "hub/http/schema.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "agent/base/assert.h"
#include "agent/base/bytes.h"

namespace runnel::hub {
namespace {

using Json = nlohmann::ordered_json;

struct Key {
  std::string_view name;
  std::string_view type;
  bool is_optional = false;
};

const Schema* find(std::string_view name) {
  for (const Schema& schema : schemas()) {
    if (schema.name == name) return &schema;
  }
  return nullptr;
}

// The keys of a shape, with those of the shape that it extends.
std::vector<Key> keys_of(std::string_view shape) {
  std::vector<Key> keys;
  if (const std::size_t plus = shape.find(" + "); plus != std::string_view::npos) {
    const Schema* base = find(shape.substr(0, plus));
    RUNNEL_ASSERT(base != nullptr);
    keys = keys_of(base->shape);
    shape.remove_prefix(plus + 3);
  }
  for (std::string_view pair : split(shape, ',')) {
    pair = trimmed(pair);
    const std::size_t colon = pair.find(':');
    RUNNEL_ASSERT(colon != std::string_view::npos);
    Key key{pair.substr(0, colon), trimmed(pair.substr(colon + 1)), false};
    if (key.name.ends_with('?')) {
      key.name.remove_suffix(1);
      key.is_optional = true;
    }
    keys.push_back(key);
  }
  return keys;
}

std::string complaint_of(std::string_view type, const Json& json, const std::string& where);

std::string shape_complaint(std::string_view shape, const Json& json, const std::string& where) {
  if (!json.is_object()) return "`" + where + "` has to be an object";
  const std::vector<Key> keys = keys_of(shape);
  for (const Key& key : keys) {
    const auto found = json.find(std::string(key.name));
    const std::string path =
        where.empty() ? std::string(key.name) : where + "." + std::string(key.name);
    if (found == json.end()) {
      if (!key.is_optional) return "`" + path + "` is missing";
      continue;
    }
    if (std::string wrong = complaint_of(key.type, *found, path); !wrong.empty()) return wrong;
  }
  std::vector<std::string_view> names;
  for (const Key& key : keys) names.push_back(key.name);
  for (const auto& [name, value] : json.items()) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    const std::string_view near = nearest(name, std::span<const std::string_view>(names));
    return "unknown key `" + name + "`" +
           (near.empty() ? std::string() : "; did you mean `" + std::string(near) + "`?");
  }
  return {};
}

std::string complaint_of(std::string_view type, const Json& json, const std::string& where) {
  if (type.ends_with('?')) {
    if (json.is_null()) return {};
    type.remove_suffix(1);
  }
  if (type.starts_with("List<")) {
    const std::string shape = "as_of_ms: integer, total: integer, offset: integer, items: " +
                              std::string(type.substr(5, type.size() - 6)) + "[]";
    return shape_complaint(shape, json, where);
  }
  if (type.starts_with("map<")) {
    if (!json.is_object()) return "`" + where + "` has to be an object";
    for (const auto& [name, value] : json.items()) {
      auto wrong = complaint_of(type.substr(4, type.size() - 5), value, where + "." + name);
      if (!wrong.empty()) return wrong;
    }
    return {};
  }
  if (type.ends_with("[]")) {
    if (!json.is_array()) return "`" + where + "` has to be a list";
    type.remove_suffix(2);
    for (std::size_t i = 0; i < json.size(); ++i) {
      auto wrong = complaint_of(type, json[i], where + "[" + std::to_string(i) + "]");
      if (!wrong.empty()) return wrong;
    }
    return {};
  }
  if (type == "string") return json.is_string() ? "" : "`" + where + "` has to be a text";
  if (type == "integer") {
    return json.is_number_integer() ? "" : "`" + where + "` has to be a whole number";
  }
  if (type == "number") return json.is_number() ? "" : "`" + where + "` has to be a number";
  if (type == "boolean") return json.is_boolean() ? "" : "`" + where + "` has to be true or false";
  if (const Schema* schema = find(type)) {
    if (schema->shape.starts_with("= ")) return complaint_of(schema->shape.substr(2), json, where);
    return shape_complaint(schema->shape, json, where);
  }
  RUNNEL_ASSERT(type.find('|') != std::string_view::npos);
  if (json.is_string()) {
    for (const std::string_view one : split(type, '|')) {
      if (one == json.get_ref<const std::string&>()) return {};
    }
  }
  return "`" + where + "` has to be one of " + std::string(type);
}

}  // namespace

std::string schema_complaint(std::string_view name, const Json& json) {
  return complaint_of(name, json, "");
}

Json json_schema(std::string_view type) {
  if (type.ends_with('?')) {
    type.remove_suffix(1);
    return {{"anyOf", Json::array({json_schema(type), Json{{"type", "null"}}})}};
  }
  if (type.starts_with("List<")) {
    const std::string shape = "as_of_ms: integer, total: integer, offset: integer, items: " +
                              std::string(type.substr(5, type.size() - 6)) + "[]";
    return json_schema_of_shape({"", shape});
  }
  if (type.starts_with("map<")) {
    return {{"type", "object"},
            {"additionalProperties", json_schema(type.substr(4, type.size() - 5))}};
  }
  if (type.ends_with("[]")) {
    return {{"type", "array"}, {"items", json_schema(type.substr(0, type.size() - 2))}};
  }
  if (type == "string" || type == "integer" || type == "number" || type == "boolean") {
    return {{"type", type}};
  }
  if (find(type) != nullptr) return {{"$ref", "#/components/schemas/" + std::string(type)}};
  Json values = Json::array();
  for (const std::string_view one : split(type, '|')) {
    if (!one.empty()) values.push_back(one);
  }
  return {{"type", "string"}, {"enum", values}};
}

Json json_schema_of_shape(const Schema& schema) {
  if (schema.shape.starts_with("= ")) return json_schema(schema.shape.substr(2));
  Json properties = Json::object();
  Json required = Json::array();
  for (const Key& key : keys_of(schema.shape)) {
    properties[std::string(key.name)] = json_schema(key.type);
    if (!key.is_optional) required.push_back(key.name);
  }
  Json json{{"type", "object"}, {"properties", properties}};
  if (!required.empty()) json["required"] = required;
  return json;
}

}  // namespace runnel::hub
