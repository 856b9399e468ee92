// The log: one structured line an event, to standard error, rate-limited per place.
//
// `log_warn("mqtt", "connection lost", {{"broker", uri}, {"reason", text}})` prints
// `2026-01-01T00:00:00.000Z warn mqtt: connection lost broker=tcp://… reason="…"`, or one JSON
// object a line. A place (room and text) that speaks more than 10 times in 10 s is silenced for the
// rest of them, and the next line says how many were left out. Any thread.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace runnel {

enum class LogLevel { kDebug, kInfo, kWarn, kError, kOff };

struct LogField {
  LogField(std::string_view field_key, std::string_view field_value)
      : key(field_key), value(field_value) {}
  LogField(std::string_view field_key, const char* field_value)
      : key(field_key), value(field_value) {}
  LogField(std::string_view field_key, const std::string& field_value)
      : key(field_key), value(field_value) {}
  template <typename N>
  requires std::is_arithmetic_v<N> LogField(std::string_view field_key, N number)
      : key(field_key), value(std::to_string(number)) {}

  std::string_view key;
  std::string value;
};

void log_line(LogLevel level, std::string_view room, std::string_view text,
              std::initializer_list<LogField> fields = {});

// The same without a limit, for lines that a user asked for one by one.
void log_line_unlimited(LogLevel level, std::string_view room, std::string_view text,
                        std::initializer_list<LogField> fields = {});

inline void log_debug(std::string_view room, std::string_view text,
                      std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kDebug, room, text, fields);
}
inline void log_info(std::string_view room, std::string_view text,
                     std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kInfo, room, text, fields);
}
inline void log_warn(std::string_view room, std::string_view text,
                     std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kWarn, room, text, fields);
}
inline void log_error(std::string_view room, std::string_view text,
                      std::initializer_list<LogField> fields = {}) {
  log_line(LogLevel::kError, room, text, fields);
}

// Lines below `level` are not printed. Default: kInfo.
void set_log_level(LogLevel level);
// One JSON object a line instead of text. Default: text.
void set_log_json(bool is_json);
// Where lines go instead of standard error; nullptr for standard error again. For tests.
using LogSink = void (*)(std::string_view line);
void set_log_sink(LogSink sink);

}  // namespace runnel
