// Every ready flow is good, and does what its *.test.yaml expects, on the real engine.

#include "agent/trial/flow_test.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "processors/registry.h"
#include "tests/support/source_dir.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_in_flows(std::string_view ending) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::directory_iterator(fs::path(test::source_dir()) / "flows")) {
    if (entry.path().filename().string().ends_with(ending)) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST_CASE("every ready flow passes its tests on the real engine") {
  const auto files = files_in_flows(".test.yaml");
  REQUIRE(files.size() >= 6);
  for (const fs::path& file : files) {
    const FlowTestReport report = run_flow_tests(file.string(), processor_types(), service_types());
    CHECK(text_of(report.complaints) == "");
    CHECK_FALSE(report.outcomes.empty());
    for (const FlowTestOutcome& outcome : report.outcomes) {
      INFO(outcome.name);
      CHECK(text_of(outcome.failures) == "");
    }
  }
}

}  // namespace
}  // namespace runnel
