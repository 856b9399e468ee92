// Provenance: the stream's bytes, and the log over blocks, tails, restarts, pruning and lineage.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "agent/runtime/provenance_log.h"
#include "agent/runtime/provenance_told.h"
#include "agent/runtime/varint.h"

namespace runnel {
namespace {

struct MemoryShelf : ProvenanceShelf {
  std::map<std::uint64_t, ProvenanceRow> rows;

  Result<std::optional<ProvenanceRow>> first_from(std::uint64_t from) override {
    const auto found = rows.lower_bound(from);
    if (found == rows.end()) return std::optional<ProvenanceRow>{};
    return std::optional(without_body(found->second));
  }
  Result<> each_before(std::uint64_t before,
                       const std::function<bool(const ProvenanceRow&)>& visit) override {
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
      if (row->first < before && !visit(without_body(row->second))) break;
    }
    return {};
  }
  Result<std::string> body(std::uint64_t id) override {
    const auto found = rows.find(id);
    if (found == rows.end()) return not_found("no such row");
    return found->second.body;
  }
  static ProvenanceRow without_body(ProvenanceRow row) {
    row.body.clear();
    return row;
  }
  bool may_miss = false;  // a row of a write that failed
  void apply(const ProvenanceWrite& write) {
    for (const IdRange& range : write.remove) {
      for (std::uint64_t id = range.first; id <= range.last; ++id) {
        const bool was_there = rows.erase(id) == 1;
        REQUIRE((was_there || may_miss));
      }
    }
    for (const ProvenanceRow& row : write.insert) REQUIRE(rows.emplace(row.id, row).second);
  }
};

struct Bench {
  MemoryShelf shelf;
  ProvenanceLog::Options options;
  Mutex commits;
  std::unique_ptr<ProvenanceLog> log;

