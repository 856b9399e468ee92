// Flows of groups that nobody would write, from seeds: whatever their rules are, and whatever is
// done to them, nothing is lost, doubled or left standing.

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>

#include "tests/agent/runtime/group_rig.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

class Chance {
 public:
  explicit Chance(unsigned seed) : engine_(seed) {}
  int up_to(int most) { return std::uniform_int_distribution<int>(0, most)(engine_); }
  bool one_of(int n) { return up_to(n - 1) == 0; }
  template <typename T>
  const T& pick(const std::vector<T>& all) {
    return all[static_cast<std::size_t>(up_to(static_cast<int>(all.size()) - 1))];
  }

 private:
  std::mt19937 engine_;
};

// Groups 0 … n-1, each with two ports in and two out: `done` leads on to a later group or the sink,
// `again` to any group, also to itself. Some hold a group of the same kind.
class HostileFlow {
 public:
  HostileFlow(unsigned shape_seed, unsigned rule_seed) : shape_(shape_seed), rules_(rule_seed) {}

  std::string text() {
    const int count = 2 + shape_.up_to(2);
    std::string groups, connections;
    for (int i = 0; i < count; ++i) {
      const std::string name = "g" + std::to_string(i);
      groups += group(name, 2, 1);
      const int next = i + 1 + shape_.up_to(1);
      connections += line(name + ".done", next < count ? into(next) : "sink");
      connections += line(name + ".again", into(shape_.up_to(count - 1)));
      // Every port is fed by something.
      for (const char* port : {"a", "b"})
        connections += line("left" + std::to_string(i), name + "." + port);
    }
    std::string processors = "  sink: {type: TestSink}\n";
    for (int i = 0; i < count; ++i)
      processors += "  left" + std::to_string(i) + ": {type: TestSource}\n";
    return "flow: f\nprocessors:\n" + processors + "groups:\n" + groups + "connections:\n" +
           connections;
  }

 private:
  std::string into(int group) {
    return "g" + std::to_string(group) + (shape_.one_of(2) ? ".a" : ".b");
  }
  std::string limit() {
    return shape_.one_of(3)
               ? std::string()
               : ", back_pressure: {count: " + std::to_string(1 + shape_.up_to(9)) + "}";
  }
  std::string line(const std::string& from, const std::string& to, int indent = 2) {
    // Two connections of the same ends need names of their own.
    return std::string(static_cast<std::size_t>(indent), ' ') + "- {name: c" +
           std::to_string(++named_) + ", from: " + from + ", to: " + to + limit() + "}\n";
  }
  std::string group(const std::string& name, int indent, int depth) {
    const std::string in(static_cast<std::size_t>(indent), ' ');
    static const std::vector<std::string> concurrencies{"unbounded", "single", "batch"};
    static const std::vector<std::string> policies{"stream", "batch"};
    std::string out = in + name + ":\n";
    out += in + "  flowfile_concurrency: " + rules_.pick(concurrencies) + "\n";
    out += in + "  outbound_policy: " + rules_.pick(policies) + "\n";
    out += in + "  input_ports: [a, b]\n" + in + "  output_ports: [done, again]\n";
    out += in + "  funnels: [join]\n";
    out += in + "  processors:\n" + in + "    first: {type: TestPass, penalty_period: 1 sec" +
           (shape_.one_of(2) ? ", concurrent_tasks: 2" : "") + "}\n" + in +
           "    last: {type: TestPass, penalty_period: 1 sec}\n";
    const bool is_nested = depth > 0 && shape_.one_of(2);
    if (is_nested) out += in + "  groups:\n" + group("inner", indent + 4, depth - 1);
    out += in + "  connections:\n";
    const auto add = [&](const std::string& from, const std::string& to) {
      out += line(from, to, indent + 4);
    };
    add("a", "join");
    add("b", is_nested ? "inner.b" : "join");
    add("join", "first");
    add("first.failure", "again");
    add("last.failure", "again");
    add("last.success", "done");
    if (is_nested) {
      add("first.success", "inner.a");
      add("inner.done", "last");
      add("inner.again", "join");
    } else {
      add("first.success", "last");
    }
    return out;
  }

  Chance shape_;
  Chance rules_;
  int named_ = 0;
};

std::vector<std::string> passes(const Flow& flow) {
  std::vector<std::string> out;
  for (const ProcessorNode* one : all_processors(flow)) {
    if (one->type == "TestPass") out.push_back(one->path);
  }
  return out;
}

