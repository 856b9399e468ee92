// What a group has begun to let in goes on after a restart and after a power cut.

#include <doctest/doctest.h>

#include <map>

#include "agent/base/log.h"
#include "tests/agent/runtime/group_rig.h"
#include "tests/support/forgetful_vfs.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

bool has_intake_state(DrivenEngine& engine, const Flow& flow) {
  const auto groups = all_groups(flow);
  REQUIRE(groups.size() > 0);
  Lock lock(engine->ledger().mutex());
  for (const ProcessGroup* one : groups) {
    if (engine->ledger().state(one->id, "batch.input")) return true;
  }
  return false;
}

// What is left before the port when its session of 256 has been committed.
void begin_intake(DrivenEngine& engine, const std::shared_ptr<const Flow>& flow) {
  REQUIRE(engine->start(flow).ok());
  REQUIRE(engine->stop_processor("g/in").ok());
  wake("source", 700);
  engine.run();
  REQUIRE(engine->start_processor("g/in").ok());
  engine.run(1);
  REQUIRE(inside(engine, "g") == 256);
}

void restart(DrivenEngine& engine) {
  (void)engine->stop(0ms);  // nothing goes on meanwhile
  REQUIRE(engine->ledger().flush(10s).ok());
  engine.reopen();
}

TEST_CASE("batch: an intake that a restart interrupts goes on, and what came later waits") {
  clear_roles();
  DrivenEngine engine;
  const auto flow = flow_of(grouped(kBatch, kStopped));
  begin_intake(engine, flow);
  CHECK(has_intake_state(engine, *flow));
  restart(engine);
  REQUIRE(engine->start(flow).ok());
  wake("source", 5);
  engine.run();
  CHECK(inside(engine, "g") == 700);
  CHECK(engine.connection("source -> g.in").count == 5);
  CHECK_FALSE(has_intake_state(engine, *flow));
  REQUIRE(engine->start_processor("g/hold").ok());
  engine.run();
  CHECK(role("sink").all() == numbers(1, 705));
  engine.check_balanced();
}

TEST_CASE("batch: an intake whose rest is purged is over after a restart, too") {
  clear_roles();
  DrivenEngine engine;
  const auto flow = flow_of(grouped(kBatch, kStopped));
  begin_intake(engine, flow);
  REQUIRE(engine->purge("source -> g.in").value() == 444);
  CHECK_FALSE(has_intake_state(engine, *flow));
  restart(engine);
  REQUIRE(engine->start(flow).ok());
  wake("source", 5);
  engine.run();
  CHECK(inside(engine, "g") == 256);
  CHECK(engine.connection("source -> g.in").count == 5);
}

TEST_CASE("batch: a group that has another rule after a restart has no intake") {
  for (const std::string& rule : {std::string(), std::string("flowfile_concurrency: single")}) {
    CAPTURE(rule);
    clear_roles();
    DrivenEngine engine;
    begin_intake(engine, flow_of(grouped(kBatch, kStopped)));
    restart(engine);
    const auto flow = flow_of(grouped(rule, kStopped));
    REQUIRE(engine->start(flow).ok());
    CHECK_FALSE(has_intake_state(engine, *flow));
    engine.run();
    CHECK(inside(engine, "g") == (rule.empty() ? 700 : 256));
  }
}

TEST_CASE("batch: all input ports of an intake go on") {
  clear_roles();
  DrivenEngine engine;
  std::string text = kTwoPorts;
  text.replace(text.find("single"), 6, "batch");
  text.replace(text.find("{type: TestPass, terminate: [failure]}"), 38, kStopped);
  const auto flow = flow_of(text);
  REQUIRE(engine->start(flow).ok());
  REQUIRE(engine->stop_processor("g/a").ok());
  REQUIRE(engine->stop_processor("g/b").ok());
  wake("left", 600);
  wake("right", 500);
  engine.run();
  REQUIRE(engine->start_processor("g/b").ok());
  REQUIRE(engine->start_processor("g/a").ok());
  engine.run(1);  // one of them has opened for both
  restart(engine);
  REQUIRE(engine->start(flow).ok());
  wake("left", 3);
  wake("right", 3);
  engine.run();
  CHECK(inside(engine, "g") == 1100);
  CHECK(engine.connection("left -> g.a").count == 3);
  CHECK(engine.connection("right -> g.b").count == 3);
  REQUIRE(engine->start_processor("g/hold").ok());
  engine.run();
  CHECK(role("sink").seen == 1106);
}

// Begins to let in 700 while others come, until the power is cut at the `cut`-th sync; then all
// that is found comes out. Returns the values of `batch.output.out`, and how often each is there.
std::map<std::string, int> batches_after_cut(std::uint64_t seed, std::uint64_t cut) {
  ForgetfulDisk disk(seed);
  clear_roles();
  DrivenEngine engine([&disk](EngineOptions& options) {
    options.ledger.vfs = disk.vfs_name();
    options.ledger.disk = &disk;
    options.ledger.is_driven = true;
    options.ledger.reserve = 16 << 10;
    options.provenance.bytes_max = 0;
  });
  std::string text = grouped(kBatches);
  text.replace(text.find("{type: TestSink}"), 16, "{type: TestSink, stopped: true}");
  const auto flow = flow_of(text);
  REQUIRE(engine->start(flow).ok());
  REQUIRE(engine->stop_processor("g/in").ok());
  wake("source", 700);
  engine.run();
  REQUIRE(engine->ledger().flush(1s).ok());
  REQUIRE(engine->start_processor("g/in").ok());
  disk.cut_at(cut);
  for (int step = 0; step < 12 && !disk.is_cut(); ++step) {
    engine.run(1);
    wake("source", 3);
    if (step % 2 == 0) (void)engine->ledger().flush(1s);
  }
  disk.cut();
  engine.engine.reset();
  role("source").to_make = 0;
  disk.restart();
  engine.open();
  REQUIRE(engine->start(flow).ok());
  engine.run();
  std::map<std::string, int> out;
  for (const std::string& value : queued_values(engine, "g.out -> sink", "batch.output.out"))
    ++out[value];
  CHECK(inside(engine, "g") == 0);
  return out;
}

TEST_CASE("batch: a power cut at any sync point does not cut a batch") {
  set_log_sink([](std::string_view) {});
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    for (std::uint64_t cut = 1; cut <= 14; ++cut) {
      CAPTURE(seed);
      CAPTURE(cut);
      bool has_first = false;
      for (const auto& [value, count] : batches_after_cut(seed, cut)) {
        CAPTURE(value);
        const int size = std::stoi(value);
        CHECK(count % size == 0);
        has_first = has_first || size >= 700;
      }
      CHECK(has_first);
    }
  }
  set_log_sink(nullptr);
}

}  // namespace
}  // namespace runnel
