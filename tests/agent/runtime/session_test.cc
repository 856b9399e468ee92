// Sessions over the real ledger: what is committed, rolled back, handed over, and what is there
// after the agent was opened again.

#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <random>

#include "agent/runtime/session_core.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/runnel_session_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A ledger with two connections, and the sessions of three processors: source -> a -> middle -> b
// -> sink.
class Bench {
 public:
  explicit Bench(const std::string& folder)
      : ledger(std::move(*Ledger::open({.directory = folder}))) {
    a = *ledger->attach({.id = "a", .name = "a"});
    b = *ledger->attach({.id = "b", .name = "b"});
    source_wiring.outlets = {{"success", {a}}};
    middle_wiring.inputs = {a};
    middle_wiring.outlets = {{"success", {b}}, {"gone", {}}};
    sink_wiring.inputs = {b};
    sink_wiring.outlets = {{"success", {}}, {"back", {a}}};
    for (Wiring* wiring : {&source_wiring, &middle_wiring, &sink_wiring})
      wiring->line = ledger->open_line();
    source_wiring.processor_id = "source";
    middle_wiring.processor_id = "middle";
    sink_wiring.processor_id = "sink";
  }
  ~Bench() {
    for (Wiring* wiring : {&source_wiring, &middle_wiring, &sink_wiring})
      ledger->close_line(wiring->line);
  }

  void give(const std::string& content, std::function<void()> then = nullptr) {
    SessionCore session(*ledger, source_wiring, source_owner);
    session.begin_call();
    FlowFile flowfile = session.create();
    REQUIRE(session.write(flowfile, content).ok());
    flowfile.set("name", content.substr(0, 20));
    session.transfer(flowfile, Relationship{0});
    if (then) session.when_safe(std::move(then));
    REQUIRE(session.end_call().ok());
    session.commit();
  }
  std::vector<std::string> take_all(const Wiring& wiring, HandOver& owner) {
    std::vector<std::string> contents;
    SessionCore session(*ledger, wiring, owner);
    while (true) {
      session.begin_call();
      const FlowFile flowfile = session.get();
      if (!flowfile) break;
      contents.emplace_back(*session.content(flowfile, 100 << 20));
      session.transfer(flowfile, Relationship{0});
    }
    session.commit();
    return contents;
  }
  void move() { take_all(middle_wiring, middle_owner); }
  std::vector<std::string> drain() { return take_all(sink_wiring, sink_owner); }

  std::unique_ptr<Ledger> ledger;
  Queue* a = nullptr;
  Queue* b = nullptr;
  Wiring source_wiring, middle_wiring, sink_wiring;
  HandOver source_owner{*ledger, source_wiring};
  HandOver middle_owner{*ledger, middle_wiring};
  HandOver sink_owner{*ledger, sink_wiring};
};

// Waits for an event of another thread, within bounds.
class Event {
 public:
  void set() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_set_ = true;
    condition_.notify_all();
  }
  bool wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    return condition_.wait_for(lock, 10s, [this] { return is_set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool is_set_ = false;
};

}  // namespace

TEST_CASE("FlowFiles go through a flow in order, and the loss ledger balances") {
  const Folder folder;
  Bench bench(folder.path());
  for (int i = 0; i < 1000; ++i) bench.give(std::to_string(i));
  CHECK(bench.a->count() == 1000);
  bench.move();
  CHECK(bench.a->count() == 0);
  const std::vector<std::string> all = bench.drain();
  REQUIRE(all.size() == 1000);
  for (int i = 0; i < 1000; ++i) CHECK(all[static_cast<std::size_t>(i)] == std::to_string(i));
  const LossFigures loss = bench.ledger->loss();
  CHECK(loss.in == 1000);
  CHECK(loss.terminated == 1000);
  CHECK(loss.is_balanced());
}

TEST_CASE(
    "what is safe is there after the ledger was opened again, in order, with its attributes") {
  const Folder folder;
  {
    Bench bench(folder.path());
    Event safe;
    for (int i = 0; i < 600; ++i)
      bench.give("content " + std::to_string(i),
                 i == 599 ? [&safe] { safe.set(); } : std::function<void()>());
    CHECK(safe.wait());
  }
  Bench bench(folder.path());
  CHECK(bench.a->count() == 600);
  CHECK(bench.ledger->loss().is_balanced());
  bench.move();
  const std::vector<std::string> all = bench.drain();
  REQUIRE(all.size() == 600);
  for (int i = 0; i < 600; ++i)
    CHECK(all[static_cast<std::size_t>(i)] == "content " + std::to_string(i));
  CHECK(bench.ledger->loss().is_balanced());
}

