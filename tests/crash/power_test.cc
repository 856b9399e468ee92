// The power goes at every sync point of a workload, and what is found afterwards is held against a
// model: L1 (all or nothing), L2 (a consistent cut), L3 (what was acknowledged is there or
// delivered), and the loss ledger balances.
//
// The workload: a source that acknowledges (its peer gives again what was not acknowledged), with
// FlowFiles that are dropped, split, merged and delivered by an asynchronous sink; and a source
// that keeps its place in its state, followed by a processor that changes its state in mid-flow.
// Some contents are large enough for segment files. Everything follows from the seed: the ledger is
// driven, time stands in a clock of ours.
//
// `./dev test crash --seed S` runs the cuts of one seed of the last test again, `./dev test --long`
// ten times as many.

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "agent/base/log.h"
#include "agent/runtime/session_core.h"
#include "tests/support/forgetful_vfs.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr Relationship kSuccess{0};
constexpr std::uint64_t kMessages = 60;  // of each source

// What happens to message `n` of the acknowledging source.
bool is_dropped(std::uint64_t n) { return n % 7 == 0; }
bool is_split(std::uint64_t n) { return n % 3 == 0; }
// In two sessions, between which the original is kept and the state says how far it has got.
bool is_split_in_steps(std::uint64_t n) { return n % 4 == 0; }
bool is_large(std::uint64_t n) { return n % 11 == 0; }

using Tokens = std::vector<std::string>;

// "A12#1;" -> the tokens that are delivered for it in the end.
Tokens leaves_of(const std::string& token) {
  if (token[0] == 'B' || token.find('.') != token.npos) return {token};
  const std::uint64_t n = std::stoull(token.substr(1));
  if (is_dropped(n)) return {};
  if (is_split(n)) return {token + ".0", token + ".1"};
  return {token};
}

Tokens tokens_in(std::string_view content) {
  Tokens tokens;
  while (true) {
    const std::size_t end = content.find(';');
    if (end == content.npos) return tokens;
    tokens.emplace_back(content.substr(0, end));
    content.remove_prefix(end + 1);
    while (content.starts_with('.')) content.remove_prefix(1);
  }
}

