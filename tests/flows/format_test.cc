// What flows/README.md and the processors' descriptions show is accepted as it stands.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/flow/yaml_reader.h"
#include "agent/trial/flow_test.h"
#include "agent/trial/scratch.h"
#include "processors/registry.h"
#include "tests/support/source_dir.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream out;
  out << stream.rdbuf();
  return out.str();
}

std::span<const ComponentSpec> registry_specs() { return component_specs(); }

struct Block {
  std::size_t line;
  std::string text;

  bool is_test() const { return text.find("\ntests:") != std::string::npos; }
};

std::vector<Block> yaml_blocks(const std::string& page) {
  std::vector<Block> out;
  bool is_inside = false;
  std::size_t line = 0;
  for (const std::string_view text : split(page, '\n')) {
    ++line;
    if (!is_inside && text == "```yaml") {
      out.push_back({line, {}});
      is_inside = true;
    } else if (text == "```") {
      is_inside = false;
    } else if (is_inside) {
      out.back().text += std::string(text) + '\n';
    }
  }
  return out;
}

TEST_CASE("every example of the format's page is a good flow") {
  const auto specs = registry_specs();
  const auto blocks = yaml_blocks(contents(fs::path(test::source_dir()) / "flows/README.md"));
  REQUIRE(blocks.size() >= 5);
  for (const Block& block : blocks) {
    if (block.is_test()) continue;
    const FlowReading reading =
        read_flow(block.text, {"flows/README.md:" + std::to_string(block.line), {}}, specs);
    CHECK(text_of(reading.complaints) == "");
  }
}

TEST_CASE("every test on the format's page passes on the flows of the page") {
  const auto blocks = yaml_blocks(contents(fs::path(test::source_dir()) / "flows/README.md"));
  const auto scratch = ScratchDirectory::make(ScratchDirectory::Where::kMemory);
  REQUIRE(scratch.ok());
  std::vector<std::string> tests;
  for (const Block& block : blocks) {
    const std::string first(std::string_view(block.text).substr(0, block.text.find('\n')));
    std::string file = scratch->path() + "/";
    file += block.is_test() ? std::to_string(block.line) + ".test.yaml"
                            : first.substr(std::string_view("flow: ").size()) + ".yaml";
    if (block.is_test()) tests.push_back(file);
    std::ofstream(file, std::ios::binary) << block.text;
  }
  REQUIRE(tests.size() >= 2);
  for (const std::string& file : tests) {
    const FlowTestReport report = run_flow_tests(file, processor_types(), service_types());
    CHECK(text_of(report.complaints) == "");
    CHECK(report.outcomes.size() >= 2);
    for (const FlowTestOutcome& one : report.outcomes) CHECK(text_of(one.failures) == "");
  }
}

TEST_CASE("every ready flow is good, once its parameters have values") {
  const auto specs = registry_specs();
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(test::source_dir()) / "flows")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".yaml") || name.ends_with(".test.yaml")) continue;
    ++count;
    FlowReadOptions options;
    const FlowReading as_written = read_yaml(contents(entry.path()), {});
    for (const Parameter& one : as_written.flow->root.parameters) {
      if (!one.value) options.parameters[one.name] = "given";
    }
    const FlowReading reading = read_flow_file(entry.path().string(), options, specs);
    CHECK(text_of(reading.complaints) == "");
    CHECK(reading.flow->name + ".yaml" == name);
    CHECK_FALSE(reading.flow->doc.empty());
  }
  CHECK(count >= 6);
}

TEST_CASE("every component's example is accepted within a flow that connects it") {
  const auto specs = registry_specs();
  for (const ComponentSpec& spec : specs) {
    if (spec.example.empty()) continue;
    // A processor's is itself; a service's has the keys of the flow.
    std::string text = "flow: example\n";
    if (!spec.is_service()) text += "processors:\n";
    for (const std::string_view line : split(spec.example, '\n')) {
      text += (spec.is_service() ? "" : "  ") + std::string(line) + '\n';
    }
    const FlowReading reading = read_flow(text, {spec.type, {}}, specs);
    for (const Complaint& one : reading.complaints) {
      // What an example leaves to the flow around it.
      const bool is_connection = one.text.find("leads nowhere") != std::string::npos ||
                                 one.text.starts_with("nothing leads to");
      CHECK_MESSAGE(is_connection, text_of(one));
    }
  }
}

}  // namespace
}  // namespace runnel
