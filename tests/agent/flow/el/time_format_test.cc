// Dates: what the rows of functions.tsv cannot say.

#include "agent/flow/el/time_format.h"

#include <doctest/doctest.h>

#include "agent/base/bytes.h"

namespace runnel::el {
namespace {

TEST_CASE("what is written is read back, through years, zones and leap days") {
  const auto format = *TimeFormat::compile("uuuu-MM-dd'T'HH:mm:ss.SSSSSSSSSXXX");
  for (const std::string_view name : {"UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu",
                                      "Pacific/Apia", "+05:30", "GMT-3"}) {
    const auto zone = *TimeZone::find(name);
    for (std::int64_t ms = -60'000'000'000'000; ms < 60'000'000'000'000; ms += 987'654'321'123) {
      const Moment moment{ms, 123'456};
      const std::string text = format.format(moment, zone);
      const auto back = format.parse(text, *TimeZone::find("UTC"));
      CAPTURE(text);
      REQUIRE(back.ok());
      // Before standard time, zones have offsets with seconds, which the text does not show.
      const std::int64_t off = back->ms - moment.ms;
      CHECK((ms > -1'500'000'000'000 ? off == 0 : off > -60'000 && off < 60'000));
      CHECK(back->nanos == moment.nanos);
    }
  }
}

TEST_CASE("the calendar agrees with base's") {
  const auto format = *TimeFormat::compile("uuuu-MM-dd'T'HH:mm:ss.SSS'Z'");
  const auto utc = *TimeZone::find("UTC");
  for (const std::int64_t ms : {0L, 951'782'400'000L, 1'709'164'800'123L, 4'107'542'400'000L}) {
    CHECK(format.format({ms, 0}, utc) == iso_time(ms));
  }
}

TEST_CASE("weeks begin on Sunday and the first of January is in the first") {
  const auto format = *TimeFormat::compile("YYYY w W D F");
  const auto read = *TimeFormat::compile("uuuu-MM-dd");
  const auto utc = *TimeZone::find("UTC");
  const auto shown = [&](std::string_view day) {
    return format.format(*read.parse(day, utc), utc);
  };
  CHECK(shown("2015-01-01") == "2015 1 1 1 1");
  CHECK(shown("2015-01-04") == "2015 2 2 4 1");
  CHECK(shown("2014-12-28") == "2015 1 5 362 4");
  CHECK(shown("2014-12-27") == "2014 52 4 361 4");
  CHECK(shown("2023-12-31") == "2024 1 6 365 5");
  CHECK(shown("2023-12-30") == "2023 52 5 364 5");
}

TEST_CASE("hostile dates neither overflow nor hang") {
  const auto utc = *TimeZone::find("UTC");
  const auto format = *TimeFormat::compile("yyyy-MM-dd HH:mm:ss");
  CHECK_FALSE(format.parse("99999999999-1-1 0:0:0", utc).ok());
  CHECK_FALSE(format.parse(std::string(100'000, '9'), utc).ok());
  CHECK(format.parse("999999-12-31 24:00:00", utc).ok());
  CHECK_FALSE(format.parse("999999-999999999-999999999 999999999:999999999:999999999", utc).ok());
  for (const std::int64_t ms : {INT64_MIN, INT64_MAX}) {
    CHECK_FALSE(format.format({ms, 0}, *TimeZone::find("Europe/Berlin")).empty());
  }
  CHECK_FALSE(TimeFormat::compile(std::string(300, 'y')).ok());
  CHECK_FALSE(TimeFormat::compile(std::string(20, 'y')).ok());
  CHECK_FALSE(TimeFormat::compile(std::string(20, '[')).ok());
  CHECK_FALSE(TimeFormat::compile("]").ok());
  CHECK_FALSE(TimeZone::find("../../etc/passwd").ok());
  CHECK_FALSE(TimeZone::find("+25:00").ok());
  CHECK(TimeZone::find("").ok());
}

TEST_CASE("a time of the day by its number is none before midnight or behind the day's end") {
  const auto utc = *TimeZone::find("UTC");
  for (const char* pattern : {"A", "N", "n"}) {
    const auto format = *TimeFormat::compile(pattern);
    CHECK(format.parse("5", utc).ok());
    for (const char* text : {"-1", "-94999499999499", "99999999999999999"})
      CHECK_FALSE(format.parse(text, utc).ok());
  }
}

TEST_CASE("a date's own text is read back in summer and in winter, wherever the machine stands") {
  for (const std::string_view name :
       {"Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/St_Johns",
        "America/Sao_Paulo", "Asia/Kolkata", "Asia/Dhaka", "Australia/Sydney", "Pacific/Auckland",
        "Asia/Dubai", "UTC"}) {
    const auto format = *TimeFormat::compile("EEE MMM dd HH:mm:ss z yyyy");
    for (const std::int64_t ms : {1'767'225'600'000, 1'782'900'000'000}) {
      std::string text;
      append_java_date(text, ms, name);
      const auto back = format.parse(text, *TimeZone::find(name));
      CAPTURE(text);
      REQUIRE(back.ok());
      CHECK(back->ms == ms);
    }
  }
}

TEST_CASE("quotes in a pattern") {
  const auto utc = *TimeZone::find("UTC");
  const auto shown = [&](std::string_view pattern) {
    return TimeFormat::compile(pattern)->format({0, 0}, utc);
  };
  CHECK(shown("'T'") == "T");
  CHECK(shown("''") == "'");
  CHECK(shown("'o''clock'") == "o'clock");
  CHECK(shown("yyyy''MM") == "1970'01");
  CHECK_FALSE(TimeFormat::compile("'open").ok());
}

}  // namespace
}  // namespace runnel::el
