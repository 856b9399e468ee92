// Reading processors, connections and parameters.

#include "agent/flow/yaml_elements.h"

#include <array>
#include <limits>

#include "agent/base/bytes.h"
#include "agent/base/clock.h"
#include "agent/flow/cron.h"
#include "agent/flow/yaml_fields.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

constexpr nanoseconds kWaitMax = 24h;  // penalty, yield, back-off
constexpr nanoseconds kRunDurationMax = 10s;
constexpr nanoseconds kEveryMax = 366 * 24h;
constexpr nanoseconds kExpireMax = 3660 * 24h;
constexpr std::uint64_t kTasksMax = 64;
constexpr std::uint64_t kAttemptsMax = 1'000'000;

Schedule read_schedule(const YamlNode& node, Reading& reading) {
  Schedule schedule;
  schedule.at = node.at;
  if (node.is(YamlNode::Kind::kScalar)) {
    if (node.text == "event") {
      schedule.kind = Schedule::Kind::kEvent;
    } else {
      reading.complaints.add(node.at,
                             "`schedule` is `event`, `{every: 5 sec}` or `{cron: \"0 0 * "
                             "* * ?\", zone: Europe/Berlin}`, not " +
                                 backquoted(node.text));
    }
    return schedule;
  }
  Fields fields(node, "`schedule`", reading.complaints, "`event`, `{every: …}` or `{cron: …}`");
  if (const auto period = fields.period("every", 0ns, kEveryMax)) {
    schedule.kind = Schedule::Kind::kEvery;
    schedule.period = *period;
  }
  const YamlNode* cron = fields.find("cron");
  const YamlNode* zone = fields.find("zone");
  if (cron) {
    if (fields.find("every")) {
      reading.complaints.add(node.at, "`schedule` has both `every` and `cron`; keep one");
    }
    schedule.kind = Schedule::Kind::kCron;
    schedule.cron = fields.text("cron").value_or("");
    schedule.zone = fields.text("zone").value_or("");
    if (const auto parsed = Cron::parse(schedule.cron); !parsed) {
      if (cron->is(YamlNode::Kind::kScalar)) {
        reading.complaints.add(cron->at, parsed.error().text());
      }
    } else if (const auto next = parsed->next(system_clock().wall_ms(), schedule.zone); !next) {
      reading.complaints.add(zone ? zone->at : cron->at, "`zone`: " + next.error().text());
    } else if (!*next) {
      const auto ever = parsed->next(0, schedule.zone);
      reading.complaints.add(
          cron->at,
          backquoted(schedule.cron) + (ever && *ever ? " fires no more: all its times are past"
                                                     : " never fires: no year has such a day"),
          Severity::kWarning);
    }
  } else if (zone) {
    reading.complaints.add(zone->at, "`zone` belongs to `cron`; without it, leave it out");
  }
  if (fields.is_map() && node.entries.empty()) {
    reading.complaints.add(node.at,
                           "`schedule` is empty; write `event`, `{every: …}` or `{cron: "
                           "…}`");
  }
  fields.refuse_others();
  return schedule;
}

// "1s..1min", or one period for both.
void read_backoff(const YamlNode& node, Retry& retry, Reading& reading) {
  const auto text = scalar_text(node, "`backoff`", reading.complaints);
  if (!text) return;
  const std::size_t dots = text->find("..");
  const std::string_view first = std::string_view(*text).substr(0, dots);
  const auto from =
      bounded_period(trimmed(first), node.at, "`backoff`", 1ms, kWaitMax, reading.complaints);
  auto to = from;
  if (dots != std::string::npos) {
    to = bounded_period(trimmed(std::string_view(*text).substr(dots + 2)), node.at, "`backoff`",
                        1ms, kWaitMax, reading.complaints);
  }
  if (!from || !to) return;
  if (*from > *to) {
    reading.complaints.add(node.at, "`backoff` goes from the shorter to the longer; write `" +
                                        period_text(*to) + ".." + period_text(*from) + "`");
    return;
  }
  retry.backoff_first = *from;
  retry.backoff_max = *to;
}

