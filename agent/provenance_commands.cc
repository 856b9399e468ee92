// The commands that ask a running agent for provenance: events, lineage, replay.

#include <fmt/core.h>

#include <cstdio>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/admin/lineage_view.h"
#include "agent/ask.h"
#include "agent/base/bytes.h"
#include "agent/base/clock.h"
#include "agent/commands.h"

namespace runnel {
namespace {

std::string range_text(std::uint64_t first, std::uint64_t last) {
  return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

std::string events_text(const Json& answer) {
  std::string out;
  for (const Json& one : answer["events"]) {
    std::string flowfiles;
    for (const Json& range : one["flowfiles"]) {
      const auto first = range[0].get<std::uint64_t>();
      const auto last = range[1].get<std::uint64_t>();
      flowfiles += (flowfiles.empty() ? "" : ",") + range_text(first, last);
    }
    std::string rest;
    for (const char* name : {"relationship", "uri", "details", "alternate_id"})
      if (!text_member(one, name).empty())
        rest += fmt::format(" {}={}", name, text_member(one, name));
    out += fmt::format("{} {:<19} {} FlowFile{} {}{}\n", iso_time(one["at_ms"].get<std::int64_t>()),
                       text_member(one, "kind"), text_member(one, "component"),
                       one["count"].get<std::uint64_t>() == 1 ? "" : "s", flowfiles, rest);
  }
  if (out.empty()) out = "no events\n";
  if (answer["is_cut"].get<bool>())
    out += "… older FlowFiles have this value, too; only the newest were looked at\n";
  if (const auto damaged = answer["damaged_blocks"].get<std::uint64_t>(); damaged > 0)
    out += fmt::format("{} blocks could not be read\n", damaged);
  return out;
}

// A time: an age before now, or an instant.
Result<std::int64_t> time_of(const std::string& text) {
  if (const auto age = parse_period(text); age.ok())
    return system_clock().wall_ms() -
           std::chrono::duration_cast<std::chrono::milliseconds>(*age).count();
  std::tm parts{};
  std::istringstream in(text);
  in >> std::get_time(&parts, "%Y-%m-%dT%H:%M:%S");
  if (in.fail())
    return invalid("`" + text + "` is neither an age (`1 hour`) nor a time (2026-01-01T00:00:00Z)");
  return std::int64_t{timegm(&parts)} * 1000;
}

Result<> put_times(Json& json, const ProvenanceRequest& request) {
  for (const auto& [name, text] :
       {std::pair("from_ms", request.from), std::pair("to_ms", request.to)}) {
    if (text.empty()) continue;
    TRY_ASSIGN(time, time_of(text));
    json[name] = positive(time);
  }
  return {};
}

std::string replay_text(const Json& answer, bool is_dry_run) {
  const auto replayed = answer["replayed_count"].get<std::uint64_t>();
  const auto refused = answer["refused_count"].get<std::uint64_t>();
  std::string out = fmt::format("{} FlowFile{} {}, {} not\n", replayed, replayed == 1 ? "" : "s",
                                is_dry_run ? "would be replayed" : "replayed", refused);
  for (const Json& one : answer["replayed"]) {
    const auto as = one["replayed_as"].get<std::uint64_t>();
    out += fmt::format("  {}{} into {}, ended {}\n", count_text(one, "flowfile"),
                       as == 0 ? "" : fmt::format(" as {}", as), text_member(one, "connection"),
                       iso_time(one["ended_ms"].get<std::int64_t>()));
  }
  if (const std::uint64_t listed = answer["replayed"].size(); listed < replayed)
    out += fmt::format("  … {} more\n", replayed - listed);
  std::uint64_t named = 0;
  for (const Json& one : answer["refused"]) {
    const auto first = one["first"].get<std::uint64_t>();
    const auto last = one["last"].get<std::uint64_t>();
    named += last - first + 1;
    out += fmt::format("  not {}: {}\n", range_text(first, last), text_member(one, "reason"));
  }
  if (named < refused) out += fmt::format("  … {} more not\n", refused - named);
  if (const auto damaged = answer["damaged_blocks"].get<std::uint64_t>(); damaged > 0)
    out += fmt::format("{} blocks of the archive could not be read\n", damaged);
  return out;
}

}  // namespace

int provenance_command(const Inspection& where, const ProvenanceRequest& request) {
  Json json = {{"command", "provenance"},
               {"component", request.component},
               {"kind", request.kind},
               {"relationship", request.relationship},
               {"with_lineage", request.with_lineage},
               {"limit", positive(request.limit)}};
  put_flowfile(json, request.flowfile);
  for (const std::string& one : request.attributes) {
    const std::size_t equals = one.find('=');
    if (equals == 0 || equals == std::string::npos)
      return usage_error("--attribute: `" + one + "` is not NAME=VALUE");
    json["attributes"][one.substr(0, equals)] = one.substr(equals + 1);
  }
  if (const Result<> times = put_times(json, request); !times.ok())
    return usage_error(times.error().text());
  return ask(where, json, events_text);
}

int lineage_command(const Inspection& where, const std::string& flowfile) {
  Json request = {{"command", "lineage"}};
  put_flowfile(request, flowfile);
  return ask(where, request, lineage_text);
}

int replay_command(const Inspection& where, const ProvenanceRequest& request) {
  Json json = {
      {"command", "replay"}, {"component", request.component}, {"is_dry_run", request.is_dry_run}};
  put_flowfile(json, request.flowfile);
  if (const Result<> times = put_times(json, request); !times.ok())
    return usage_error(times.error().text());
  if (request.flowfile.empty() && request.from.empty() && request.to.empty())
    return usage_error("replay: give a FlowFile, or --from and --to");
  return ask(where, json,
             [&request](const Json& answer) { return replay_text(answer, request.is_dry_run); });
}

}  // namespace runnel
