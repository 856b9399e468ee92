// Names of users, classes and flows.

#pragma once

#include <string_view>

namespace runnel::hub {

// 1…64 of [A-Za-z0-9._-], and neither `.` nor `..`.
bool is_good_name(std::string_view name);
// 1…128 visible ASCII characters: ids of agents.
bool is_good_agent_id(std::string_view id);

}  // namespace runnel::hub