std::string content_of(const std::string& token) {
  std::string content = token + ";";
  const std::uint64_t n = std::stoull(token.substr(1));
  if (is_large(n)) content.append(20'000, '.');
  return content;
}

// What a power cut does not touch.
struct World {
  // Every third seed encrypts what it writes; each life counts its nonces anew.
  explicit World(std::uint64_t seed) : encrypts_(seed % 3 == 0) {}
  Vault vault() const {
    if (!encrypts_) return {};
    return {.sealer = Sealer::make({std::string(kCipherKeyBytes, 'k')}), .seals = true};
  }

  std::map<std::uint64_t, std::uint64_t> given_a;  // message -> how often
  std::map<std::uint64_t, std::uint64_t> given_b;
  std::set<std::uint64_t> acknowledged;  // of A
  std::set<std::string> acknowledged_tokens;
  std::set<std::string> delivered;

 private:
  const bool encrypts_;
};

struct Node {
  Node(Ledger& ledger, std::string id, std::vector<Queue*> inputs, std::vector<Outlet> outlets)
      : ledger_(ledger) {
    wiring.processor_id = std::move(id);
    wiring.inputs = std::move(inputs);
    wiring.outlets = std::move(outlets);
    wiring.line = ledger.open_line();
    hand_over = std::make_unique<HandOver>(ledger, wiring);
    session = std::make_unique<SessionCore>(ledger, wiring, *hand_over);
  }
  ~Node() {
    session.reset();
    ledger_.close_line(wiring.line);
  }
  Ledger& ledger_;
  Wiring wiring;
  std::unique_ptr<HandOver> hand_over;
  std::unique_ptr<SessionCore> session;
};

// One life of the agent: from a start to a power cut.
class Life {
 public:
  Life(World& world, ForgetfulDisk& disk, const std::string& directory, ManualClock& clock,
       std::mt19937_64& random, bool fails = false)
      : world_(world), disk_(disk), clock_(clock), random_(random), fails_(fails) {
    LedgerOptions options;
    options.directory = directory;
    options.clock = &clock;
    options.vfs = disk.vfs_name();
    options.disk = &disk;
    options.is_driven = true;
    options.reserve = 16 << 10;
    options.vault = world.vault();
    Result<std::unique_ptr<Ledger>> opened = Ledger::open(std::move(options));
    if (!opened.ok()) {
      trouble_ = opened.error().text();
      return;
    }
    ledger_ = std::move(*opened);
    for (const char* id : {"a1", "a2", "b1", "out"}) {
      Result<Queue*> queue = ledger_->attach({.id = id, .name = id});
      REQUIRE(queue.ok());
      queues_[id] = *queue;
    }
    Queue* const a1 = queues_["a1"];
    Queue* const a2 = queues_["a2"];
    Queue* const b1 = queues_["b1"];
    Queue* const out = queues_["out"];
    source_a_ = std::make_unique<Node>(*ledger_, "source-a", std::vector<Queue*>{},
                                       std::vector<Outlet>{{"success", {a1}}});
    source_b_ = std::make_unique<Node>(*ledger_, "source-b", std::vector<Queue*>{},
                                       std::vector<Outlet>{{"success", {b1}}});
    split_ = std::make_unique<Node>(*ledger_, "split", std::vector<Queue*>{a1},
                                    std::vector<Outlet>{{"success", {a2}}});
    merge_ = std::make_unique<Node>(*ledger_, "merge", std::vector<Queue*>{a2},
                                    std::vector<Outlet>{{"success", {out}}});
    count_ = std::make_unique<Node>(*ledger_, "count", std::vector<Queue*>{b1},
                                    std::vector<Outlet>{{"success", {out}}});
    sink_ = std::make_unique<Node>(*ledger_, "sink", std::vector<Queue*>{out},
                                   std::vector<Outlet>{{"success", {}}});
  }

  ~Life() {
    bin_.clear();
    in_flight_.clear();
    for (auto* node : {&source_a_, &source_b_, &split_, &merge_, &count_, &sink_}) node->reset();
    ledger_.reset();
  }

  bool is_open() const { return ledger_ != nullptr; }
  const std::string& trouble() const { return trouble_; }
  Ledger& ledger() { return *ledger_; }

  // One step of somebody, by chance.
  void step() {
    switch (random_() % 12) {
      case 0:
      case 1:
        return give_a();
      case 2:
        return give_b();
      case 3:
      case 4:
        return split();
      case 5:
        return merge();
      case 6:
        return count();
      case 7:
        return send();
      case 8:
        return answer();
      case 9:
        if (fails_ && random_() % 4 == 0)
          disk_.fail_one_in(random_() % 3 == 0 ? 0 : 2 + random_() % 60);
        clock_.advance(std::chrono::milliseconds(random_() % 8));
        return;
      case 10:
        ledger_->drive_notify();
        if (random_() % 6 == 0) ledger_->urge();
        return;
      default:
        // The write under way ends some time after its cut.
        if (random_() % 2 == 0) {
          ledger_->drive_cut(random_() % 12 == 0);
        } else {
          if (fails_ && random_() % 6 == 0) disk_.fail_at(1 + random_() % 3);
          static_cast<void>(ledger_->drive_write().ok());
        }
        if (random_() % 12 == 0)
          static_cast<void>(ledger_
                                ->drive_checkpoint(random_() % 2 == 0 ? CheckpointMode::kPassive
                                                                      : CheckpointMode::kTruncate)
                                .ok());
        return;
    }
  }

  // Everything to its end; what is still in hands is answered well.
  void drain() {
    for (int round = 0; round < 400; ++round) {
      give_a();
      give_b();
      split();
      count();
      merge();
      if (round > 200) close_bin();
      send();
      answer();
      clock_.advance(20ms);
      ledger_->drive_cut(false);
      REQUIRE(ledger_->drive_write().ok());
      ledger_->drive_notify();
    }
    close_bin();
    for (int round = 0; round < 40; ++round) {
      send();
      answer();
    }
    REQUIRE(ledger_->flush(1s).ok());
    ledger_->drive_notify();
  }

  // What is found just after a start, against what must be there.
  void check_found() {
    std::map<std::string, std::uint64_t> found;  // leaf -> how often
    std::set<std::string> in_b1;
    std::set<std::string> in_out;
    for (const auto& [id, queue] : queues_) {
      for (const std::string& token : stored_tokens(*queue)) {
        if (id == "b1") in_b1.insert(token);
        if (id == "out") in_out.insert(token);
        for (const std::string& leaf : leaves_of(token)) ++found[leaf];
        if (leaves_of(token).empty()) ++found[token];
      }
    }
    const auto is_there = [&](const std::string& leaf) {
      return found.count(leaf) != 0 || world_.delivered.count(leaf) != 0;
    };
    // Nothing is there twice.
    for (const auto& [leaf, times] : found) CHECK_MESSAGE(times == 1, leaf);
    // What was acknowledged is there, or delivered. What is there in part is there as a whole.
    for (const auto& [n, times] : world_.given_a) {
      for (std::uint64_t time = 1; time <= times; ++time) {
        const std::string token = "A" + std::to_string(n) + "#" + std::to_string(time);
        bool is_any = false;
        bool is_whole = true;
        for (const std::string& leaf : leaves_of(token)) {
          is_any = is_any || found.count(leaf) != 0;
          is_whole = is_whole && is_there(leaf);
        }
        CHECK_MESSAGE((is_whole || !is_any), token);
        if (world_.acknowledged_tokens.count(token) != 0) CHECK_MESSAGE(is_whole, token);
      }
    }
    // The place of source B: all before it is there, nothing behind it.
    const std::uint64_t offset = state_number("source-b", "offset");
    std::set<std::string> counted;
    for (std::string& token : tokens_in(state_text("count", "seen"))) counted.insert(token);
    for (const auto& [n, times] : world_.given_b) {
      for (std::uint64_t time = 1; time <= times; ++time) {
        const std::string token = "B" + std::to_string(n) + "#" + std::to_string(time);
        if (n <= offset && time == times) {
          CHECK_MESSAGE(is_there(token), token);
          CHECK_MESSAGE((counted.count(token) != 0) != (in_b1.count(token) != 0), token);
        } else {
          CHECK_MESSAGE(found.count(token) == 0, token);
          CHECK_MESSAGE(counted.count(token) == 0, token);
        }
      }
    }
    // What was counted has passed, what has passed was counted.
    for (const std::string& token : counted) CHECK_MESSAGE(is_there(token), token);
    for (const std::string& token : in_out) {
      if (token[0] == 'B') CHECK_MESSAGE(counted.count(token) != 0, token);
    }
    check_balance();
  }

  void check_balance() {
    const LossFigures loss = ledger_->loss();
    std::uint64_t queued = 0;
    for (const auto& [id, queue] : queues_) queued += queue->count();
    CHECK(loss.queued == queued);
    CHECK_MESSAGE(loss.is_balanced(), "in ", loss.in, " out ", loss.out, " queued ", loss.queued,
                  " dropped ", loss.dropped());
    CHECK(loss.quarantined == 0);
  }

  void check_drained() {
    for (const auto& [id, queue] : queues_) CHECK_MESSAGE(queue->count() == 0, id);
    const auto is_delivered = [&](char source, std::uint64_t n, std::uint64_t times) {
      for (std::uint64_t time = 1; time <= times; ++time) {
        const std::string token = source + std::to_string(n) + "#" + std::to_string(time);
        bool is_whole = true;
        for (const std::string& leaf : leaves_of(token))
          is_whole = is_whole && world_.delivered.count(leaf) != 0;
        if (is_whole) return true;
      }
      return false;
    };
    for (std::uint64_t n = 1; n <= kMessages; ++n) {
      CHECK_MESSAGE(is_delivered('A', n, world_.given_a[n]), "A", n);
      CHECK_MESSAGE(is_delivered('B', n, world_.given_b[n]), "B", n);
      CHECK_MESSAGE(world_.acknowledged.count(n) == 1, "A", n);
    }
    check_balance();
  }

 private:
  // What stands in a queue, read from the disk where it lies there only.
  Tokens stored_tokens(Queue& queue) {
    while (true) {
      const Result<bool> more = ledger_->page_in_next(queue);
      REQUIRE_MESSAGE(more.ok(), more.error().text());
      if (!*more) break;
    }
    Tokens all;
    Lock lock(ledger_->mutex());
    queue.each([&](Queue::Position, const FlowRecord& record, bool) {
      ledger_->held();
      std::string content(record.size, '\0');
      const Result<std::size_t> got =
          reader_of(record.content, record.offset, record.size)->read(content);
      REQUIRE(got.ok());
      REQUIRE(*got == record.size);
      // Of what is split in steps, the first part has been made.
      const bool is_begun = ledger_->state("split", std::to_string(record.id)).has_value();
      for (const std::string& token : tokens_in(content))
        all.push_back(is_begun ? token + ".1" : token);
      return true;
    });
    return all;
  }

  std::string state_text(const std::string& processor, const std::string& name) {
    Lock lock(ledger_->mutex());
    return ledger_->state(processor, name).value_or("");
  }
  std::uint64_t state_number(const std::string& processor, const std::string& name) {
    const std::string text = state_text(processor, name);
    return text.empty() ? 0 : std::stoull(text);
  }

  void end(SessionCore& session) {
    REQUIRE(session.end_call().ok());
    session.commit();
  }

  bool has_written(SessionCore& session, FlowFile flowfile, const std::string& content) {
    const Result<> written = session.write(flowfile, content);
    if (!written.ok()) REQUIRE_MESSAGE((fails_ || disk_.is_cut()), written.error().text());
    return written.ok();
  }

  void give_a() {
    SessionCore& session = *source_a_->session;
    std::uint64_t left = 1 + random_() % 3;
    bool has_any = false;
    for (std::uint64_t n = 1; n <= kMessages && left > 0; ++n) {
      if (world_.acknowledged.count(n) != 0 || given_now_.count(n) != 0) continue;
      --left;
      has_any = true;
      given_now_.insert(n);
      const std::string token = "A" + std::to_string(n) + "#" + std::to_string(++world_.given_a[n]);
      session.begin_call();
      FlowFile flowfile = session.create();
      // Some are made of another one that ends at once.
      if (n % 5 == 0) {
        const FlowFile parent = std::exchange(flowfile, session.create(flowfile));
        session.drop(parent);
      }
      // A disk that does not take a large content: the peer gives all of them again, later.
      if (!has_written(session, flowfile, content_of(token))) return session.rollback();
      session.transfer(flowfile, kSuccess);
      session.when_safe([this, n, token] {
        world_.acknowledged.insert(n);
        world_.acknowledged_tokens.insert(token);
      });
      REQUIRE(session.end_call().ok());
    }
    if (has_any) session.commit();
  }

  void give_b() {
    SessionCore& session = *source_b_->session;
    session.begin_call();
    std::uint64_t n = 0;
    if (const auto offset = session.state("offset")) n = std::stoull(*offset);
    if (n == kMessages) return session.rollback();
    ++n;
    const std::string token = "B" + std::to_string(n) + "#" + std::to_string(++world_.given_b[n]);
    const FlowFile flowfile = session.create();
    if (!has_written(session, flowfile, content_of(token))) return session.rollback();
    session.transfer(flowfile, kSuccess);
    session.set_state("offset", std::to_string(n));
    end(session);
  }

  void split() {
    SessionCore& session = *split_->session;
    for (std::uint64_t left = 1 + random_() % 4; left > 0; --left) {
      session.begin_call();
      const FlowFile flowfile = session.get();
      if (!flowfile) break;
      const Result<std::string_view> content = session.content(flowfile, 1 << 20);
      REQUIRE(content.ok());
      const std::string token = tokens_in(*content).at(0);
      const std::uint64_t n = std::stoull(token.substr(1));
      if (is_dropped(n)) {
        session.drop(flowfile);
      } else if (is_split(n)) {
        const std::string key = std::to_string(flowfile.id());
        const bool is_begun = session.state(key).has_value();
        const bool is_kept = is_split_in_steps(n) && !is_begun;
        for (const char* part : {".0", ".1"}) {
          if (part[1] == (is_begun ? '0' : is_kept ? '1' : ' ')) continue;
          const FlowFile child = session.create(flowfile);
          if (!has_written(session, child, content_of(token + part))) return session.rollback();
          session.transfer(child, kSuccess);
        }
        if (is_begun) session.remove_state(key);
        if (is_kept) {
          session.set_state(key, "begun");
          session.keep(flowfile);
          left = 1;  // what is kept is taken next, by the next session
        } else {
          session.drop(flowfile);
        }
      } else {
        session.transfer(flowfile, kSuccess);
      }
      REQUIRE(session.end_call().ok());
      if (random_() % 20 == 0) {
        session.rollback();
        return;
      }
    }
    session.commit();
  }

  // A bin that outlives its trigger, as MergeContent has it.
  void merge() {
    SessionCore& session = *merge_->session;
    session.begin_call();
    const FlowFile flowfile = session.get();
    if (flowfile) bin_.push_back(session.hand_over(flowfile));
    end(session);
    if (bin_.size() >= 2 + random_() % 4) close_bin();
  }

  void close_bin() {
    if (bin_.empty()) return;
    SessionCore& session = *merge_->session;
    session.begin_call();
    std::vector<FlowFile> parts;
    for (Handed& handed : bin_) parts.push_back(session.take_back(std::move(handed)));
    bin_.clear();
    const FlowFile merged = session.merge(parts, {});
    session.transfer(merged, kSuccess);
    for (const FlowFile& part : parts) session.drop(part);
    end(session);
  }

  void count() {
    SessionCore& session = *count_->session;
    session.begin_call();
    const FlowFile flowfile = session.get();
    if (!flowfile) return session.rollback();
    const Result<std::string_view> content = session.content(flowfile, 1 << 20);
    REQUIRE(content.ok());
    session.set_state("seen", session.state("seen").value_or("") + tokens_in(*content).at(0) + ";");
    session.transfer(flowfile, kSuccess);
    end(session);
  }

  void send() {
    SessionCore& session = *sink_->session;
    for (std::uint64_t left = 1 + random_() % 3; left > 0; --left) {
      session.begin_call();
      const FlowFile flowfile = session.get();
      if (!flowfile) break;
      const Result<std::string_view> content = session.content(flowfile, 10 << 20);
      REQUIRE(content.ok());
      const Tokens tokens = tokens_in(*content);
      in_flight_.push_back({session.hand_over(flowfile), tokens});
      REQUIRE(session.end_call().ok());
    }
    session.commit();
  }

  // The receiver answers some, in any order.
  void answer() {
    for (std::uint64_t left = 1 + random_() % 4; left > 0 && !in_flight_.empty(); --left) {
      const std::size_t which = random_() % in_flight_.size();
      auto one = std::move(in_flight_[which]);
      in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(which));
      if (random_() % 8 == 0) {
        std::move(one.handed).give_back();
        continue;
      }
      for (const std::string& token : one.tokens) world_.delivered.insert(token);
      std::move(one.handed).transfer(kSuccess);
    }
  }

  struct InFlight {
    Handed handed;
    Tokens tokens;
  };

  World& world_;
  ForgetfulDisk& disk_;
  ManualClock& clock_;
  std::mt19937_64& random_;
  const bool fails_;  // the disk, now and then
  std::string trouble_;
  std::unique_ptr<Ledger> ledger_;
  std::map<std::string, Queue*> queues_;
  std::unique_ptr<Node> source_a_, source_b_, split_, merge_, count_, sink_;
  std::set<std::uint64_t> given_now_;  // the peer gives each once in a connection
  std::vector<Handed> bin_;
  std::vector<InFlight> in_flight_;
};

