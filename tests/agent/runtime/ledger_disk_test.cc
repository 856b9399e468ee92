// The ledger on a disk that is full, that fails, or that flips bits.

#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/agent/runtime/ledger_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLarge = 20'000;  // goes to a segment file

// Takes and drops all that can be read; the call that reads a damaged content fails.
std::vector<int> take_readable(Rig& rig) {
  std::vector<int> all;
  SessionCore session(*rig.ledger, rig.sink, *rig.sink_owner);
  while (true) {
    session.begin_call();
    const FlowFile flowfile = session.get();
    if (!flowfile) break;
    const Result<std::string_view> content = session.content(flowfile, 1 << 20);
    if (!content.ok()) {
      REQUIRE(content.code() == Code::kCorrupt);
      session.rollback_corrupt_call();
      continue;
    }
    all.push_back(std::atoi(std::string(*content).c_str()));
    session.drop(flowfile);
    REQUIRE(session.end_call().ok());
  }
  session.commit();
  return all;
}

TEST_CASE("after a failed fsync of content writing goes on, and what is told is there") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Rig rig(seed);
    rig.open({});
    REQUIRE(rig.ledger->flush(1s).ok());
    bool is_safe = false;
    rig.give(
        0, 5, [&is_safe] { is_safe = true; }, kLarge);
    REQUIRE(rig.ledger->drive_cut(true));
    rig.disk.fail_at(1 + seed % 2);
    CHECK_FALSE(rig.ledger->drive_write().ok());
    rig.ledger->drive_notify();
    CHECK_FALSE(is_safe);
    CHECK_FALSE(rig.told.empty());
    REQUIRE(rig.ledger->drive_write().ok());
    rig.ledger->drive_notify();
    CHECK(is_safe);
    CHECK(rig.ledger->is_healthy());
    rig.disk.cut();
    rig.close();
    rig.disk.restart();
    rig.open({});
    CHECK(rig.take(10).size() == 5);
  }
}

TEST_CASE(
    "a flipped bit in a large content: that FlowFile is quarantined and told, the rest goes on") {
  Rig rig(1);
  rig.open({});
  rig.give(0, 10, nullptr, kLarge);
  REQUIRE(rig.ledger->flush(1s).ok());
  rig.close();
  rig.disk.restart();
  // Each takes five blocks.
  std::string& file = *rig.disk.bytes_of(rig.directory() + "/content/1.blk");
  REQUIRE(file.size() == std::size_t{10} * 5 * 4096);
  file[4 * 5 * 4096 + 9'000] ^= 0x10;
  rig.open({});
  CHECK(take_readable(rig) == std::vector<int>{0, 1, 2, 3, 5, 6, 7, 8, 9});
  const LossFigures loss = rig.ledger->loss();
  CHECK(loss.quarantined == 1);
  CHECK(loss.is_balanced());
  REQUIRE(rig.told.size() == 1);
  CHECK(rig.told[0].find("is not what was written") != std::string::npos);
  CHECK(rig.queue->count() == 0);
}

TEST_CASE(
    "a flipped bit in a batch is found when it is read: its FlowFiles are quarantined and told") {
  for (const std::size_t size : {0U, 300U}) {  // compressed; as it is
    CAPTURE(size);
    Rig rig(1);
    rig.open({});
    for (int i = 0; i < 500; i += 100) {
      rig.give(i, i + 100, nullptr, size);
      REQUIRE(rig.ledger->flush(1s).ok());
    }
    rig.close();
    rig.disk.restart();
    {
      auto database = *Database::open(rig.directory() + "/ledger.db",
                                      {.application_id = 0x524E4C31, .vfs = rig.disk.vfs_name()});
      auto find =
          *database->prepare("SELECT id, body FROM batch WHERE length(body) > 50 ORDER BY id");
      REQUIRE(*find.step());
      std::string body(find.text(1));
      body[body.size() / 2] ^= 1;
      const std::int64_t id = find.integer(0);
      find.reset();
      auto change = *database->prepare("UPDATE batch SET body = ? WHERE id = ?");
      REQUIRE(change.bind_blob(1, body).bind(2, id).run().ok());
    }
    rig.open({});
    CHECK(rig.take(1000).size() == 400);
    CHECK(rig.ledger->loss().quarantined == 100);
    CHECK(rig.ledger->loss().is_balanced());
    CHECK(rig.told.size() == 1);
  }
}

// Of 6 MiB; with one queue that takes all.
QueueSpec open_on_small_disk(Rig& rig) {
  rig.reserve = 256 << 10;
  rig.disk.set_capacity(6 << 20);
  QueueSpec spec;
  spec.count_max = spec.bytes_max = 0;
  rig.open(spec);
  return spec;
}

TEST_CASE("a disk that fills up: sources wait, what is queued is delivered, and room comes back") {
  for (const std::size_t size : {std::size_t{1000}, kLarge}) {
    CAPTURE(size);
    Rig rig(2);
    const QueueSpec spec = open_on_small_disk(rig);
    REQUIRE(rig.disk.exists(rig.directory() + "/reserve"));
    std::mt19937 noise(1);
    std::vector<bool> is_safe;
    int given = 0;
    Result<> flushed;
    // The source gives more until it has to wait, or its own content finds no room.
    while (flushed.ok() && !rig.ledger->is_over_quota() && given < 20'000) {
      SessionCore session(*rig.ledger, rig.source, *rig.source_owner);
      session.begin_call();
      for (int i = 0; flushed.ok() && i < 20; ++i) {
        const FlowFile flowfile = session.create();
        std::string content = std::to_string(given + i) + ";";
        while (content.size() < size) content += static_cast<char>(noise());
        flushed = session.write(flowfile, content);
        session.transfer(flowfile, Relationship{0});
      }
      if (!flushed.ok()) {
        session.rollback();
        break;
      }
      const std::size_t which = is_safe.size();
      is_safe.push_back(false);
      session.when_safe([&is_safe, which] { is_safe[which] = true; });
      session.commit();
      given += 20;
      flushed = rig.ledger->flush(1s);
      rig.ledger->drive_notify();
      if (given % 200 == 0) REQUIRE(rig.ledger->drive_checkpoint(CheckpointMode::kTruncate).ok());
    }
    CHECK((rig.ledger->is_over_quota() || flushed.code() == Code::kFull));
    REQUIRE(given > 100);
    // The power goes. The next start finds no byte more than there is.
    rig.disk.cut();
    rig.close();
    rig.disk.restart();
    rig.open(spec);
    std::size_t safe = 0;
    for (const bool one : is_safe) safe += one ? 20 : 0;
    CHECK(rig.queue->count() >= safe);
    std::vector<int> all;
    while (rig.queue->count() > 0) {
      for (const int one : rig.take(100)) all.push_back(one);
      for (int i = 0; i < 20 && !rig.ledger->flush(1s).ok(); ++i) {
      }
    }
    CHECK(all.size() >= safe);
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i] == static_cast<int>(i));
    for (int i = 0; i < 20 && rig.ledger->is_over_quota(); ++i) {
      rig.clock.advance(1s);
      static_cast<void>(rig.ledger->flush(1s).ok());
      static_cast<void>(rig.ledger->drive_checkpoint(CheckpointMode::kTruncate).ok());
    }
    CHECK_FALSE(rig.ledger->is_over_quota());
    CHECK(rig.ledger->is_healthy());
    CHECK(rig.disk.exists(rig.directory() + "/reserve"));
    CHECK(rig.ledger->loss().is_balanced());
    CHECK(rig.ledger->loss().out == all.size());
  }
}

