// The shapes of the REST bodies, as data: requests are checked against them, the OpenAPI document
// is made of them, and the tests check every answer against them. hub/ui/src/api/types.ts is the
// same contract for the pages.

#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

namespace runnel::hub {

struct Schema {
  std::string_view name;
  // `key: type, key: type …`; after the key: `?` it may be left out. Types: string, integer,
  // number, boolean, a|b|c (one of these texts; of one: a|), another schema's name, map<T>, a type
  // followed by [] (list of it) or ? (or null). `A + key: …`: all of A's keys too.
  std::string_view shape;
};

std::span<const Schema> schemas();

// What is wrong with `json` as `name`, or empty. `List<T>` is known for each T. Unknown keys are
// wrong.
std::string schema_complaint(std::string_view name, const nlohmann::ordered_json& json);

// The JSON Schema of a type, with $ref into #/components/schemas.
nlohmann::ordered_json json_schema(std::string_view type);
// The JSON Schema of one named shape.
nlohmann::ordered_json json_schema_of_shape(const Schema& schema);

}  // namespace runnel::hub
