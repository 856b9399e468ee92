// The log of positions, against a plain model.

#include "agent/runtime/queue.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "agent/runtime/attributes.h"

namespace runnel {
namespace {

QueueSpec spec_of(QueueRule order) {
  QueueSpec spec;
  spec.id = "q";
  spec.name = "q";
  spec.order = order;
  spec.order_attribute = "priority";
  return spec;
}

FlowRecord record_of(std::uint64_t id, EpochNumber epoch = 1) {
  FlowRecord record;
  record.id = id;
  record.entry_ms = static_cast<std::int64_t>(1000 + id);
  record.epoch = epoch;
  return record;
}

FlowRecord ranked_record_of(std::uint64_t id, std::string_view priority) {
  FlowRecord record = record_of(id);
  record.attributes = Attributes::with(nullptr, "priority", priority);
  return record;
}

TEST_CASE("a first-in queue gives what came first, and again what was given back")
NO_THREAD_SAFETY_ANALYSIS {
  Mutex mutex;
  Lock lock(mutex);
  Queue queue(mutex, spec_of(QueueRule::kFirstIn), 1);
  for (std::uint64_t id = 1; id <= 1000; ++id) queue.append(record_of(id), 1);
  std::vector<Queue::Taken> taken;
  CHECK(queue.take(600, 1, taken) == 600);
  CHECK(queue.count() == 1000);
  CHECK(queue.ready() == 400);
  queue.give_back(taken[5].position, 0);
  queue.give_back(taken[3].position, 0);
  std::vector<Queue::Taken> again;
  CHECK(queue.take(3, 1, again) == 3);
  CHECK(again[0].record->id == 4);
  CHECK(again[1].record->id == 6);
  CHECK(again[2].record->id == 601);
}

TEST_CASE("a queue does what a plain list would do, whatever is done to it")
NO_THREAD_SAFETY_ANALYSIS {
  for (unsigned seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    Mutex mutex;
    Lock lock(mutex);
    Queue queue(mutex, spec_of(QueueRule::kFirstIn), 1);
    std::map<Queue::Position, std::uint64_t> waiting;  // position -> id
    std::map<Queue::Position, std::uint64_t> held;
    std::multimap<std::uint32_t, Queue::Position> penalized;
    std::map<Queue::Position, EpochNumber> unsaved;  // -> epoch
    std::uint64_t next_id = 1;
    std::uint32_t now = 1;
    EpochNumber epoch = 1;
    for (int step = 0; step < 2000; ++step) {
      switch (random() % 6) {
        case 0: {
          for (std::size_t i = random() % 40; i > 0; --i) {
            const EpochNumber born = epoch - random() % 2;
            const Queue::Position position = queue.append(record_of(next_id, born), 1);
            waiting[position] = next_id++;
            unsaved[position] = born;
          }
          std::vector<FlowRecord> row;
          for (std::size_t i = random() % 150; i > 0; --i)
            row.push_back(record_of(next_id++, epoch));
          std::vector<const FlowRecord*> records;
          for (const FlowRecord& record : row) records.push_back(&record);
          const Queue::Position first = queue.next_position();
          const Queue::Passed passed = queue.append(records, 1);
          REQUIRE(passed.unsaved_bytes == row.size() * Queue::kUnsavedEach);
          for (std::size_t i = 0; i < row.size(); ++i) {
            waiting[first + i] = row[i].id;
            unsaved[first + i] = epoch;
          }
          break;
        }
        case 1: {
          while (!penalized.empty() && penalized.begin()->first <= now) {
            const Queue::Position position = penalized.begin()->second;
            waiting[position] = queue.find(position)->id;
            penalized.erase(penalized.begin());
          }
          std::vector<Queue::Taken> taken;
          queue.take(random() % 50, now, taken);
          for (const Queue::Taken& one : taken) {
            REQUIRE_FALSE(waiting.empty());
            bool is_first = waiting.begin()->first == one.position;
            REQUIRE(is_first);
            waiting.erase(one.position);
            held[one.position] = one.record->id;
          }
          break;
        }
        case 2: {
          if (held.empty()) break;
          const auto one = std::next(held.begin(), static_cast<long>(random() % held.size()));
          const bool is_penalized = random() % 3 == 0;
          const std::uint32_t until = is_penalized ? now + 5 : 0;
          queue.give_back(one->first, until);
          if (is_penalized) {
            penalized.emplace(until, one->first);
          } else {
            waiting.insert(*one);
          }
          held.erase(one);
          break;
        }
        case 3: {
          for (std::size_t i = random() % 40; i > 0 && !held.empty(); --i) {
            const auto one = std::next(held.begin(), static_cast<long>(random() % held.size()));
            REQUIRE(queue.find(one->first)->id == one->second);
            // And those that stand behind it, as many as that go on without a gap.
            const Queue::Position first = one->first;
            std::size_t count = random() % 3 == 0 ? random() % 100 : 0;
            auto end = std::next(one);
            std::size_t n = 1;
            for (; end != held.end() && end->first == first + n && count > 0; ++end, --count) ++n;
            std::vector<SavedPlace> saved;
            const Queue::Passed passed = queue.done(first, n, saved);
            REQUIRE(passed.unsaved_bytes == (n - saved.size()) * Queue::kUnsavedEach);
            for (Queue::Position at = first, next = 0; at < first + n; ++at) {
              if (unsaved.erase(at) == 0) REQUIRE(saved.at(next++).batch == at + 7);
            }
            held.erase(one, end);
          }
          break;
        }
        case 4: {
          if (random() % 4 != 0) break;
          const EpochNumber through = epoch - random() % 2;
          std::set<Queue::Position> saved;
          queue.save_each(through, [&](Queue::Position position, const FlowRecord& record) {
            REQUIRE(record.epoch <= through);
            saved.insert(position);
            return SavedPlace{position + 7, 1};
          });
          for (auto at = unsaved.begin(); at != unsaved.end();) {
            REQUIRE((at->second <= through) == (saved.count(at->first) != 0));
            at = at->second <= through ? unsaved.erase(at) : std::next(at);
          }
          break;
        }
        default:
          now += static_cast<std::uint32_t>(random() % 4);
          if (random() % 8 == 0) ++epoch;
          break;
      }
      queue.publish();
      REQUIRE(queue.count() == waiting.size() + held.size() + penalized.size());
      REQUIRE(queue.ready() == waiting.size());
      REQUIRE(queue.unsaved() == unsaved.size());
    }
  }
}

std::vector<std::uint64_t> taken_ids(Queue& queue, std::size_t count,
                                     std::uint32_t now_ms) NO_THREAD_SAFETY_ANALYSIS {
  std::vector<Queue::Taken> taken;
  queue.take(count, now_ms, taken);
  std::vector<std::uint64_t> ids;
  for (const Queue::Taken& one : taken) ids.push_back(one.record->id);
  return ids;
}

TEST_CASE("live-first: what came lately overtakes what waits, which gets one of eight and the gaps")
NO_THREAD_SAFETY_ANALYSIS {
  using Ids = std::vector<std::uint64_t>;
  Mutex mutex;
  Lock lock(mutex);
  Queue queue(mutex, spec_of(QueueRule::kLiveFirst), 1);
  for (std::uint64_t id = 1; id <= 600; ++id) queue.append(record_of(id), 1);
  for (std::uint64_t id = 601; id <= 620; ++id) queue.append(record_of(id), 15'000);
  CHECK(taken_ids(queue, 12, 20'000) ==
        Ids{601, 602, 603, 604, 605, 606, 607, 1, 608, 609, 610, 611});
  CHECK(taken_ids(queue, 14, 20'000) ==
        Ids{612, 613, 614, 2, 615, 616, 617, 618, 619, 620, 3, 4, 5, 6});
  queue.append(record_of(621), 20'001);
  CHECK(taken_ids(queue, 3, 20'002) == Ids{621, 7, 8});
  // What was live and has waited too long is backlog, behind the older one.
  queue.append(record_of(622), 20'003);
  CHECK(taken_ids(queue, 2, 30'003) == Ids{9, 10});
  CHECK(queue.ready() == 600 - 10 + 1);
}

TEST_CASE("a live-first queue does what a plain list would do, whatever is done to it")
NO_THREAD_SAFETY_ANALYSIS {
  for (unsigned seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    Mutex mutex;
    Lock lock(mutex);
    Queue queue(mutex, spec_of(QueueRule::kLiveFirst), 1);
    struct Waiting {
      std::uint64_t id;
      std::uint32_t at_ms;
      bool is_backlog;
    };
    std::map<Queue::Position, Waiting> waiting;
    std::map<Queue::Position, Waiting> held;
    std::uint64_t next_id = 1;
    std::uint32_t now = 1;
    unsigned in_row = 0;
    std::uint64_t from_backlog = 0;
    for (int step = 0; step < 3000; ++step) {
      switch (random() % 5) {
        case 0:
          for (std::size_t i = random() % 60; i > 0; --i) {
            const Queue::Position position = queue.append(record_of(next_id), now);
            waiting[position] = {next_id++, now, false};
          }
          break;
        case 1: {
          for (auto& [position, one] : waiting) {
            if (now - one.at_ms >= 10'000) one.is_backlog = true;
          }
          std::vector<Queue::Taken> taken;
          const std::size_t wanted_count = random() % 50;
          queue.take(wanted_count, now, taken);
          for (const Queue::Taken& one : taken) {
            const auto is_of = [&waiting](bool is_backlog) {
              return std::find_if(waiting.begin(), waiting.end(), [is_backlog](const auto& other) {
                return other.second.is_backlog == is_backlog;
              });
            };
            auto live = is_of(false);
            auto backlog = is_of(true);
            const bool is_turn = backlog != waiting.end() && (in_row >= 7 || live == waiting.end());
            const auto wanted = is_turn ? backlog : live;
            REQUIRE(wanted != waiting.end());
            REQUIRE(wanted->second.id == one.record->id);
            in_row = is_turn || (in_row >= 7 && backlog == waiting.end()) ? 0 : in_row;
            in_row += is_turn ? 0 : 1;
            from_backlog += is_turn;
            held.insert(*wanted);
            waiting.erase(wanted);
          }
          if (taken.size() < wanted_count) in_row = 0;
          break;
        }
        case 2:
          if (held.empty()) break;
          queue.give_back(held.begin()->first, 0);
          waiting.insert(*held.begin());
          held.erase(held.begin());
          break;
        case 3:
          for (std::size_t i = random() % 60; i > 0 && !held.empty(); --i) {
            const auto one = std::next(held.begin(), static_cast<long>(random() % held.size()));
            REQUIRE(queue.find(one->first)->id == one->second.id);
            std::vector<SavedPlace> saved;
            queue.done(one->first, 1, saved);
            held.erase(one);
          }
          break;
        default:
          now += static_cast<std::uint32_t>(random() % 4000);
          break;
      }
      queue.publish();
      REQUIRE(queue.ready() == waiting.size());
    }
    CHECK(from_backlog > 100);
  }
}

TEST_CASE("orders: newest first, oldest first, by attribute as a number before text")
NO_THREAD_SAFETY_ANALYSIS {
  const auto drained = [](QueueRule rule, const std::vector<FlowRecord>& records) {
    Mutex mutex;
    Lock lock(mutex);
    Queue queue(mutex, spec_of(rule), 1);
    for (const FlowRecord& record : records) queue.append(record, 1);
    std::vector<Queue::Taken> taken;
    queue.take(100, 1, taken);
    std::vector<std::uint64_t> ids;
    for (const Queue::Taken& one : taken) ids.push_back(one.record->id);
    return ids;
  };
  const std::vector<FlowRecord> plain = {record_of(2), record_of(1), record_of(3)};
  CHECK(drained(QueueRule::kFirstIn, plain) == std::vector<std::uint64_t>{2, 1, 3});
  CHECK(drained(QueueRule::kNewestFirst, plain) == std::vector<std::uint64_t>{3, 2, 1});
  CHECK(drained(QueueRule::kOldestFirst, plain) == std::vector<std::uint64_t>{1, 2, 3});
  std::vector<FlowRecord> ranked = {record_of(1), record_of(2), record_of(3), record_of(4)};
  ranked[0].attributes = Attributes::with(nullptr, "priority", "10");
  ranked[1].attributes = Attributes::with(nullptr, "priority", "9");
  ranked[2].attributes = Attributes::with(nullptr, "priority", "high");
  CHECK(drained(QueueRule::kAttribute, ranked) == std::vector<std::uint64_t>{2, 1, 3, 4});
}

TEST_CASE("by attribute: what is no finite number is a text among others, and everything is taken")
NO_THREAD_SAFETY_ANALYSIS {
  Mutex mutex;
  Lock lock(mutex);
  Queue queue(mutex, spec_of(QueueRule::kAttribute), 1);
  std::uint64_t id = 0;
  for (const char* priority : {"nan", "3", "NaN", "1", "-inf", "inf", "-nan(x)", "2"}) {
    queue.append(ranked_record_of(++id, priority), 1);
  }
  queue.append(record_of(9), 1);
  CHECK(taken_ids(queue, 100, 1) == std::vector<std::uint64_t>{4, 8, 2, 5, 7, 3, 6, 1, 9});
  CHECK(queue.ready() == 0);
}

TEST_CASE("whose penalty is over stands where the order has it, and overtakes nobody")
NO_THREAD_SAFETY_ANALYSIS {
  using Ids = std::vector<std::uint64_t>;
  Mutex mutex;
  Lock lock(mutex);
  Queue live(mutex, spec_of(QueueRule::kLiveFirst), 1);
  for (std::uint64_t id = 1; id <= 3; ++id) live.append(record_of(id), 1);
  std::vector<Queue::Taken> taken;
  CHECK(live.take(2, 1, taken) == 2);
  for (const Queue::Taken& one : taken) live.give_back(one.position, 20'000);
  live.append(record_of(4), 25'000);
  CHECK(live.takeable(25'000) == 4);
  CHECK(taken_ids(live, 9, 25'000) == Ids{4, 1, 2, 3});
  CHECK(live.ready() == 0);

  Queue ranked(mutex, spec_of(QueueRule::kAttribute), 2);
  for (const std::uint64_t id : {9U, 5U, 1U})
    ranked.append(ranked_record_of(id, std::to_string(id)), 1);
  taken.clear();
  CHECK(ranked.take(3, 1, taken) == 3);
  ranked.give_back(taken[2].position, 2);
  ranked.give_back(taken[1].position, 3);
  ranked.give_back(taken[0].position, 0);
  CHECK(taken_ids(ranked, 9, 3) == Ids{1, 5, 9});
  CHECK(ranked.ready() == 0);
}

TEST_CASE("another order leaves penalties as they are") NO_THREAD_SAFETY_ANALYSIS {
  using Ids = std::vector<std::uint64_t>;
  for (const QueueRule from : {QueueRule::kFirstIn, QueueRule::kNewestFirst}) {
    for (const QueueRule to :
         {QueueRule::kOldestFirst, QueueRule::kAttribute, QueueRule::kLiveFirst}) {
      Mutex mutex;
      Lock lock(mutex);
      Queue queue(mutex, spec_of(from), 1);
      for (std::uint64_t id = 1; id <= 4; ++id) queue.append(record_of(id), 1);
      std::vector<Queue::Taken> taken;
      CHECK(queue.take(4, 1, taken) == 4);
      for (const Queue::Taken& one : taken)
        queue.give_back(one.position, one.record->id % 2 == 1 ? 5'000 : 0);
      queue.respecify(spec_of(to));
      CHECK(queue.ready() == 2);
      CHECK(taken_ids(queue, 9, 4'999) == Ids{2, 4});
      CHECK(queue.ready() == 0);
      CHECK(taken_ids(queue, 9, 5'000) == Ids{1, 3});
      CHECK(queue.ready() == 0);
    }
  }
}

}  // namespace
}  // namespace runnel
