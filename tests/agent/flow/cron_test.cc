// Cron: when Quartz' expressions fire.

#include "agent/flow/cron.h"

#include <date/date.h>
#include <doctest/doctest.h>

#include <sstream>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

std::int64_t ms(const char* iso) {
  std::istringstream in(iso);
  date::sys_time<std::chrono::milliseconds> when;
  in >> date::parse("%FT%T", when);
  REQUIRE(!in.fail());
  return when.time_since_epoch().count();
}

std::string next(const char* cron, const char* after, const char* zone = "UTC") {
  const Result<Cron> parsed = Cron::parse(cron);
  REQUIRE_MESSAGE(parsed.ok(), cron);
  const auto found = parsed->next(ms(after), zone);
  REQUIRE(found.ok());
  return *found ? iso_time(**found).substr(0, 19) : "never";
}

TEST_CASE("a cron expression fires at the next moment that its fields allow") {
  CHECK(next("0 * * * * ?", "2026-03-01T10:00:00") == "2026-03-01T10:01:00");
  CHECK(next("*/5 * * * * *", "2026-03-01T10:00:01.5") == "2026-03-01T10:00:05");
  CHECK(next("/20 /5 * * * ?", "2026-03-01T10:00:45") == "2026-03-01T10:05:00");
  CHECK(next("0 0/15 9-17 ? * MON-FRI", "2026-03-06T17:45:00") == "2026-03-09T09:00:00");
  CHECK(next("30 10 3 * * ?", "2026-12-31T03:10:30") == "2027-01-01T03:10:30");
  CHECK(next("0 0 0 1,15 JAN,jul ?", "2026-01-15T00:00:00") == "2026-07-01T00:00:00");
  CHECK(next("59 59 23 31 12 ? 2026", "2026-01-01T00:00:00") == "2026-12-31T23:59:59");
}

TEST_CASE("a range may wrap around the end of its field") {
  CHECK(next("0 0 22-2 * * ?", "2026-03-01T02:00:00") == "2026-03-01T22:00:00");
  CHECK(next("0 0 12 ? * FRI-MON", "2026-03-02T12:00:00") == "2026-03-06T12:00:00");
}

TEST_CASE("L, L-n and LW count from the end of the month") {
  CHECK(next("0 0 0 L * ?", "2028-02-01T00:00:00") == "2028-02-29T00:00:00");
  CHECK(next("0 0 0 L-3 * ?", "2026-04-01T00:00:00") == "2026-04-27T00:00:00");
  CHECK(next("0 0 0 LW * ?", "2026-05-01T00:00:00") == "2026-05-29T00:00:00");  // the 31st: Sunday
  CHECK(next("0 0 0 L-3W * ?", "2026-03-01T00:00:00") == "2026-03-27T00:00:00");  // a Saturday
  CHECK(next("0 0 0 l-3w * ?", "2026-05-01T00:00:00") == "2026-05-28T00:00:00");
  CHECK(next("0 0 0 L-30W 2,3 ?", "2026-02-01T00:00:00") == "2026-03-02T00:00:00");  // a Sunday
}

TEST_CASE("15W is the weekday nearest to the 15th, within its month") {
  CHECK(next("0 0 0 15W * ?", "2026-08-01T00:00:00") == "2026-08-14T00:00:00");  // a Saturday
  CHECK(next("0 0 0 15W * ?", "2026-11-01T00:00:00") == "2026-11-16T00:00:00");  // a Sunday
  CHECK(next("0 0 0 1W * ?", "2026-07-31T00:00:00") == "2026-08-03T00:00:00");   // stays in August
  CHECK(next("0 0 0 31W * ?", "2026-04-01T00:00:00") == "2026-05-29T00:00:00");  // none in April
}

TEST_CASE("a weekday may be the nth or the last of its month") {
  CHECK(next("0 0 0 ? * 6#3", "2026-03-01T00:00:00") == "2026-03-20T00:00:00");
  CHECK(next("0 0 0 ? * FRI#5", "2026-02-01T00:00:00") == "2026-05-29T00:00:00");
  CHECK(next("0 0 0 ? * 6L", "2026-03-01T00:00:00") == "2026-03-27T00:00:00");
  CHECK(next("0 0 0 ? * L", "2026-03-01T00:00:00") == "2026-03-07T00:00:00");
}