TEST_CASE("what was finished before the linger is safe and was never written") {
  const Folder folder;
  Bench bench(folder.path());
  REQUIRE(bench.ledger->flush(5s).ok());
  const std::uint64_t before = bench.ledger->status().written_bytes;
  Event safe;
  bench.give("short life", [&safe] { safe.set(); });
  bench.move();
  CHECK(bench.drain().size() == 1);
  CHECK(safe.wait());
  CHECK(bench.ledger->status().written_bytes == before);
}

TEST_CASE("what checkpoints move into the database is counted once") {
  const Folder folder;
  Bench bench(folder.path());
  std::mt19937 random(1);
  std::uint64_t accepted = 0;
  for (int i = 0; i < 700; ++i) {
    std::string noise(16'000, '\0');
    for (char& c : noise) c = static_cast<char>(random());
    bench.give(noise);
    REQUIRE(bench.ledger->flush(10s).ok());
    accepted += noise.size();
  }
  const std::uint64_t written = bench.ledger->status().written_bytes;
  CHECK(written > accepted);      // the log
  CHECK(written < 4 * accepted);  // and the database, with what surrounds the rows
}

TEST_CASE("what was done of saved FlowFiles stays done after opening again") {
  const Folder folder;
  {
    Bench bench(folder.path());
    for (int i = 0; i < 10; ++i) bench.give(std::to_string(i));
    REQUIRE(bench.ledger->flush(5s).ok());
    // Three of ten go on, one of those is finished.
    SessionCore session(*bench.ledger, bench.middle_wiring, bench.middle_owner);
    for (int i = 0; i < 3; ++i) {
      session.begin_call();
      session.transfer(session.get(), Relationship{static_cast<std::uint16_t>(i == 1 ? 1 : 0)});
    }
    session.commit();
    CHECK(bench.a->count() == 7);
    REQUIRE(bench.ledger->flush(5s).ok());
  }
  Bench bench(folder.path());
  CHECK(bench.a->count() == 7);
  CHECK(bench.b->count() == 2);
  CHECK(bench.ledger->loss().is_balanced());
  CHECK(bench.drain() == std::vector<std::string>{"0", "2"});
  bench.move();
  CHECK(bench.drain() == std::vector<std::string>{"3", "4", "5", "6", "7", "8", "9"});
}

TEST_CASE("a call that is rolled back leaves everything as it was") {
  const Folder folder;
  Bench bench(folder.path());
  for (int i = 0; i < 3; ++i) bench.give(std::to_string(i));
  SessionCore session(*bench.ledger, bench.middle_wiring, bench.middle_owner);
  session.begin_call();
  session.transfer(session.get(), Relationship{0});
  session.begin_call();
  FlowFile second = session.get();
  second.set("name", "changed");
  session.set_state("seen", "1");
  session.transfer(session.clone(second), Relationship{0});
  CHECK(session.end_call().code() == Code::kInvalid);  // the original was left
  session.rollback_call(false);
  session.commit();
  CHECK(bench.a->count() == 2);
  CHECK(bench.b->count() == 1);
  CHECK_FALSE(session.state("seen"));
  session.begin_call();
  const FlowFile again = session.get();
  CHECK(again.attribute("name") == "1");
  session.rollback();
  CHECK(bench.a->count() == 2);
}

TEST_CASE("calls of any size are rolled back to what stood before them, and others follow") {
  const Folder folder;
  Bench bench(folder.path());
  std::mt19937 random(11);
  SessionCore session(*bench.ledger, bench.source_wiring, bench.source_owner);
  std::vector<std::string> expected;
  int made = 0;
  for (int call = 0; call < 300; ++call) {
    const std::size_t before = session.flowfiles();
    session.begin_call();
    const bool is_good = random() % 2 == 0;
    const std::size_t count = random() % 20;
    for (std::size_t i = 0; i < count; ++i) {
      FlowFile flowfile = session.create();
      const std::string content = std::to_string(made++);
      REQUIRE(session.write(flowfile, content).ok());
      if (!is_good && i + 1 == count) continue;  // left open
      session.transfer(flowfile, Relationship{0});
      if (is_good) expected.push_back(content);
    }
    if (is_good || count == 0) {
      REQUIRE(session.end_call().ok());
    } else {
      CHECK(session.end_call().code() == Code::kInvalid);
      session.rollback_call(false);
      CHECK(session.flowfiles() == before);
    }
    if (random() % 10 == 0) session.commit();
  }
  session.commit();
  CHECK(bench.take_all(bench.middle_wiring, bench.middle_owner) == expected);
}

TEST_CASE("what a call has read from disk is freed by the next one, not with the session") {
  const Folder folder;
  Bench bench(folder.path());
  const std::string large(1 << 20, 'x');
  for (int i = 0; i < 16; ++i) bench.give(large);
  SessionCore session(*bench.ledger, bench.middle_wiring, bench.middle_owner);
  std::size_t most = 0;
  const std::size_t before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
  for (int i = 0; i < 16; ++i) {
    session.begin_call();
    const FlowFile flowfile = session.get();
    REQUIRE(flowfile);
    CHECK(*session.content(flowfile, 1 << 20) == large);
    session.transfer(flowfile, Relationship{0});
    REQUIRE(session.end_call().ok());
    most = std::max(most, ::mallinfo2().uordblks + ::mallinfo2().hblkhd);
  }
  session.commit();
  CHECK(most < before + 4 * large.size());
}

TEST_CASE("a handed-over FlowFile counts as queued until it is acknowledged, in any order") {
  const Folder folder;
  Bench bench(folder.path());
  for (int i = 0; i < 4; ++i) bench.give(std::to_string(i));
  bench.move();
  std::vector<Handed> handed;
  {
    SessionCore session(*bench.ledger, bench.sink_wiring, bench.sink_owner);
    for (int i = 0; i < 4; ++i) {
      session.begin_call();
      handed.push_back(session.hand_over(session.get()));
    }
    session.commit();
  }
  CHECK(bench.b->count() == 4);
  std::move(handed[2]).transfer(Relationship{0});
  CHECK(bench.b->count() == 3);
  std::move(handed[3]).give_back();
  std::move(handed[1]).give_back();
  CHECK(bench.drain() == std::vector<std::string>{"1", "3"});
  std::move(handed[0]).transfer(Relationship{1}, {{"reason", "late"}});
  CHECK(bench.a->count() == 1);
  CHECK(bench.ledger->loss().is_balanced());
}

TEST_CASE("many handed-over FlowFiles are acknowledged at once, and every one of them is counted") {
  const Folder folder;
  Bench bench(folder.path());
  constexpr std::size_t kCount = 600;  // more than one slice
  for (std::size_t i = 0; i < kCount; ++i) bench.give(std::to_string(i));
  bench.move();
  std::vector<Handed> handed;
  while (handed.size() < kCount) {
    SessionCore session(*bench.ledger, bench.sink_wiring, bench.sink_owner);
    session.begin_call();
    const FlowFile flowfile = session.get();
    REQUIRE(flowfile);
    handed.push_back(session.hand_over(flowfile, "kafka://there/topic"));
    session.commit();
  }
  std::vector<Handed> last;
  last.push_back(std::move(handed.back()));
  handed.pop_back();
  Handed::transfer_all(handed, Relationship{0});
  CHECK(handed.empty());
  CHECK(bench.b->count() == 1);
  CHECK(bench.ledger->loss().out == kCount - 1);
  Handed::transfer_all(last, Relationship{1});
  CHECK(bench.b->count() == 0);
  CHECK(bench.a->count() == 1);
  CHECK(bench.ledger->loss().is_balanced());
}

TEST_CASE("what must be stored waits for the disk, also where all that was made is finished") {
  const Folder folder;
  Event stored;
  Bench bench(folder.path());
  REQUIRE(bench.ledger->flush(5s).ok());
  const std::uint64_t before = bench.ledger->status().written_bytes;
  SessionCore session(*bench.ledger, bench.source_wiring, bench.source_owner);
  session.begin_call();
  session.drop(session.create());
  session.set_state("taken", "7");
  session.when_stored([&stored] { stored.set(); });
  REQUIRE(session.end_call().ok());
  session.commit();
  CHECK(stored.wait());
  CHECK(bench.ledger->status().written_bytes > before);
}

TEST_CASE("a source's state is written with its FlowFiles or not at all") {
  const Folder folder;
  {
    Bench bench(folder.path());
    SessionCore session(*bench.ledger, bench.source_wiring, bench.source_owner);
    session.begin_call();
    FlowFile line = session.create();
    REQUIRE(session.write(line, "line").ok());
    session.transfer(line, Relationship{0});
    session.set_state("position", "4");
    session.commit();
    REQUIRE(bench.ledger->flush(5s).ok());
  }
  Bench bench(folder.path());
  SessionCore session(*bench.ledger, bench.source_wiring, bench.source_owner);
  CHECK(session.state("position") == "4");
  CHECK(bench.a->count() == 1);
}

TEST_CASE("the state of a service is shared, committed with FlowFiles, and undone call by call") {
  const Folder folder;
  {
    Bench bench(folder.path());
    SessionCore session(*bench.ledger, bench.source_wiring, bench.source_owner);
    SessionCore other(*bench.ledger, bench.middle_wiring, bench.middle_owner);
    std::string told;
    const auto change = [&](const char* key, const char* value) {
      session.begin_call();
      session.set_shared_state("cache", key, value);
      session.set_state(key, "own");
      session.when_ended([&told, value](bool is_committed) {
        told += (is_committed ? '+' : '-') + std::string(value);
      });
      session.when_ended([&told](bool is_committed) { told += is_committed ? "." : ","; });
    };
    change("a", "1");
    CHECK(session.shared_state("cache", "a") == "1");
    CHECK(session.state("a") == "own");
    CHECK_FALSE(other.shared_state("cache", "a").has_value());
    REQUIRE(session.end_call().ok());
    change("a", "2");
    session.rollback_call(false);
    CHECK(told == ",-2");
    CHECK(session.shared_state("cache", "a") == "1");
    session.commit();
    CHECK(told == ",-2+1.");
    CHECK(other.shared_state("cache", "a") == "1");
    CHECK_FALSE(other.shared_state("another", "a").has_value());
    change("b", "3");
    session.rollback();
    CHECK(told == ",-2+1.,-3");
    REQUIRE(bench.ledger->flush(5s).ok());
  }
  Bench bench(folder.path());
  SessionCore session(*bench.ledger, bench.middle_wiring, bench.middle_owner);
  session.begin_call();
  CHECK(session.shared_state("cache", "a") == "1");
  session.remove_shared_state("cache", "a");
  CHECK_FALSE(session.shared_state("cache", "a").has_value());
  CHECK_FALSE(session.shared_state("cache", "b").has_value());
  session.rollback();
}

TEST_CASE(
    "large content is streamed by way of segment files, shared by slices, and removed when it is "
    "done") {
  const Folder folder;
  const std::string large(3 << 20, 'x');
  {
    Bench bench(folder.path());
    bench.give("small");
    bench.give(large);
    REQUIRE(bench.ledger->flush(5s).ok());
    CHECK(bench.ledger->status().memory_bytes < 100'000);
  }
  {
    Bench bench(folder.path());
    SessionCore session(*bench.ledger, bench.middle_wiring, bench.middle_owner);
    session.begin_call();
    session.transfer(session.get(), Relationship{0});
    session.begin_call();
    const FlowFile original = session.get();
    CHECK(original.size() == large.size());
    session.transfer(session.clone(original, 1 << 20, 1 << 20), Relationship{0});
    session.transfer(original, Relationship{1});
    session.commit();
    const std::vector<std::string> all = bench.drain();
    REQUIRE(all.size() == 2);
    CHECK(all[1] == large.substr(1 << 20, 1 << 20));
    REQUIRE(bench.ledger->flush(5s).ok());
    bench.give("one more");  // the next write deletes the emptied batch
    REQUIRE(bench.ledger->flush(5s).ok());
    CHECK(bench.ledger->status().content_bytes == 0);
  }
}

TEST_CASE("a merge of several epochs is safe only when the merged FlowFile is") {
  const Folder folder;
  Bench bench(folder.path());
  bench.give("one");
  bench.give("two");
  {
    SessionCore session(*bench.ledger, bench.middle_wiring, bench.middle_owner);
    session.begin_call();
    const std::vector<FlowFile> parts{session.get(), session.get()};
    const FlowFile merged = session.merge(parts, {"<", "|", ">"});
    session.transfer(merged, Relationship{0});
    for (const FlowFile& part : parts) session.transfer(part, Relationship{1});
    REQUIRE(session.end_call().ok());
    session.commit();
  }
  CHECK(bench.drain() == std::vector<std::string>{"<one|two>"});
  CHECK(bench.ledger->loss().is_balanced());
}

TEST_CASE("a uuid leads back to the FlowFile") {
  const std::string instance = "01234567-89ab-4def-8123-456789abcdef";
  for (const std::uint64_t id :
       {std::uint64_t{1}, std::uint64_t{0x12345678901}, (std::uint64_t{1} << 61) + 5}) {
    CHECK(flowfile_id(instance, flowfile_uuid(instance, id)) == id);
  }
  CHECK_FALSE(flowfile_id(instance, "01234567-89ab-8def-8123-4567"));
  CHECK_FALSE(flowfile_id(instance, "ffffffff-89ab-8def-8000-000000000001"));
}

}  // namespace runnel
