// Text and bytes: hexadecimal, base64, UTF-8, JSON quoting, numbers, sizes, periods and times as
// users write and read them.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

std::string to_hex(std::span<const std::byte> bytes);
std::string to_hex(std::string_view bytes);
Result<std::string> from_hex(std::string_view text);

std::string to_base64(std::string_view bytes);
// Accepts padding or none; kInvalid on any other character.
Result<std::string> from_base64(std::string_view text);

bool is_utf8(std::string_view text);
// The text with every ill-formed sequence replaced by U+FFFD.
std::string to_utf8(std::string_view text);
// A JSON string literal with its quotes; ill-formed UTF-8 is replaced by U+FFFD.
std::string json_quoted(std::string_view text);

std::string to_lower(std::string_view text);
std::string_view trimmed(std::string_view text);  // without spaces, tabs, CR and LF at both ends
std::vector<std::string_view> split(std::string_view text, char separator);
bool equal_ignoring_case(std::string_view a, std::string_view b);

// The whole text is one decimal number, or kInvalid.
Result<std::int64_t> parse_int(std::string_view text);
Result<double> parse_double(std::string_view text);

// "512 MB" -> 536,870,912: B, KB, MB, GB, TB, PB are powers of 1024, as NiFi counts (nifi.util
// DataUnit). A bare number is bytes.
Result<std::uint64_t> parse_size(std::string_view text);
std::string size_text(std::uint64_t bytes);
// "5 sec", "3 days", "1min", "100 ms": NiFi's units (FormatUtils), singular or plural, space
// optional. A bare number is refused.
Result<std::chrono::nanoseconds> parse_period(std::string_view text);
std::string period_text(std::chrono::nanoseconds period);

// 2026-01-01T00:00:00.000Z
std::string iso_time(std::int64_t wall_ms);

// Which of `candidates` a person most likely meant by `word`, or empty when none is near (edit
// distance at most a third of its length).
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);
std::string_view nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace runnel
