// Damage of every kind to what lies on disk: the ledger opens each time, gives back what is whole
// as it was, and what it counts as lost is what is missing.
//
// `./dev test crash --seed S` runs one seed again, `./dev test --long` ten times as many.

#include <algorithm>
#include <map>
#include <set>

#include "tests/agent/runtime/ledger_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr int kWrites = 20;
constexpr int kEach = 20;
constexpr int kAll = kWrites * kEach;
constexpr int kDone = 50;  // were delivered before the damage

std::string content_of(int number) {
  std::mt19937 random(static_cast<unsigned>(number));
  std::string content = std::to_string(number) + ";";
  const std::size_t size = number % 17 == 0 ? 30'000 : number % 3 == 0 ? 400 : 0;
  while (content.size() < size) content += static_cast<char>(random());
  return content;
}

void fill(Rig& rig) {
  for (int i = 0; i < kAll; i += kEach) {
    SessionCore session(*rig.ledger, rig.source, *rig.source_owner);
    session.begin_call();
    for (int n = i; n < i + kEach; ++n) {
      const FlowFile flowfile = session.create();
      REQUIRE(session.write(flowfile, content_of(n)).ok());
      session.set_attribute(*flowfile.record(), "number", std::to_string(n));
      session.transfer(flowfile, Relationship{0});
    }
    REQUIRE(session.end_call().ok());
    session.commit();
    REQUIRE(rig.ledger->flush(1s).ok());
  }
  REQUIRE(rig.take(kDone).size() == kDone);
  REQUIRE(rig.ledger->flush(1s).ok());
}

// What of a queue is there and as it was; the rest is quarantined by reading it.
void take_whole(Rig& rig, Queue& queue, std::multiset<int>& whole) {
  Wiring wiring;
  wiring.processor_id = "reader";
  wiring.inputs = {&queue};
  wiring.outlets = {{"success", {}}};
  wiring.line = rig.ledger->open_line();
  HandOver owner(*rig.ledger, wiring);
  {
    SessionCore session(*rig.ledger, wiring, owner);
    while (queue.count() > 0) {
      session.begin_call();
      const FlowFile flowfile = session.get();
      if (!flowfile) {
        if (!rig.ledger->needs_paging(queue)) break;
        session.commit();
        continue;
      }
      const Result<std::string_view> content = session.content(flowfile, 1 << 20);
      if (!content.ok()) {
        REQUIRE(content.code() == Code::kCorrupt);
        session.rollback_corrupt_call();
        continue;
      }
      const int number = std::atoi(std::string(*content).c_str());
      CHECK(*content == content_of(number));
      CHECK(session.attribute(*flowfile.record(), "number") == std::to_string(number));
      whole.insert(number);
      session.drop(flowfile);
      REQUIRE(session.end_call().ok());
    }
    session.commit();
  }
  rig.ledger->close_line(wiring.line);
}

constexpr std::size_t kPage = 4096;

bool is_content(std::string_view path) { return path.ends_with(".blk") || path.ends_with(".enc"); }

// Says what was done, for a failure.
std::string damage(ForgetfulDisk& disk, const std::string& path, std::mt19937_64& random) {
  std::string& file = *disk.bytes_of(path);
  if (file.empty()) return "nothing";
  const std::size_t at = random() % file.size();
  const std::size_t pages = file.size() / kPage;
  const auto page = [&](std::size_t which) {
    return file.begin() + static_cast<std::ptrdiff_t>(which * kPage);
  };
  switch (random() % 6) {
    case 0:
      file[at] = static_cast<char>(file[at] ^ (1 << (random() % 8)));
      return "a bit at " + std::to_string(at);
    case 1:
      for (std::size_t i = at; i < std::min(at + 64, file.size()); ++i)
        file[i] = static_cast<char>(random());
      return "64 bytes at " + std::to_string(at);
    case 2:
      file.resize(at);
      return "cut to " + std::to_string(at);
    case 3: {
      const std::size_t one = random() % std::max<std::size_t>(pages, 1);
      const std::size_t other = random() % std::max<std::size_t>(pages, 1);
      if (one != other) std::swap_ranges(page(one), page(one) + kPage, page(other));
      return "pages " + std::to_string(one) + " and " + std::to_string(other) + " swapped";
    }
    case 4: {
      const std::size_t one = random() % std::max<std::size_t>(pages, 1);
      if (pages > 0) std::fill(page(one), page(one) + kPage, '\0');
      return "page " + std::to_string(one) + " zeroed";
    }
    default:
      if (is_content(path)) {
        REQUIRE(disk.remove(path).ok());
        return "removed";
      }
      file.append(random() % (2 * kPage), 'x');
      return "bytes behind its end";
  }
}

