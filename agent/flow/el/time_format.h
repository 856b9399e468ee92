// Dates as text: Java's DateTimeFormatter patterns and time zones by IANA name.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel::el {

// A moment: milliseconds since 1970 in UTC and the nanoseconds within the millisecond.
struct Moment {
  std::int64_t ms = 0;
  std::uint32_t nanos = 0;
};

// A time zone by Java's names: IANA ("Europe/Berlin"), "UTC", "GMT", "Z", offsets ("+01:00",
// "GMT+8", "UTC-03:30") and the short names of java.time.ZoneId.SHORT_IDS ("PST"). Empty is the
// machine's own. Cheap to copy.
class TimeZone {
 public:
  static Result<TimeZone> find(std::string_view name);
  // What a text means by `CEST` or `PDT`, as Java's pattern letter z reads it; names of `zone` go
  // before those of others. All that `find` takes is understood, too.
  static Result<TimeZone> of_short_name(std::string_view name, const TimeZone& zone);

  struct Offset {
    std::int64_t seconds = 0;  // local minus UTC
    std::string abbreviation;  // "CEST", "UTC", "+03"
  };
  Offset at(std::int64_t utc_seconds) const;
  // The UTC second of a local one. In a gap the clock moves on by its length, and of two it is the
  // earlier: as java.time.
  std::int64_t to_utc(std::int64_t local_seconds) const;
  const std::string& name() const { return name_; }

 private:
  TimeZone(std::string name, const void* zone, std::int64_t fixed)
      : name_(std::move(name)), zone_(zone), fixed_seconds_(fixed) {}

  std::string name_;
  const void*
      zone_;  // date::time_zone, which lives as long as the process; nullptr: a fixed offset
  std::int64_t fixed_seconds_;
};

// A pattern, compiled. Immutable; any thread.
class TimeFormat {
 public:
  static constexpr std::size_t kMaxPattern = 256;

  // kInvalid names the letter that is none.
  static Result<TimeFormat> compile(std::string_view pattern);

  std::string format(Moment moment, const TimeZone& zone) const;
  // As NiFi reads dates, leniently, and java.time resolves them, in its style SMART: fields may
  // have fewer digits than letters, case does not count, 31 February is the last of February, 24:00
  // the next day. What the pattern does not name is 1970-01-01T00:00. kInvalid when the text does
  // not fit, when a field is out of its range (month 13), and when two contradict each other.
  Result<Moment> parse(std::string_view text, const TimeZone& zone) const;
  // Whether it is read so, and means a day that its month has, and a time from 00:00 to 23:59 that
  // its zone does not leave out: java.time's style STRICT.
  bool fits_strictly(std::string_view text, const TimeZone& zone) const;

  struct Piece {
    char letter = '\0';  // '\0': `literal`
    int count = 0;
    std::string literal;
  };

 private:
  explicit TimeFormat(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}
  Result<Moment> parse(std::string_view text, const TimeZone& zone, bool is_strict) const;

  std::vector<Piece> pieces_;
};

// "Wed Dec 31 12:00:04 UTC 2016", as Java's Date.toString.
void append_java_date(std::string& out, std::int64_t ms, std::string_view zone_name);
// "2014-12-31T15:36:03.264Z", as Java's Instant.toString.
void append_java_instant(std::string& out, std::int64_t ms, std::uint32_t nanos);

}  // namespace runnel::el
