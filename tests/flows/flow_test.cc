// Every ready flow is good, and does what its *.test.yaml expects, on the real engine.

#include "tests/support/flow_test.h"

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
    for (const FlowTestOutcome& outcome : run_flow_tests(file.string(), processor_types())) {
      INFO(file.filename().string());
      INFO(outcome.name);
      std::string failures;
      for (const std::string& one : outcome.failures) failures += one + '\n';
      CHECK(failures == "");
    }
  }
}

TEST_CASE("a flow test can fail") {
  const std::string name = (fs::temp_directory_path() / "runnel-flow-that-fails.XXXXXX").string();
  std::string folder = name;
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const auto write = [&](const std::string& file, const std::string& text) {
    FILE* out = fopen((folder + "/" + file).c_str(), "w");
    REQUIRE(out != nullptr);
    fwrite(text.data(), 1, text.size(), out);
    fclose(out);
  };
  write("f.yaml",
        "flow: f\nprocessors:\n  g: {type: GenerateFlowFile}\n  u: {type: UpdateAttribute, "
        "properties: {a: b}, terminate: [success]}\nconnections: [{from: g, to: u}]\n");
  write("f.test.yaml",
        "flow: f.yaml\ntests:\n  - name: wrong content\n    given: [{at: g, content: x}]\n    "
        "expect: [{at: u.success, content: y}]\n  - name: wrong attribute\n    given: [{at: g}]\n"
        "    expect: [{at: u.success, attributes: {a: c}}]\n  - name: right\n    given: [{at: g}]\n"
        "    expect: [{at: u.success, content: '', attributes: {a: b}}]\n");
  const auto outcomes = run_flow_tests(folder + "/f.test.yaml", processor_types());
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[0].failures.size() == 1);
  CHECK(outcomes[1].failures.size() == 1);
  CHECK(outcomes[2].failures.empty());
  fs::remove_all(folder);
}

}  // namespace
}  // namespace runnel
