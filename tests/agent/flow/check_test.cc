// Golden complaints: each bad/*.yaml is refused exactly as the file beside it says.
// RUNNEL_ACCEPT=1 writes those files anew; read the difference as a user would.

#include "agent/flow/check.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/flow/yaml_reader.h"
#include "tests/agent/flow/fixtures.h"
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

TEST_CASE("every bad flow is refused with the complaints that were agreed") {
  const fs::path folder = fs::path(test::source_dir()) / "tests/agent/flow/bad";
  const auto specs = fixture_specs();
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() >= 10);
  for (const fs::path& file : files) {
    const FlowReading reading = read_flow(contents(file), {file.filename().string(), {}}, specs);
    fs::path golden = file;
    golden.replace_extension(".complaints");
    const std::string text = text_of(reading.complaints);
    if (std::getenv("RUNNEL_ACCEPT")) std::ofstream(golden) << text;
    CHECK_MESSAGE(text == contents(golden), file.filename().string());
    CHECK_MESSAGE(!reading.complaints.empty(), file.filename().string());
  }
}

TEST_CASE("a flow is checked against what another agent has") {
  const std::string_view text =
      "flow: f\nprocessors:\n  a: {type: LogAttribute, terminate: "
      "[success]}\nconnections: [{from: a, to: a}]\n";
  const auto specs = fixture_specs();
  const FlowReading reading = read_yaml(text, {"f.yaml", {}});
  CHECK(reading.ok());
  const std::vector<ComponentSpec> others{fixture_update_attribute()};
  CHECK(text_of(check_flow(*reading.flow, others)) ==
        "f.yaml:3:13: unknown processor type `LogAttribute`\n");
}

}  // namespace
}  // namespace runnel
