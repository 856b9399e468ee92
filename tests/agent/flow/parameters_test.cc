// `#{name}` gives way to the parameter's value; rows of `#` escape as NiFi has it.

#include "agent/flow/parameters.h"

#include <doctest/doctest.h>

namespace runnel {
namespace {

struct Given {
  Parameter broker{"broker", "tcp://b", "", false, {}};
  Parameter secret{"my secret", "hush", "", true, {}};
  Parameter none{"none", std::nullopt, "", false, {}};
  ParameterScope scope;

  Given() {
    scope.add(broker);
    scope.add(secret);
    scope.add(none);
  }
  PutIn put(std::string_view text) const { return put_in(text, {{0, {1, 1}, false}}, scope, 100); }
};

TEST_CASE("parameters are put in") {
  const Given given;
  CHECK(given.put("plain").value == "plain");
  CHECK(given.put("#{broker}/x").value == "tcp://b/x");
  CHECK(given.put("a #{ broker } b #{broker}").value == "a tcp://b b tcp://b");
  CHECK(given.put("##{broker}").value == "#{broker}");
  CHECK(given.put("###{broker}").value == "#tcp://b");
  CHECK(given.put("####{broker}").value == "##{broker}");
  CHECK(given.put("# and ## stay, so does #").value == "# and ## stay, so does #");
  CHECK(given.put("a#{none}b").value == "ab");
  CHECK(given.put("").value.empty());
}

TEST_CASE("as the subject or an argument of an expression a parameter is a value, as in NiFi") {
  const Parameter site{"site", "depot 7", "", false, {}};
  const Parameter limit{"limit", "80", "", false, {}};
  const Parameter odd{"odd", R"(a"b\d)", "", false, {}};
  const Parameter code{"code", "007", "", false, {}};
  const Parameter inner{"inner", "${x}", "", false, {}};
  ParameterScope scope;
  for (const Parameter* one : {&site, &limit, &odd, &code, &inner}) scope.add(*one);
  const auto put = [&scope](std::string_view text) {
    return put_in(text, {{0, {1, 1}, false}}, scope, 1000).value;
  };
  CHECK(put("${ #{site}:replace('7', '8') }") == "${ literal(\"depot 7\"):replace('7', '8') }");
  CHECK(put("${#{site}}") == "${literal(\"depot 7\")}");
  CHECK(put("${#{'site'}:length()}") == "${literal(\"depot 7\"):length()}");
  CHECK(put("${a:equals(#{site})}") == "${a:equals(\"depot 7\")}");
  CHECK(put("${a:replace( #{site} , #{code})}") == "${a:replace( \"depot 7\" , \"007\")}");
  CHECK(put("${a:equals(#{odd})}") == R"(${a:equals("a\"b\\d")})");
  CHECK(put("${a:gt(#{limit}):and(${b:lt(#{limit})})}") == "${a:gt(80):and(${b:lt(80)})}");
  CHECK(put("${#{inner}:length()}") == "${${x}:length()}");
  CHECK(put("${a:equals(#{inner})}") == "${a:equals(${x})}");
  // Elsewhere it is a piece of the text.
  CHECK(put("${a:equals('#{site}')} #{site}") == "${a:equals('depot 7')} depot 7");
  CHECK(put("${#{code}.speed} ${a#{code}}") == "${007.speed} ${a007}");
  CHECK(put("$${#{site}}") == "$${depot 7}");
  CHECK(put("${a}#{site}:b") == "${a}depot 7:b");
  CHECK(put("f(#{site})") == "f(depot 7)");
}

TEST_CASE("a sensitive parameter makes the value sensitive") {
  const Given given;
  CHECK(given.put("#{my secret}").is_sensitive);
  CHECK_FALSE(given.put("#{broker}").is_sensitive);
}

TEST_CASE("what cannot be put in is a problem with its place") {
  const Given given;
  const PutIn unknown = given.put("x #{brokr}");
  REQUIRE(unknown.problems.size() == 1);
  CHECK(unknown.problems[0].offset == 2);
  CHECK(unknown.problems[0].text == "unknown parameter `brokr`; did you mean `broker`?");
  const PutIn open = given.put("x #{broker");
  REQUIRE(open.problems.size() == 1);
  CHECK(open.value == "x #{broker");
  const PutIn large = given.put(std::string(90, 'x') + "#{broker}#{broker}#{broker}");
  REQUIRE(large.problems.size() == 1);
  CHECK(large.problems[0].text == "the value is longer than 100 B with its parameters");
}

TEST_CASE("what many parameters in one value cost grows with its length only") {
  constexpr std::size_t kLines = 100'000;
  const Parameter secret{"s", std::string(10'000, 'x'), "", true, {}};
  const Parameter small{"t", "y", "", false, {}};
  ParameterScope scope;
  scope.add(secret);
  scope.add(small);
  std::string written;
  std::vector<PropertySource::Span> spans;
  for (std::size_t i = 0; i < kLines; ++i) {
    spans.push_back({written.size(), {static_cast<std::uint32_t>(i + 1), 3}, false});
    written += "#{t}\n";
  }
  const PutIn put = put_in(written, spans, scope, 1'000'000);
  CHECK(put.value.size() == 2 * kLines);
  PropertySource source;
  source.spans = put.spans;
  CHECK(source.place_of(put.value.size() - 1) == Position{kLines, 7});
  std::string secrets;
  for (std::size_t i = 0; i < kLines; ++i) secrets += "#{s}";
  CHECK(put_in(secrets, {{0, {1, 1}, false}}, scope, 1'000'000).secrets.size() == 1);
}

TEST_CASE("places are kept across what is put in") {
  const Given given;
  const PutIn put = given.put("ab #{broker} cd");
  PropertySource source;
  source.spans = put.spans;
  CHECK(source.place_of(1) == Position{1, 2});
  CHECK(source.place_of(5) == Position{1, 4});
  CHECK(source.place_of(put.value.find("cd")) == Position{1, 14});
}

}  // namespace
}  // namespace runnel
