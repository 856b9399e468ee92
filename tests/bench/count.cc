// runnel-count: paths whose instructions are counted, one a run, so that a regression shows on a
// noisy machine, too. Nothing in them depends on time: the clock stands, the ledger has no threads.
//
//   runnel-count NAME TIMES
//
// hop: a FlowFile through three hops in memory, in slices of 256; hop_sessions: with a session for
// each; commit: a FlowFile into the ledger's database, 256 in one write; json: one path in a
// document of 256 B that is parsed for it; equals: `${a:equals('x')}`. tests/bench/instructions.py
// runs it below valgrind twice: the difference is what TIMES costs, without the start.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/flow/el/expression.h"
#include "agent/flow/el/json_path.h"
#include "tests/bench/three_hops.h"

namespace runnel {
namespace {

constexpr std::uint64_t kPerWrite = 256;

class OneAttribute final : public Scope {
 public:
  std::optional<std::string_view> attribute(std::string_view name) const override {
    if (name == "a") return "x";
    return std::nullopt;
  }
};

bool count_hops(const std::string& directory, std::uint64_t times, std::size_t slice) {
  ManualClock clock;
  ThreeHops flow(directory, true, &clock);
  flow.run(times, slice);
  const LossFigures loss = flow.loss();
  return loss.is_balanced() && loss.in == times && loss.queued == 0;
}

bool count_commits(const std::string& directory, std::uint64_t times) {
  ManualClock clock;
  LedgerOptions options;
  options.directory = directory;
  options.clock = &clock;
  options.is_driven = true;
  const auto ledger = Ledger::open(std::move(options)).value();
  QueueSpec spec;
  spec.id = spec.name = "in";
  spec.count_max = 0;
  spec.bytes_max = 0;
  Wiring wiring;
  wiring.processor_id = "source";
  wiring.outlets = {{"success", {ledger->attach(std::move(spec)).value()}}};
  HandOver hand_over(*ledger, wiring);
  SessionCore session(*ledger, wiring, hand_over);
  const std::string content = payload();
  for (std::uint64_t made = 0; made < times; made += kPerWrite) {
    for (std::uint64_t i = 0; i < kPerWrite; ++i) {
      session.begin_call();
      FlowFile f = session.create();
      f.set("mime.type", "application/json");
      f.set("mqtt.topic", "vehicle/17/telemetry");
      if (!session.write(f, content).ok()) return false;
      session.transfer(f, kFirst);
      if (!session.end_call().ok()) return false;
    }
    session.commit();
    ledger->drive_cut(true);
    if (!ledger->drive_write().ok()) return false;
  }
  return ledger->loss().queued == times;
}

bool count_json(std::uint64_t times) {
  const std::string text = payload();
  const JsonPath path = JsonPath::compile("$.tyres[2]").value();
  for (std::uint64_t i = 0; i < times; ++i) {
    const auto document = JsonDocument::parse(text);
    if (!document.ok() || path.read(*document).value().text != "2.5") return false;
  }
  return true;
}

bool count_equals(std::uint64_t times) {
  const Expression expression = Expression::compile("${a:equals('x')}").value();
  const OneAttribute scope;
  for (std::uint64_t i = 0; i < times; ++i) {
    if (!expression.evaluate_bool(scope).value()) return false;
  }
  return true;
}

int run(std::string_view name, std::uint64_t times) {
  std::string directory = (std::filesystem::temp_directory_path() / "runnel-count-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 1;
  const bool is_right = name == "hop"            ? count_hops(directory, times, kSlice)
                        : name == "hop_sessions" ? count_hops(directory, times, 1)
                        : name == "commit"       ? count_commits(directory, times)
                        : name == "json"         ? count_json(times)
                        : name == "equals"       ? count_equals(times)
                                                 : false;
  std::filesystem::remove_all(directory);
  if (!is_right) std::fprintf(stderr, "%.*s: failed\n", static_cast<int>(name.size()), name.data());
  return is_right ? 0 : 1;
}

}  // namespace
}  // namespace runnel

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s hop|hop_sessions|commit|json|equals TIMES\n", argv[0]);
    return 2;
  }
  return runnel::run(argv[1], std::strtoull(argv[2], nullptr, 10));
}
