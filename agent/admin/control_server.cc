// The local API of a running agent; what control_server.h promises.

#include "agent/admin/control_server.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/admin/mask.h"
#include "agent/admin/status_json.h"
#include "agent/base/bytes.h"
#include "agent/base/mutex.h"
#include "agent/flow/graph.h"

namespace runnel {
namespace {

using Request = nlohmann::json;

std::string text_of(const Request& request, const char* name) {
  const auto found = request.find(name);
  return found != request.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> texts_of(const Request& request, const char* name) {
  std::vector<std::string> out;
  const auto found = request.find(name);
  if (found == request.end() || !found->is_array()) return out;
  for (const Request& one : *found) {
    if (one.is_string()) out.push_back(one.get<std::string>());
  }
  return out;
}

// Numbers that are no integers, or below zero, are not said.
template <typename N>
N number_of(const Request& request, const char* name, N fallback) {
  const auto found = request.find(name);
  return found == request.end() || !found->is_number_unsigned() ? fallback : found->get<N>();
}

bool is_true(const Request& request, const char* name) {
  const auto found = request.find(name);
  return found != request.end() && found->is_boolean() && found->get<bool>();
}

std::size_t limit_of(const Request& request) {
  return std::min(number_of<std::size_t>(request, "limit", 100), ControlLimits::kList);
}

Result<StatusJson> status(Engine& engine, const Request&) { return status_json(engine.status()); }

Result<StatusJson> bulletins(Engine& engine, const Request& request) {
  StatusJson out = StatusJson::array();
  for (const Bulletin& one : engine.bulletins(number_of<std::uint64_t>(request, "since_id", 0)))
    out.push_back(bulletin_json(one));
  return out;
}

// By uuid or number; none: the request names none.
Result<std::optional<std::uint64_t>> flowfile_of(const Engine& engine, const Request& request) {
  if (const std::string uuid = text_of(request, "uuid"); !uuid.empty()) {
    TRY_ASSIGN(flowfile, engine.flowfile_of(uuid));
    return std::optional<std::uint64_t>(flowfile);
  }
  if (!request.contains("flowfile")) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(number_of<std::uint64_t>(request, "flowfile", 0));
}

Result<StatusJson> provenance(Engine& engine, const Request& request) {
  ProvenanceQuery query;
  TRY_ASSIGN(flowfile, flowfile_of(engine, request));
  query.flowfile = flowfile;
  query.with_lineage = is_true(request, "with_lineage");
  query.component = text_of(request, "component");
  if (const std::string kind = text_of(request, "kind"); !kind.empty()) {
    query.kind = provenance_kind(kind);
    if (!query.kind) return invalid("`" + kind + "` is no kind of provenance event, as SEND is");
  }
  query.relationship = text_of(request, "relationship");
  if (const auto attributes = request.find("attributes");
      attributes != request.end() && attributes->is_object()) {
    for (const auto& [name, value] : attributes->items()) {
      if (!value.is_string())
        return invalid("the value of the attribute `" + name + "` is no text");
      query.attributes.emplace_back(name, value.get<std::string>());
    }
  }
  query.from_ms = number_of<std::int64_t>(request, "from_ms", 0);
  query.to_ms = number_of<std::int64_t>(request, "to_ms", INT64_MAX);
  query.limit = limit_of(request);
  TRY_ASSIGN(answer, engine.provenance(query));
  return answer_json(answer);
}

Result<StatusJson> lineage(Engine& engine, const Request& request) {
  TRY_ASSIGN(flowfile, flowfile_of(engine, request));
  if (!flowfile) return invalid("lineage: of which FlowFile?");
  TRY_ASSIGN(lineage, engine.lineage(*flowfile));
  return lineage_json(lineage);
}

Result<StatusJson> replay(Engine& engine, const Request& request) {
  ReplayRequest what;
  TRY_ASSIGN(flowfile, flowfile_of(engine, request));
  what.flowfile = flowfile;
  if (request.contains("from_ms")) what.from_ms = number_of<std::int64_t>(request, "from_ms", 0);
  if (request.contains("to_ms")) what.to_ms = number_of<std::int64_t>(request, "to_ms", INT64_MAX);
  what.component = text_of(request, "component");
  what.is_dry_run = is_true(request, "is_dry_run");
  TRY_ASSIGN(answer, engine.replay(what));
  return replay_json(answer);
}

Result<StatusJson> queue_list(Engine& engine, const Request& request) {
  TRY_ASSIGN(queued, engine.list_queue(text_of(request, "connection"), limit_of(request),
                                       ControlLimits::kListBytes));
  StatusJson out = StatusJson::array();
  for (const QueuedFlowFile& one : queued) out.push_back(flowfile_json(one));
  return out;
}

Result<StatusJson> queue_peek(Engine& engine, const Request& request) {
  const std::string connection = text_of(request, "connection");
  auto flowfile = number_of<std::uint64_t>(request, "flowfile", 0);
  if (const std::string uuid = text_of(request, "uuid"); !uuid.empty()) {
    TRY_ASSIGN(found, engine.flowfile_of(uuid));
    flowfile = found;
  }
  if (flowfile == 0) {
    TRY_ASSIGN(first, engine.list_queue(connection, 1));
    if (first.empty()) return not_found("nothing is queued in `" + connection + "`");
    flowfile = first[0].id;
  }
  const auto content_max = number_of<std::size_t>(request, "content_max", 64 * 1024);
  TRY_ASSIGN(peeked,
             engine.peek(connection, flowfile, std::min(content_max, ControlLimits::kContent)));
  return flowfile_json(peeked);
}

Result<StatusJson> queue_purge(Engine& engine, const Request& request) {
  TRY_ASSIGN(removed, engine.purge(text_of(request, "connection")));
  return StatusJson{{"removed_count", removed}};
}

Result<StatusJson> queue_attach(Engine& engine, const Request& request) {
  TRY_ASSIGN(moved, engine.attach(text_of(request, "parked"), text_of(request, "connection")));
  return StatusJson{{"moved_count", moved}};
}

Result<StatusJson> state_list(Engine& engine, const Request&) {
  StatusJson out = StatusJson::array();
  for (const ComponentState& one : engine.states()) out.push_back(state_json(one));
  return out;
}

Result<StatusJson> state_show(Engine& engine, const Request& request) {
  TRY_ASSIGN(view, engine.state_of(text_of(request, "component"), limit_of(request)));
  return state_json(view);
}

Result<StatusJson> state_clear(Engine& engine, const Request& request) {
  TRY_ASSIGN(removed, engine.clear_state(text_of(request, "component")));
  return StatusJson{{"removed_count", removed}};
}

Result<StatusJson> flush(Engine& engine, const Request& request) {
  const std::chrono::milliseconds within(number_of<std::int64_t>(request, "within_ms", 1000));
  const auto began = std::chrono::steady_clock::now();
  TRY(engine.flush(std::min<std::chrono::milliseconds>(within, ControlLimits::kFlush)));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
  return StatusJson{{"took_ms", took.count()}};
}

Result<StatusJson> start(Engine& engine, const Request& request) {
  const std::string processor = text_of(request, "processor");
  if (is_true(request, "once")) {
    TRY_ASSIGN(ran, engine.run_once(processor));
    return ran_json(ran);
  }
  TRY(processor.empty() ? engine.start_flow() : engine.start_component(processor));
  return StatusJson::object();
}

Result<StatusJson> stop(Engine& engine, const Request& request) {
  const std::string processor = text_of(request, "processor");
  TRY(processor.empty() ? engine.stop_flow() : engine.stop_component(processor));
  return StatusJson::object();
}

// Without properties: what they hold is in the flow's file, for whoever may read that.
Result<StatusJson> graph(Engine& engine, const Request&) {
  const auto flow = engine.flow();
  if (flow == nullptr) return StatusJson(nullptr);
  return StatusJson::parse(graph_json(*flow, {}));
}

struct Command {
  std::string_view name;
  Result<StatusJson> (*run)(Engine&, const Request&);
};
constexpr std::array<Command, 16> kCommands{{{"status", &status},
                                             {"bulletins", &bulletins},
                                             {"provenance", &provenance},
                                             {"lineage", &lineage},
                                             {"replay", &replay},
                                             {"queue_list", &queue_list},
                                             {"queue_peek", &queue_peek},
                                             {"queue_purge", &queue_purge},
                                             {"queue_attach", &queue_attach},
                                             {"state_list", &state_list},
                                             {"state_show", &state_show},
                                             {"state_clear", &state_clear},
                                             {"flush", &flush},
                                             {"start", &start},
                                             {"stop", &stop},
                                             {"graph", &graph}}};

std::string_view code_word(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid";
    case Code::kNotFound:
      return "not_found";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kFull:
      return "full";
    case Code::kCorrupt:
      return "corrupt";
  }
  return "unavailable";
}

std::string answer_line(const Result<StatusJson>& result) {
  if (result.ok()) return line_of({{"ok", true}, {"result", *result}});
  return line_of(
      {{"ok", false}, {"code", code_word(result.code())}, {"error", result.error().text()}});
}

// What a worker's thread taps, on its way to the connection. Shared, since a tap may be called
// while its connection ends.
class TapBacklog {
 public:
  TapBacklog(PollServer& server, std::size_t wanted, double rate, Mask mask)
      : server_(server), wanted_(wanted), mask_(std::move(mask)) {
    if (rate > 0) pause_ = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / rate));
  }

