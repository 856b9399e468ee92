// What a *.test.yaml says, as plain data; flows/README.md describes the format.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/flow/complaints.h"
#include "agent/flow/el/json_path.h"
#include "agent/flow/el/regex.h"
#include "agent/flow/model.h"

namespace runnel {

// What a text must be: this, like this, or not there.
struct TextRule {
  enum class Kind { kIs, kMatches, kAbsent };
  Kind kind = Kind::kIs;
  std::string text;  // kIs: the whole; kMatches: the pattern
  std::optional<Regex> regex = std::nullopt;
  Position at = {};
};

struct JsonRule {
  JsonPath path;
  // JSON text of what must be there; nothing: the path must find nothing.
  std::optional<std::string> value;
  Position at;
};

// All that stands here must hold.
struct ContentRule {
  std::optional<TextRule> is;
  std::optional<TextRule> matches;
  std::optional<TextRule> contains;
  std::vector<JsonRule> json;
  std::optional<std::uint64_t> size;
  Position size_at = {};
};

struct GivenFlowFile {
  NamedPlace to;  // a processor's path, or path.relationship of a source
  std::string content;
  std::map<std::string, std::string, std::less<>> attributes;
  std::chrono::nanoseconds after{0};  // since the start
  std::uint64_t count = 1;
};

struct ExpectedFlowFile {
  NamedPlace place;  // a mocked processor's path, or path.relationship
  ContentRule content;
  std::vector<std::pair<std::string, TextRule>> attributes;
  std::uint64_t count = 1;
  bool is_in_any_order = false;
  Position at;
};

// What a mock makes of a FlowFile that reaches it.
struct MockAnswer {
  NamedPlace relationship;
  std::map<std::string, std::string, std::less<>> attributes;
  std::optional<std::string> content;  // none: as it came
};

struct Mock {
  NamedPlace processor;
  // One after the other, for one FlowFile each; the last one stays. Of each the first answer is the
  // FlowFile itself, the others are children of it.
  std::vector<std::vector<MockAnswer>> turns;
};

struct CountRule {
  NamedPlace place;  // as ExpectedFlowFile::place; or a connection, where what is left is counted
  std::uint64_t count = 0;
};

struct ProvenanceRule {
  NamedPlace processor;
  std::string kind;
  std::optional<std::uint64_t> count;  // of FlowFiles; none: at least one
  std::optional<TextRule> uri;
  std::optional<TextRule> details;
  std::optional<TextRule> relationship;
  Position at;
};

struct BulletinRule {
  NamedPlace processor;
  TextRule text;
};

struct FlowTest {
  std::string name;
  Position at;
  std::map<std::string, std::string, std::less<>> parameters;
  std::int64_t clock_ms = 0;                         // wall time at the start
  std::optional<std::chrono::nanoseconds> runs_for;  // none: until nothing is queued
  std::vector<Mock> mocks;
  std::vector<NamedPlace> unmocked;  // sources that run as they are
  std::vector<GivenFlowFile> given;
  std::vector<ExpectedFlowFile> expect;
  std::vector<CountRule> counts;
  std::vector<CountRule> queued;  // by connection
  std::vector<ProvenanceRule> provenance;
  std::vector<BulletinRule> bulletins;
};

struct FlowTestFile {
  NamedPlace flow;  // as written: relative to the test file
  std::vector<FlowTest> tests;
};

struct FlowTestLimits {
  static constexpr std::size_t kText = 4 << 20;
  static constexpr std::size_t kDepth = 32;
  static constexpr std::size_t kNodes = 100'000;
  static constexpr std::size_t kFile = 64 << 20;    // bytes of a content's `file`
  static constexpr std::uint64_t kCount = 100'000;  // of one `given` or `expect`
  static constexpr std::size_t kComplaints = 200;
};

// Reads the text of a test file that lies in `folder`; what is wrong with it goes to `wrong`.
FlowTestFile read_flow_test(std::string_view text, const std::string& folder, Complaints& wrong);

}  // namespace runnel
