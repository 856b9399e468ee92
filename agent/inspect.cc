// Asking a running agent, and showing what it says to a person or, as JSON, to a program.

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/ask.h"
#include "agent/base/bytes.h"
#include "agent/base/words.h"
#include "agent/commands.h"
#include "agent/output.h"

namespace runnel {
namespace {

std::string age_text(std::int64_t ms) {
  return ms <= 0 ? "-" : period_text(std::chrono::milliseconds(ms < 1000 ? ms : ms / 1000 * 1000));
}

std::string drop_text(const Json& drop) {
  const auto flowfile = [&drop](const char* which) {
    const std::uint64_t id = drop[which].get<std::uint64_t>();
    return id == 0 ? std::string("unread") : "FlowFile " + std::to_string(id);
  };
  return fmt::format("lost    {} {} since the start, from {} ({}) to {} ({})\n",
                     count_text(drop, "count"), text_member(drop, "reason"), flowfile("first_id"),
                     iso_time(drop["first_ms"].get<std::int64_t>()), flowfile("last_id"),
                     iso_time(drop["last_ms"].get<std::int64_t>()));
}

std::string status_text(const Json& status) {
  std::string out = fmt::format(
      "flow    {}{}\nstate   {}\nhealth  {}{}\nagent   {}\n",
      text_member(status, "flow_name").empty() ? "(none)" : text_member(status, "flow_name"),
      text_member(status, "flow_version").empty() ? "" : "@" + text_member(status, "flow_version"),
      text_member(status, "state"), text_member(status, "health"),
      text_member(status, "health_reason").empty() ? ""
                                                   : ": " + text_member(status, "health_reason"),
      text_member(status, "agent_id"));
  const Json& loss = status["loss"];
  out += fmt::format(
      "ledger  in {} = out {} + queued {} + dropped (auto-terminated {}, expired {}, evicted {}, "
      "removed {}, "
      "quarantined {}){}\n",
      count_text(loss, "in"), count_text(loss, "out"), count_text(loss, "queued"),
      count_text(loss, "dropped_auto_terminated"), count_text(loss, "dropped_expired"),
      count_text(loss, "dropped_evicted"), count_text(loss, "dropped_removed"),
      count_text(loss, "dropped_quarantined"),
      loss["is_balanced"].get<bool>() ? "" : "  DOES NOT BALANCE");
  for (const Json& one : status["drops"]) out += drop_text(one);
  const Json& ledger = status["ledger"];
  const auto per_day = ledger["written_bytes_per_day"].get<std::uint64_t>();
  out +=
      fmt::format("flash   {} written since the start{}\n\n", size_member(ledger, "written_bytes"),
                  per_day == 0 ? "" : ", " + size_text(per_day) + " a day");
  Table processors({"PROCESSOR", "TYPE", "STATE", "IN", "OUT", "FAILURES", "LAST ERROR"});
  for (const Json& one : status["processors"])
    processors.add({text_member(one, "path"), text_member(one, "type"), text_member(one, "state"),
                    count_text(one, "in_count"), count_text(one, "out_count"),
                    count_text(one, "failures"), text_member(one, "last_error")});
  Table connections({"CONNECTION", "QUEUED", "SIZE", "OLDEST", ""});
  for (const Json& one : status["connections"])
    connections.add({text_member(one, "name"), count_text(one, "count"), size_member(one, "bytes"),
                     age_text(one["oldest_age_ms"].get<std::int64_t>()),
                     one["is_parked"].get<bool>() ? "parked: no longer in the flow"
                     : one["is_full"].get<bool>() ? "full"
                                                  : ""});
  Table services({"SERVICE", "TYPE", "STATE", "USED BY", "LAST ERROR"});
  for (const Json& one : status["services"])
    services.add({text_member(one, "path"), text_member(one, "type"), text_member(one, "state"),
                  std::to_string(one["users"].size()), text_member(one, "last_error")});
  out += processors.text() + "\n";
  if (!status["services"].empty()) out += services.text() + "\n";
  Table groups({"GROUP", "IN", "OUT", "INSIDE", "AT OUTPUT", ""});
  for (const Json& one : status["groups"])
    groups.add({text_member(one, "path"), text_member(one, "flowfile_concurrency"),
                text_member(one, "outbound_policy"), count_text(one, "inside_count"),
                count_text(one, "at_output_count"),
                one["is_taking_in"].get<bool>()     ? "takes a batch in"
                : one["is_letting_out"].get<bool>() ? "lets a batch out"
                                                    : ""});
  if (!status["groups"].empty()) out += groups.text() + "\n";
  return out + connections.text();
}

std::string bulletins_text(const Json& bulletins) {
  std::string out;
  for (const Json& one : bulletins)
    out += fmt::format(
        "{} {:<7} {}: {}{}\n", iso_time(one["at_ms"].get<std::int64_t>()),
        text_member(one, "level"),
        text_member(one, "component").empty() ? "agent" : text_member(one, "component"),
        text_member(one, "text"),
        one["left_out"].get<std::uint32_t>() == 0
            ? ""
            : fmt::format(" ({} left out before)", one["left_out"].get<std::uint32_t>()));
  return out.empty() ? "no bulletins\n" : out;
}

std::string queue_text(const Json& queued) {
  Table table({"FLOWFILE", "UUID", "SIZE", "QUEUED AT", ""});
  for (const Json& one : queued)
    table.add({count_text(one, "id"), text_member(one, "uuid"), size_member(one, "size"),
               one["queued_ms"].get<std::int64_t>() == 0
                   ? "-"
                   : iso_time(one["queued_ms"].get<std::int64_t>()),
               one["is_taken"].get<bool>()       ? "taken"
               : one["is_penalized"].get<bool>() ? "penalized"
                                                 : ""});
  return queued.empty() ? "nothing is queued\n" : table.text();
}

std::string flowfile_text(const Json& one) {
  std::string out = fmt::format("FlowFile {} {} ({})\n", count_text(one, "id"),
                                text_member(one, "uuid"), size_member(one, "size"));
  for (const auto& [name, value] : one["attributes"].items())
    out += fmt::format("  {}: {}\n", name, value.get<std::string>());
  const bool is_text = one.contains("text");
  out += is_text ? text_member(one, "text") : "base64: " + text_member(one, "base64");
  if (out.back() != '\n') out += '\n';
  if (one["is_cut"].get<bool>()) out += "… (there is more)\n";
  return out;
}

// Whose it was. Where the flow was changed while no agent ran, nobody knows its name.
std::string parked_from(const std::string& flow) {
  return flow.empty() ? "of an earlier flow" : "of flow `" + flow + "`";
}

// "1/100" or "100": one of a hundred; nothing: all.
Result<std::uint64_t> one_of_sample(std::string_view sample) {
  if (sample.empty()) return std::uint64_t{1};
  const std::string_view text = sample.starts_with("1/") ? sample.substr(2) : sample;
  const auto number = parse_int(text);
  if (!number.ok() || *number < 1)
    return invalid("--sample: `" + std::string(sample) + "` is no share such as 1/100");
  return static_cast<std::uint64_t>(*number);
}

}  // namespace

int status_command(const Inspection& where) {
  return ask(where, {{"command", "status"}}, status_text);
}

int bulletins_command(const Inspection& where) {
  return ask(where, {{"command", "bulletins"}}, bulletins_text);
}

int queue_list_command(const Inspection& where, const std::string& connection, std::int64_t limit) {
  return ask(where,
             {{"command", "queue_list"}, {"connection", connection}, {"limit", positive(limit)}},
             queue_text);
}

int queue_peek_command(const Inspection& where, const std::string& connection,
                       const std::string& flowfile, std::int64_t content_max) {
  Json request = {{"command", "queue_peek"},
                  {"connection", connection},
                  {"content_max", positive(content_max)}};
  put_flowfile(request, flowfile);
  return ask(where, request, flowfile_text);
}

int queue_purge_command(const Inspection& where, const std::string& connection) {
  return ask(where, {{"command", "queue_purge"}, {"connection", connection}}, [](const Json& done) {
    return counted(done["removed_count"].get<std::uint64_t>(), "FlowFile") + " removed\n";
  });
}

int parked_list_command(const Inspection& where) {
  Inspection text = where;
  text.as_json = false;  // what is not parked is left out of both
  return ask(text, {{"command", "status"}}, [&where](const Json& status) {
    Json parked = Json::array();
    std::string lines;
    for (const Json& one : status["connections"]) {
      if (!one["is_parked"].get<bool>()) continue;
      parked.push_back(one);
      lines += one["id"].get<std::string>() + "  " + one["name"].get<std::string>() + "  " +
               counted(one["count"].get<std::uint64_t>(), "FlowFile") + ", " +
               parked_from(one["from"].get<std::string>()) + "\n";
    }
    if (where.as_json) return line_of(parked);
    return lines.empty() ? std::string("nothing is parked\n") : lines;
  });
}

int parked_attach_command(const Inspection& where, const std::string& parked,
                          const std::string& connection) {
  const Json request = {
      {"command", "queue_attach"}, {"parked", parked}, {"connection", connection}};
  return ask(where, request, [&connection](const Json& done) {
    return count_text(done, "moved_count") + " FlowFiles now wait in `" + connection + "`\n";
  });
}

int flush_command(const Inspection& where, const std::string& within) {
  const auto period = parse_period(within);
  if (!period.ok()) return failed(period.error());
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(*period).count();
  return ask(where,
             {{"command", "flush"},
              {"within_ms", static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 1))}},
             [](const Json& done) {
               char text[64];
               std::snprintf(text, sizeof text, "everything is on disk; it took %.1f ms\n",
                             done["took_ms"].get<double>());
               return std::string(text);
             });
}

