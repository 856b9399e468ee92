// Whatever arrives, a processor routes it, keeps it and says why, and goes on with the next one.

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "agent/base/log.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct Quiet {
  Quiet() { set_log_level(LogLevel::kOff); }
  ~Quiet() { set_log_level(LogLevel::kInfo); }
};

struct Subject {
  std::string type;
  PropertyValues properties;
  std::map<std::string, RunnerService> services = {};
};

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST_CASE("hostile content and attributes are routed or kept with a word, and good ones go on") {
  const Quiet quiet;
  const fs::path folder =
      fs::temp_directory_path() / ("runnel-hostile-" + std::to_string(getpid()));
  fs::create_directories(folder);
  const std::string in_folder = folder.string();
  const PropertyValues cached{{"Cache Entry Identifier", "${a}"},
                              {"Distributed Cache Service", "cache"}};
  const RunnerService cache{"LocalMapCache", {{"Maximum Cache Size", "100 KB"}}};
  const std::vector<Subject> subjects{
      {"AttributesToJSON", {{"Destination", "flowfile-content"}}},
      {"ControlRate",
       {{"Rate Control Criteria", "attribute value"},
        {"Rate Controlled Attribute", "a"},
        {"Maximum Rate", "1000000"}}},
      {"ControlRate", {{"Maximum Rate", "1 GB"}}},
      {"DetectDuplicate", cached, {{"cache", cache}}},
      {"FetchDistributedMapCache", cached, {{"cache", cache}}},
      {"PutDistributedMapCache", cached, {{"cache", cache}}},
      {"EvaluateJsonPath", {{"Destination", "flowfile-attribute"}, {"id", "$..id"}}},
      {"EvaluateJsonPath", {{"Destination", "flowfile-content"}, {"id", "$.a[0].b"}}},
      {"FetchFile", {{"File to Fetch", "${a}"}}},
      {"LogAttribute", {{"Log Payload", "true"}}},
      {"MergeContent", {{"Merge Strategy", "Defragment"}}},
      {"MergeContent", {{"Correlation Attribute Name", "a"}, {"Minimum Number of Entries", "2"}}},
      {"PutFile", {{"Directory", in_folder}, {"Conflict Resolution Strategy", "replace"}}},
      {"PutFile", {{"Directory", in_folder + "/1/2/3/${a}"}}},
      {"ReplaceText", {{"Search Value", "(a|aa)+$"}, {"Replacement Value", "${a}$1"}}},
      {"ReplaceText",
       {{"Evaluation Mode", "Entire text"},
        {"Search Value", "(.*)*x"},
        {"Replacement Value", "$1"}}},
      {"RouteOnAttribute",
       {{"big", "${a:toNumber():gt(5)}"}, {"like", "${a:matches('(x+x+)+y')}"}}},
      {"SplitText", {{"Line Split Count", "1"}, {"Header Line Count", "1"}}},
      {"UpdateAttribute", {{"b", "${a:toNumber():divide(0)}"}, {"c", "${a:substring(3, 1)}"}}},
  };
  const std::vector<std::string> contents{"",
                                          std::string(1, '\0'),
                                          "\xff\xfe\x80 no UTF-8 \xc3",
                                          "{\"a\":",
                                          nested(100'000),
                                          "{\"id\":1e999,\"a\":[{\"b\":\"\\ud800\"}]}",
                                          std::string(300'000, 'a'),
                                          std::string(3 << 20, 'a'),
                                          std::string(20'000, '\n'),
                                          "\r\r\n\n\r"};
  const std::vector<std::string> values{"",
                                        "\xff",
                                        std::string("nul\0here", 8),
                                        "-0x7",
                                        "99999999999999999999999",
                                        "../../up",
                                        "/proc/self/mem",
                                        "${a}",
                                        std::string(60'000, 'x'),
                                        "x\r\ny"};
  const fs::path here = fs::current_path();
  const auto entries = [&here] {
    return std::distance(fs::directory_iterator(here), fs::directory_iterator());
  };
  const auto entries_before = entries();
  for (const Subject& subject : subjects) {
    CAPTURE(subject.type);
    // One at a time: what is kept waits out its penalty, with the processor in back-off.
    RunnerOptions options;
    options.penalty_period = 1ms;
    options.services = subject.services;
    ProcessorRunner runner(subject.type, subject.properties, options);
    std::size_t put = 0;
    for (const std::string& content : contents) {
      for (const std::string& value : values) {
        if (content.size() > 100'000 && put % 7 != 0 && value != "\xff") continue;
        runner.enqueue(content, {{"a", value},
                                 {"filename", "f" + std::to_string(put % 3) + value.substr(0, 40)},
                                 {"fragment.identifier", value},
                                 {"fragment.index", value},
                                 {"fragment.count", value}});
        ++put;
        runner.run();
      }
    }
    for (int i = 0; i < 3 && runner.queued() != 0; ++i) runner.advance(31s);
    check_balanced(runner.loss());
    if (runner.queued() != 0 && subject.type != "MergeContent" && subject.type != "ControlRate") {
      CHECK_MESSAGE(!runner.bulletins().empty(), runner.queued(), " are kept without a word");
    }
    CHECK(!runner.has_bulletin("exception"));
    CHECK(put >= 70);
  }
  CHECK(entries() == entries_before);
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    CHECK(entry.path().filename().string().size() < 256);
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace runnel