  explicit Bench(ProvenanceLog::Options with = {}) : options(with) { reopen(); }
  void reopen() {
    auto opened = ProvenanceLog::open(options, shelf, commits);
    REQUIRE(opened.ok());
    log = std::move(opened).value();
  }
  void write(std::int64_t now_ms = 0) {
    shelf.apply(log->take(now_ms));
    log->written();
  }
  void add(ProvenanceKind kind, std::vector<IdRange> ids, std::int64_t at_ms,
           std::string_view component = "a", std::vector<IdRange> parents = {},
           std::string_view uri = {}, std::string_view details = {}) {
    log->add({.kind = kind,
              .at_ms = at_ms,
              .component = component,
              .flowfiles = ids,
              .parents = parents,
              .relationship = {},
              .uri = uri,
              .details = details});
  }
  std::vector<ProvenanceEvent> of(std::uint64_t id, bool with_lineage = false) {
    auto events =
        log->query({.flowfile = id, .with_lineage = with_lineage, .component = {}, .kind = {}}, {});
    REQUIRE(events.ok());
    return std::move(events->events);
  }
};

TEST_CASE("what is written to a stream is read back from it") {
  std::mt19937_64 random(7);
  struct Kept {
    ProvenanceKind kind;
    std::int64_t at_ms;
    std::string component;
    std::vector<IdRange> flowfiles;
    std::vector<IdRange> parents;
    std::string relationship;
    std::string uri;
    std::string details;
  };
  std::vector<Kept> kept;
  ProvenanceEncoder encoder;
  const auto ids = [&random](std::size_t most) {
    IdSet set;
    std::uint64_t at = random() % 1'000'000;
    const std::size_t count = 1 + random() % most;
    for (std::size_t i = 0; i < count; ++i) set.add(at += 1 + random() % (i % 2 == 0 ? 2 : 9));
    return std::vector<IdRange>(set.ranges().begin(), set.ranges().end());
  };
  for (int i = 0; i < 2000; ++i) {
    kept.push_back({static_cast<ProvenanceKind>(random() % 18),
                    static_cast<std::int64_t>(random() % 1'000'000), "c" + std::to_string(i % 5),
                    ids(300), i % 3 == 0 ? ids(4) : std::vector<IdRange>{},
                    i % 2 == 0 ? "success" : "", i % 7 == 0 ? "mqtt://" + std::to_string(i) : "",
                    i % 11 == 0 ? std::string("why\0not", 7) : ""});
    const Kept& one = kept.back();
    encoder.add({one.kind, one.at_ms, one.component, one.flowfiles, one.parents, one.relationship,
                 one.uri, one.details});
  }
  std::size_t at = 0;
  const Result<> decoded = decode_provenance(encoder.bytes(), [&](const ProvenanceRecord& record) {
    REQUIRE(at < kept.size());
    const Kept& one = kept[at++];
    REQUIRE(record.kind == one.kind);
    REQUIRE(record.at_ms == one.at_ms);
    REQUIRE(record.component == one.component);
    REQUIRE(std::ranges::equal(record.flowfiles, one.flowfiles));
    REQUIRE(std::ranges::equal(record.parents, one.parents));
    REQUIRE(record.relationship == one.relationship);
    REQUIRE(record.uri == one.uri);
    REQUIRE(record.details == one.details);
  });
  CHECK(decoded.ok());
  CHECK(at == kept.size());
  for (const Kept& one : kept) {
    const std::vector<IdRange> hulls = encoder.hulls(8);
    CHECK(hulls.size() <= 8);
    for (const IdRange& range : one.flowfiles) {
      CHECK(std::ranges::any_of(hulls, [&](const IdRange& hull) {
        return hull.contains(range.first) && hull.contains(range.last);
      }));
    }
  }
}

TEST_CASE("damaged bytes of a stream are refused, wherever the damage is") {
  std::mt19937_64 random(11);
  ProvenanceEncoder encoder;
  for (std::uint64_t i = 1; i < 200; ++i) {
    const std::vector<IdRange> ids{{i * 10, i * 10 + 3}, {i * 10 + 5, i * 10 + 6}};
    encoder.add({ProvenanceKind::kRoute, static_cast<std::int64_t>(i), "c", ids, {}, "r", "u", {}});
  }
  for (std::size_t size = 0; size < encoder.bytes().size(); size += 7) {
    static_cast<void>(decode_provenance(std::string_view(encoder.bytes()).substr(0, size),
                                        [](const ProvenanceRecord&) {}));
  }
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = encoder.bytes();
    for (int n = 0; n < 3; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    static_cast<void>(decode_provenance(bytes, [](const ProvenanceRecord&) {}));
  }
  CHECK(decode_provenance("\x01\x05", [](const ProvenanceRecord&) {}).code() == Code::kCorrupt);
}

TEST_CASE("ids and times that nobody can have had are damage, and never wrap around") {
  // flags, component, time, first id, then the form of the ids; each number LEB128.
  const auto code_of = [](std::int64_t ms, std::uint64_t first,
                          std::initializer_list<std::uint64_t> form, std::string_view bitmap = {},
                          std::uint64_t flags = 13) {
    std::string bytes;
    put_varint(bytes, flags);
    bytes += std::string("\0\1c", 3);
    put_varint(bytes, zigzag(ms));
    put_varint(bytes, zigzag(static_cast<std::int64_t>(first)));
    for (const std::uint64_t number : form) put_varint(bytes, number);
    bytes += bitmap;
    std::size_t count = 0;
    const Result<> decoded =
        decode_provenance(bytes, [&count](const ProvenanceRecord&) { ++count; });
    CHECK(count == (decoded.ok() ? 1 : 0));
    return decoded.ok() ? Code::kNotFound : decoded.code();  // nothing to find
  };
  CHECK(code_of(5, 100, {2, 3, 4, 1}) == Code::kNotFound);
  CHECK(code_of(5, 100, {0, 1}, "\x05") == Code::kNotFound);
  CHECK(code_of(INT64_MAX, 100, {1, 3}) == Code::kCorrupt);
  CHECK(code_of(INT64_MIN, 100, {1, 3}) == Code::kCorrupt);
  CHECK(code_of(5, UINT64_MAX - 3, {1, 3}) == Code::kCorrupt);
  CHECK(code_of(5, 100, {1, UINT64_MAX - 50}) == Code::kCorrupt);
  CHECK(code_of(5, 100, {2, 3, UINT64_MAX - 50, 0}) == Code::kCorrupt);
  CHECK(code_of(5, UINT64_MAX - 4, {0, 1}, "\x81") == Code::kCorrupt);
  CHECK(code_of(5, 100, {1, 3}, {}, 0x10D) == Code::kCorrupt);
}

TEST_CASE("a FlowFile's events are found, newest first, before and after they are written") {
  Bench bench;
  bench.add(ProvenanceKind::kCreate, {{1, 256}}, 10);
  bench.add(ProvenanceKind::kRoute, {{1, 100}}, 11, "b");
  bench.add(ProvenanceKind::kRoute, {{101, 256}}, 12, "b");
  for (int round = 0; round < 3; ++round) {
    const auto events = bench.of(150);
    REQUIRE(events.size() == 2);
    CHECK(events[0].kind == ProvenanceKind::kRoute);
    CHECK(events[0].at_ms == 12);
    CHECK(events[0].flowfiles == std::vector<std::pair<std::uint64_t, std::uint64_t>>{{150, 150}});
    CHECK(events[1].kind == ProvenanceKind::kCreate);
    CHECK(events[0].id > events[1].id);
    CHECK(bench.of(257).empty());
    if (round == 0) bench.write();
    if (round == 1) bench.reopen();
  }
}

TEST_CASE("tails of an open block are taken up at a restart and replaced by the full block") {
  Bench bench({.block_events = 100});
  for (std::uint64_t i = 1; i <= 250; ++i) {
    bench.add(ProvenanceKind::kCreate, {{i, i}}, static_cast<std::int64_t>(i));
    if (i % 30 == 0) bench.write();
    if (i % 70 == 0) bench.reopen();
  }
  bench.write();
  bench.reopen();
  // What was not written before a restart (31-70 lose 61-70 and so on) has left no trace.
  std::size_t known = 0;
  for (std::uint64_t i = 1; i <= 250; ++i) known += bench.of(i).size();
  CHECK(known == 250 - 10 - 20 - 0);
  std::size_t full_rows = 0;
  for (const auto& [id, row] : bench.shelf.rows) full_rows += row.is_tail ? 0 : 1;
  CHECK(full_rows == 2);
}

TEST_CASE("a write that failed is taken again, whole") {
  Bench bench({.block_events = 10});
  for (std::uint64_t i = 1; i <= 25; ++i) bench.add(ProvenanceKind::kCreate, {{i, i}}, 1);
  CHECK(bench.log->wants_write());
  static_cast<void>(bench.log->take(0));
  bench.log->failed();
  bench.shelf.may_miss = true;
  bench.write();
  CHECK(!bench.log->wants_write());
  CHECK(!bench.log->has_unwritten());
  bench.reopen();
  for (std::uint64_t i = 1; i <= 25; ++i) CHECK(bench.of(i).size() == 1);
}

TEST_CASE("a write that has failed and is there after all: no event of it stands there twice") {
  for (const bool is_full_by_then : {false, true}) {
    CAPTURE(is_full_by_then);
    Bench bench({.block_events = 10});
    for (std::uint64_t i = 1; i <= 5; ++i) bench.add(ProvenanceKind::kCreate, {{i, i}}, 1);
    bench.shelf.apply(bench.log->take(0));
    bench.log->failed();
    bench.shelf.may_miss = true;
    if (is_full_by_then) {
      for (std::uint64_t i = 6; i <= 12; ++i) bench.add(ProvenanceKind::kCreate, {{i, i}}, 1);
    }
    bench.write();
    bench.reopen();
    for (std::uint64_t i = 1; i <= (is_full_by_then ? 12U : 5U); ++i)
      CHECK(bench.of(i).size() == 1);
  }
}

TEST_CASE("queries by component, kind, time and limit") {
  Bench bench({.block_events = 50});
  for (std::uint64_t i = 1; i <= 500; ++i) {
    bench.add(i % 5 == 0 ? ProvenanceKind::kSend : ProvenanceKind::kReceive, {{i, i}},
              static_cast<std::int64_t>(i), i % 2 == 0 ? "even" : "odd");
    if (i % 60 == 0) bench.write();
  }
  const auto all = bench.log->query({.flowfile = {}, .component = {}, .kind = {}, .limit = 7}, {});
  REQUIRE(all.ok());
  REQUIRE(all->events.size() == 7);
  CHECK(all->events.front().at_ms == 500);
  CHECK(all->events.back().at_ms == 494);
  const auto some = bench.log->query({.flowfile = {},
                                      .component = {},
                                      .kind = ProvenanceKind::kSend,
                                      .from_ms = 101,
                                      .to_ms = 200,
                                      .limit = 1000},
                                     {"even"});
  REQUIRE(some.ok());
  CHECK(some->events.size() == 10);
  CHECK(some->events.front().at_ms == 200);
}

TEST_CASE("a query decodes only rows that may hold an answer") {
  Bench bench({.block_events = 100});
  for (std::uint64_t i = 1; i <= 10'000; ++i) {
    bench.add(ProvenanceKind::kCreate, {{i, i}}, static_cast<std::int64_t>(i));
    if (i % 1000 == 0) bench.write();
  }
  const std::uint64_t before = bench.log->decoded_rows();
  CHECK(bench.of(4242).size() == 1);
  CHECK(bench.log->decoded_rows() - before <= 2);
}

TEST_CASE("lineage follows clones, forks and joins, up and down, but not to siblings") {
  Bench bench({.block_events = 3});
  bench.add(ProvenanceKind::kReceive, {{1, 4}}, 1);
  bench.add(ProvenanceKind::kClone, {{11, 14}}, 2, "a", {{1, 4}});  // 1->11, 2->12, …
  bench.add(ProvenanceKind::kFork, {{21, 23}}, 3, "b", {{12, 12}});
  bench.write();
  bench.add(ProvenanceKind::kJoin, {{31, 31}}, 4, "c", {{13, 13}, {22, 22}});
  bench.add(ProvenanceKind::kSend, {{31, 31}}, 5, "d");
  const auto ids = [&](std::uint64_t of) {
    IdSet met;
    for (const ProvenanceEvent& event : bench.of(of, true)) {
      for (const auto& [first, last] : event.flowfiles) {
        for (std::uint64_t id = first; id <= last; ++id) met.add(id);
      }
    }
    return std::vector<IdRange>(met.ranges().begin(), met.ranges().end());
  };
  CHECK(ids(22) == std::vector<IdRange>{{2, 2}, {12, 12}, {22, 22}, {31, 31}});
  CHECK(ids(31) == std::vector<IdRange>{{2, 3}, {12, 13}, {22, 22}, {31, 31}});
  CHECK(ids(4) == std::vector<IdRange>{{4, 4}, {14, 14}});
}

TEST_CASE("the log is bounded by size and by age; the oldest rows go") {
  Bench bench({.bytes_max = 4000, .age_max_ms = 100'000, .block_events = 50});
  std::mt19937_64 random(3);
  for (std::uint64_t i = 1; i <= 5000; ++i) {
    const std::string uri = "file:///" + std::to_string(random());
    bench.add(ProvenanceKind::kFetch, {{i, i}}, static_cast<std::int64_t>(i), "a", {}, uri);
    if (i % 20 == 0) bench.write(static_cast<std::int64_t>(i));
    if (i == 2500) bench.reopen();
  }
  std::size_t bytes = 0;
  for (const auto& [id, row] : bench.shelf.rows) bytes += row.is_tail ? 0 : row.body_bytes;
  CHECK(bytes <= 4000);
  CHECK(bytes > 2000);
  CHECK(bench.log->stored_bytes() == bytes);
  CHECK(bench.of(1).empty());
  CHECK(bench.of(5000).size() == 1);
  bench.write(1'000'000);
  for (const auto& [id, row] : bench.shelf.rows) CHECK(row.is_tail);
}

TEST_CASE(
    "who tells the like again is gathered with it by a seat, never past another event of it") {
  Bench bench;
  std::array<ProvenanceLog::Seat, 1> of_a;
  std::array<ProvenanceLog::Seat, 1> of_b;
  std::array<ProvenanceLog::Seat, 1> of_c;
  const auto tell = [&bench](std::string_view component, std::uint64_t id, std::int64_t at_ms,
                             std::span<ProvenanceLog::Seat> seats) {
    const IdRange range{id, id};
    const ProvenanceRecord record{.kind = ProvenanceKind::kAttributesModified,
                                  .at_ms = at_ms,
                                  .component = component,
                                  .flowfiles = {&range, 1}};
    bench.log->gather({&record, 1}, seats);
  };
  const auto told = [&bench] {
    const auto answer = bench.log->query(ProvenanceQuery{}, {});
    REQUIRE(answer.ok());
    std::string all;  // newest first
    for (const ProvenanceEvent& event : answer->events)
      all += event.component_id + std::to_string(event.count) + "@" + std::to_string(event.at_ms) +
             " ";
    return all;
  };
  tell("a", 1, 10, of_a);
  tell("b", 1, 10, of_b);
  tell("a", 2, 10, of_a);  // with the first one
  tell("b", 2, 10, of_b);
  tell("a", 1, 10, of_a);  // not past what b told of 1
  tell("a", 3, 10, of_a);
  tell("a", 3, 11, of_a);  // later
  CHECK(told() == "a1@11 a2@10 b2@10 a2@10 ");
  CHECK(bench.of(1).size() == 3);
  // What was gathered is written: its seats are nobody's any more.
  bench.write();
  tell("c", 4, 11, of_c);
  tell("a", 4, 11, of_a);
  CHECK(told() == "a1@11 c1@11 a1@11 a2@10 b2@10 a2@10 ");
}

TEST_CASE("when nobody writes, memory stays bounded and what is given up is counted") {
  Bench bench({.block_events = 100, .unwritten_bytes_max = 20'000});
  for (std::uint64_t i = 1; i <= 20'000; ++i) {
    bench.add(ProvenanceKind::kFetch, {{i, i}}, 1, "a", {}, "u" + std::to_string(i));
  }
  CHECK(bench.log->given_up_events() > 10'000);
  CHECK(bench.of(20'000).size() == 1);
  bench.write();
  bench.reopen();
  CHECK(bench.of(20'000).size() == 1);
}

TEST_CASE("a tail that is damaged costs its events, not the log") {
  Bench bench;
  bench.add(ProvenanceKind::kCreate, {{1, 1}}, 1);
  bench.write();
  bench.add(ProvenanceKind::kCreate, {{2, 2}}, 2);
  bench.write();
  bench.shelf.rows.rbegin()->second.body = "nonsense";
  bench.reopen();
  CHECK(bench.of(1).size() == 1);
  CHECK(bench.of(2).empty());
  bench.add(ProvenanceKind::kCreate, {{3, 3}}, 3);
  bench.write();
  bench.reopen();
  CHECK(bench.of(1).size() == 1);
  CHECK(bench.of(3).size() == 1);
}

// ---- what one session tells

TEST_CASE("what calls of one session tell alike is one event") {
  ProvenanceTold told;
  for (std::uint32_t call = 1; call <= 5; ++call) {
    told.event(call, ProvenanceKind::kReceive, 100 + call, "mqtt://x");
    if (call == 3) told.undo(3);
  }
  told.event(6, ProvenanceKind::kReceive, 200, "mqtt://y");
  told.event(7, ProvenanceKind::kReceive, 106, "mqtt://x");
  told.event(7, ProvenanceKind::kReceive, 107, "mqtt://x");
  told.event(7, ProvenanceKind::kReceive, 201, "mqtt://z");
  told.undo(7);
  std::vector<ProvenanceRecord> records;
  told.put_into(records, 7, "c");
  REQUIRE(records.size() == 2);
  CHECK(std::ranges::equal(records[0].flowfiles, std::vector<IdRange>{{101, 102}, {104, 105}}));
  CHECK(records[0].uri == "mqtt://x");
  CHECK(records[1].uri == "mqtt://y");
}

TEST_CASE("forks of several parents and joins in one call keep their families apart") {
  Bench bench;
  ProvenanceTold told;
  const auto tell = [&] {
    std::vector<ProvenanceRecord> records;
    told.put_into(records, 1, "c");
    bench.log->add(records);
    told.clear();
  };
  // Two parents in one call, three children and two; then clones whose parents come out of order.
  for (std::uint64_t child = 11; child <= 13; ++child) told.kin(1, ProvenanceKind::kFork, child, 1);
  for (std::uint64_t child = 14; child <= 15; ++child) told.kin(1, ProvenanceKind::kFork, child, 2);
  told.kin(2, ProvenanceKind::kJoin, 31, 11);
  told.kin(2, ProvenanceKind::kJoin, 31, 14);
  told.kin(2, ProvenanceKind::kJoin, 32, 12);
  told.kin(3, ProvenanceKind::kClone, 41, 9);
  told.kin(4, ProvenanceKind::kClone, 42, 8);
  told.kin(5, ProvenanceKind::kClone, 43, 10);
  tell();
  const auto kin = [&](std::uint64_t of, bool is_up) {
    const auto lineage = bench.log->lineage(of);
    REQUIRE(lineage.ok());
    std::vector<std::uint64_t> ids;
    for (const auto& bond : is_up ? lineage->ancestry : lineage->descent)
      ids.push_back(is_up ? bond.parent : bond.child);
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  using Ids = std::vector<std::uint64_t>;
  CHECK(kin(1, false) == Ids{11, 12, 13, 31, 32});
  CHECK(kin(2, false) == Ids{14, 15, 31});
  CHECK(kin(31, true) == Ids{1, 2, 11, 14});
  CHECK(kin(32, true) == Ids{1, 12});
  CHECK(kin(41, true) == Ids{9});
  CHECK(kin(42, true) == Ids{8});
  CHECK(kin(43, true) == Ids{10});
}

TEST_CASE(
    "a lineage names kinds, components and what happened last, and counts what it leaves out") {
  Bench bench({.block_events = 5});
  bench.add(ProvenanceKind::kReceive, {{1, 1}}, 1, "in");
  bench.add(ProvenanceKind::kFork, {{1001, 6000}}, 2, "split", {{1, 1}});
  bench.add(ProvenanceKind::kSend, {{1001, 1001}}, 3, "out");
  bench.write();
  bench.add(ProvenanceKind::kReplay, {{7000, 7000}}, 4, "q", {{1001, 1001}});
  const auto lineage = bench.log->lineage(1);
  REQUIRE(lineage.ok());
  CHECK(lineage->ancestry.empty());
  CHECK(lineage->is_cut);
  CHECK(lineage->children_left_out.at(1) == 4900);
  REQUIRE(lineage->descent.size() == 101);
  CHECK(lineage->descent[0].kind == ProvenanceKind::kFork);
  CHECK(lineage->descent[0].component_id == "split");
  CHECK(lineage->descent[0].child == 1001);
  CHECK(lineage->descent.back().kind == ProvenanceKind::kReplay);
  CHECK(lineage->descent.back().child == 7000);
  CHECK(lineage->last_events.at(1).kind == ProvenanceKind::kReceive);
  CHECK(lineage->last_events.at(1001).kind == ProvenanceKind::kSend);
  CHECK(lineage->last_events.at(1002).kind == ProvenanceKind::kFork);
}

// ---- queries by what blocks are asked for

TEST_CASE("FlowFiles are found by a value that they have had, whatever block their events are in") {
  Bench bench({.block_events = 40});
  for (std::uint64_t i = 1; i <= 500; ++i) {
    const auto at = static_cast<std::int64_t>(i);
    bench.add(ProvenanceKind::kReceive, {{i, i}}, at, "in");
    const std::string name = std::to_string(i) + ".csv";
    bench.add(kProvenanceMark, {{i, i}}, at, "in", {}, "filename", name);
    bench.add(kProvenanceMark, {{i, i}}, at, "in", {}, "site", i % 2 == 0 ? "even" : "odd");
    if (i > 100) bench.add(ProvenanceKind::kDrop, {{i - 100, i - 100}}, at, "out");
    if (i % 30 == 0) bench.write();
  }
  for (int round = 0; round < 2; ++round) {
    ProvenanceQuery query;
    query.attributes = {{"filename", "77.csv"}};
    const std::uint64_t before = bench.log->decoded_rows();
    auto found = bench.log->query(query, {});
    REQUIRE(found.ok());
    REQUIRE(found->events.size() == 2);
    CHECK(found->events[0].kind == ProvenanceKind::kDrop);
    CHECK(found->events[0].at_ms == 177);
    CHECK(found->events[1].kind == ProvenanceKind::kReceive);
    CHECK(!found->is_cut);
    CHECK(bench.log->decoded_rows() - before <= 6);
    query.attributes = {{"filename", "77.csv"}, {"site", "even"}};
    CHECK(bench.log->query(query, {})->events.empty());
    query.attributes = {{"filename", "78.csv"}, {"site", "even"}};
    CHECK(bench.log->query(query, {})->events.size() == 2);
    query.attributes = {{"filename", "none"}};
    CHECK(bench.log->query(query, {})->events.empty());
    query.attributes = {{"site", "odd"}};
    query.kind = ProvenanceKind::kDrop;
    query.limit = 5;
    found = bench.log->query(query, {});
    REQUIRE(found->events.size() == 5);
    CHECK(found->events[0].flowfiles[0].first == 399);
    CHECK(found->events[4].flowfiles[0].first == 391);
    // Marks are no events.
    query = {};
    query.limit = 1000;
    found = bench.log->query(query, {});
    CHECK(found->events.size() == 900);
    for (const ProvenanceEvent& event : found->events) CHECK(event.kind != kProvenanceMark);
    bench.write();
    bench.reopen();
  }
}

TEST_CASE("FlowFiles that are marked together, each with a value of its own, are found by it") {
  Bench bench;
  std::vector<std::string> names;
  std::vector<IdRange> ids;
  for (std::uint64_t i = 0; i < 500; ++i) {
    names.push_back("part." + std::to_string(i * i) + (i % 2 == 0 ? "" : ".log"));
    ids.push_back({10 + i * 3, 10 + i * 3});
    bench.add(ProvenanceKind::kReceive, {ids.back()}, 1, "in");
  }
  names[7] = std::string(kMarkValueMax + 50, 'x');
  names[8].clear();
  names[9] = names[400];
  const std::vector<std::string_view> values(names.begin(), names.end());
  bench.log->add({.kind = kProvenanceMark,
                  .at_ms = 2,
                  .component = "in",
                  .flowfiles = ids,
                  .uri = "filename",
                  .values = values});
  const auto found = [&bench](const std::string& name) {
    ProvenanceQuery query;
    query.attributes = {{"filename", name}};
    std::vector<std::uint64_t> of;
    const auto answer = bench.log->query(query, {});
    REQUIRE(answer.ok());
    for (const ProvenanceEvent& event : answer->events) of.push_back(event.flowfiles[0].first);
    return of;
  };
  // In memory; on disk as the part of a block; read back from there and told again.
  for (int round = 0; round < 3; ++round) {
    CHECK(found(names[0]) == std::vector<std::uint64_t>{10});
    CHECK(found(names[499]) == std::vector<std::uint64_t>{10 + 499 * 3});
    CHECK(found(names[7]) == std::vector<std::uint64_t>{10 + 7 * 3});
    CHECK(found("") == std::vector<std::uint64_t>{10 + 8 * 3});
    CHECK(found(names[9]) == std::vector<std::uint64_t>{10 + 400 * 3, 10 + 9 * 3});
    CHECK(found("part").empty());
    bench.write();
    bench.reopen();
  }
}

TEST_CASE("a value that very many FlowFiles have is sought among the newest, and that is said") {
  Bench bench({.block_events = 100, .matches_max = 50});
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    bench.add(ProvenanceKind::kReceive, {{i * 2, i * 2}}, static_cast<std::int64_t>(i), "in");
    bench.add(kProvenanceMark, {{i * 2, i * 2}}, static_cast<std::int64_t>(i), "in", {}, "site",
              "north");
  }
  bench.write();
  ProvenanceQuery query;
  query.attributes = {{"site", "north"}};
  query.limit = 10;
  const auto found = bench.log->query(query, {});
  REQUIRE(found.ok());
  CHECK(found->is_cut);
  REQUIRE(found->events.size() == 10);
  CHECK(found->events[0].flowfiles[0].first == 2000);
}

TEST_CASE("a relationship is found, and blocks without it are not decoded") {
  Bench bench({.block_events = 50});
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    const std::vector<IdRange> ids{{i, i}};
    bench.log->add({.kind = ProvenanceKind::kRoute,
                    .at_ms = static_cast<std::int64_t>(i),
                    .component = "route",
                    .flowfiles = ids,
                    .relationship = i == 321 ? "odd one" : "moving"});
  }
  bench.write();
  ProvenanceQuery query;
  query.relationship = "odd one";
  const std::uint64_t before = bench.log->decoded_rows();
  const auto found = bench.log->query(query, {});
  REQUIRE(found.ok());
  REQUIRE(found->events.size() == 1);
  CHECK(found->events[0].at_ms == 321);
  CHECK(found->events[0].relationship == "odd one");
  CHECK(bench.log->decoded_rows() - before <= 3);
  query = {};
  query.kind = ProvenanceKind::kSend;
  const std::uint64_t before_kind = bench.log->decoded_rows();
  CHECK(bench.log->query(query, {"route"})->events.empty());
  CHECK(bench.log->decoded_rows() == before_kind);
}

TEST_CASE("heads of an earlier version, without a filter, are believed to hold everything") {
  Bench bench({.block_events = 10});
  for (std::uint64_t i = 1; i <= 40; ++i)
    bench.add(ProvenanceKind::kCreate, {{i, i}}, static_cast<std::int64_t>(i));
  bench.write();
  for (auto& [id, row] : bench.shelf.rows) {
    if (row.is_tail) continue;
    auto head = ProvenanceHead::parse(row.head);
    REQUIRE(head.has_value());
    CHECK(!head->filter.empty());
    head->filter.clear();
    row.head = head->text();
  }
  bench.reopen();
  ProvenanceQuery query;
  query.kind = ProvenanceKind::kCreate;
  CHECK(bench.log->query(query, {"a"})->events.size() == 40);
  for (std::uint64_t i = 1; i <= 40; ++i) CHECK(bench.of(i).size() == 1);
}

TEST_CASE("a row that is damaged costs its own events, and the answer says so") {
  Bench bench({.block_events = 10});
  for (std::uint64_t i = 1; i <= 50; ++i)
    bench.add(ProvenanceKind::kCreate, {{i, i}}, static_cast<std::int64_t>(i));
  bench.write();
  auto row = bench.shelf.rows.begin();
  row->second.body = "nonsense";
  std::advance(row, 2);
  row->second.head = "\x80";
  bench.reopen();
  ProvenanceQuery query;
  query.limit = 100;
  const auto found = bench.log->query(query, {});
  REQUIRE(found.ok());
  CHECK(found->damaged_blocks == 2);
  CHECK(found->events.size() == 40);
  CHECK(bench.of(15).size() == 1);
}

TEST_CASE("the alternate id and every kind of NiFi's list come back from the log") {
  Bench bench;
  const std::vector<IdRange> ids{{5, 5}};
  for (int kind = 0; kind <= static_cast<int>(ProvenanceKind::kRemoteInvocation); ++kind) {
    bench.log->add({.kind = static_cast<ProvenanceKind>(kind),
                    .at_ms = kind,
                    .component = "a",
                    .flowfiles = ids,
                    .alternate_id = "urn:x:" + std::to_string(kind)});
  }
  bench.write();
  bench.reopen();
  const std::vector<ProvenanceEvent> events = bench.of(5);
  REQUIRE(events.size() == 18);
  for (const ProvenanceEvent& event : events) {
    CHECK(event.alternate_id == "urn:x:" + std::to_string(event.at_ms));
    CHECK(provenance_kind(name_of(event.kind)) == event.kind);
  }
  for (const char* name : {"ADDINFO", "REMOTE_INVOCATION", "UNKNOWN", "REPLAY", "UPLOAD"})
    CHECK(provenance_kind(name).has_value());
}

TEST_CASE("a shelf whose newest rows cannot be read does not keep the log from going on") {
  struct DamagedShelf final : MemoryShelf {
    bool is_damaged = true;
    Result<> each_before(std::uint64_t before,
                         const std::function<bool(const ProvenanceRow&)>& visit) override {
      if (is_damaged) return corrupt("the database disk image is malformed");
      return MemoryShelf::each_before(before, visit);
    }
  };
  DamagedShelf shelf;
  shelf.rows[1'000'000] = {.id = 1'000'000, .head = "?", .body = "?"};
  ProvenanceLog::Options options;
  options.opened_ms = 1'750'000'000'000;
  options.block_events = 2;
  Mutex commits;
  auto log = ProvenanceLog::open(options, shelf, commits);
  REQUIRE(log.ok());
  const std::vector<IdRange> ids{{1, 1}};
  for (int i = 0; i < 3; ++i)
    (*log)->add({.kind = ProvenanceKind::kCreate, .at_ms = i, .component = "a", .flowfiles = ids});
  shelf.is_damaged = false;  // repaired meanwhile
  shelf.apply((*log)->take(1));
  (*log)->written();
  ProvenanceQuery query;
  query.flowfile = 1;
  const auto answer = (*log)->query(query, {});
  REQUIRE(answer.ok());
  CHECK(answer->events.size() == 3);
  CHECK(answer->damaged_blocks == 1);
  log = ProvenanceLog::open(options, shelf, commits);
  REQUIRE(log.ok());
  CHECK((*log)->query(query, {})->events.size() == 3);
}

TEST_CASE("rows that cannot be read in the middle of the shelf are passed over, and counted once") {
  struct TornShelf final : MemoryShelf {
    std::uint64_t first_bad = 0;
    std::uint64_t last_bad = 0;
    Result<> each_before(std::uint64_t before,
                         const std::function<bool(const ProvenanceRow&)>& visit) override {
      for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
        if (row->first >= before) continue;
        if (row->first >= first_bad && row->first <= last_bad) return corrupt("malformed");
        if (!visit(without_body(row->second))) break;
      }
      return {};
    }
  };
  TornShelf shelf;
  ProvenanceLog::Options options;
  options.block_events = 2;
  Mutex commits;
  auto log = ProvenanceLog::open(options, shelf, commits).value();
  const auto add = [&log](std::uint64_t id) {
    const std::vector<IdRange> ids{{id, id}};
    log->add({.kind = ProvenanceKind::kCreate, .at_ms = 1, .component = "a", .flowfiles = ids});
  };
  for (std::uint64_t id = 1; id <= 100; ++id) {
    add(id);
    if (id % 2 != 0) continue;
    shelf.apply(log->take(1));
    log->written();
  }
  shelf.first_bad = 20;
  shelf.last_bad = 24;
  ProvenanceQuery query;
  query.limit = 1000;
  const auto answer = log->query(query, {});
  REQUIRE(answer.ok());
  CHECK(answer->damaged_blocks == 1);
  CHECK(answer->events.size() >= 100 - 2 * 2 * 5);
  CHECK(answer->events.size() < 100);
  CHECK(answer->events.back().flowfiles[0].first == 1);
}

}  // namespace
}  // namespace runnel
