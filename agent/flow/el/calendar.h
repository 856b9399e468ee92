// The Gregorian calendar in whole numbers, without a bound on the year, and its English names.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace runnel::el {

constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                    "Thursday", "Friday", "Saturday"};

constexpr std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}
constexpr std::int64_t floor_modulo(std::int64_t a, std::int64_t b) {
  return a % b + (a % b < 0 ? b : 0);
}

// Days since 1970-01-01 (http://howardhinnant.github.io/date_algorithms.html, days_from_civil).
constexpr std::int64_t days_from_civil(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = floor_divide(year, 400);
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

struct LocalTime {
  std::int64_t year = 1970;
  std::int64_t month = 1;  // 1..12
  std::int64_t day = 1;
  std::int64_t day_of_year = 1;
  std::int64_t weekday = 4;  // 0: Sunday
  std::int64_t hour = 0;
  std::int64_t minute = 0;
  std::int64_t second = 0;
  std::int64_t nano = 0;  // within the second

  // Weeks as in the United States, which is NiFi's locale: they begin on Sunday, and the week with
  // the first of January is the first.
  std::int64_t week_of_month() const { return (day - 1 + weekday_of(1 - day)) / 7 + 1; }
  std::int64_t week_of_year() const {
    return week_year() > year ? 1 : (day_of_year - 1 + weekday_of(1 - day_of_year)) / 7 + 1;
  }
  std::int64_t week_year() const {
    const std::int64_t days = days_from_civil(year + 1, 1, 1) - days_from_civil(year, 1, 1);
    // The Saturday of this week lies in the year whose first week it may be.
    return day_of_year + (6 - weekday) > days ? year + 1 : year;
  }

 private:
  // The weekday of the day that is `shift` days away.
  std::int64_t weekday_of(std::int64_t shift) const { return floor_modulo(weekday + shift, 7); }
};

// civil_from_days, of the same source; `seconds` since 1970 in local time.
constexpr LocalTime local_time(std::int64_t seconds) {
  LocalTime local;
  const std::int64_t days = floor_divide(seconds, 86400);
  const std::int64_t second_of_day = floor_modulo(seconds, 86400);
  local.hour = second_of_day / 3600;
  local.minute = second_of_day / 60 % 60;
  local.second = second_of_day % 60;
  const std::int64_t shifted = days + 719468;
  const std::int64_t era = floor_divide(shifted, 146097);
  const std::int64_t day_of_era = shifted - era * 146097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t shifted_month = (5 * day_of_year + 2) / 153;
  local.day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  local.month = shifted_month + (shifted_month < 10 ? 3 : -9);
  local.year = year_of_era + era * 400 + (local.month <= 2 ? 1 : 0);
  local.weekday = floor_modulo(days + 4, 7);
  local.day_of_year = days - days_from_civil(local.year, 1, 1) + 1;
  return local;
}

}  // namespace runnel::el