Retry read_retry(const YamlNode::Entry& entry, Reading& reading) {
  Retry retry;
  retry.relationship = entry.key;
  retry.at = entry.key_at;
  Fields fields(*entry.value, "a retry", reading.complaints,
                "`{attempts: 10, backoff: 1 sec..10 min}`");
  const YamlNode* attempts = fields.find("attempts");
  if (attempts && attempts->is(YamlNode::Kind::kScalar) && attempts->text == "forever") {
    retry.attempts.reset();
  } else if (attempts) {
    const auto parsed = parse_int(attempts->text);
    if (!attempts->is(YamlNode::Kind::kScalar) || !parsed || *parsed < 1 ||
        *parsed > static_cast<std::int64_t>(kAttemptsMax)) {
      reading.complaints.add(attempts->at, "`attempts` is `forever` or a whole number from 1 to " +
                                               std::to_string(kAttemptsMax));
    } else {
      retry.attempts = static_cast<std::uint32_t>(*parsed);
    }
  }
  if (const YamlNode* backoff = fields.find("backoff")) read_backoff(*backoff, retry, reading);
  constexpr std::array<std::string_view, 2> kManners{"penalize", "yield"};
  if (const auto manner = fields.choice("manner", kManners)) {
    retry.manner = *manner == 0 ? Retry::Manner::kPenalize : Retry::Manner::kYield;
  }
  fields.refuse_others();
  return retry;
}

void read_properties(const YamlNode& node, ComponentNode& component, const ParameterScope& scope,
                     Reading& reading) {
  if (!node.is(YamlNode::Kind::kMap)) {
    reading.complaints.add(node.at, "`properties` must be a map, not " +
                                        std::string(name_of(node.kind)) +
                                        "; write `{Name: value}`");
    return;
  }
  for (const YamlNode::Entry& entry : node.entries) {
    PropertySource source;
    source.name_at = entry.key_at;
    source.value_at = entry.value->at;
    const auto written =
        scalar_text(*entry.value, "property " + backquoted(entry.key), reading.complaints);
    if (!written) {
      // It is there all the same: nobody shall complain that it is missing.
      source.is_sensitive = true;
      component.property_sources.emplace(entry.key, std::move(source));
      continue;
    }
    const auto spans = reading.document.spans_of(*entry.value);
    PutIn put =
        put_in(*written, spans, scope, FlowReadLimits::kValue, !reading.complaints.is_full());
    source.written = *written;
    source.spans = spans;
    for (const PutIn::Problem& problem : put.problems) {
      reading.complaints.add(source.place_of(problem.offset), problem.text);
    }
    source.spans = std::move(put.spans);
    source.is_sensitive = put.is_sensitive;
    reading.secrets.insert(put.secrets.begin(), put.secrets.end());
    reading.value_bytes += put.value.size();
    // The reader complains of the sum.
    if (reading.value_bytes > FlowReadLimits::kValues) put.value.clear();
    // Without its value it cannot be judged; it is there all the same.
    if (put.problems.empty() && !put.is_open)
      component.properties.emplace(entry.key, std::move(put.value));
    component.property_sources.emplace(entry.key, std::move(source));
  }
}

LogLevel read_bulletin_level(Fields& fields) {
  constexpr std::array<std::string_view, 5> kWords{"debug", "info", "warning", "error", "none"};
  constexpr std::array<LogLevel, 5> kLevels{LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn,
                                            LogLevel::kError, LogLevel::kOff};
  const auto chosen = fields.choice("bulletin_level", kWords);
  return chosen ? kLevels[*chosen] : LogLevel::kWarn;
}