int tap_command(const Inspection& where, const TapRequest& request) {
  const auto one_of = one_of_sample(request.sample);
  if (!one_of.ok()) {
    std::fprintf(stderr, "runnel-agent: %s\n", one_of.error().text().c_str());
    return kExitUsage;
  }
  Json json = {{"command", "tap"},
               {"connection", request.connection},
               {"count", positive(request.limit)},
               {"one_of", *one_of}};
  if (request.rate > 0) json["rate"] = request.rate;
  for (const std::string& mask : request.masks)
    json[mask.starts_with("$") ? "mask_json" : "mask_attributes"].push_back(mask);
  auto client = ControlClient::connect(where.state_dir);
  if (!client.ok()) return failed(client.error());
  ControlClient::Until until;
  if (request.seconds > 0)
    until = std::chrono::steady_clock::now() +
            std::chrono::milliseconds(static_cast<std::int64_t>(request.seconds * 1e3));
  int code = kExitGood;
  const auto show = [&where, &code](const Json& item) {
    if (code != kExitGood) return;  // said once
    code = print(where.as_json ? line_of(item) : flowfile_text(item));
  };
  const auto done = client->ask(json, show, until);
  if (!done.ok()) return failed(done.error());
  const auto left_out = (*done)["left_out_count"].get<std::uint64_t>();
  if (left_out != 0)
    std::fprintf(stderr, "%s left out: more came than could be shown\n",
                 counted(left_out, "FlowFile").c_str());
  return code;
}

