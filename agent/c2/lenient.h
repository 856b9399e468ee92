// Reading JSON from strangers: a member that is absent, null or of another type is simply not said.

#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel::c2 {

// Of what is read: not `ordered_json`, whose members are searched one by one.
using Json = nlohmann::json;

// The text as JSON, within Limits of size and depth. Ill-formed UTF-8 is replaced, not refused:
// MiNiFi C++ does not check what it copies into bulletins.
Result<Json> parse_json(std::string_view text);
// The bytes of a member's value as they stand in an object's text, which parse_json has accepted;
// empty: not there. Keeps the order of members, which matters in manifests.
std::string_view raw_member(std::string_view object, std::string_view name);

// nullptr: not there, null, or `object` is no object.
const Json* member(const Json& object, std::string_view name);
const Json* object_member(const Json& object, std::string_view name);
const Json* list_member(const Json& object, std::string_view name);

// Numbers and booleans read as their texts, since ids come as numbers too; longer ones are cut.
std::string text_of(const Json& value);
std::string text_member(const Json& object, std::string_view name);
// What every JSON reader has whole (RFC 8259, section 6): a few numbers of it can still be added
// up.
inline constexpr std::int64_t kIntegerMax = std::int64_t{1} << 53;
// Texts that hold a number count; fractions are cut off, what is beyond kIntegerMax is clamped.
std::optional<std::int64_t> integer_member(const Json& object, std::string_view name);
std::optional<double> decimal_member(const Json& object, std::string_view name);
std::optional<bool> boolean_member(const Json& object, std::string_view name);

}  // namespace runnel::c2
