// Running a flow to completion; what once.h promises.

#include "agent/trial/once.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <iterator>
#include <thread>

#include "agent/base/words.h"
#include "agent/flow/check.h"
#include "agent/flow/complaints.h"
#include "agent/runtime/engine.h"
#include "agent/trial/scratch.h"
#include "agent/trial/stdio.h"
#include "agent/trial/weave.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kLook = 20ms;
constexpr std::chrono::milliseconds kStopDeadline = 4s;
constexpr std::size_t kBulletinsShown = 10;

bool is_failure(std::string_view relationship) { return relationship.ends_with("failure"); }

std::pair<std::string, std::string> parts_of(const std::string& place) {
  const std::size_t dot = place.find('.');
  if (dot == std::string::npos) return {place, {}};
  return {place.substr(0, dot), place.substr(dot + 1)};
}

// Stands behind a connection whose figures say all.
class Drop final : public Processor {
 public:
  Result<> on_trigger(Session& session) override {
    const FlowFile flowfile = session.get();
    if (flowfile) session.drop(flowfile);
    return {};
  }
};

// Where FlowFiles end well: nothing leads from there but failures, and something other than a
// failure leads there.
bool is_end(const Flow& flow, const ProcessorNode& node) {
  bool is_fed = false;
  for (const Connection* one : all_connections(flow)) {
    const auto& relationships = one->relationships;
    const bool is_only_failure =
        !relationships.empty() &&
        std::all_of(relationships.begin(), relationships.end(),
                    [](const NamedPlace& relationship) { return is_failure(relationship.name); });
    if (one->from.id == node.id && !is_only_failure) return false;
    is_fed = is_fed || (one->to.id == node.id && !is_only_failure);
  }
  return is_fed;
}

Result<std::string> only_one(const std::vector<std::string>& found, std::string_view what,
                             std::string_view option) {
  if (found.size() == 1) return found[0];
  if (found.empty()) return invalid("the flow has no " + std::string(what));
  return invalid("the flow has several " + std::string(what) + "s: " + listed(found) +
                 "; say which by " + std::string(option));
}

// All that the disk has, but a reserve: what is on its way through may be large.
std::uint64_t quota_of(const std::string& directory) {
  struct statvfs disk {};
  if (::statvfs(directory.c_str(), &disk) != 0) return 0;
  return std::max<std::uint64_t>(std::uint64_t{disk.f_bavail} * disk.f_frsize / 10 * 8, 1);
}

class Once {
 public:
  Once(const Flow& flow, std::span<const ProcessorType> types, const OnceEnds& ends,
       const OnceOptions& options, const std::atomic<bool>& is_stopped)
      : weave_(flow, types), ends_(ends), options_(options), is_stopped_(is_stopped) {}

  Result<OnceOutcome> run() {
    weave();
    std::string state_dir = options_.state_dir;
    std::optional<ScratchDirectory> scratch;
    if (state_dir.empty()) {
      TRY_ASSIGN(made, ScratchDirectory::make(ScratchDirectory::Where::kDisk));
      scratch.emplace(std::move(made));
      state_dir = scratch->path();
    }
    EngineOptions options;
    options.state_dir = state_dir;
    options.types = weave_.types();
    options.services = options_.services;
    options.workers = options_.workers;
    options.ledger.vault = options_.vault;
    options.ledger.disk_quota = scratch ? quota_of(state_dir) : 0;
    TRY_ASSIGN(engine, Engine::open(std::move(options)));
    TRY(engine->start(std::make_shared<const Flow>(weave_.flow())).within("starting the flow"));
    wait_for_end(*engine);
    OnceOutcome outcome = outcome_of(*engine);
    if (!options_.state_dir.empty()) TRY(engine->stop(kStopDeadline));
    return outcome;
  }

 private:
  void weave() {
    const std::vector<std::string> paths = weave_.paths();
    // What went to a failure is counted, wherever that leads.
    for (const std::string& path : paths) {
      const ProcessorNode node = *weave_.find(path);
      if (std::find(ends_.outputs.begin(), ends_.outputs.end(), path) != ends_.outputs.end())
        continue;
      if (path != ends_.input && weave_.is_source(node)) weave_.hold(path);
      for (const RelationshipSpec& one : relationships_of(weave_.spec_of(node), node.properties)) {
        if (!is_failure(one.name)) continue;
        const std::string id =
            weave_.watch(path, one.name, [] { return std::make_unique<Drop>(); });
        failures_.emplace(id, path + "." + one.name);
      }
    }
    for (const std::string& output : ends_.outputs) {
      const auto [path, relationship] = parts_of(output);
      const auto make = [this] { return stdout_sink(options_.out_fd, options_.separator, news_); };
      if (relationship.empty()) {
        weave_.replace(path, InputRule::kRequired, make);
      } else {
        weave_.watch(path, relationship, make);
      }
    }
    const ProcessorNode* input = weave_.find(ends_.input);
    const bool is_source = weave_.is_source(*input);
    StdinOptions stdin_options{
        .fd = options_.in_fd,
        .is_lines = options_.is_lines,
        .relationship = is_source ? weave_.spec_of(*input).relationships.front().name : "success",
        .attributes = options_.attributes};
    const auto make = [how = std::move(stdin_options), news = news_] {
      return stdin_source(how, news);
    };
    if (is_source) {
      weave_.replace(ends_.input, InputRule::kForbidden, make);
      source_path_ = ends_.input;
    } else {
      source_path_ = weave_.feed(ends_.input, make);
    }
  }

