// SendWindow bounds what is on its way, and says when there is room.

#include "processors/kafka/send_window.h"

#include <doctest/doctest.h>

namespace runnel::kafka {
namespace {

TEST_CASE("a window is full by its messages or by its bytes, beyond which one message may go") {
  SendWindow by_messages(2, 1000);
  by_messages.add(0);
  CHECK(!by_messages.is_full());
  by_messages.add(0);
  CHECK(by_messages.is_full());

  SendWindow by_bytes(100, 1000);
  by_bytes.add(999);
  CHECK(!by_bytes.is_full());
  by_bytes.add(5000);
  CHECK(by_bytes.is_full());
  CHECK(by_bytes.settle(1, 5000));
  CHECK(!by_bytes.is_full());
}

TEST_CASE("who found it full is to be woken once, when half of the messages have ended") {
  SendWindow window(4, 1000);
  for (int i = 0; i < 4; ++i) window.add(1);
  CHECK(window.is_full());
  CHECK(!window.settle(1, 1));
  CHECK(window.settle(1, 1));
  CHECK(!window.settle(2, 2));
}

TEST_CASE("nobody is woken who has not waited, or who found room when he looked again") {
  SendWindow window(4, 1000);
  window.add(1);
  CHECK(!window.settle(1, 1));
  for (int i = 0; i < 4; ++i) window.add(1);
  CHECK(window.is_full());
  CHECK(!window.settle(1, 1));
  CHECK(!window.is_full());
  // It is still noted that somebody waited: a wake too many is none too few.
  CHECK(window.settle(3, 3));
  CHECK(!window.settle(0, 0));
}

}  // namespace
}  // namespace runnel::kafka
