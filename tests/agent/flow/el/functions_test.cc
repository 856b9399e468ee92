// All functions by the rows of functions.tsv, and the page that their tables make.

#include <doctest/doctest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "agent/base/bytes.h"
#include "agent/flow/el/program.h"
#include "tests/agent/flow/el/test_scope.h"
#include "tests/support/source_dir.h"

namespace runnel {
namespace {

constexpr std::string_view kBook = R"({
  "firstName": "John", "lastName": "Smith", "isAlive": true, "age": 25,
  "address": {"streetAddress": "21 2nd Street", "city": "New York", "state": "NY",
              "postalCode": "10021-3100"},
  "phoneNumbers": [{"type": "home", "number": "212 555-1234"},
                   {"type": "office", "number": "646 555-4567"}],
  "children": [], "spouse": null})";

std::string read_file(const std::string& name) {
  std::ifstream file(test::source_dir() + "/" + name, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
    text.replace(at, from.size(), to);
    at += to.size();
  }
}

std::string unmarked(std::string_view cell) {
  std::string text(cell);
  replace_all(text, "⏎", "\n");
  replace_all(text, "⇥", "\t");
  return text;
}

std::map<std::string, std::string, std::less<>> attributes_of(std::string_view cell) {
  std::string text = unmarked(cell);
  replace_all(text, ";;", "\x01");
  std::map<std::string, std::string, std::less<>> attributes;
  if (text.empty()) return attributes;
  for (const std::string_view pair : split(text, ';')) {
    const std::size_t equal = pair.find('=');
    std::string value(pair.substr(equal + 1));
    replace_all(value, "\x01", ";");
    attributes[std::string(pair.substr(0, equal))] = value == "@book" ? kBook : value;
  }
  return attributes;
}

struct Row {
  std::size_t line = 0;
  std::string expression;
  std::map<std::string, std::string, std::less<>> attributes;
  std::string expected;
};

std::vector<Row> rows() {
  std::vector<Row> all;
  std::istringstream file(read_file("tests/agent/flow/el/functions.tsv"));
  std::string text;
  for (std::size_t line = 1; std::getline(file, text); ++line) {
    if (text.empty() || text.front() == '#') continue;
    const auto cells = split(text, '\t');
    CAPTURE(line);
    REQUIRE(cells.size() == 4);
    all.push_back({line, unmarked(cells[0]), attributes_of(cells[1]), unmarked(cells[2])});
  }
  return all;
}

std::string outcome(const Row& row) {
  const auto expression = Expression::compile(row.expression);
  if (!expression.ok()) return "error: " + expression.error().text();
  const TestScope scope(row.attributes);
  auto value = expression->evaluate(scope);
  if (!value.ok()) return "error: " + value.error().text();
  const TestScope other(row.attributes);
  CHECK(*expression->evaluate_bool(other) == equal_ignoring_case(*value, "true"));
  return std::move(value).value();
}

TEST_CASE("every row of functions.tsv gives what it says") {
  const std::vector<Row> all = rows();
  REQUIRE(all.size() >= 400);
  for (const Row& row : all) {
    const std::string found = outcome(row);
    const bool expects_error = row.expected.starts_with("error: ");
    const bool is_good = expects_error ? found.starts_with("error: ") &&
                                             found.find(row.expected.substr(7)) != std::string::npos
                                       : found == row.expected;
    CHECK_MESSAGE(is_good, "functions.tsv:", row.line, ": ", row.expression, " gave `", found,
                  "`, not `", row.expected, "`");
  }
}

TEST_CASE("every function has a row that succeeds") {
  std::set<std::string, std::less<>> used;
  for (const Row& row : rows()) {
    if (row.expected.starts_with("error: ")) continue;
    const auto expression = Expression::compile(row.expression);
    if (!expression.ok()) continue;
    for (const el::Node& node : expression->program().nodes) {
      if (node.function != nullptr) used.emplace(node.function->name);
    }
  }
  for (const std::string_view name : function_names()) {
    CHECK_MESSAGE(used.count(name) == 1, "functions.tsv has no row for `", name, "`");
  }
}

TEST_CASE("every function is there once, and is explained") {
  const auto names = function_names();
  CHECK(std::set<std::string_view>(names.begin(), names.end()).size() == names.size());
  for (const std::string_view name : names) {
    const el::Function* function = el::find_function(name);
    REQUIRE(function != nullptr);
    CAPTURE(name);
    CHECK(function->doc.ends_with('.'));
    CHECK(function->arguments_min <= function->arguments_max);
    CHECK((function->arguments_max == 0) == function->arguments.empty());
  }
}

TEST_CASE("FUNCTIONS.md is what the tables say") {
  CHECK_MESSAGE(read_file("agent/flow/el/FUNCTIONS.md") == functions_reference(),
                "agent/flow/el/FUNCTIONS.md is stale: run `./dev generate`");
}

}  // namespace
}  // namespace runnel
