// What the hub's operations do: each is carried out once and acknowledged on disk.

#include <algorithm>
#include <functional>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/base/log.h"
#include "agent/base/words.h"
#include "agent/uplink/uplink.h"

namespace runnel {
namespace {

using c2::Acknowledgement;
using c2::AckState;
using c2::Operation;
using c2::Verb;

constexpr std::size_t kComplaintsMax = 100;

Acknowledgement acknowledged(const Operation& operation, AckState state, std::string details = {}) {
  Acknowledgement out;
  out.operation_id = operation.identifier;
  out.state = state;
  if (!details.empty()) out.details = std::move(details);
  return out;
}

// The error's first line says what failed; each line is a complaint.
Acknowledgement not_applied(const Operation& operation, std::string details, const Error& error) {
  Acknowledgement out = acknowledged(operation, AckState::kNotApplied, std::move(details));
  c2::FailureCause cause;
  for (const std::string_view line : split(error.text(), '\n')) {
    if (trimmed(line).empty()) continue;
    if (cause.message.empty()) cause.message = line;
    if (cause.caused_by.size() < kComplaintsMax) cause.caused_by.emplace_back(line);
  }
  out.failure = std::move(cause);
  return out;
}

Acknowledgement partially_applied(const Operation& operation,
                                  const std::vector<std::string>& not_started) {
  Acknowledgement out =
      acknowledged(operation, AckState::kPartiallyApplied,
                   "the flow runs, but " + counted(not_started.size(), "processor") +
                       " could not be started; this is tried again");
  c2::FailureCause cause;
  cause.message = not_started.front();
  const std::size_t told = std::min(not_started.size(), kComplaintsMax);
  cause.caused_by.assign(not_started.begin(),
                         not_started.begin() + static_cast<std::ptrdiff_t>(told));
  out.failure = std::move(cause);
  return out;
}

// Runnel's own: MiNiFi's agents ignore it, and start the processor.
bool is_once(const Operation& operation) {
  const std::string* once = operation.argument("runOnce");
  return once != nullptr && equal_ignoring_case(*once, "true");
}

template <typename T>
Acknowledgement acknowledge_result(const Operation& operation, const Result<T>& result,
                                   std::string details = {}) {
  return result.ok() ? acknowledged(operation, AckState::kFullyApplied, std::move(details))
                     : not_applied(operation, result.error().text(), result.error());
}

// What each argument names.
Acknowledgement clear(const Operation& operation, std::string_view kind, std::string_view unit,
                      const std::function<Result<std::uint64_t>(const std::string&)>& clear_one) {
  if (operation.arguments.empty())
    return not_applied(operation, "which " + std::string(kind) + "?",
                       invalid("no argument was given"));
  std::uint64_t removed = 0;
  for (const c2::Argument& one : operation.arguments) {
    const auto count = clear_one(one.value);
    if (!count.ok()) return acknowledge_result(operation, count);
    removed += *count;
  }
  return acknowledged(operation, AckState::kFullyApplied, counted(removed, unit) + " removed");
}

// What the arguments name, or all.
Acknowledgement describe_state(const Operation& operation, AgentControl& agent) {
  std::vector<std::string> which;
  for (const c2::Argument& one : operation.arguments) which.push_back(one.value);
  auto remembered = agent.remembered(which);
  if (!remembered.ok()) return acknowledge_result(operation, remembered);
  std::uint64_t keys = 0;
  for (const c2::ComponentMemory& one : remembered->components) keys += one.values.size();
  std::string details =
      counted(remembered->components.size(), "component") + ", " + counted(keys, "key");
  if (remembered->left_out != 0)
    details += "; " + counted(remembered->left_out, "more key") + " left out";
  Acknowledgement out = acknowledged(operation, AckState::kFullyApplied, std::move(details));
  out.memories = std::move(remembered->components);
  return out;
}

}  // namespace

Result<bool> Uplink::carry_out(const Operation& operation) {
  auto decision = journal_->begin(operation.identifier, clock_.wall_ms());
  // Without a memory of it nothing is done: it could be done twice.
  if (!decision.ok())
    return std::move(decision).error().within("operation " + operation.identifier +
                                              " is not carried out");
  if (*decision == Journal::Decision::kDone) return false;
  log_info("uplink", "the hub asks",
           {{"operation", operation.verb_text},
            {"operand", operation.operand},
            {"identifier", operation.identifier}});
  const Acknowledgement acknowledgement =
      *decision == Journal::Decision::kGivenUp
          ? acknowledged(operation, AckState::kNotApplied,
                         "the agent ended while carrying this out, more than once; given up")
          : perform(operation);
  const bool describes = operation.verb == Verb::kDescribe && acknowledgement.is_success() &&
                         !acknowledgement.memories;
  TRY(journal_->end(acknowledgement, describes));
  if (operation.verb == Verb::kRestart && acknowledgement.is_success()) must_restart_ = true;
  return true;
}

Acknowledgement Uplink::perform(const Operation& operation) {
  const std::string& operand = operation.operand;
  const bool starts = operation.verb == Verb::kStart;
  switch (operation.verb) {
    case Verb::kUpdate:
      if (operand == "configuration") return update_configuration(operation);
      break;
    case Verb::kDescribe:
      if (operand == "manifest") return acknowledged(operation, AckState::kFullyApplied);
      if (operand == "corecomponentstate") return describe_state(operation, agent_);
      break;
    case Verb::kStart:
    case Verb::kStop:
      if (operand == "flow")
        return acknowledge_result(operation, starts ? agent_.start_flow() : agent_.stop_flow());
      if (operand == "processor") {
        const std::string* which = operation.argument("processorId");
        if (which == nullptr)
          return not_applied(operation, "which processor?", invalid("no `processorId` was given"));
        if (starts && is_once(operation)) {
          const auto ran = agent_.run_processor_once(*which);
          return acknowledge_result(operation, ran, ran.ok() ? *ran : std::string());
        }
        return acknowledge_result(
            operation, starts ? agent_.start_processor(*which) : agent_.stop_processor(*which));
      }
      break;
    case Verb::kClear:
      if (operand == "connection")
        return clear(operation, "connection", "FlowFile",
                     [this](const std::string& which) { return agent_.clear_connection(which); });
      if (operand == "corecomponentstate")
        return clear(operation, "component", "key",
                     [this](const std::string& which) { return agent_.clear_state(which); });
      break;
    case Verb::kRestart:
      return acknowledged(operation, AckState::kFullyApplied);
    default:
      break;
  }
  return acknowledged(operation, AckState::kNotUnderstood,
                      "this agent does not know " + operation.verb_text +
                          (operand.empty() ? std::string() : " " + operand));
}

Acknowledgement Uplink::update_configuration(const Operation& operation) {
  const std::string* flow_id = operation.argument("flowId");
  if (flow_id == nullptr || flow_id->empty())
    return not_applied(operation, "which flow?", invalid("no `flowId` was given"));
  if (running_ && running_->id == *flow_id) {
    note_update(c2::UpdateState::kApplied, *flow_id, {});
    return acknowledged(operation, AckState::kNoOperation, "this flow runs already");
  }
  auto flow = fetch(operation, *flow_id);
  if (!flow.ok()) {
    const Error error = flow.error().within("fetching the flow");
    note_update(c2::UpdateState::kFailed, *flow_id, error.text());
    return not_applied(operation, "the flow cannot be fetched", error);
  }
  note_update(c2::UpdateState::kApplying, *flow_id, {});
  const auto applied = apply(*flow);
  if (!applied.ok()) {
    note_update(c2::UpdateState::kFailed, *flow_id, applied.error().text());
    return not_applied(operation, "the flow was refused; the one before runs on", applied.error());
  }
  note_update(c2::UpdateState::kApplied, *flow_id, {});
  if (!applied->empty()) return partially_applied(operation, *applied);
  return acknowledged(operation, AckState::kFullyApplied, "the flow runs");
}

Result<std::vector<std::string>> Uplink::apply(const DeliveredFlow& flow) {
  TRY_ASSIGN(not_started, agent_.apply_flow(flow));
  running_ = flow;
  running_->text.clear();
  const auto kept = keeper_.keep(flow);
  if (!kept.ok())
    log_error("uplink", "the flow runs, but is not kept for the next start",
              {{"reason", kept.error().text()}});
  return not_started;
}

Result<DeliveredFlow> Uplink::fetch(const Operation& operation, const std::string& flow_id) {
  const std::string* location = nullptr;
  for (const char* name : {"relativeFlowUrl", "flowUrl", "location"}) {
    location = operation.argument(name);
    if (location != nullptr && !location->empty()) break;
  }
  if (location == nullptr || location->empty())
    return invalid("no `relativeFlowUrl`, `flowUrl` or `location` was given");
  TRY_ASSIGN(url, addresses_.resolve(*location));
  HubRequest request{.url = url,
                     .headers = {{"Accept", "text/yml, application/json"}},
                     .answer_max = kFlowTextMax,
                     .timeout = std::chrono::minutes(2)};
  if (!options_.token.empty() && addresses_.is_hub(url))
    request.headers.emplace_back("Authorization", "Bearer " + options_.token);
  TRY_ASSIGN(answer, transport_->send(request));
  if (answer.status != 200)
    return unavailable(url + " answered HTTP " + std::to_string(answer.status));
  if (answer.body.empty()) return invalid(url + " answered with nothing");
  const std::string* digest = operation.argument("sha256");
  if (digest != nullptr && !equal_ignoring_case(*digest, sha256_hex(answer.body)))
    return corrupt(url + " answered with a text that has another SHA-256 than was announced");
  const std::string* version = operation.argument("flowVersion");
  return DeliveredFlow{.id = flow_id,
                       .version = version == nullptr ? std::string() : *version,
                       .text = std::move(answer.body),
                       .url = url};
}

void Uplink::note_update(c2::UpdateState state, const std::string& flow_id,
                         const std::string& reason) {
  constexpr std::size_t kReasonMax = 4096;
  update_ = {.state = state, .flow_id = flow_id, .reason = reason.substr(0, kReasonMax)};
  const auto noted = journal_->set_last_update(update_);
  if (!noted.ok())
    log_warn("uplink", "the journal cannot be written", {{"reason", noted.error().text()}});
}

}  // namespace runnel
