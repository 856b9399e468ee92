// The ledger by itself: full queues, purging and failing writes, with what lies on disk only.

#include "agent/runtime/ledger.h"

#include "tests/agent/runtime/ledger_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

// A driven ledger on a disk of its own, with one queue and a source that fills it: by 20,000, where
// memory has room for few of them.
void give_more_than_memory(Rig& rig) {
  QueueSpec spec;
  spec.count_max = 0;
  rig.open(spec, 256 << 10);
  for (int i = 0; i < 20'000; i += 500) {
    rig.give(i, i + 500);
    REQUIRE(rig.ledger->flush(1s).ok());
  }
}

TEST_CASE("above the memory budget what lies behind leaves memory, and comes back in order") {
  Rig rig(1);
  give_more_than_memory(rig);
  CHECK(rig.queue->count() == 20'000);
  CHECK(rig.ledger->status().memory_bytes < (1 << 20));
  int next = 0;
  while (next < 20'000) {
    const std::vector<int> some = rig.take(777);
    REQUIRE_FALSE(some.empty());
    for (const int one : some) CHECK(one == next++);
    if (next % 5 == 0) REQUIRE(rig.ledger->flush(1s).ok());
  }
  CHECK(rig.ledger->loss().is_balanced());
  CHECK(rig.ledger->loss().out == 20'000);
}

TEST_CASE("what is moved to another queue is more than the memory budget, and keeps its order") {
  Rig rig(1);
  give_more_than_memory(rig);
  Queue& other = **rig.ledger->attach({.id = "other", .name = "other", .count_max = 0});
  CHECK(*rig.ledger->move_all(*rig.queue, other) == 20'000);
  CHECK(rig.queue->count() == 0);
  CHECK(other.count() == 20'000);
  CHECK(rig.ledger->status().memory_bytes < (1 << 20));
  CHECK(*rig.ledger->move_all(other, *rig.queue) == 20'000);
  for (int next = 0; next < 20'000;) {
    const std::vector<int> some = rig.take(777);
    REQUIRE_FALSE(some.empty());
    for (const int one : some) CHECK(one == next++);
  }
  CHECK(rig.ledger->loss().is_balanced());
  CHECK(rig.ledger->loss().out == 20'000);
}

TEST_CASE(
    "what a FlowFile in a long queue holds is its content, its record and what no other has") {
  Rig rig(1);
  QueueSpec spec;
  spec.count_max = 0;
  rig.open(spec, 32 << 20);
  constexpr int kCount = 30'000;
  SessionCore session(*rig.ledger, rig.source, *rig.source_owner);
  for (int i = 0; i < kCount;) {
    session.begin_call();
    for (const int end = i + 500; i < end; ++i) {
      FlowFile flowfile = session.create();
      flowfile.set("mime.type", "application/json");
      flowfile.set("mqtt.broker", "tcp://127.0.0.1:1883");
      flowfile.set("mqtt.qos", "1");
      flowfile.set("mqtt.topic", "vehicle/truck-1/telemetry");
      flowfile.set("sequence", std::to_string(i));
      flowfile.set("speed", "61.5");
      REQUIRE(session.write(flowfile, std::to_string(i) + std::string(250, ';')).ok());
      session.transfer(flowfile, Relationship{0});
    }
    session.commit();
    REQUIRE(rig.ledger->flush(1s).ok());
  }
  CHECK(rig.ledger->status().memory_bytes / kCount < 450);
  for (int i = 0; i < kCount;) {
    SessionCore sink(*rig.ledger, rig.sink, *rig.sink_owner);
    sink.begin_call();
    for (const int end = i + 500; i < end; ++i) {
      const FlowFile flowfile = sink.get();
      REQUIRE(flowfile);
      CHECK(flowfile.attribute("sequence") == std::to_string(i));
      CHECK(flowfile.attribute("mqtt.topic") == "vehicle/truck-1/telemetry");
      sink.drop(flowfile);
    }
    sink.commit();
  }
  CHECK(rig.ledger->status().memory_bytes == 0);
}

TEST_CASE("what a queue holds is counted right when a handed over FlowFile was changed") {
  Rig rig(1);
  rig.open({});
  rig.give(0, 3);
  {
    SessionCore session(*rig.ledger, rig.sink, *rig.sink_owner);
    std::vector<Handed> handed;
    session.begin_call();
    FlowFile flowfile = session.get();
    flowfile.set("an attribute", std::string(1000, 'a'));
    handed.push_back(session.hand_over(flowfile));
    flowfile = session.get();
    REQUIRE(session.write(flowfile, std::string(5000, 'b')).ok());
    handed.push_back(session.hand_over(flowfile));
    flowfile = session.get();
    REQUIRE(session.write(flowfile, "").ok());
    handed.push_back(session.hand_over(flowfile));
    session.commit();
    CHECK(rig.queue->bytes() == 2 + 5000);
    CHECK(rig.ledger->status().memory_bytes > 6000);
    for (Handed& one : handed) std::move(one).give_back();
  }
  CHECK(rig.take(10).size() == 3);
  CHECK(rig.queue->bytes() == 0);
  CHECK(rig.ledger->status().memory_bytes == 0);
}

TEST_CASE("what comes after a restart stands behind all that lies on disk, at every batch's end") {
  Rig rig(1);
  QueueSpec spec;
  spec.count_max = 0;
  rig.open(spec, 16 << 20);
  for (int i = 0; i < 5'000; i += 500) {
    rig.give(i, i + 500);
    REQUIRE(rig.ledger->flush(1s).ok());
  }
  rig.close();
  rig.disk.restart();
  rig.open(spec, 16 << 20);
  rig.give(5'000, 6'000);
  int next = 0;
  while (next < 6'000) {
    const std::vector<int> some = rig.take(777);
    REQUIRE_FALSE(some.empty());
    for (const int one : some) REQUIRE(one == next++);
  }
}

TEST_CASE(
    "live-first: what comes after a restart overtakes what lies on disk, which follows in order") {
  Rig rig(5);
  QueueSpec spec;
  spec.count_max = 0;
  spec.order = QueueRule::kLiveFirst;
  rig.open(spec, 256 << 10);
  for (int i = 0; i < 10'000; i += 500) {
    rig.give(i, i + 500);
    rig.clock.advance(1s);
    REQUIRE(rig.ledger->flush(1s).ok());
  }
  CHECK(rig.ledger->status().memory_bytes < (1 << 20));
  rig.close();
  rig.disk.restart();
  rig.open(spec, 256 << 10);
  rig.give(10'000, 10'040);
  std::vector<int> backlog;
  std::vector<int> live;
  const auto take = [&](std::size_t count) {
    const std::vector<int> some = rig.take(count);
    for (const int one : some) (one < 10'000 ? backlog : live).push_back(one);
    return some.size();
  };
  take(40);
  CHECK(live.size() == 35);
  for (int next = 10'040; next < 12'000; next += 20) {
    rig.give(next, next + 20);
    take(100);
    rig.clock.advance(100ms);
    REQUIRE(rig.ledger->flush(1s).ok());
    CHECK(rig.ledger->status().memory_bytes < (1 << 20));
  }
  while (take(1000) > 0) {
  }
  CHECK(backlog.size() == 10'000);
  CHECK(live.size() == 2000);
  CHECK(std::is_sorted(backlog.begin(), backlog.end()));
  CHECK(std::is_sorted(live.begin(), live.end()));
  CHECK(rig.ledger->loss().is_balanced());
}

TEST_CASE("drop-oldest drops the oldest, also when they lie on disk only") {
  Rig rig(2);
  QueueSpec spec;
  spec.count_max = 100;
  spec.when_full = FullRule::kDropOldest;
  rig.open(spec);
  rig.give(0, 100);
  REQUIRE(rig.ledger->flush(1s).ok());
  rig.close();
  rig.disk.restart();
  rig.open(spec);
  CHECK(rig.queue->count() >= 99);
  rig.give(100, 130);
  const std::vector<int> all = rig.take(1000);
  // Full is what the limit says: a put that reaches it makes room.
  REQUIRE(all.size() >= 99);
  for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i] == all[i - 1] + 1);
  CHECK(all.back() == 129);
  CHECK(rig.ledger->loss().is_balanced());
  CHECK(rig.ledger->loss().evicted == 130 - all.size());
}

TEST_CASE("a purge removes what lies on disk only, and counts it") {
  Rig rig(3);
  rig.open({});
  for (int i = 0; i < 3000; i += 300) {
    rig.give(i, i + 300);
    REQUIRE(rig.ledger->flush(1s).ok());
  }
  rig.close();
  rig.disk.restart();
  rig.open({});
  CHECK(rig.ledger->purge(*rig.queue) == 3000);
  CHECK(rig.queue->count() == 0);
  CHECK(rig.ledger->loss().removed == 3000);
  CHECK(rig.ledger->loss().is_balanced());
  REQUIRE(rig.ledger->flush(1s).ok());
  rig.close();
  rig.disk.restart();
  rig.open({});
  CHECK(rig.queue->count() == 0);
  CHECK(rig.ledger->loss().is_balanced());
}

TEST_CASE("while writes fail nothing is acknowledged, and nothing is lost when they work again") {
  for (std::uint64_t sync = 1; sync <= 3; ++sync) {
    Rig rig(sync);
    rig.open({});
    REQUIRE(rig.ledger->flush(1s).ok());
    bool is_safe = false;
    rig.give(0, 50, [&is_safe] { is_safe = true; });
    rig.disk.fail_at(sync);
    rig.ledger->drive_cut(true);
    const bool has_failed = !rig.ledger->drive_write().ok();
    rig.ledger->drive_notify();
    CHECK(is_safe == !has_failed);
    CHECK(rig.ledger->is_healthy() == !has_failed);
    if (has_failed) rig.give(50, 60);
    for (int i = 0; i < 3 && !rig.ledger->flush(1s).ok(); ++i) {
    }
    rig.ledger->drive_notify();
    CHECK(is_safe);
    CHECK(rig.ledger->is_healthy());
    rig.disk.cut();
    rig.close();
    rig.disk.restart();
    rig.open({});
    CHECK(rig.take(100).size() == (has_failed ? 60 : 50));
    CHECK(rig.ledger->loss().is_balanced());
  }
}

TEST_CASE("epochs go on beyond 32 bits: nothing counts as written that is not") {
  Rig rig(4);
  rig.first_epoch = (EpochNumber{1} << 32) - 20;
  rig.open({});
  REQUIRE(rig.ledger->flush(1s).ok());
  int given = 0;
  int safe = 0;
  for (int slice = 0; slice < 60; ++slice) {
    rig.clock.advance(2ms);
    rig.give(given, given + 3, [&safe] { safe += 3; });
    given += 3;
    // Every other slice is delivered before it is written, the rest is written when its time comes.
    if (slice % 2 == 0) rig.take(1);
    rig.ledger->drive_cut(false);
    if (slice % 3 == 0) REQUIRE(rig.ledger->drive_write().ok());
    rig.ledger->drive_notify();
    // What is told to be safe is on disk or delivered, and nothing else is.
    const std::uint64_t unsafe = rig.ledger->status().unsafe_count;
    REQUIRE(unsafe <= static_cast<std::uint64_t>(given - safe));
  }
  CHECK(safe > 100);
  REQUIRE(rig.ledger->flush(1s).ok());
  rig.ledger->drive_notify();
  CHECK(safe == given);
  rig.disk.cut();
  rig.close();
  rig.disk.restart();
  rig.open({});
  CHECK(rig.take(1000).size() == static_cast<std::size_t>(given - 30));
  CHECK(rig.ledger->loss().is_balanced());
}

TEST_CASE("the quota of the disk: reached, sources wait; freed again, they go on") {
  Rig rig(6);
  rig.disk_quota = 1 << 20;
  QueueSpec spec;
  spec.count_max = 0;
  rig.open(spec);
  int given = 0;
  const auto write = [&] {
    REQUIRE(rig.ledger->flush(1s).ok());
    return rig.ledger->is_over_quota();
  };
  while (given < 5000 && !rig.ledger->is_over_quota()) {
    rig.give(given, given + 20, nullptr, 1000);
    given += 20;
    write();
  }
  CHECK(given < 5000);
  CHECK(given > 500);
  // Nothing of it is lost, and it goes on when there is room.
  int next = 0;
  while (next < given) {
    for (const int one : rig.take(100)) CHECK(one == next++);
    write();
  }
  for (int i = 0; i < 4 && rig.ledger->is_over_quota(); ++i) {
    rig.give(given, given + 1);
    rig.take(1);
    write();
  }
  CHECK_FALSE(rig.ledger->is_over_quota());
  CHECK(rig.ledger->loss().is_balanced());
}

TEST_CASE("at the quota of the disk a queue that drops does so, and every drop is counted") {
  for (const FullRule rule : {FullRule::kDropOldest, FullRule::kDropNewest}) {
    Rig rig(7);
    rig.disk_quota = 1 << 20;
    QueueSpec spec;
    spec.count_max = 0;
    spec.when_full = rule;
    rig.open(spec);
    int given = 0;
    while (given < 5000 && !rig.ledger->is_over_quota()) {
      rig.give(given, given + 20, nullptr, 1000);
      given += 20;
      REQUIRE(rig.ledger->flush(1s).ok());
    }
    REQUIRE(rig.ledger->is_over_quota());
    CHECK(rig.ledger->loss().evicted == 0);
    const std::uint64_t full = rig.queue->count();
    rig.give(given, given + 20, nullptr, 1000);
    CHECK(rig.queue->count() == full);
    CHECK(rig.ledger->loss().evicted == 20);
    CHECK(rig.ledger->loss().is_balanced());
    const std::vector<int> all = rig.take(10'000);
    REQUIRE(all.size() == full);
    CHECK(all.front() == (rule == FullRule::kDropOldest ? 20 : 0));
    CHECK(all.back() == (rule == FullRule::kDropOldest ? given + 19 : given - 1));
  }
}

TEST_CASE("a full queue sheds its lowest class first, the oldest of it, and says what was lost") {
  Rig rig(3);
  QueueSpec spec;
  spec.count_max = 11;  // full, and so one too many
  spec.when_full = FullRule::kDropLowest;
  spec.order = QueueRule::kAttribute;
  spec.order_attribute = "class";
  rig.open(spec);
  int given = 0;
  std::vector<std::uint64_t> ids;
  const auto give = [&](int count, const char* its_class) {
    SessionCore session(*rig.ledger, rig.source, *rig.source_owner);
    session.begin_call();
    for (int i = 0; i < count; ++i) {
      FlowFile flowfile = session.create();
      ids.push_back(flowfile.id());
      if (its_class != nullptr) flowfile.set("class", its_class);
      REQUIRE(session.write(flowfile, std::to_string(given++)).ok());
      session.transfer(flowfile, Relationship{0});
    }
    REQUIRE(session.end_call().ok());
    session.commit();
  };
  give(3, nullptr);  // 0, 1, 2: without a class, after all others
  give(3, "3");      // 3, 4, 5
  give(4, "2");      // 6 to 9
  CHECK(rig.ledger->drops().empty());
  rig.clock.advance(1s);
  const std::int64_t first_ms = rig.clock.wall_ms();
  give(4, "1");  // 10 to 13, in place of 0, 1, 2 and 3
  rig.clock.advance(1s);
  give(1, "9");  // itself
  give(1, "3");  // in place of 4, which came before it
  CHECK(rig.queue->count() == 10);
  const std::vector<DropExtent> drops = rig.ledger->drops();
  REQUIRE(drops.size() == 1);
  CHECK(drops[0].reason == "evicted");
  CHECK(drops[0].count == 6);
  CHECK(drops[0].first_id == ids[0]);
  CHECK(drops[0].last_id == ids[4]);
  CHECK(drops[0].first_ms == first_ms);
  CHECK(drops[0].last_ms == first_ms + 1000);
  CHECK(rig.ledger->loss().is_balanced());
  CHECK(rig.take(20) == std::vector<int>{10, 11, 12, 13, 6, 7, 8, 9, 5, 15});
}

TEST_CASE("two writes under way reach the disk in their order, and none is told before its own") {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    const bool fails = seed % 2 == 0;
    CAPTURE(seed);
    Rig rig(seed);
    rig.open({});
    REQUIRE(rig.ledger->flush(1s).ok());
    bool is_first_safe = false;
    bool is_second_safe = false;
    rig.give(0, 50, [&is_first_safe] { is_first_safe = true; });
    REQUIRE(rig.ledger->drive_cut(true));
    // What the first one saves has moved on before it is written.
    CHECK(rig.take(20).size() == 20);
    rig.give(50, 80, [&is_second_safe] { is_second_safe = true; });
    REQUIRE(rig.ledger->drive_cut(true));
    CHECK_FALSE(rig.ledger->drive_cut(true));
    if (fails) {
      rig.disk.fail_at(1);
      CHECK_FALSE(rig.ledger->drive_write().ok());
      rig.ledger->drive_notify();
      CHECK_FALSE(is_first_safe);
    }
    REQUIRE(rig.ledger->drive_write().ok());
    rig.ledger->drive_notify();
    CHECK(is_first_safe);
    // What could not be written comes with all that came later, in one.
    CHECK(is_second_safe == fails);
    REQUIRE(rig.ledger->drive_write().ok());
    rig.ledger->drive_notify();
    CHECK(is_second_safe);
    CHECK(rig.queue->count() == 60);
    CHECK(rig.ledger->loss().is_balanced());
    rig.disk.cut();
    rig.close();
    rig.disk.restart();
    rig.open({});
    CHECK(rig.queue->count() == 60);
    CHECK(rig.take(100).size() == 60);
    CHECK(rig.ledger->loss().is_balanced());
  }
}

TEST_CASE("content that no batch names is gone before the first write, which a full disk refuses") {
  Rig rig(5);
  rig.open({});
  REQUIRE(rig.ledger->flush(1s).ok());
  rig.close();
  const std::string orphan = rig.directory() + "/content/77.seg";
  {
    const auto file = rig.disk.make(orphan);
    REQUIRE(file.ok());
    REQUIRE((*file)->write_at(0, "never named").ok());
    REQUIRE((*file)->sync().ok());
    REQUIRE(rig.disk.sync_directory(rig.directory() + "/content").ok());
  }
  REQUIRE(rig.disk.exists(orphan));
  rig.disk.fail_at(1);
  CHECK_FALSE(Ledger::open(rig.options(64 << 20)).ok());
  CHECK_FALSE(rig.disk.exists(orphan));
}

TEST_CASE("what is cut but not yet on disk stays in memory, whatever the budget says") {
  Rig rig(4);
  QueueSpec spec;
  spec.count_max = spec.bytes_max = 0;
  rig.open(spec, 1);
  REQUIRE(rig.ledger->flush(1s).ok());
  rig.give(0, 6000);
  REQUIRE(rig.ledger->drive_cut(true));
  rig.give(6000, 12'000);
  REQUIRE(rig.ledger->drive_cut(true));
  REQUIRE(rig.ledger->drive_write().ok());  // and pages out what it may
  std::vector<int> all = rig.take(12'000);
  REQUIRE(all.size() == 12'000);
  for (int i = 0; i < 12'000; ++i) {
    if (all[static_cast<std::size_t>(i)] != i) FAIL(i);
  }
  REQUIRE(rig.ledger->flush(1s).ok());
  CHECK(rig.ledger->loss().is_balanced());
}

TEST_CASE(
    "what was taken over from a younger FlowFile into an older one is safe no earlier than it") {
  Rig rig(5);
  rig.open({});
  Queue* const joined = *rig.ledger->attach({.id = "joined", .name = "joined"});
  REQUIRE(rig.ledger->flush(1s).ok());
  bool is_first_safe = false;
  bool is_second_safe = false;
  rig.give(1, 2, [&is_first_safe] { is_first_safe = true; });
  rig.clock.advance(3ms);                                    // another epoch
  std::shared_ptr<SafeLine> line = rig.ledger->open_line();  // of another source
  rig.source.line.swap(line);
  rig.give(2, 3, [&is_second_safe] { is_second_safe = true; });
  rig.source.line.swap(line);
  rig.sink.outlets = {{"success", {joined}}};
  {
    SessionCore session(*rig.ledger, rig.sink, *rig.sink_owner);
    session.begin_call();
    const FlowFile first = session.get();
    const FlowFile second = session.get();
    REQUIRE(second);
    const std::string both =
        std::string(*session.content(first, 100)) + std::string(*session.content(second, 100));
    REQUIRE(session.write(first, both).ok());
    session.transfer(first, Relationship{0});
    session.drop(second);
    REQUIRE(session.end_call().ok());
    session.commit();
  }
  rig.ledger->drive_notify();
  CHECK_FALSE(is_first_safe);
  CHECK_FALSE(is_second_safe);
  rig.clock.advance(3ms);  // the linger time of the older one
  REQUIRE(rig.ledger->drive_cut(false));
  REQUIRE(rig.ledger->drive_write().ok());
  rig.ledger->drive_notify();
  CHECK(is_first_safe);
  CHECK(is_second_safe);
  CHECK(joined->count() == 1);
  rig.ledger->close_line(line);
  CHECK(rig.ledger->loss().is_balanced());
}

TEST_CASE("what is delivered within a longer linger is never written, what is not is") {
  Rig rig(1);
  rig.linger = 200ms;
  rig.open({});
  REQUIRE(rig.ledger->flush(1s).ok());
  bool is_delivered_safe = false;
  bool is_early_safe = false;
  bool is_late_safe = false;
  rig.give(1, 2, [&is_delivered_safe] { is_delivered_safe = true; });
  rig.clock.advance(60ms);
  CHECK_FALSE(rig.ledger->drive_cut(false));
  CHECK(rig.take(1) == std::vector<int>{1});
  rig.ledger->drive_notify();
  CHECK(is_delivered_safe);
  rig.give(2, 3, [&is_early_safe] { is_early_safe = true; });
  rig.clock.advance(10ms);  // who comes so much later has an epoch of his own
  rig.give(3, 4, [&is_late_safe] { is_late_safe = true; });
  CHECK(rig.take(1) == std::vector<int>{2});
  rig.ledger->drive_notify();
  CHECK(is_early_safe);
  CHECK_FALSE(is_late_safe);
  rig.clock.advance(199ms);
  CHECK_FALSE(rig.ledger->drive_cut(false));
  rig.clock.advance(1ms);
  REQUIRE(rig.ledger->drive_cut(false));
  REQUIRE(rig.ledger->drive_write().ok());
  rig.ledger->drive_notify();
  CHECK(is_late_safe);
  CHECK(rig.ledger->loss().is_balanced());
}

}  // namespace
}  // namespace runnel
