// Text and bytes.

#include "agent/base/bytes.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <random>
#include <string>

#include "agent/base/copy.h"
#include "agent/base/hash.h"
#include "agent/base/ids.h"
#include "agent/base/words.h"

namespace runnel {

using namespace std::chrono_literals;

TEST_CASE("a period is read with NiFi's units and refused without one") {
  CHECK(*parse_period("5 sec") == 5s);
  CHECK(*parse_period("1min") == 60s);
  CHECK(*parse_period("100 ms") == 100ms);
  CHECK(*parse_period("3 days") == 72h);
  CHECK(*parse_period("0.5 s") == 500ms);
  CHECK(parse_period("5").code() == Code::kInvalid);
  CHECK(parse_period("5 parsecs").error().text().find("unknown unit `parsecs`") !=
        std::string::npos);
  CHECK(parse_period("").code() == Code::kInvalid);
  CHECK(parse_period("99999999999 weeks").code() == Code::kInvalid);
}

TEST_CASE("a size counts in powers of 1024") {
  CHECK(*parse_size("512 MB") == 512ULL << 20);
  CHECK(*parse_size("1kb") == 1024);
  CHECK(*parse_size("17") == 17);
  CHECK(parse_size("1 XB").code() == Code::kInvalid);
  CHECK(parse_size("99999999 PB").code() == Code::kInvalid);
  CHECK(size_text(1536) == "1.5 KB");
}

TEST_CASE("what is too long is told apart from the limit, however near it is") {
  constexpr std::uint64_t kMax = 8 * 1024 * 1024;
  CHECK(too_long_text(kMax + 1, kMax) == "8388609 bytes long; the most is 8388608");
  CHECK(too_long_text(64 * kMax, kMax) == "512 MB long; the most is 8 MB");
  CHECK(too_long_text(kMax + kMax / 10, kMax) == "8.8 MB long; the most is 8 MB");
  CHECK(too_long_text(3, 2) == "3 B long; the most is 2 B");
}

TEST_CASE("one of a kind is not said as several") {
  CHECK(counted(0, "agent") == "0 agents");
  CHECK(counted(1, "agent") == "1 agent");
  CHECK(counted(std::size_t{2}, "more agent") == "2 more agents");
  CHECK(period_text(std::chrono::hours(1)) == "1 hour");
  CHECK(period_text(std::chrono::hours(48)) == "2 days");
  CHECK(period_text(std::chrono::minutes(1)) == "1 min");
}

TEST_CASE("a few bytes are copied and compared as any others, and none beside them") {
  std::string text(80, '.');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 23);
  for (std::size_t size = 0; size <= 70; ++size) {
    const std::string_view few = std::string_view(text).substr(3, size);
    std::string copy(size + 2, '#');
    copy_text(copy.data() + 1, few);
    CHECK(copy == "#" + std::string(few) + "#");
    CHECK(equal_few(few, std::string_view(copy).substr(1, size)));
    CHECK_FALSE(equal_few(few, std::string_view(copy).substr(0, size + 1)));
    for (std::size_t at = 0; at < size; ++at) {
      std::string other(few);
      other[at] = '#';
      CHECK_FALSE(equal_few(few, other));
    }
  }
}

TEST_CASE("a number is the nearest double, however it is written") {
  const auto nearest_to = [](const std::string& text) {
    return std::strtod(text.c_str(), nullptr);
  };
  std::mt19937_64 random(5);
  for (int round = 0; round < 100'000; ++round) {
    std::string text = std::to_string(random() >> (random() % 64));
    text = text.substr(0, 1 + random() % text.size());
    if (const std::size_t point = random() % (2 * text.size()); point > 0 && point < text.size())
      text.insert(point, 1, '.');
    if (random() % 4 == 0) text.insert(0, 1, '-');
    if (random() % 8 == 0) text += "e" + std::to_string(static_cast<int>(random() % 40) - 20);
    INFO(text);
    const Result<double> number = parse_double(text);
    REQUIRE(number.ok());
    CHECK(*number == nearest_to(text));
  }
  CHECK(*parse_double(" 61.5\n") == 61.5);
  CHECK(std::signbit(*parse_double("-0")));
  for (const char* const none : {"", " ", ".", "-", "-.", "1.2.3", "1,5", "0x1p3 ", "+-1", "1 2"}) {
    INFO(none);
    CHECK(parse_double(none).ok() == false);
  }
}

TEST_CASE("base64 and hexadecimal come back as they went") {
  const std::vector<std::string> texts{"", "a", "ab", "abc", "abcd", std::string("\0\xff\x80", 3)};
  for (const std::string& text : texts) {
    CHECK(*from_base64(to_base64(text)) == text);
    CHECK(*from_hex(to_hex(text)) == text);
  }
  CHECK(to_base64("ab") == "YWI=");
  CHECK(from_base64("a*b=").code() == Code::kInvalid);
  CHECK(from_hex("0g").code() == Code::kInvalid);
}

TEST_CASE("ill-formed UTF-8 is replaced and never reaches JSON") {
  CHECK(is_utf8("größe €"));
  CHECK_FALSE(is_utf8("\xC0\xAF"));
  CHECK_FALSE(is_utf8("\xED\xA0\x80"));
  CHECK(json_quoted("a\"\n\x01\xFFz") == "\"a\\\"\\n\\u0001\xEF\xBF\xBDz\"");
}

TEST_CASE("the nearest word is the one a person meant") {
  const std::vector<std::string> words{"properties", "terminate", "retry"};
  CHECK(nearest("proprties", words) == "properties");
  CHECK(nearest("Retry", words) == "retry");
  CHECK(nearest("zebra", words).empty());
}

TEST_CASE("times are written in UTC with milliseconds") {
  CHECK(iso_time(0) == "1970-01-01T00:00:00.000Z");
  CHECK(iso_time(1767225600123) == "2026-01-01T00:00:00.123Z");
  CHECK(iso_time(-1) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("a UUID of version 5 is the one that RFC 4122 gives") {
  const Uuid dns = *parse_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  CHECK(named_uuid(dns, "www.example.com").text() == "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  CHECK(random_uuid() != random_uuid());
  CHECK(parse_uuid("6ba7b810-9dad-11d1-80b4").code() == Code::kInvalid);
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace runnel
