// Cron: Quartz' cron expressions, as NiFi uses them: 6 or 7 fields, seconds first.
//
//   seconds minutes hours day-of-month month day-of-week [year]
//
// Every field knows `*`, lists, ranges (that may wrap: `FRI-MON`), steps (`0/15`, `10-50/5`).
// Months and days of the week have names; Sunday is 1. Day of month: `L` (last), `L-3`, `15W` (the
// weekday nearest to the 15th, in the same month), `LW`, `L-3W`. Day of week: `6L` (last Friday),
// `6#3` (third Friday). `?` says nothing of the day; where both days say something, both must hold.

#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

class Cron {
 public:
  // kInvalid: which field, and what is allowed there.
  static Result<Cron> parse(std::string_view text);

  // The first moment after `after_ms` (wall time) at which it fires, in the time zone of this IANA
  // name (empty: the machine's own); nothing when there is none any more. A moment that the change
  // to summer time leaves out fires at the change; one that the change back repeats fires once.
  // What recurs hourly does so in each hour that there is. kInvalid: no such time zone here.
  Result<std::optional<std::int64_t>> next(std::int64_t after_ms,
                                           std::string_view time_zone = {}) const;

  const std::string& text() const { return text_; }

 private:
  static constexpr int kFirstYear = 1970;
  static constexpr int kLastYear = 2099;
  struct NearestWeekday {
    unsigned day;
    bool is_from_last;  // so many days before the last of the month
  };
  struct NthWeekday {
    unsigned weekday;  // 0 is Sunday
    unsigned nth;      // 0: the last
  };

  Result<> parse_day_of_month(std::string_view field);
  Result<> parse_day_of_week(std::string_view field);
  bool holds_on(int year, unsigned month, unsigned day) const;
  bool day_of_month_holds(int year, unsigned month, unsigned day) const;
  bool day_of_week_holds(int year, unsigned month, unsigned day) const;
  // The first matching local second at or after this one, both as if they were UTC.
  std::optional<std::int64_t> next_local(std::int64_t local_s) const;
  std::optional<std::int64_t> next_in_day(std::int64_t second_of_day) const;

  std::string text_;
  std::bitset<60> seconds_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<13> months_;
  std::bitset<kLastYear - kFirstYear + 1> years_;
  std::bitset<32> days_;
  std::vector<unsigned> days_before_last_;  // `L` is 0, `L-3` is 3
  std::vector<NearestWeekday> nearest_weekdays_;
  bool any_day_of_month_ = false;
  std::bitset<7> weekdays_;
  std::vector<NthWeekday> nth_weekdays_;
  bool any_day_of_week_ = false;
};

}  // namespace runnel