class Ordeal {
 public:
  explicit Ordeal(unsigned seed) : seed_(seed), chance_(seed + 1000) {
    clear_roles();
    flow_ = flow_of(HostileFlow(seed_, seed_).text());
    REQUIRE(engine_->start(flow_).ok());
  }

  void torment(int steps) {
    for (int i = 0; i < steps; ++i) {
      engine_.run(static_cast<std::size_t>(chance_.up_to(60)));
      strike();
      engine_.check_balanced();
    }
  }

  // All goes on, forwards; then nothing may be left.
  void settle() {
    for (const std::string& path : passes(*flow_)) {
      role(path).send_to = "success";
      role(path).fails = 0;
    }
    REQUIRE(engine_->start_flow().ok());
    for (const std::string& group : groups()) REQUIRE(engine_->start_component(group).ok());
    for (int i = 0; i < 50; ++i) {
      engine_.run(2'000'000);
      engine_.advance(30s);
    }
    for (const ConnectionStatus& one : engine_->status().connections) {
      INFO(one.name << ": " << one.from << " -> " << one.to);
      CHECK(one.count == 0);
    }
    for (const GroupStatus& one : engine_->status().groups) {
      INFO(one.path);
      CHECK(one.inside_count == 0);
      CHECK_FALSE(one.is_taking_in);
      CHECK_FALSE(one.is_letting_out);
    }
    const LossFigures loss = engine_->status().loss;
    engine_.check_balanced();
    CHECK(loss.queued == 0);
    CHECK(static_cast<std::uint64_t>(role("sink").seen) == loss.out);
    CHECK(loss.in == loss.out + loss.removed);
  }

 private:
  std::vector<std::string> groups() const {
    std::vector<std::string> out;
    for (const ProcessGroup* one : all_groups(*flow_)) {
      if (!one->path.empty()) out.push_back(one->path);
    }
    return out;
  }

  void strike() {
    std::vector<std::string> nodes;
    for (const ProcessorStatus& one : engine_->status().processors) nodes.push_back(one.path);
    Role& some = role(chance_.pick(passes(*flow_)));
    switch (chance_.up_to(9)) {
      case 0:
      case 1:
        for (const ProcessorNode* one : all_processors(*flow_)) {
          if (one->type != "TestSource" || chance_.one_of(2)) continue;
          role(one->path).to_make = chance_.one_of(4) ? 400 : chance_.up_to(20);
          Lock lock(role(one->path).mutex);
          if (role(one->path).context != nullptr) role(one->path).context->wake();
        }
        break;
      case 2:
        some.send_to = some.send_to == "success" ? "failure" : "success";
        break;
      case 3:
        some.error = chance_.one_of(2) ? Code::kInvalid : Code::kUnavailable;
        some.fails = chance_.up_to(3);
        break;
      case 4:
        REQUIRE(engine_->stop_component(chance_.pick(nodes)).ok());
        break;
      case 5:
        REQUIRE(engine_->stop_component(chance_.pick(groups())).ok());
        break;
      case 6:
        REQUIRE(engine_->start_component(chance_.pick(groups())).ok());
        break;
      case 7:
        REQUIRE(engine_->purge(chance_.pick(engine_->status().connections).id).ok());
        break;
      case 8:
        engine_.advance(chance_.one_of(2) ? 1s : 40s);
        break;
      default:
        if (chance_.one_of(3)) {
          REQUIRE(engine_->stop(1s).ok());
          engine_.reopen();
          REQUIRE(engine_->start(flow_).ok());
        } else if (chance_.one_of(2)) {  // other rules for the same groups
          flow_ =
              flow_of(HostileFlow(seed_, seed_ + static_cast<unsigned>(chance_.up_to(99))).text());
          REQUIRE(engine_->update(flow_).ok());
        } else if (const std::string path = chance_.pick(nodes);
                   engine_.processor(path).state == RunState::kStopped) {
          const auto ran = engine_->run_once(path);
          if (!ran.ok()) REQUIRE(ran.code() == Code::kFull);
        }
    }
  }

  const unsigned seed_;
  Chance chance_;
  std::shared_ptr<const Flow> flow_;
  DrivenEngine engine_;
};

TEST_CASE(
    "whatever is done to hostile flows of groups, nothing is lost, doubled or left standing") {
  const char* const more = std::getenv("RUNNEL_SEEDS");
  const unsigned seeds = more ? static_cast<unsigned>(std::atoi(more)) : 10;
  for (unsigned seed = 1; seed <= seeds; ++seed) {
    CAPTURE(seed);
    Ordeal ordeal(seed);
    ordeal.torment(80);
    ordeal.settle();
  }
}

}  // namespace
}  // namespace runnel