  void add(const PeekedFlowFile& flowfile) EXCLUDES(mutex_) {
    if (!is_due()) return;
    std::string line = line_of({{"item", mask_.shown(flowfile)}});
    {
      const Lock lock(mutex_);
      if (seen_ == wanted_) return;
      ++seen_;
      if (lines_.size() + line.size() > ControlLimits::kTapBacklog) {
        ++left_out_;
      } else {
        lines_ += line;
      }
    }
    server_.wake();
  }

  bool is_full() EXCLUDES(mutex_) {
    const Lock lock(mutex_);
    return seen_ == wanted_;
  }

  // Moves what is there.
  void take(std::string& out, std::size_t& left_out) EXCLUDES(mutex_) {
    const Lock lock(mutex_);
    out += lines_;
    lines_.clear();
    left_out = left_out_;
  }

 private:
  // Whether the rate allows one more.
  bool is_due() EXCLUDES(mutex_) {
    if (pause_.count() == 0) return true;
    const auto now = std::chrono::steady_clock::now();
    const Lock lock(mutex_);
    if (now < next_) return false;
    next_ = now + pause_;
    return true;
  }

  PollServer& server_;
  const std::size_t wanted_;
  const Mask mask_;
  std::chrono::nanoseconds pause_{0};  // between two, at least
  Mutex mutex_;
  std::chrono::steady_clock::time_point next_ GUARDED_BY(mutex_){};
  std::string lines_ GUARDED_BY(mutex_);
  std::size_t seen_ GUARDED_BY(mutex_) = 0;
  std::size_t left_out_ GUARDED_BY(mutex_) = 0;
};

