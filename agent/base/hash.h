// Digests by OpenSSL: the names are OpenSSL's ("SHA1", "SHA256", "SHA512", "MD5", …).

#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

// The raw digest of `bytes`; kInvalid when this OpenSSL does not know `algorithm`.
Result<std::string> digest(std::string_view algorithm, std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
std::string sha512_hex(std::string_view bytes);
// Whether both are equal, in a time that does not depend on where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace runnel
