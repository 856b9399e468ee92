// Bulletins: bounded for each component, limited in rate, in order.

#include "agent/runtime/bulletins.h"

#include <doctest/doctest.h>

#include "agent/base/log.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a component that speaks too often is cut short, and the next bulletin says how much") {
  set_log_sink([](std::string_view) {});
  ManualClock clock;
  BulletinBoard board(clock);
  const BulletinBoard::Source loud{"1", "group/loud", "PutFile", "g"};
  const BulletinBoard::Source quiet{"2", "quiet", "GetFile", "g"};
  for (int i = 0; i < 15; ++i) board.post(loud, BulletinLevel::kError, "no " + std::to_string(i));
  board.post(quiet, BulletinLevel::kInfo, "once");
  CHECK(board.since(0).size() == BulletinBoard::kBurst + 1);
  clock.advance(BulletinBoard::kWindow);
  board.post(loud, BulletinLevel::kError, "again");
  const std::vector<Bulletin> all = board.since(0);
  CHECK(all.back().text == "again");
  CHECK(all.back().left_out == 5);
  CHECK(board.since(all.back().id).empty());
  CHECK(std::is_sorted(all.begin(), all.end(),
                       [](const Bulletin& a, const Bulletin& b) { return a.id < b.id; }));
  set_log_sink(nullptr);
}

TEST_CASE("the ring of a component is bounded, and a loud one does not push out the quiet ones") {
  set_log_sink([](std::string_view) {});
  ManualClock clock;
  BulletinBoard board(clock);
  board.post({"2", "quiet", "GetFile", "g"}, BulletinLevel::kInfo, "first");
  for (int i = 0; i < 100; ++i) {
    clock.advance(BulletinBoard::kWindow);
    board.post({"1", "loud", "PutFile", "g"}, BulletinLevel::kError, std::string(10'000, 'x'));
  }
  const std::vector<Bulletin> all = board.since(0);
  CHECK(all.size() == BulletinBoard::kKeptPerComponent + 1);
  CHECK(all.front().text == "first");
  CHECK(all.back().text.size() == BulletinBoard::kTextMax);
  set_log_sink(nullptr);
}

TEST_CASE("secrets are shown by no bulletin, the longer before one that it contains") {
  ManualClock clock;
  BulletinBoard board(clock);
  board.hide({"s3cret", "s3cret-and-more", "abc", ""});
  set_log_level(LogLevel::kOff);
  board.post({}, BulletinLevel::kError, "GET /?key=s3cret-and-more&s3cret=abc");
  set_log_level(LogLevel::kInfo);
  CHECK(board.since(0).back().text == "GET /?key=***&***=abc");
  CHECK(board.masked("s3crets3cret") == "******");
}

}  // namespace
}  // namespace runnel
