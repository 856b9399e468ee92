// How expressions are compiled and bounded, apart from what their functions do.

#include "agent/flow/el/expression.h"

#include <doctest/doctest.h>

#include <thread>

#include "tests/agent/flow/el/test_scope.h"

namespace runnel {
namespace {

std::string repeated(std::string_view text, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += text;
  return out;
}

std::string error_of(std::string_view text) {
  const auto expression = Expression::compile(text);
  return expression.ok() ? "" : expression.error().text();
}

std::string failure_of(std::string_view text, const Scope& scope) {
  const auto expression = Expression::compile(text);
  REQUIRE_MESSAGE(expression.ok(), text);
  const auto value = expression->evaluate(scope);
  return value.ok() ? "" : value.error().text();
}

TEST_CASE("text without expressions is a constant, its escapes undone") {
  const auto plain = Expression::compile("tcp://127.0.0.1:1883");
  REQUIRE(plain.ok());
  CHECK(plain->is_constant());
  CHECK(plain->constant() == "tcp://127.0.0.1:1883");
  const auto escaped = Expression::compile("$${a} #{b} ##{c}");
  REQUIRE(escaped.ok());
  CHECK(escaped->is_constant());
  CHECK(escaped->constant() == "${a} #{b} ##{c}");
  CHECK(Expression().is_constant());
  CHECK(Expression().constant().empty());
  CHECK(Expression::literal("${a").constant() == "${a");
  CHECK(*Expression::literal("${a").evaluate(empty_scope()) == "${a");
}

TEST_CASE("an expression is not constant and remembers its text") {
  const auto expression = Expression::compile("v/${id}/${'a b':append(${id})}/${fileSize}");
  REQUIRE(expression.ok());
  CHECK_FALSE(expression->is_constant());
  CHECK(expression->constant().empty());
  CHECK(expression->text() == "v/${id}/${'a b':append(${id})}/${fileSize}");
  CHECK(expression->attributes() == std::vector<std::string>{"a b", "fileSize", "id"});
}

TEST_CASE("a copy evaluates as the original does, from several threads at once") {
  const auto original = Expression::compile("${a:replaceAll('b+', '-'):toUpper()}");
  REQUIRE(original.ok());
  const Expression copy = *original;
  std::vector<std::thread> threads;
  std::vector<std::string> results(4);
  for (std::string& result : results) {
    threads.emplace_back([&result, &copy] {
      const TestScope scope{{"a", "abbc"}};
      for (int i = 0; i < 200; ++i) result = *copy.evaluate(scope);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& result : results) CHECK(result == "A-C");
}

TEST_CASE("an error knows the byte where it is") {
  ElError error;
  CHECK_FALSE(Expression::compile("abc ${a:toUper()}", error).has_value());
  CHECK(error.offset == 8);
  CHECK(error.text == "unknown function `toUper`; did you mean `toUpper`?");
  CHECK(error_of("abc ${a:toUper()}") ==
        "column 9: unknown function `toUper`; did you mean `toUpper`?");
  CHECK_FALSE(Expression::compile("${a:append(\"\\\"x ${b:nope()}\")}", error).has_value());
  CHECK(error.offset == 20);
  CHECK_FALSE(Expression::compile("${a", error).has_value());
  CHECK(error.offset == 0);
  CHECK(Expression::compile("${a}", error).has_value());
  CHECK(error.text.empty());
}

TEST_CASE("append_to leaves what was there as it was when it fails") {
  std::string out = "before";
  const TestScope scope{{"a", "1"}};
  const auto good = Expression::compile(" ${a} ${a:plus(1)}");
  REQUIRE(good.ok());
  CHECK(good->append_to(out, scope).ok());
  CHECK(out == "before 1 2");
  const auto bad = Expression::compile("x${a}${a:divide(0)}");
  REQUIRE(bad.ok());
  const auto failed = bad->append_to(out, scope);
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.code() == Code::kInvalid);
  CHECK(out == "before 1 2");
}

TEST_CASE("only true is true") {
  const TestScope scope{{"yes", "TRUE"}, {"no", "yes"}};
  const auto is = [&](std::string_view text) {
    return *Expression::compile(text)->evaluate_bool(scope);
  };
  CHECK(is("true"));
  CHECK(is("True"));
  CHECK_FALSE(is("1"));
  CHECK(is("${yes}"));
  CHECK_FALSE(is("${no}"));
  CHECK_FALSE(is("${missing}"));
  CHECK(is("tr${missing}ue"));
  CHECK(is("${no:equals('yes')}"));
  CHECK_FALSE(Expression::compile("${no:substring(2,1)}")->evaluate_bool(scope).ok());
}

TEST_CASE("text, nesting, chains and arguments are bounded") {
  CHECK(error_of(repeated("x", Expression::kMaxText)) == "");
  CHECK(error_of(repeated("x", Expression::kMaxText + 1)).find("longer than 65536 bytes") !=
        std::string::npos);
  const auto nested = [](std::size_t depth) {
    return repeated("${", depth) + "a" + repeated("}", depth);
  };
  CHECK(error_of(nested(Expression::kMaxNesting)) == "");
  CHECK(error_of(nested(Expression::kMaxNesting + 1)).find("inside one another") !=
        std::string::npos);
  CHECK(error_of(nested(20'000)).find("inside one another") != std::string::npos);
  CHECK(error_of("${a" + repeated(":trim()", 256) + "}") == "");
  CHECK(error_of("${a" + repeated(":trim()", 257) + "}").find("functions in one chain") !=
        std::string::npos);
  CHECK(error_of("${a:in('x'" + repeated(",'x'", 255) + ")}") == "");
  CHECK(error_of("${a:in('x'" + repeated(",'x'", 256) + ")}").find("more than 256 arguments") !=
        std::string::npos);
}

TEST_CASE("results and what leads to them are bounded") {
  const TestScope scope{{"k", repeated("x", 1024)}, {"loop", "${loop:evaluateELString()}"}};
  CHECK(failure_of("${k:repeat(1024)}", scope) == "");
  CHECK(failure_of("${k:repeat(1025)}", scope).find("above the limit") != std::string::npos);
  CHECK(failure_of("${k:repeat(1024)}x", scope).find("above the limit") != std::string::npos);
  CHECK(failure_of("${k:repeat(1024):replaceAll('x', 'yyyyyyyy')}", scope).find("limit") !=
        std::string::npos);
  std::string many = "${k";
  for (int i = 0; i < 20; ++i) many += i == 0 ? ":repeat(1023)" : ":append('x')";
  CHECK(failure_of(many + "}", scope).find("on the way to the result") != std::string::npos);
  CHECK(failure_of("${loop:evaluateELString()}", scope).find("evaluates itself") !=
        std::string::npos);
  const TestScope wide{{"w", repeated("${w:evaluateELString()}", 200)}};
  CHECK(failure_of("${w:evaluateELString()}", wide) != "");
}

TEST_CASE("the longest chains inside one another leave the stack alone") {
  std::string text = "1";
  for (std::size_t i = 0; i < Expression::kMaxNesting; ++i) {
    text = "${literal(" + text + ")" + repeated(":not()", 160) + "}";
  }
  REQUIRE(text.size() <= Expression::kMaxText);
  std::string result;
  std::thread worker([&] { result = *Expression::compile(text)->evaluate(empty_scope()); });
  worker.join();
  CHECK(result == "false");
}

TEST_CASE("a hostile regular expression costs linear time") {
  const TestScope scope{{"a", repeated("a", 60'000)}};
  const auto expression = Expression::compile("${a:matches('(a|aa)+(a|aa)+b')}");
  REQUIRE(expression.ok());
  CHECK(*expression->evaluate(scope) == "false");
}

TEST_CASE("the machine's own scope answers") {
  const Scope& scope = empty_scope();
  CHECK_FALSE(scope.attribute("a").has_value());
  const auto text = Expression::compile(
      "${hostname():length():gt(0)} ${ip():isEmpty()} ${UUID():length()} "
      "${nextInt():ge(0)} ${thread():isNull()} ${now():toNumber():gt(1700000000000)} "
      "${fileSize:isNull()} "
      "${random():ge(0)} ${getStateValue('x'):isNull()} ${allMatchingAttributes('.*'):count()}");
  REQUIRE(text.ok());
  CHECK(*text->evaluate(scope) == "true false 36 true false true true true true 0");
}

}  // namespace
}  // namespace runnel