namespace {

std::string ran_text(const Json& answer) {
  std::string out;
  for (const Json& one : answer["ran"]) {
    out += text_member(one, "path") + " ran once: ";
    if (const std::string error = text_member(one, "error"); !error.empty()) {
      out += error + "\n";
      continue;
    }
    out += count_text(one, "in_count") + " in, " + count_text(one, "out_count") + " out";
    if (one["dropped_count"] != 0) out += ", " + count_text(one, "dropped_count") + " ended";
    if (one["unanswered_count"] != 0)
      out += "; " + count_text(one, "unanswered_count") + " not answered, queued again";
    out += "\n";
  }
  return out;
}

int run_once_command(const Inspection& where, const std::string& processor) {
  bool has_failed = false;
  const StatusJson request = {{"command", "start"}, {"processor", processor}, {"once", true}};
  const int code = ask(where, request, [&has_failed](const Json& answer) {
    for (const Json& one : answer["ran"])
      has_failed = has_failed || !text_member(one, "error").empty();
    return ran_text(answer);
  });
  return code == kExitGood && has_failed ? kExitFailed : code;
}

}  // namespace

int start_command(const Inspection& where, const std::string& processor, bool is_once) {
  if (is_once) return run_once_command(where, processor);
  return ask(where, {{"command", "start"}, {"processor", processor}}, [&processor](const Json&) {
    return "started " + (processor.empty() ? "all" : processor) + "\n";
  });
}

int stop_command(const Inspection& where, const std::string& processor) {
  return ask(where, {{"command", "stop"}, {"processor", processor}}, [&processor](const Json&) {
    return "stopped " + (processor.empty() ? "all" : processor) + "\n";
  });
}

}  // namespace runnel
