// check, describe and generate: what can be said without a running agent.

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/base/words.h"
#include "agent/commands.h"
#include "agent/flow/el/expression.h"
#include "agent/flow/schema.h"
#include "agent/flow_file.h"
#include "agent/hub_control.h"
#include "agent/output.h"
#include "agent/spec/manifest.h"
#include "agent/spec/render.h"
#include "agent/trial/test_schema.h"
#include "processors/registry.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

Json complaints_json(const std::vector<Complaint>& complaints) {
  Json out = Json::array();
  for (const Complaint& one : complaints)
    out.push_back({{"file", one.file},
                   {"line", one.at.line},
                   {"column", one.at.column},
                   {"severity", one.severity == Severity::kError ? "error" : "warning"},
                   {"message", one.text}});
  return out;
}

Result<> write_file(const fs::path& path, const std::string& text) {
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.flush();
  if (!out) return unavailable("`" + path.string() + "` cannot be written");
  return {};
}

Result<> write_pages(const fs::path& root) {
  const fs::path reference = root / "processors" / "reference";
  Json all = Json::array();
  for (const ComponentSpec& spec : component_specs()) {
    TRY(write_file(reference / (spec.type + ".md"), reference_page(spec)));
    all.push_back(Json::parse(to_json(spec)));
  }
  TRY(write_file(root / "agent" / "flow" / "el" / "FUNCTIONS.md", functions_reference()));
  TRY(write_file(reference / "README.md", reference_index(component_specs())));
  TRY(write_file(reference / "manifest.json", laid_out(all)));
  TRY(write_file(root / "flows" / "flow.schema.json", flow_schema(component_specs())));
  TRY(write_file(root / "flows" / "flow-test.schema.json", flow_test_schema()));
  return write_file(root / "conf" / "agent.yaml", settings_page());
}

}  // namespace

int check_command(const std::string& file, const ParameterValues& parameters, bool as_json) {
  FlowReading reading =
      read_given_flow(file, parameters, FlowSource::kAny, ProvidersAre::kPerhapsElsewhere);
  try_to_make(reading);
  if (as_json) {
    Json out = {{"is_valid", reading.ok()}, {"flow", reading.flow->name}};
    out["complaints"] = complaints_json(reading.complaints);
    std::fputs(laid_out(out).c_str(), stdout);
  } else {
    if (!reading.complaints.empty()) std::fputs(text_of(reading.complaints).c_str(), stderr);
    if (reading.ok())
      std::printf("%s: flow `%s` is good: %s, %s\n", file.c_str(), reading.flow->name.c_str(),
                  counted(all_processors(*reading.flow).size(), "processor").c_str(),
                  counted(all_connections(*reading.flow).size(), "connection").c_str());
  }
  return reading.ok() ? kExitGood : kExitConfiguration;
}

int describe_command(const std::string& type, bool as_json) {
  if (type.empty()) {
    if (!as_json) {
      std::fputs(describe_list(component_specs()).c_str(), stdout);
      return kExitGood;
    }
    Json all = Json::array();
    for (const ComponentSpec& spec : component_specs()) all.push_back(Json::parse(to_json(spec)));
    std::fputs(laid_out(all).c_str(), stdout);
    return kExitGood;
  }
  const auto all = component_specs();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const ComponentSpec& spec) { return spec.type == type; });
  if (found == all.end()) {
    std::vector<std::string> types;
    for (const ComponentSpec& spec : component_specs()) types.push_back(spec.type);
    const std::string_view near = nearest(type, types);
    std::fprintf(stderr, "unknown type `%s`%s%.*s%s\n", type.c_str(),
                 near.empty() ? "" : "; did you mean `", static_cast<int>(near.size()), near.data(),
                 near.empty() ? "" : "`?");
    return kExitFailed;
  }
  std::fputs(
      as_json ? laid_out(Json::parse(to_json(*found))).c_str() : describe_text(*found).c_str(),
      stdout);
  return kExitGood;
}

int schema_command(bool is_of_tests) {
  return print(is_of_tests ? flow_test_schema() : flow_schema(component_specs()));
}

int generate_command(const std::string& root) {
  const auto written = write_pages(root);
  if (written.ok()) return kExitGood;
  std::fprintf(stderr, "%s\n", written.error().text().c_str());
  return kExitFailed;
}

}  // namespace runnel