void read_component(const YamlNode::Entry& entry, Fields& fields, ComponentNode& component,
                    const ProcessGroup& group, const ParameterScope& scope, Reading& reading) {
  component.name = entry.key;
  component.at = entry.key_at;
  component.path = group.path.empty() ? entry.key : group.path + '/' + entry.key;
  component.id = element_id(reading.flow_name, component.path);
  component.group_id = group.id;
  if (const YamlNode* type = fields.require("type")) {
    component.type_at = type->at;
    component.type = fields.text("type").value_or("");
    if (type->is(YamlNode::Kind::kScalar) && type->text.empty()) {
      reading.complaints.add(type->at, "`type` must not be empty");
    }
  }
  component.doc = fields.text("doc").value_or("");
  if (const YamlNode* properties = fields.find("properties")) {
    read_properties(*properties, component, scope, reading);
  }
  component.bulletin_level = read_bulletin_level(fields);
}

void read_order(const YamlNode& node, Connection& connection, Reading& reading) {
  constexpr std::array<QueueOrder, 4> kOrders{QueueOrder::kFirstIn, QueueOrder::kNewestFirst,
                                              QueueOrder::kOldestFirst, QueueOrder::kLiveFirst};
  if (node.is(YamlNode::Kind::kMap)) {
    Fields fields(node, "`order`", reading.complaints);
    connection.order = QueueOrder::kAttribute;
    fields.require("attribute");
    const auto attribute = fields.text("attribute");
    connection.order_attribute = attribute.value_or("");
    if (attribute && attribute->empty())
      reading.complaints.add(node.at, "`attribute` must not be empty");
    fields.refuse_others();
    return;
  }
  std::vector<std::string> words;
  for (const QueueOrder order : kOrders) {
    if (node.is(YamlNode::Kind::kScalar) && node.text == name_of(order)) {
      connection.order = order;
      return;
    }
    words.emplace_back(name_of(order));
  }
  const std::string written =
      node.is(YamlNode::Kind::kScalar) ? backquoted(node.text) : std::string(name_of(node.kind));
  reading.complaints.add(node.at, "`order` is one of " + listed(words) +
                                      ", or `{attribute: NAME}`, not " + written +
                                      did_you_mean(node.text, words));
}

}  // namespace

bool check_name(std::string_view name, Position at, Complaints& complaints) {
  if (name.empty()) {
    complaints.add(at, "a name must not be empty");
  } else if (name.size() > FlowReadLimits::kName) {
    complaints.add(at, "the name " + backquoted(name) + " is longer than " +
                           std::to_string(FlowReadLimits::kName) + " bytes");
  } else if (name.find_first_of("./\t\r\n") != std::string_view::npos) {
    complaints.add(at, "the name " + backquoted(name) +
                           " holds a `.`, a `/` or a line break; `.` divides a name from a "
                           "relationship, and `/` the names of groups");
  } else if (trimmed(name) != name) {
    complaints.add(at, "the name " + backquoted(name) + " begins or ends with a blank");
  } else {
    return true;
  }
  return false;
}

ServiceNode read_service(const YamlNode::Entry& entry, const ProcessGroup& group,
                         const ParameterScope& scope, Reading& reading) {
  ServiceNode service;
  Fields fields(*entry.value, "a service", reading.complaints, "`{type: …, properties: {…}}`");
  read_component(entry, fields, service, group, scope, reading);
  service.is_disabled = fields.boolean("disabled").value_or(false);
  fields.refuse_others();
  return service;
}

ProcessorNode read_processor(const YamlNode::Entry& entry, const ProcessGroup& group,
                             const ParameterScope& scope, Reading& reading) {
  ProcessorNode processor;
  Fields fields(*entry.value, "a processor", reading.complaints, "`{type: …, properties: {…}}`");
  read_component(entry, fields, processor, group, scope, reading);
  if (const YamlNode* schedule = fields.find("schedule")) {
    processor.schedule = read_schedule(*schedule, reading);
  }
  processor.concurrent_tasks =
      static_cast<std::uint32_t>(fields.count("concurrent_tasks", 1, kTasksMax).value_or(1));
  processor.run_duration =
      fields.period("run_duration", 0ns, kRunDurationMax).value_or(processor.run_duration);
  processor.penalty_period =
      fields.period("penalty_period", 0ns, kWaitMax).value_or(processor.penalty_period);
  processor.yield_period =
      fields.period("yield_period", 0ns, kWaitMax).value_or(processor.yield_period);
  processor.terminate = fields.words("terminate");
  if (const YamlNode* retry = fields.find("retry")) {
    if (Fields(*retry, "`retry`", reading.complaints, "`{failure: {attempts: 10}}`").is_map()) {
      for (const YamlNode::Entry& one : retry->entries) {
        processor.retry.push_back(read_retry(one, reading));
      }
    }
  }
  processor.is_stopped = fields.boolean("stopped").value_or(false);
  fields.refuse_others();
  return processor;
}

