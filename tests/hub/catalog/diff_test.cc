// The difference of two texts.

#include "hub/catalog/diff.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

namespace runnel::hub {
namespace {

struct Sides {
  std::string from;
  std::string to;
  std::size_t changes = 0;
};

// Both texts, put together again from their difference.
Sides sides_of(const std::vector<DiffLine>& lines) {
  Sides sides;
  std::size_t from_line = 0;
  std::size_t to_line = 0;
  for (const DiffLine& line : lines) {
    if (line.kind != DiffLine::Kind::kAdded) {
      CHECK(line.from_line == ++from_line);
      sides.from += std::string(line.text) + "\n";
    }
    if (line.kind != DiffLine::Kind::kRemoved) {
      CHECK(line.to_line == ++to_line);
      sides.to += std::string(line.text) + "\n";
    }
    if (line.kind != DiffLine::Kind::kSame) ++sides.changes;
  }
  return sides;
}

TEST_CASE("a changed line is one removed and one added") {
  const auto lines = diff_lines("a\nb\nc\n", "a\nx\nc\n");
  REQUIRE(lines.size() == 4);
  CHECK(lines[1].kind == DiffLine::Kind::kRemoved);
  CHECK(lines[1].from_line == 2);
  CHECK(lines[2].kind == DiffLine::Kind::kAdded);
  CHECK(lines[2].text == "x");
}

TEST_CASE("equal texts have no changes, and an empty one is all added") {
  CHECK(sides_of(diff_lines("a\nb\n", "a\nb\n")).changes == 0);
  CHECK(sides_of(diff_lines("", "a\nb\n")).changes == 2);
  CHECK(sides_of(diff_lines("a\nb\n", "")).changes == 2);
  CHECK(diff_lines("", "").empty());
}

TEST_CASE("whatever the texts are, both can be put together again") {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    const auto text = [&] {
      std::string made;
      for (auto i = random() % 30; i > 0; --i)
        made += std::string(1, static_cast<char>('a' + random() % 4)) + "\n";
      return made;
    };
    const std::string from = text();
    const std::string to = text();
    const Sides sides = sides_of(diff_lines(from, to));
    CHECK(sides.from == from);
    CHECK(sides.to == to);
  }
}

TEST_CASE("the example of Myers' paper takes five changes") {
  CHECK(sides_of(diff_lines("A\nB\nC\nA\nB\nB\nA\n", "C\nB\nA\nB\nA\nC\n")).changes == 5);
}

TEST_CASE("texts that have nothing in common are shown without looking for ever") {
  std::string from;
  std::string to;
  for (int i = 0; i < 20'000; ++i) {
    from += "from " + std::to_string(i) + "\n";
    to += "to " + std::to_string(i) + "\n";
  }
  const Sides sides = sides_of(diff_lines(from, to));
  CHECK(sides.changes == 40'000);
  CHECK(sides.from == from);
}

}  // namespace
}  // namespace runnel::hub