TEST_CASE("a disk that contents have filled has room again when they are gone, without a restart") {
  Rig rig(4);
  open_on_small_disk(rig);
  rig.give(0, 50, nullptr, kLarge);
  REQUIRE(rig.ledger->flush(1s).ok());
  REQUIRE(rig.ledger->drive_checkpoint(CheckpointMode::kTruncate).ok());
  rig.disk.set_capacity((6 << 20) - *rig.disk.free_bytes(rig.directory()) + (300 << 10));
  rig.give(50, 51);
  REQUIRE(rig.ledger->flush(1s).ok());
  REQUIRE(rig.ledger->is_over_quota());
  CHECK(rig.take(100).size() == 51);
  for (int i = 0; i < 20 && rig.ledger->is_over_quota(); ++i) {
    rig.clock.advance(1s);
    REQUIRE(rig.ledger->flush(1s).ok());
    REQUIRE(rig.ledger->drive_checkpoint(CheckpointMode::kTruncate).ok());
  }
  CHECK_FALSE(rig.ledger->is_over_quota());
  rig.give(0, 5, nullptr, kLarge);
  REQUIRE(rig.ledger->flush(1s).ok());
  CHECK(rig.take(10).size() == 5);
}

TEST_CASE("a disk that others have filled: the agent starts by its reserve, and drains") {
  Rig rig(3);
  rig.reserve = 256 << 10;
  rig.disk.set_capacity(8 << 20);
  rig.open({});
  rig.give(0, 100, nullptr, kLarge);
  REQUIRE(rig.ledger->flush(1s).ok());
  rig.close();
  rig.disk.restart();
  // Not one byte is left.
  const std::string other = "elsewhere/other";
  {
    const auto file = rig.disk.make(other).value();
    const std::uint64_t left = rig.disk.free_bytes("elsewhere").value();
    REQUIRE(file->write_at(0, std::string(left, 'x')).ok());
    REQUIRE(rig.disk.free_bytes("elsewhere").value() == 0);
  }
  rig.open({});
  CHECK(rig.ledger->is_over_quota());  // sources wait
  CHECK_FALSE(rig.disk.exists(rig.directory() + "/reserve"));
  CHECK(rig.take(1000).size() == 100);
  for (int i = 0; i < 10 && !rig.ledger->flush(1s).ok(); ++i) {
  }
  for (int i = 0; i < 10 && rig.ledger->is_over_quota(); ++i) {
    rig.clock.advance(1s);
    static_cast<void>(rig.ledger->flush(1s).ok());
  }
  CHECK_FALSE(rig.ledger->is_over_quota());
  CHECK(rig.disk.exists(rig.directory() + "/reserve"));
}