TEST_CASE("where both days say something, both must hold") {
  CHECK(next("0 0 0 13 * FRI", "2026-01-01T00:00:00") == "2026-02-13T00:00:00");
}

TEST_CASE("a moment that never comes is none") {
  CHECK(next("0 0 0 30 2 ?", "2026-01-01T00:00:00") == "never");
  CHECK(next("0 0 0 1 1 ? 2020", "2026-01-01T00:00:00") == "never");
}

TEST_CASE("a moment that summer time leaves out fires at the change") {
  // Berlin, 2026-03-29: 02:00 becomes 03:00 (01:00 UTC).
  CHECK(next("0 30 2 * * ?", "2026-03-28T12:00:00", "Europe/Berlin") == "2026-03-29T01:00:00");
  CHECK(next("0 30 2 * * ?", "2026-03-29T01:00:00", "Europe/Berlin") == "2026-03-30T00:30:00");
}

TEST_CASE("what recurs hourly comes an hour later where summer time leaves an hour out") {
  CHECK(next("0 30 * * * ?", "2026-03-29T00:30:00", "Europe/Berlin") == "2026-03-29T01:30:00");
  CHECK(next("0 0 * * * ?", "2026-03-29T00:00:00", "Europe/Berlin") == "2026-03-29T01:00:00");
  CHECK(next("0 5/20 * * * ?", "2026-03-29T00:45:00", "Europe/Berlin") == "2026-03-29T01:05:00");
  // Lord Howe, 2026-10-04: 02:00 becomes 02:30 (2026-10-03, 15:30 UTC).
  CHECK(next("0 15 * * * ?", "2026-10-03T14:45:00", "Australia/Lord_Howe") ==
        "2026-10-03T16:15:00");
}

TEST_CASE("a moment that the end of summer time repeats fires once, unless it recurs hourly") {
  // Berlin, 2026-10-25: 03:00 becomes 02:00 again (01:00 UTC).
  CHECK(next("0 30 2 * * ?", "2026-10-24T12:00:00", "Europe/Berlin") == "2026-10-25T00:30:00");
  CHECK(next("0 30 2 * * ?", "2026-10-25T00:30:00", "Europe/Berlin") == "2026-10-26T01:30:00");
  CHECK(next("0 30 * * * ?", "2026-10-25T00:30:00", "Europe/Berlin") == "2026-10-25T01:30:00");
}

TEST_CASE("a bad expression is refused with what is allowed") {
  for (const char* bad :
       {"", "* * * * *", "0 0 0 0 * ?", "60 * * * * ?", "0 0 24 * * ?", "0 0 0 ? 13 *",
        "0 0 0 ? * 8", "0 0 0 ? * MON#6", "0 0/0 * * * ?", "0 / * * * ?", "0 -5 * * * ?",
        "a * * * * ?", "0 0 0 L-31 * ?", "0 0 0 W * ?", "0 0 0 L- * ?", "0 0 0 L-31W * ?",
        "0 0 0 L3 * ?", "0 0 0 1 1 ? 1969", "0 1,,2 * * * ?"}) {
    const Result<Cron> parsed = Cron::parse(bad);
    CHECK_MESSAGE(!parsed.ok(), bad);
    if (!parsed.ok()) CHECK(parsed.code() == Code::kInvalid);
  }
  CHECK(Cron::parse("0 0 0 ? 13 *").error().text() ==
        "cron: `13` is no month: 1 to 12 or JAN to DEC, `*`, lists, ranges and steps are allowed");
}

TEST_CASE("an unknown time zone is refused") {
  const Result<Cron> cron = Cron::parse("0 * * * * ?");
  CHECK(cron->next(0, "Europe/Atlantis").code() == Code::kInvalid);
}

}  // namespace
}  // namespace runnel
