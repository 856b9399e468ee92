// Formats log lines, limits their rate per place, writes each with one system call.

#include "agent/base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <ctime>
#include <functional>

#include "agent/base/bytes.h"
#include "agent/base/clock.h"
#include "agent/base/mutex.h"

namespace runnel {
namespace {

constexpr std::uint32_t kBurst = 10;
constexpr std::chrono::seconds kWindow{10};
constexpr std::size_t kPlaces = 1024;  // hashed; two places that share a slot share its limit

struct Place {
  SteadyTime window_began{};
  std::uint32_t spoken = 0;
  std::uint32_t left_out = 0;
};

std::atomic<LogLevel> threshold{LogLevel::kInfo};
std::atomic<bool> as_json{false};
std::atomic<LogSink> sink_in_use{nullptr};
Mutex places_mutex;
std::array<Place, kPlaces> places GUARDED_BY(places_mutex);

constexpr std::array<std::string_view, 4> kLevelNames{"debug", "info", "warn", "error"};

// Returns how many lines of this place were left out before this one, or -1 when this one is to be
// left out too.
int admit(std::string_view room, std::string_view text) {
  const std::size_t slot =
      (std::hash<std::string_view>{}(room)*31 + std::hash<std::string_view>{}(text)) % kPlaces;
  const SteadyTime now = system_clock().steady();
  Lock lock(places_mutex);
  Place& place = places[slot];
  if (place.window_began == SteadyTime{} || now - place.window_began >= kWindow) {
    const auto left_out = static_cast<int>(place.left_out);
    place = Place{.window_began = now, .spoken = 1, .left_out = 0};
    return left_out;
  }
  if (place.spoken >= kBurst) {
    ++place.left_out;
    return -1;
  }
  ++place.spoken;
  return 0;
}

void append_value(std::string& line, std::string_view value) {
  const bool is_plain =
      !value.empty() && value.find_first_of(" \"\\=\n\r\t") == std::string_view::npos;
  if (is_plain) {
    line += value;
  } else {
    line += json_quoted(value);
  }
}

std::string text_line(LogLevel level, std::string_view room, std::string_view text,
                      std::initializer_list<LogField> fields, int left_out) {
  std::string line = iso_time(system_clock().wall_ms());
  line += ' ';
  line += kLevelNames[static_cast<std::size_t>(level)];
  line += ' ';
  line += room;
  line += ": ";
  line += text;
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  if (left_out > 0) line += " left_out=" + std::to_string(left_out);
  line += '\n';
  return line;
}

std::string json_line(LogLevel level, std::string_view room, std::string_view text,
                      std::initializer_list<LogField> fields, int left_out) {
  std::string line = "{\"time\":" + json_quoted(iso_time(system_clock().wall_ms()));
  line += ",\"level\":" + json_quoted(kLevelNames[static_cast<std::size_t>(level)]);
  line += ",\"room\":" + json_quoted(room);
  line += ",\"text\":" + json_quoted(text);
  for (const LogField& field : fields) {
    line += ',' + json_quoted(field.key) + ':' + json_quoted(field.value);
  }
  if (left_out > 0) line += ",\"left_out\":" + std::to_string(left_out);
  line += "}\n";
  return line;
}

void write_line(LogLevel level, std::string_view room, std::string_view text,
                std::initializer_list<LogField> fields, int left_out) {
  const std::string line = as_json.load(std::memory_order_relaxed)
                               ? json_line(level, room, text, fields, left_out)
                               : text_line(level, room, text, fields, left_out);
  if (const LogSink sink = sink_in_use.load()) {
    sink(line);
    return;
  }
  // Standard error may be closed or full; there is nowhere left to complain.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

bool is_printed(LogLevel level) {
  return level >= threshold.load(std::memory_order_relaxed) && level < LogLevel::kOff;
}

}  // namespace

void log_line(LogLevel level, std::string_view room, std::string_view text,
              std::initializer_list<LogField> fields) {
  if (!is_printed(level)) return;
  const int left_out = admit(room, text);
  if (left_out >= 0) write_line(level, room, text, fields, left_out);
}

void log_line_unlimited(LogLevel level, std::string_view room, std::string_view text,
                        std::initializer_list<LogField> fields) {
  if (is_printed(level)) write_line(level, room, text, fields, 0);
}

void set_log_level(LogLevel level) { threshold = level; }
void set_log_json(bool is_json) { as_json = is_json; }
void set_log_sink(LogSink sink) { sink_in_use = sink; }

}  // namespace runnel