TEST_CASE("what was delivered while the disk was full is not written any more") {
  Rig rig(4);
  rig.reserve = 256 << 10;
  rig.open({});
  REQUIRE(rig.ledger->flush(1s).ok());
  rig.give(0, 500, nullptr, 4000);
  rig.disk.set_capacity(768 << 10);
  CHECK(rig.ledger->flush(1s).code() == Code::kFull);
  CHECK(rig.ledger->is_over_quota());
  CHECK(rig.take(490).size() == 490);
  for (int i = 0; i < 3 && !rig.ledger->flush(1s).ok(); ++i) {
  }
  CHECK(rig.ledger->is_healthy());
  rig.disk.cut();
  rig.close();
  rig.disk.restart();
  rig.open({});
  CHECK(rig.take(1000).size() == 10);
  CHECK(rig.ledger->loss().is_balanced());
}

// A disk whose syncs take as long as the test wants.
class SlowDisk {
 public:
  explicit SlowDisk(ForgetfulDisk& disk) : disk_(disk) {
    disk_.on_sync([this] {
      std::unique_lock lock(mutex_);
      is_under_way_ = true;
      wake_.notify_all();
      wake_.wait(lock, [this] { return is_over_; });
    });
  }
  ~SlowDisk() { disk_.on_sync(nullptr); }
  void wait_until_under_way() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return is_under_way_; });
  }
  void end() {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
    wake_.notify_all();
  }

 private:
  ForgetfulDisk& disk_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool is_under_way_ = false;
  bool is_over_ = false;
};

TEST_CASE(
    "while an fsync is under way the agent answers and takes; all of that is one write more") {
  constexpr int kSessions = 500;
  constexpr int kEach = 10;
  for (const std::size_t size : {std::size_t{0}, kLarge}) {
    CAPTURE(size);
    Rig rig(7);
    rig.open({});
    REQUIRE(rig.ledger->flush(1s).ok());
    int safe = 0;
    const auto give = [&](int first) {
      rig.give(
          first, first + kEach, [&safe] { ++safe; }, first == 0 ? size : 0);
    };
    // A write of ten FlowFiles, on a disk that is quick.
    give(0);
    REQUIRE(rig.ledger->drive_cut(true));
    const std::uint64_t before_quick = rig.disk.syncs();
    REQUIRE(rig.ledger->drive_write().ok());
    const std::uint64_t syncs_of_a_write = rig.disk.syncs() - before_quick;
    rig.ledger->drive_notify();
    REQUIRE(safe == 1);

    SlowDisk slow(rig.disk);
    give(kEach);
    REQUIRE(rig.ledger->drive_cut(true));
    std::thread writer([&rig] { CHECK(rig.ledger->drive_write().ok()); });
    slow.wait_until_under_way();
    // The sync ends after all of this, not before.
    for (int i = 0; i < kSessions; ++i) give((i + 2) * kEach);
    CHECK(rig.take(kEach).size() == kEach);
    CHECK(rig.ledger->loss().in == (kSessions + 2) * kEach);
    CHECK(rig.ledger->loss().is_balanced());
    CHECK(rig.ledger->status().is_healthy);
    rig.ledger->drive_notify();
    CHECK(safe == 1);  // and nothing is told that is not there
    REQUIRE(rig.ledger->drive_cut(true));
    slow.end();
    writer.join();
    rig.ledger->drive_notify();
    CHECK(safe == 2);
    // Five hundred sessions wait for as many syncs as one did: the slower a sync, the larger a
    // group, so that throughput holds.
    const std::uint64_t before = rig.disk.syncs();
    REQUIRE(rig.ledger->drive_write().ok());
    CHECK(rig.disk.syncs() - before <= syncs_of_a_write);
    rig.ledger->drive_notify();
    CHECK(safe == kSessions + 2);
    rig.disk.cut();
    rig.close();
    rig.disk.restart();
    rig.open({});
    CHECK(rig.queue->count() == (kSessions + 1) * kEach);
    CHECK(rig.ledger->loss().is_balanced());
  }
}

}  // namespace
}  // namespace runnel
