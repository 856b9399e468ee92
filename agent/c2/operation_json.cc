// The hub's answers and the agent's acknowledgements as JSON.

#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/base/bytes.h"
#include "agent/c2/heartbeat_json.h"

namespace runnel::c2 {
namespace {

// In the order of Verb.
constexpr std::array<std::string_view, 15> kVerbs{
    "",       "ACKNOWLEDGE", "CLEAR", "DESCRIBE",  "HEARTBEAT", "PAUSE",    "REPLICATE", "RESTART",
    "RESUME", "START",       "STOP",  "SUBSCRIBE", "SYNC",      "TRANSFER", "UPDATE"};

// In the order of AckState, which is that of the protocol.
constexpr std::array<std::string_view, 5> kAckStates{"FULLY_APPLIED", "PARTIALLY_APPLIED",
                                                     "OPERATION_NOT_UNDERSTOOD", "NO_OPERATION",
                                                     "NOT_APPLIED"};

// The value of the first of these members that is there: peers spell them differently.
template <std::size_t N>
const Json* first_of(const Json& object, const std::array<const char*, N>& names) {
  for (const char* name : names)
    if (const Json* found = member(object, name)) return found;
  return nullptr;
}

Result<Operation> read_operation(const Json& json) {
  Operation out;
  constexpr std::array kIds{"identifier", "operationId", "operationid"};
  const Json* id = first_of(json, kIds);
  if (id != nullptr) out.identifier = text_of(*id);
  if (out.identifier.empty()) return invalid("an operation without an identifier");
  out.verb_text = text_member(json, "operation");
  if (out.verb_text.empty()) return invalid("operation " + out.identifier + " does not say what");
  out.verb = verb_of(out.verb_text);
  constexpr std::array kOperands{"operand", "name"};
  if (const Json* operand = first_of(json, kOperands)) out.operand = to_lower(text_of(*operand));
  constexpr std::array kArguments{"args", "content"};
  const Json* arguments = first_of(json, kArguments);
  if (arguments == nullptr || !arguments->is_object()) return out;
  for (const auto& [name, value] : arguments->items()) {
    if (out.arguments.size() == Limits::kArguments) break;
    if (value.is_null()) continue;
    const bool is_json = value.is_structured();
    out.arguments.push_back(
        {.name = name,
         .value =
             is_json ? value.dump(-1, ' ', false, Json::error_handler_t::replace) : text_of(value),
         .is_json = is_json});
  }
  return out;
}

OrderedJson operation_json(const Operation& operation) {
  OrderedJson out = OrderedJson::object();
  out["identifier"] = operation.identifier;
  out["operation"] =
      operation.verb == Verb::kUnknown ? operation.verb_text : std::string(name_of(operation.verb));
  if (!operation.operand.empty()) out["operand"] = to_lower(operation.operand);
  if (operation.arguments.empty()) return out;
  OrderedJson arguments = OrderedJson::object();
  for (const Argument& one : operation.arguments) {
    OrderedJson value = one.is_json ? OrderedJson::parse(one.value, nullptr, false) : OrderedJson();
    if (value.is_discarded() || !value.is_structured()) value = one.value;
    arguments[one.name] = std::move(value);
  }
  out["args"] = std::move(arguments);
  return out;
}

OrderedJson failure_json(const FailureCause& failure) {
  OrderedJson out = OrderedJson::object();
  if (!failure.validation.empty()) {
    OrderedJson results = OrderedJson::array();
    for (const ValidationResult& one : failure.validation)
      results.push_back({{"subject", one.subject},
                         {"input", one.input},
                         {"explanation", one.explanation},
                         {"valid", one.is_valid}});
    out["validationResults"] = std::move(results);
  }
  put_text(out, "exceptionMessage", failure.message);
  out["causedByMessages"] = failure.caused_by;
  return out;
}

FailureCause read_failure(const Json& json) {
  FailureCause out;
  out.message = text_member(json, "exceptionMessage");
  if (const Json* messages = list_member(json, "causedByMessages")) {
    for (const Json& one : *messages) {
      if (out.caused_by.size() == Limits::kArguments) break;
      out.caused_by.push_back(text_of(one));
    }
  }
  if (const Json* results = list_member(json, "validationResults")) {
    for (const Json& one : *results) {
      if (out.validation.size() == Limits::kArguments) break;
      out.validation.push_back({.subject = text_member(one, "subject"),
                                .input = text_member(one, "input"),
                                .explanation = text_member(one, "explanation"),
                                .is_valid = boolean_member(one, "valid").value_or(false)});
    }
  }
  return out;
}

AckState read_state(const Json& json) {
  const std::string text = text_member(json, "state");
  for (std::size_t i = 0; i < kAckStates.size(); ++i)
    if (equal_ignoring_case(kAckStates[i], text)) return static_cast<AckState>(i);
  return AckState::kNotApplied;
}

std::vector<ComponentMemory> read_memories(const Json& json) {
  std::vector<ComponentMemory> out;
  for (const auto& [id, values] : json.items()) {
    if (out.size() == Limits::kList) break;
    if (!values.is_object()) continue;
    ComponentMemory& one = out.emplace_back(ComponentMemory{.id = id});
    for (const auto& [key, value] : values.items()) {
      if (one.values.size() == Limits::kMemoryKeys) break;
      one.values.emplace_back(key, text_of(value));
    }
  }
  return out;
}

}  // namespace

std::string_view name_of(RunStatus status) {
  switch (status) {
    case RunStatus::kRunning:
      return "RUNNING";
    case RunStatus::kStopped:
      return "STOPPED";
    case RunStatus::kUnknown:
      break;
  }
  return "";
}

std::string_view name_of(Verb verb) { return kVerbs[static_cast<std::size_t>(verb)]; }

Verb verb_of(std::string_view text) {
  for (std::size_t i = 1; i < kVerbs.size(); ++i)
    if (equal_ignoring_case(kVerbs[i], text)) return static_cast<Verb>(i);
  return Verb::kUnknown;
}

std::string_view name_of(AckState state) { return kAckStates[static_cast<std::size_t>(state)]; }

const std::string* Operation::argument(std::string_view name) const {
  for (const Argument& one : arguments)
    if (one.name == name) return &one.value;
  return nullptr;
}

std::string to_json(const HeartbeatResponse& response) {
  OrderedJson operations = OrderedJson::array();
  for (const Operation& one : response.operations) operations.push_back(operation_json(one));
  OrderedJson out = OrderedJson::object();
  out["requestedOperations"] = std::move(operations);
  if (response.heartbeat_ms) out["runnel"] = {{"heartbeat_ms", *response.heartbeat_ms}};
  return text_with_manifest(out, {});
}

Result<HeartbeatResponse> response_from_json(std::string_view json) {
  HeartbeatResponse out;
  if (trimmed(json).empty()) return out;
  TRY_ASSIGN(parsed, parse_json(json));
  if (!parsed.is_object()) return invalid("an answer to a heartbeat that is not a JSON object");
  if (const Json* ours = object_member(parsed, "runnel"))
    out.heartbeat_ms = integer_member(*ours, "heartbeat_ms");
  constexpr std::array kLists{"requestedOperations", "requested_operations"};
  const Json* operations = first_of(parsed, kLists);
  if (operations == nullptr || !operations->is_array()) return out;
  for (const Json& one : *operations) {
    if (out.operations.size() + out.complaints.size() == Limits::kOperations) break;
    auto operation = read_operation(one);
    if (operation.ok()) {
      out.operations.push_back(std::move(operation).value());
    } else {
      out.complaints.push_back(operation.error().text());
    }
  }
  return out;
}

std::string to_json(const Acknowledgement& acknowledgement) {
  OrderedJson out = OrderedJson::object();
  out["operationId"] = acknowledgement.operation_id;
  OrderedJson state = OrderedJson::object();
  state["state"] = name_of(acknowledgement.state);
  if (acknowledgement.details) state["details"] = *acknowledgement.details;
  if (acknowledgement.failure) state["failureCause"] = failure_json(*acknowledgement.failure);
  out["operationState"] = std::move(state);
  if (acknowledgement.memories) {
    OrderedJson memories = OrderedJson::object();
    for (const ComponentMemory& one : *acknowledgement.memories) {
      OrderedJson values = OrderedJson::object();
      for (const auto& [key, value] : one.values) values[key] = value;
      memories[one.id] = std::move(values);
    }
    out["corecomponentstate"] = std::move(memories);
  }
  if (!acknowledgement.described) return text_with_manifest(out, {});
  write_heartbeat(out, *acknowledgement.described);
  return text_with_manifest(out, acknowledgement.described->agent.manifest_json);
}

Result<Acknowledgement> acknowledgement_from_json(std::string_view json) {
  TRY_ASSIGN(parsed, parse_json(json));
  if (!parsed.is_object()) return invalid("an acknowledgement that is not a JSON object");
  Acknowledgement out;
  // C++ repeats the operation's id as `identifier`; never the agent's.
  constexpr std::array kIds{"operationId", "operationid", "identifier"};
  if (const Json* id = first_of(parsed, kIds)) out.operation_id = text_of(*id);
  if (out.operation_id.empty()) return invalid("an acknowledgement without `operationId`");
  if (const Json* state = object_member(parsed, "operationState")) {
    out.state = read_state(*state);
    if (member(*state, "details") != nullptr) out.details = text_member(*state, "details");
    if (const Json* failure = object_member(*state, "failureCause"))
      out.failure = read_failure(*failure);
  }
  if (const Json* memories = object_member(parsed, "corecomponentstate"))
    out.memories = read_memories(*memories);
  if (object_member(parsed, "agentInfo") != nullptr) out.described = read_heartbeat(parsed, json);
  return out;
}

}  // namespace runnel::c2