std::uint64_t number_said(const char* name, std::uint64_t otherwise) {
  const char* const said = std::getenv(name);
  return said == nullptr || *said == '\0' ? otherwise : std::stoull(said);
}

TEST_CASE(
    "whatever is damaged: it opens, what is whole is as it was, and the loss is what is missing") {
  const std::uint64_t wanted = number_said("RUNNEL_DAMAGES", 100);
  const std::uint64_t only = number_said("RUNNEL_SEED", 0);
  std::uint64_t lost_all = 0;
  std::uint64_t with_loss = 0;
  std::uint64_t come_back = 0;
  for (std::uint64_t seed = only == 0 ? 1 : only, end = only == 0 ? wanted + 1 : only + 1;
       seed < end; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    Rig rig(seed);
    // Every third one encrypts what it writes; each life counts its nonces anew.
    const bool encrypts = seed % 3 == 0;
    const auto open = [&rig, encrypts] {
      if (encrypts)
        rig.vault = {.sealer = Sealer::make({std::string(kCipherKeyBytes, 'k')}), .seals = true};
      rig.open({});
    };
    open();
    fill(rig);
    rig.close();
    rig.disk.restart();
    std::vector<std::string> files;
    for (const std::string& path : rig.disk.files()) {
      if (path.ends_with(".db") || is_content(path)) files.push_back(path);
    }
    REQUIRE(files.size() >= 2);
    std::string done;
    const std::string path =
        random() % 3 == 0 ? files[random() % files.size()] : rig.directory() + "/ledger.db";
    for (std::uint64_t times = 1 + random() % 2; times > 0 && rig.disk.exists(path); --times)
      done +=
          path.substr(rig.directory().size() + 1) + ": " + damage(rig.disk, path, random) + "; ";
    CAPTURE(done);
    open();
    std::multiset<int> whole;
    for (const ParkedQueue& parked : rig.ledger->parked())
      take_whole(rig, *rig.ledger->find(parked.id), whole);
    take_whole(rig, *rig.queue, whole);
    const std::set<int> distinct(whole.begin(), whole.end());
    CHECK(distinct.size() == whole.size());
    std::uint64_t missing = 0;
    for (int n = kDone; n < kAll; ++n) missing += distinct.contains(n) ? 0U : 1U;
    // Nobody is forgotten. Those of the row that was delivered in part may come back, where the row
    // that says so is lost: they count as found, or once more.
    const LossFigures loss = rig.ledger->loss();
    CHECK(loss.is_balanced());
    CHECK(loss.queued == 0);
    REQUIRE(loss.in >= kAll);
    const std::uint64_t back = loss.in - kAll;
    const std::uint64_t again = distinct.size() + missing - std::uint64_t{kAll - kDone};
    CHECK(back <= kDone % kEach);
    CHECK(again <= kDone % kEach);
    CHECK(loss.quarantined + again == missing + back);
    lost_all += missing;
    with_loss += missing == 0 ? 0U : 1U;
    come_back += again;
    // It works on.
    rig.give(kAll, kAll + 1);
    REQUIRE(rig.ledger->flush(1s).ok());
    CHECK(rig.take(10).size() == 1);
  }
  MESSAGE("lost ", lost_all, " in ", with_loss, " of ", wanted,
          " damages; came a second time: ", come_back);
}

}  // namespace
}  // namespace runnel
