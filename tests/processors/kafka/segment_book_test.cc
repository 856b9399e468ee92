// FlowFiles of several messages, counted down by their reports.

#include "processors/kafka/segment_book.h"

#include <doctest/doctest.h>

namespace runnel::kafka {
namespace {

TEST_CASE("a whole ends with its last report, and not before it was read") {
  SegmentBook book;
  const std::uint64_t number = book.open(7);
  REQUIRE(book.add(number));
  REQUIRE(book.add(number));
  CHECK_FALSE(book.note(number, Fate::kDelivered));
  CHECK_FALSE(book.note(number, Fate::kDelivered));
  const auto whole = book.note(number, Fate::kDelivered);
  REQUIRE(whole);
  CHECK(whole->slot == 7);
  CHECK(whole->fate == Fate::kDelivered);
}

TEST_CASE("one message that failed fails the whole, a refused one for good; no more are sent") {
  SegmentBook book;
  const std::uint64_t first = book.open(1);
  const std::uint64_t second = book.open(2);
  for (const std::uint64_t number : {first, second}) {
    REQUIRE(book.add(number));
    REQUIRE(book.add(number));
  }
  CHECK_FALSE(book.note(first, Fate::kUndelivered));
  CHECK_FALSE(book.add(first));
  CHECK(book.add(second));
  CHECK_FALSE(book.note(first, Fate::kDelivered));
  CHECK(book.note(first, Fate::kDelivered)->fate == Fate::kUndelivered);

  CHECK_FALSE(book.note(second, Fate::kRefused));
  CHECK_FALSE(book.note(second, Fate::kUndelivered));
  CHECK_FALSE(book.note(second, Fate::kDelivered));
  const auto whole = book.note(second, Fate::kDelivered);
  CHECK(whole->slot == 2);
  CHECK(whole->fate == Fate::kRefused);
}

}  // namespace
}  // namespace runnel::kafka
