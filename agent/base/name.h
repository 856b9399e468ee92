// Names that agent and hub must agree on: they stand in addresses, file names and the hub's tables.

#pragma once

#include <string_view>

namespace runnel {

// Of users, classes and flows: 1…64 of [A-Za-z0-9._-], and neither `.` nor `..`.
bool is_good_name(std::string_view name);
// What a text says of them to a person.
inline constexpr std::string_view kGoodName = "1 to 64 of A-Z a-z 0-9 . _ -";
// Ids of agents: 1…128 visible ASCII characters.
bool is_good_agent_id(std::string_view id);

}  // namespace runnel
