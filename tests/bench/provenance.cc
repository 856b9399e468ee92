// Benchmark `provenance`: what it costs, and how fast it answers.
//
// `value` and `raw`: three hops in memory with provenance and without it, by the CPU time of the
// whole process, in turn. `query_ms`: CPU time of questions put to 10 million events in a ledger's
// database; the slowest counts, which is one that finds nothing and has to look at everything.

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>

#include "tests/bench/three_hops.h"

namespace runnel {
namespace {

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double thread_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Cost {
  double with = 0;  // FlowFiles a second of CPU
  double without = 0;
  double ratio = 0;        // median of those of the rounds
  double per_session = 0;  // the ratio with a session for each FlowFile
};

Cost cost(const std::string& directory, std::uint64_t count) {
  ThreeHops with(directory + "/with", true);
  ThreeHops without(directory + "/without", false);
  std::vector<double> on, off, ratios, single;
  const auto seconds = [](ThreeHops& flow, std::uint64_t flowfiles, std::size_t slice) {
    const double begin = cpu_seconds();
    flow.run(flowfiles, slice);
    return cpu_seconds() - begin;
  };
  for (int round = 0; round < 9; ++round) {
    const double a = seconds(with, count, kSlice);
    const double b = seconds(without, count, kSlice);
    on.push_back(static_cast<double>(count) / a);
    off.push_back(static_cast<double>(count) / b);
    ratios.push_back(b / a);
    const double c = seconds(with, count / 8, 1);
    single.push_back(seconds(without, count / 8, 1) / c);
  }
  return {median(on), median(off), median(ratios), median(single)};
}

// So many events as a flow of four processors tells them, some of them late; each session has a
// value of the attribute `site`, of which there are a thousand, and one in a thousand FlowFiles has
// a name of its own.
void fill(Ledger& ledger, ProvenanceLog& log, std::uint64_t events) {
  static constexpr std::array<const char*, 4> kNames{"receive", "update", "route", "publish"};
  std::mt19937_64 random(7);
  std::uint64_t next_id = 1;
  std::int64_t now_ms = 1'750'000'000'000;
  std::deque<std::vector<IdRange>> late;
  for (std::uint64_t made = 0; made < events;) {
    now_ms += 3;
    const std::uint64_t count = 1 + random() % 32;
    std::vector<IdRange> ids{{next_id, next_id + count - 1}};
    next_id += count;
    const auto tell = [&](std::size_t at, ProvenanceKind kind, const std::vector<IdRange>& of,
                          std::string_view relationship, std::string_view uri,
                          std::string_view details) {
      log.add({.kind = kind,
               .at_ms = now_ms,
               .component = kNames[at],
               .flowfiles = of,
               .relationship = relationship,
               .uri = uri,
               .details = details});
      ++made;
    };
    tell(0, ProvenanceKind::kReceive, ids, {}, "tcp://broker/vehicle/telemetry", {});
    tell(0, kProvenanceMark, ids, {}, "site", "site-" + std::to_string(random() % 1000));
    if (random() % 64 == 0)
      tell(0, kProvenanceMark, {{ids[0].first, ids[0].first}}, {}, "filename",
           std::to_string(ids[0].first) + ".json");
    tell(1, ProvenanceKind::kAttributesModified, ids, {}, {}, {});
    tell(2, ProvenanceKind::kRoute, ids, random() % 50 == 0 ? "standing" : "moving", {}, {});
    late.push_back(std::move(ids));
    const std::size_t which = random() % 20 == 0 ? random() % late.size() : 0;
    if (late.size() > 2000) {
      tell(3, ProvenanceKind::kSend, late[which], {}, "kafka://broker/telemetry", {});
      tell(3, ProvenanceKind::kDrop, late[which], "success", {}, "auto-terminated");
      late.erase(late.begin() + static_cast<std::ptrdiff_t>(which));
    }
    if (made % (1 << 17) < 7) static_cast<void>(ledger.flush(std::chrono::seconds(10)).ok());
  }
  static_cast<void>(ledger.flush(std::chrono::seconds(10)).ok());
}

int run(std::uint64_t count, std::uint64_t events) {
  std::string directory = (std::filesystem::temp_directory_path() / "runnel-bench-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  std::filesystem::create_directory(directory + "/with");
  std::filesystem::create_directory(directory + "/without");
  const Cost measured = cost(directory, count);
  std::string queries;
  double slowest = 0;
  std::uint64_t stored = 0;
  {
    LedgerOptions options;
    options.directory = directory;
    const auto ledger = Ledger::open(std::move(options)).value();
    ProvenanceLog::Options log_options;
    log_options.bytes_max = std::uint64_t{4} << 30;
    log_options.age_max_ms = INT64_MAX / 4;
    const auto log =
        ProvenanceLog::open(log_options, ledger->provenance_shelf(), ledger->mutex()).value();
    ledger->set_provenance(log.get());
    fill(*ledger, *log, events);
    stored = log->stored_bytes();
    const auto ask = [&](const char* name, ProvenanceQuery query) {
      std::vector<std::string> components;
      if (!query.component.empty()) components.push_back(query.component);
      const double begin = thread_seconds();
      const auto answer = log->query(query, components);
      const double ms = (thread_seconds() - begin) * 1000;
      slowest = std::max(slowest, ms);
      char text[96];
      std::snprintf(text, sizeof text, "%s\"%s\": %.1f", queries.empty() ? "" : ", ", name, ms);
      queries += text;
      return answer.ok() ? answer->events.size() : 0;
    };
    ProvenanceQuery query;
    query.flowfile = events / 2;
    ask("flowfile", query);
    query.with_lineage = true;
    ask("flowfile_with_lineage", query);
    query = {};
    query.kind = ProvenanceKind::kExpire;
    ask("kind_that_never_was", query);
    query = {};
    query.component = "receive";
    query.kind = ProvenanceKind::kDrop;
    ask("kind_of_another_component", query);
    query = {};
    query.component = "publish";
    query.relationship = "moving";
    ask("relationship_of_another_component", query);
    query = {};
    query.from_ms = query.to_ms = 1'750'000'000'000 + 3 * static_cast<std::int64_t>(events / 12);
    ask("time", query);
    query = {};
    query.attributes = {{"site", "site-7"}};
    ask("attribute_of_many", query);
    query.kind = ProvenanceKind::kExpire;
    ask("attribute_of_many_without_answer", query);
    query = {};
    query.attributes = {{"filename", "none.json"}};
    ask("attribute_of_nobody", query);
    ledger->set_provenance(nullptr);
  }
  std::filesystem::remove_all(directory);
  std::printf(
      "{\"value\": %.0f, \"unit\": \"FlowFiles/s of CPU\", \"raw\": %.0f, \"ratio\": %.3f, "
      "\"ratio_per_session\": %.3f, \"events\": %llu, \"stored_bytes\": %llu, "
      "\"query_ms_max\": %.1f, \"query_ms\": {%s}}\n",
      measured.with, measured.without, measured.ratio, measured.per_session,
      static_cast<unsigned long long>(events), static_cast<unsigned long long>(stored), slowest,
      queries.c_str());
  return 0;
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const std::uint64_t events = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10'000'000;
  return runnel::run(std::max<std::uint64_t>(count, 2048) / 256 * 256, events);
}