class ControlConversation final : public Conversation {
 public:
  ControlConversation(PollServer& server, Engine& engine) : server_(server), engine_(engine) {}
  ~ControlConversation() override { end_tap(); }

  bool on_input(std::string& in, std::string& out) override {
    while (true) {
      const std::size_t end = in.find('\n');
      if (end == std::string::npos) return true;
      if (backlog_ != nullptr) {
        // Whatever else is asked waits for the end of the tap.
        const Request request = Request::parse(in.substr(0, end), nullptr, false);
        if (!request.is_object() || text_of(request, "command") != "end") return true;
        in.erase(0, end + 1);
        finish_tap(out);
        continue;
      }
      answer(std::string_view(in).substr(0, end), out);
      in.erase(0, end + 1);
    }
    return true;
  }

  bool on_wake(std::string& out) override {
    // What was not read yet is enough for now.
    if (backlog_ == nullptr || out.size() > ControlLimits::kTapBacklog) return true;
    if (backlog_->is_full()) {
      finish_tap(out);
    } else {
      std::size_t left_out = 0;
      backlog_->take(out, left_out);
    }
    return true;
  }

  bool is_patient() const override { return backlog_ != nullptr; }

 private:
  void answer(std::string_view line, std::string& out) {
    const Request request = Request::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!request.is_object()) {
      out += answer_line(invalid("a request is one JSON object a line"));
      return;
    }
    const std::string name = text_of(request, "command");
    if (name == "tap") {
      if (const auto begun = begin_tap(request); !begun.ok()) out += answer_line(begun.error());
      return;
    }
    const auto command = std::find_if(kCommands.begin(), kCommands.end(),
                                      [&name](const Command& one) { return one.name == name; });
    out += answer_line(command == kCommands.end()
                           ? Result<StatusJson>(invalid("unknown command `" + name + "`"))
                           : command->run(engine_, request));
  }

  void finish_tap(std::string& out) {
    std::size_t left_out = 0;
    backlog_->take(out, left_out);
    end_tap();
    out += answer_line(StatusJson{{"left_out_count", left_out}});
  }

  Result<> begin_tap(const Request& request) {
    const auto wanted = std::clamp<std::size_t>(number_of<std::size_t>(request, "count", 10), 1,
                                                ControlLimits::kTapped);
    const auto one_of = std::max<std::uint64_t>(number_of<std::uint64_t>(request, "one_of", 1), 1);
    const auto rate = request.find("rate");
    TRY_ASSIGN(mask,
               Mask::make(texts_of(request, "mask_attributes"), texts_of(request, "mask_json")));
    auto backlog = std::make_shared<TapBacklog>(
        server_, wanted, rate != request.end() && rate->is_number() ? rate->get<double>() : 0,
        std::move(mask));
    TRY_ASSIGN(number,
               engine_.tap(
                   text_of(request, "connection"), rate == request.end() ? wanted : SIZE_MAX,
                   [backlog](const PeekedFlowFile& one) { backlog->add(one); }, one_of));
    backlog_ = std::move(backlog);
    tap_ = number;
    return {};
  }

  void end_tap() {
    if (backlog_ == nullptr) return;
    engine_.untap(tap_);
    backlog_.reset();
  }

  PollServer& server_;
  Engine& engine_;
  std::shared_ptr<TapBacklog> backlog_;  // of the tap under way
  std::uint64_t tap_ = 0;
};

}  // namespace

Result<std::unique_ptr<PollServer>> serve_control(const std::string& state_dir, Engine& engine) {
  TRY_ASSIGN(listener, listen_control(state_dir));
  return PollServer::open(std::move(listener), {.thread_name = "admin"},
                          [&engine](PollServer& server) {
                            return std::make_unique<ControlConversation>(server, engine);
                          });
}

}  // namespace runnel