void discard(std::string_view) {}

class Directory {
 public:
  Directory() : path_((std::filesystem::temp_directory_path() / "runnel-crash-XXXXXX").string()) {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
    set_log_sink(discard);  // failed writes are what this is about
  }
  ~Directory() {
    set_log_sink(nullptr);
    std::filesystem::remove_all(path_);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Lives one after the other, each ended by a cut at a sync point of its own; then all is drained.
// Returns how many syncs the first life would have seen without a cut.
std::uint64_t run_lives(const std::string& directory, std::uint64_t seed,
                        const std::vector<std::uint64_t>& cuts, bool fails = false) {
  ForgetfulDisk disk(seed);
  ManualClock clock;
  std::mt19937_64 random(seed);
  World world(seed);
  std::uint64_t syncs = 0;
  for (const std::uint64_t cut : cuts) {
    disk.cut_at(cut);
    {
      if (fails && random() % 3 == 0) disk.fail_one_in(10 + random() % 200);
      Life life(world, disk, directory, clock, random, fails);
      if (life.is_open()) {
        disk.fail_one_in(0);
        if (syncs != 0) life.check_found();
        for (int step = 0; step < 700 && !disk.is_cut(); ++step) life.step();
      } else {
        CHECK_MESSAGE((fails || disk.is_cut()), life.trouble());
      }
      if (syncs == 0) syncs = disk.syncs();
      disk.cut();
    }
    disk.restart();
  }
  Life life(world, disk, directory, clock, random);
  REQUIRE_MESSAGE(life.is_open(), life.trouble());
  life.check_found();
  life.drain();
  life.check_drained();
  return syncs;
}

TEST_CASE(
    "after a power cut at any sync point, nothing acknowledged is lost and no effect is half") {
  const Directory directory;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const std::uint64_t syncs = run_lives(directory.path(), seed, {1'000'000});
    REQUIRE(syncs > 20);
    for (std::uint64_t cut = 1; cut <= syncs; ++cut) {
      CAPTURE(seed);
      CAPTURE(cut);
      run_lives(directory.path(), seed, {cut});
    }
  }
}

TEST_CASE("power cuts one after the other, also while the last one is repaired") {
  const Directory directory;
  for (std::uint64_t seed = 100; seed < 160; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::vector<std::uint64_t> cuts;
    for (int i = 0; i < 5; ++i) cuts.push_back(1 + random() % 60);
    run_lives(directory.path(), seed, cuts);
  }
}

TEST_CASE("power cuts while syncs fail and two writes are under way: what was told holds") {
  const Directory directory;
  for (std::uint64_t seed = 200; seed < 260; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::vector<std::uint64_t> cuts;
    for (int i = 0; i < 5; ++i) cuts.push_back(1 + random() % 120);
    run_lives(directory.path(), seed, cuts, true);
  }
}

std::uint64_t number_said(const char* name, std::uint64_t otherwise) {
  const char* const said = std::getenv(name);
  return said == nullptr || *said == '\0' ? otherwise : std::stoull(said);
}

TEST_CASE("power cuts of a disk on which every kind of call fails by chance: what was told holds") {
  const Directory directory;
  const std::uint64_t cuts_max = number_said("RUNNEL_CUTS", 1000);
  const std::uint64_t only = number_said("RUNNEL_SEED", 0);
  std::uint64_t count = 0;
  for (std::uint64_t seed = only == 0 ? 1000 : only; count < cuts_max; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    std::vector<std::uint64_t> cuts;
    for (std::uint64_t lives = 1 + random() % 5; lives > 0; --lives)
      cuts.push_back(1 + random() % 150);
    run_lives(directory.path(), seed, cuts, seed % 4 != 0);
    count += cuts.size();
    if (only != 0) break;
  }
  MESSAGE(count, " cuts");
}

}  // namespace
}  // namespace runnel
