// Java's regular expressions on RE2.

#include "agent/flow/el/regex.h"

#include <doctest/doctest.h>

namespace runnel {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
  const auto regex = Regex::compile(pattern);
  REQUIRE_MESSAGE(regex.ok(), pattern);
  return regex->matches(text);
}

std::string refusal(std::string_view pattern) {
  const auto regex = Regex::compile(pattern);
  return regex.ok() ? "" : regex.error().text();
}

TEST_CASE("Java's spellings are understood") {
  CHECK(matches("\\p{Alpha}\\p{Digit}\\p{Punct}", "a1!"));
  CHECK(matches("\\P{Alpha}", "1"));
  CHECK_FALSE(matches("\\P{Alpha}", "a"));
  CHECK(matches("[\\p{Upper}_]+", "A_B"));
  CHECK(matches("\\p{IsAlphabetic}+", "äß"));
  CHECK(matches("\\p{IsLatin}+", "ab"));
  CHECK(matches("\\p{Lu}", "Ä"));
  CHECK(matches("a\\hb", "a\tb"));
  CHECK(matches("[\\h]", " "));
  CHECK(matches("a\\Rb", "a\r\nb"));
  CHECK(matches("a\\Z", "a"));
  CHECK(matches("\\v[\\v]\\V", "\r\nx"));
  CHECK_FALSE(matches("\\V", "\r"));
  CHECK(matches("\\s[\\s]\\S", "\v\vx"));
  CHECK_FALSE(matches("\\S", "\v"));
  CHECK(matches("\\H", "x"));
  CHECK(matches("\\0101[\\0102]\\07\\04008", "AB\a 08"));
  CHECK(matches("\\u00e4", "ä"));
  CHECK(matches("\\Q(a)[b]\\E", "(a)[b]"));
  CHECK(matches("(?<year>\\d{4})", "2024"));
  CHECK(matches("\\<a\\>", "<a>"));
  CHECK(matches("(?s).", "\n"));
  CHECK_FALSE(matches(".", "\n"));
  CHECK(matches("[^]]", "a"));
}

TEST_CASE("what needs walking back is refused by its name and column") {
  CHECK(refusal("a(?=b)").find("column 2: lookahead is not available") != std::string::npos);
  CHECK(refusal("a(?!b)").find("lookahead") != std::string::npos);
  CHECK(refusal("(?<=a)b").find("column 1: lookbehind") != std::string::npos);
  CHECK(refusal("(?>a)b").find("an atomic group") != std::string::npos);
  CHECK(refusal("(a)\\1").find("column 4: a back reference") != std::string::npos);
  CHECK(refusal("(?<n>a)\\k<n>").find("a back reference") != std::string::npos);
  CHECK(refusal("a*+").find("a possessive quantifier") != std::string::npos);
  CHECK(refusal("[a&&b]").find("the intersection") != std::string::npos);
  CHECK(refusal("[a[b]]").find("a character class inside another") != std::string::npos);
  CHECK(refusal("(?U)\\w").find("column 1: the flag `U` is not available") != std::string::npos);
  CHECK(refusal("a(?ix:b c)").find("the flag `x`") != std::string::npos);
  CHECK(refusal("(?i-s:a.b)").empty());
  CHECK(refusal("a\\").find("single backslash") != std::string::npos);
  CHECK(refusal("(a").find("missing )") != std::string::npos);
  CHECK(refusal("((((a{1000}){1000}){1000}){1000})") != "");
}

TEST_CASE("groups are found by number and by name") {
  const auto regex = *Regex::compile("(?<key>\\w+)=(\\w+)?");
  CHECK(regex.group_count() == 2);
  CHECK(regex.group("key") == std::optional<std::size_t>(1));
  CHECK_FALSE(regex.group("value").has_value());
  CHECK(regex.group_names() == std::vector<std::string>{"key", ""});
  const auto groups = regex.search("  a=b c=");
  REQUIRE(groups.size() == 3);
  CHECK(*groups[0] == "a=b");
  CHECK(*groups[1] == "a");
  CHECK(*groups[2] == "b");
  const auto next = regex.search("  a=b c=", 5);
  REQUIRE(next.size() == 3);
  CHECK(*next[1] == "c");
  CHECK_FALSE(next[2].has_value());
  CHECK(regex.search("nothing").empty());
  CHECK(regex.search("x", 99).empty());
  CHECK(regex.match_whole("a=b").size() == 3);
  CHECK(regex.match_whole("a=b ").empty());
}

TEST_CASE("replacements are Java's") {
  const auto replaced = [](std::string_view pattern, std::string_view text,
                           std::string_view replacement) {
    const auto result = Regex::compile(pattern)->replace_all(text, replacement, 1000);
    return result.ok() ? *result : result.error().text();
  };
  CHECK(replaced("(\\w)(\\w)", "abcd", "$2$1") == "badc");
  CHECK(replaced("(?<x>b)", "abc", "<${x}>") == "a<b>c");
  CHECK(replaced(".*", "abc", "X") == "XX");
  CHECK(replaced("", "ä", "-") == "-ä-");
  CHECK(replaced("b", "abc", "\\$1\\\\") == "a$1\\c");
  CHECK(replaced("(a)", "a", "$10") == "a0");
  CHECK(replaced("a", "a", "$x").find("must be followed by") != std::string::npos);
  CHECK(replaced("a", "a", "${x}").find("names a group `x`") != std::string::npos);
  CHECK(replaced("a", "a", "\\").find("single backslash") != std::string::npos);
  CHECK(replaced("a", std::string(600, 'a'), "bb").find("above the limit") != std::string::npos);
  CHECK(*Regex::compile("a")->replace_first("aa", "b", 10) == "ba");
}

TEST_CASE("quoted text matches itself") {
  const std::string text = "a.b*c[d]\\(e)|ä\n$";
  CHECK(matches(Regex::quoted(text), text));
}

}  // namespace
}  // namespace runnel
