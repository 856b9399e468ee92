// Passwords: Argon2id, kept encoded with their salt and cost. The door to Argon2.

#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel::hub {

inline constexpr std::size_t kPasswordMin = 8;     // characters
inline constexpr std::size_t kPasswordMax = 1024;  // bytes

// kInvalid when it is too short or too long. Takes some 50 ms and 19 MiB, by intent.
Result<std::string> password_hash(std::string_view password);
// One at a time in the whole process, so that logins cannot take all memory.
bool password_matches(std::string_view password, const std::string& hash);
// 20 characters without those that are read wrongly.
std::string random_password();

}  // namespace runnel::hub
