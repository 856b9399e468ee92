// JSON: reading and changing it by paths.

#include <array>

#include "agent/flow/el/json_path.h"
#include "agent/flow/el/json_tree.h"
#include "agent/flow/el/program.h"

namespace runnel::el {
namespace {

Result<std::shared_ptr<const void>> prepare_path(Function::Constants arguments) {
  if (!arguments[0]) return std::shared_ptr<const void>();
  TRY_ASSIGN(path, JsonPath::compile(arguments[0]->text));
  return std::shared_ptr<const void>(std::make_shared<const JsonPath>(std::move(path)));
}

struct Parts {
  JsonDocument document;
  JsonPath path;
};

// The subject as a document and the first argument as a path. Nothing when the call has failed.
std::optional<Parts> parts_of(Call& call) {
  const auto text = call.subject_text();
  if (!text || text->empty()) return call.fail("the subject is empty"), std::nullopt;
  auto document = JsonDocument::parse(*text);
  if (!document.ok()) return call.fail("the subject is " + document.error().text()), std::nullopt;
  if (const auto* path = call.prepared<JsonPath>()) {
    return Parts{std::move(document).value(), *path};
  }
  auto path = JsonPath::compile(call.text(0).value_or(""));
  if (!path.ok()) return call.fail(path.error().text()), std::nullopt;
  return Parts{std::move(document).value(), std::move(path).value()};
}

// JsonPathBaseEvaluator.getResultRepresentation: null is empty, an array of one is its item.
std::string representation(JsonMatch match) {
  if (match.kind == JsonKind::kArray) {
    if (const auto array = parse_json(match.text); array.ok()) {
      const JsonNode* node = &*array;
      while (node->kind == JsonKind::kArray && node->items.size() == 1) node = &node->items.front();
      match = match_of(*node);
    }
  }
  if (match.kind == JsonKind::kNull) return {};
  return std::move(match.text);
}

Value json_path(Call& call) {
  const auto parts = parts_of(call);
  if (!parts) return null_value();
  auto match = parts->path.read(parts->document);
  // JsonPathEvaluator: whatever goes wrong in reading counts as not found. Our bounds are no such
  // case.
  if (!match.ok()) {
    return match.code() == Code::kNotFound ? text_value("") : call.fail(match.error().text());
  }
  return call.hold(representation(std::move(match).value()));
}

// Numbers and booleans are themselves in JSON, all else is a string.
JsonPath::Value json_value(Call& call, const Value& value) {
  const bool is_plain =
      value.type == Type::kNumber || value.type == Type::kDecimal || value.type == Type::kBoolean;
  if (value.is_null()) return {"null", true};
  return {*call.text(value), is_plain};
}

// JsonPathUpdateEvaluator: what cannot be changed gives an empty text.
Value outcome(Call& call, Result<std::string> result) {
  return result.ok() ? call.hold(std::move(result).value()) : text_value("");
}

Value json_path_set(Call& call) {
  const auto parts = parts_of(call);
  if (!parts) return null_value();
  return outcome(call, parts->path.set(parts->document, json_value(call, call.argument(1))));
}

Value json_path_add(Call& call) {
  const auto parts = parts_of(call);
  if (!parts) return null_value();
  return outcome(call, parts->path.add(parts->document, json_value(call, call.argument(1))));
}

// JsonPathPutEvaluator: other than `set`, it gives an empty text when there is no such place.
Value json_path_put(Call& call) {
  const auto parts = parts_of(call);
  if (!parts) return null_value();
  const std::string_view key = call.text(1).value_or("");
  if (parts->path.is_definite()) {
    if (const auto place = parts->path.read(parts->document); !place.ok()) return text_value("");
  }
  return outcome(call, parts->path.put(parts->document, key, json_value(call, call.argument(2))));
}

Value json_path_delete(Call& call) {
  const auto parts = parts_of(call);
  if (!parts) return null_value();
  return outcome(call, parts->path.remove(parts->document));
}

Value is_json(Call& call) {
  const auto text = call.subject_text();
  if (!text) return boolean_value(false);
  const std::size_t first = text->find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || ((*text)[first] != '{' && (*text)[first] != '[')) {
    return boolean_value(false);
  }
  return boolean_value(JsonDocument::parse(*text).ok());
}

constexpr std::array<Function, 6> kJsonFunctions{{
    {"jsonPath", kNeeds, 1, 1, "path", Type::kString,
     "What the JSON path finds in the text: a scalar as text, all else as JSON; an array of one is "
     "its item; empty when nothing is found.",
     json_path, prepare_path},
    {"jsonPathSet", kNeeds, 2, 2, "path, value", Type::kString,
     "The JSON with the value in place of what the path finds; unchanged when it finds nothing.",
     json_path_set, prepare_path},
    {"jsonPathAdd", kNeeds, 2, 2, "path, value", Type::kString,
     "The JSON with the value added to the array that the path finds; empty when that is no array.",
     json_path_add, prepare_path},
    {"jsonPathPut", kNeeds, 3, 3, "path, key, value", Type::kString,
     "The JSON with the member set in the object that the path finds; empty when that is no "
     "object.",
     json_path_put, prepare_path},
    {"jsonPathDelete", kNeeds, 1, 1, "path", Type::kString, "The JSON without what the path finds.",
     json_path_delete, prepare_path},
    {"isJson", kNeeds, 0, 0, "", Type::kBoolean, "Whether the text is a JSON object or array.",
     is_json},
}};

}  // namespace

std::span<const Function> json_functions() { return kJsonFunctions; }

}  // namespace runnel::el