  // A figure that changes when something moves.
  static std::uint64_t moved(const Status& status) {
    std::uint64_t sum = 0;
    for (const ProcessorStatus& one : status.processors)
      sum += one.in_count + one.out_count + one.in_bytes + one.dropped_count;
    return sum;
  }

  bool is_all_gone(const Status& status, std::uint64_t made) const {
    std::uint64_t counted = 0;  // penalized ones whose failure is known already
    for (const ConnectionStatus& one : status.connections) {
      if (failures_.contains(one.id)) counted += one.count;
    }
    if (status.loss.queued > counted) return false;
    // What the source has made may not be committed yet.
    return std::any_of(status.processors.begin(), status.processors.end(),
                       [&](const ProcessorStatus& one) {
                         return one.path == source_path_ && one.out_count >= made;
                       });
  }

  void wait_for_end(Engine& engine) {
    while (!is_stopped_ && !news_->state().is_at_end && news_->state().trouble.empty())
      news_->wait(100ms);
    auto changed = std::chrono::steady_clock::now();
    std::uint64_t before = 0;
    std::chrono::milliseconds look = 1ms;
    while (!is_stopped_ && news_->state().trouble.empty()) {
      const Status status = engine.status();
      if (is_all_gone(status, news_->state().made)) return;
      const auto now = std::chrono::steady_clock::now();
      if (moved(status) != before) changed = now;
      before = moved(status);
      if (now - changed >= options_.patience) return;
      std::this_thread::sleep_for(look);
      look = std::min(look * 2, kLook);
    }
  }

  OnceOutcome outcome_of(Engine& engine) const {
    OnceOutcome outcome;
    const StdioNews::State news = news_->state();
    outcome.error = news.error;
    if (!news.trouble.empty()) outcome.troubles.push_back(news.trouble);
    const Status status = engine.status();
    for (const ConnectionStatus& one : status.connections) {
      const auto failure = failures_.find(one.id);
      if (failure != failures_.end() && one.in_count > 0) {
        outcome.troubles.push_back(counted(one.in_count, "FlowFile") + " went to `" +
                                   failure->second + "`");
      } else if (failure == failures_.end() && one.count > 0) {
        outcome.troubles.push_back(counted(one.count, "FlowFile") + " left in `" + one.name + "`");
      }
    }
    const std::uint64_t lost = status.loss.expired + status.loss.evicted + status.loss.quarantined;
    if (lost > 0)
      outcome.troubles.push_back(counted(lost, "FlowFile") + " expired, evicted or unreadable");
    if (outcome.troubles.empty()) return outcome;
    auto bulletins = engine.bulletins();
    if (bulletins.size() > kBulletinsShown)
      bulletins.erase(bulletins.begin(), bulletins.end() - kBulletinsShown);
    for (const Bulletin& one : bulletins) {
      outcome.troubles.push_back((one.component.empty() ? "the engine" : one.component) + ": " +
                                 one.text);
    }
    return outcome;
  }

  Weave weave_;
  const OnceEnds& ends_;
  const OnceOptions& options_;
  const std::atomic<bool>& is_stopped_;
  std::shared_ptr<StdioNews> news_ = std::make_shared<StdioNews>();
  std::map<std::string, std::string, std::less<>> failures_;  // id of a connection -> place
  std::string source_path_;
};

}  // namespace

Result<OnceEnds> ends_of(const Flow& flow, std::span<const ProcessorType> types,
                         const OnceOptions& options) {
  Weave weave(flow, types);
  const std::vector<std::string> paths = weave.paths();
  const auto check = [&](const std::string& path, std::string_view option) -> Result<> {
    if (weave.find(path) != nullptr) return {};
    return invalid(std::string(option) + ": the flow has no processor " + backquoted(path) +
                   did_you_mean(path, paths));
  };
  OnceEnds ends{options.input, options.outputs};
  if (ends.input.empty()) {
    std::vector<std::string> sources;
    std::copy_if(paths.begin(), paths.end(), std::back_inserter(sources),
                 [&](const std::string& path) { return weave.is_source(*weave.find(path)); });
    TRY_ASSIGN(only, only_one(sources, "source", "--input"));
    ends.input = only;
  }
  TRY(check(ends.input, "--input"));
  if (ends.outputs.empty()) {
    std::vector<std::string> sinks;
    std::copy_if(paths.begin(), paths.end(), std::back_inserter(sinks),
                 [&](const std::string& path) { return is_end(flow, *weave.find(path)); });
    TRY_ASSIGN(only, only_one(sinks, "sink", "--output"));
    ends.outputs = {only};
  }
  for (const std::string& output : ends.outputs) {
    const auto [path, relationship] = parts_of(output);
    TRY(check(path, "--output"));
    const ProcessorNode& node = *weave.find(path);
    if (relationship.empty() && weave.is_source(node))
      return invalid("--output: " + backquoted(path) +
                     " is a source: nothing reaches it; name a relationship of it");
    if (!relationship.empty() && !weave.has_relationship(node, relationship))
      return invalid("--output: " + backquoted(path) + " has no relationship " +
                     backquoted(relationship));
  }
  return ends;
}

Result<OnceOutcome> run_once(const Flow& flow, std::span<const ProcessorType> types,
                             const OnceEnds& ends, const OnceOptions& options,
                             const std::atomic<bool>& is_stopped) {
  return Once(flow, types, ends, options, is_stopped).run();
}

}  // namespace runnel