Connection read_connection(const YamlNode& node, const ProcessGroup& group, Reading& reading) {
  Connection connection;
  connection.at = node.at;
  connection.group_id = group.id;
  Fields fields(node, "a connection", reading.complaints, "`{from: a.success, to: b}`");
  const auto end = [&](std::string_view key, Endpoint& endpoint) {
    const YamlNode* value = fields.require(key);
    if (value == nullptr) return;
    endpoint.at = value->at;
    endpoint.path = fields.text(key).value_or("");
  };
  end("from", connection.from);
  end("to", connection.to);
  if (const auto name = fields.text("name")) {
    connection.name = *name;
    if (name->empty() || name->size() > FlowReadLimits::kName ||
        name->find('/') != std::string::npos) {
      reading.complaints.add(node.at, "the name of a connection is 1 to " +
                                          std::to_string(FlowReadLimits::kName) +
                                          " bytes long and holds no `/`");
    }
  }
  connection.doc = fields.text("doc").value_or("");
  connection.relationships = fields.words("relationships");
  if (const YamlNode* limits = fields.find("back_pressure")) {
    Fields inner(*limits, "`back_pressure`", reading.complaints, "`{count: 10000, size: 100 MB}`");
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    BackPressure& limit = connection.back_pressure;
    limit.count = inner.count("count", 0, kMax).value_or(limit.count);
    limit.bytes = inner.size("size").value_or(limit.bytes);
    inner.refuse_others();
  }
  constexpr std::array<std::string_view, 4> kWhenFull{"block", "drop-oldest", "drop-newest",
                                                      "drop-lowest"};
  connection.when_full = static_cast<WhenFull>(fields.choice("when_full", kWhenFull).value_or(0));
  connection.expire = fields.period("expire", 1ms, kExpireMax);
  if (const YamlNode* order = fields.find("order")) read_order(*order, connection, reading);
  if (connection.when_full == WhenFull::kDropLowest && connection.order != QueueOrder::kAttribute) {
    reading.complaints.add(fields.find("when_full")->at,
                           "`when_full: drop-lowest` needs classes: `order: {attribute: NAME}`");
  }
  fields.refuse_others();
  return connection;
}

std::vector<Parameter> read_parameters(const YamlNode& node, Reading& reading) {
  std::vector<Parameter> out;
  if (!Fields(node, "`parameters`", reading.complaints, "`{name: value}`").is_map()) return out;
  for (const YamlNode::Entry& entry : node.entries) {
    Parameter parameter;
    parameter.name = entry.key;
    parameter.at = entry.key_at;
    const bool is_name = !entry.key.empty() && trimmed(entry.key) == entry.key &&
                         entry.key.size() <= FlowReadLimits::kName &&
                         entry.key.find_first_of("{}#\n") == std::string::npos;
    if (!is_name) {
      reading.complaints.add(entry.key_at, backquoted(entry.key) +
                                               " is no name for a parameter: 1 to 256 bytes, no "
                                               "`{`, `}` or `#`, no blank at the ends");
    }
    if (entry.value->is(YamlNode::Kind::kScalar)) {
      parameter.value = entry.value->text;
    } else {
      Fields fields(*entry.value, "a parameter", reading.complaints,
                    "its value, or `{value: …, doc: …, sensitive: true}`");
      parameter.value = fields.text("value");
      parameter.doc = fields.text("doc").value_or("");
      parameter.is_sensitive = fields.boolean("sensitive").value_or(false);
      fields.refuse_others();
    }
    out.push_back(std::move(parameter));
  }
  return out;
}

}  // namespace runnel
