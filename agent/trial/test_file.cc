// Reading test files: strictly, as flows are read.

#include "agent/trial/test_file.h"

#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/base/bytes.h"
#include "agent/base/text_file.h"
#include "agent/flow/yaml_fields.h"
#include "agent/flow/yaml_reader.h"
#include "agent/runtime/status.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
using Kind = YamlNode::Kind;
using Texts = std::map<std::string, std::string, std::less<>>;
using Json = nlohmann::json;

constexpr auto kTimeMax = 366 * 24h;
constexpr std::int64_t kClockDefaultMs = 1'767'225'600'000;  // 2026-01-01T00:00:00Z

// 2026-01-01T00:00:00Z, to the second.
std::optional<std::int64_t> wall_ms_of(const std::string& text) {
  std::tm parts{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (end == nullptr || std::string_view(end) != "Z") return std::nullopt;
  return std::int64_t{timegm(&parts)} * 1000;
}

class TestReader {
 public:
  TestReader(const YamlDocument& document, std::string folder, Complaints& wrong)
      : document_(document), folder_(std::move(folder)), wrong_(wrong) {}

  FlowTestFile read() {
    FlowTestFile file;
    Fields fields(*document_.root(), "a test file", wrong_, "`flow: FILE` and `tests: [...]`");
    if (!fields.is_map()) return file;
    if (const YamlNode* flow = fields.require("flow")) {
      file.flow = {fields.text("flow").value_or(""), flow->at};
    }
    parameters_ = texts(fields.find("parameters"), "`parameters`");
    clock_ms_ = clock(fields).value_or(kClockDefaultMs);
    const YamlNode* tests = fields.require("tests");
    each(tests, "`tests`", "`- {name: …, given: […], expect: […]}`",
         [&](const YamlNode& node) { file.tests.push_back(test(node)); });
    if (tests != nullptr && tests->is(Kind::kList) && tests->items.empty()) {
      wrong_.add(tests->at, "`tests` is empty: there is nothing to run");
    }
    fields.refuse_others();
    return file;
  }

 private:
  template <typename Read>
  void each(const YamlNode* node, std::string_view what, std::string_view cure, const Read& read) {
    if (node == nullptr) return;
    if (!node->is(Kind::kList)) {
      wrong_.add(node->at, std::string(what) + " must be a list, not " +
                               std::string(name_of(node->kind)) + "; write " + std::string(cure));
      return;
    }
    for (const YamlNode* item : node->items) read(*item);
  }

  Texts texts(const YamlNode* node, std::string_view what) {
    Texts out;
    if (node == nullptr) return out;
    if (!Fields(*node, std::string(what), wrong_, "`{name: value}`").is_map()) return out;
    for (const YamlNode::Entry& entry : node->entries) {
      if (const auto text = scalar_text(*entry.value, backquoted(entry.key), wrong_)) {
        out[entry.key] = *text;
      }
    }
    return out;
  }

  std::optional<std::int64_t> clock(Fields& fields) {
    const auto text = fields.text("clock");
    if (!text) return std::nullopt;
    const auto wall_ms = wall_ms_of(*text);
    if (!wall_ms) {
      wrong_.add(fields.find("clock")->at,
                 "`clock` is a time such as 2026-01-01T00:00:00Z, not " + backquoted(*text));
    }
    return wall_ms;
  }

  NamedPlace place(Fields& fields) {
    const YamlNode* node = fields.require("at");
    if (node == nullptr) return {};
    return {fields.text("at").value_or(""), node->at};
  }

  FlowTest test(const YamlNode& node) {
    FlowTest out;
    out.at = node.at;
    Fields fields(node, "a test", wrong_, "`{name: …, given: […], expect: […]}`");
    fields.require("name");
    out.name = fields.text("name").value_or("");
    if (!out.name.empty() && !names_.insert(out.name).second) {
      wrong_.add(node.at, "duplicate name " + backquoted(out.name));
    }
    out.parameters = texts(fields.find("parameters"), "`parameters`");
    out.parameters.insert(parameters_.begin(), parameters_.end());
    out.clock_ms = clock(fields).value_or(clock_ms_);
    out.runs_for = fields.period("runs_for", 0ns, kTimeMax);
    out.mocks = mocks(fields.find("mock"));
    out.unmocked = fields.words("unmocked");
    each(fields.find("given"), "`given`", "`- {at: bus, content: …}`",
         [&](const YamlNode& one) { out.given.push_back(given(one)); });
    each(fields.find("expect"), "`expect`", "`- {at: to-kafka, content: …}`",
         [&](const YamlNode& one) { out.expect.push_back(expected(one)); });
    out.counts = counts(fields.find("counts"), "`counts`");
    out.queued = counts(fields.find("queued"), "`queued`");
    each(fields.find("provenance"), "`provenance`", "`- {at: to-kafka, kind: SEND}`",
         [&](const YamlNode& one) { out.provenance.push_back(provenance(one)); });
    each(fields.find("bulletins"), "`bulletins`", "`- {at: to-kafka, text: …}`",
         [&](const YamlNode& one) { out.bulletins.push_back(bulletin(one)); });
    fields.refuse_others();
    if (out.expect.empty() && out.counts.empty() && out.queued.empty() && out.provenance.empty() &&
        out.bulletins.empty()) {
      wrong_.add(node.at, "the test " + backquoted(out.name) +
                              " expects nothing: it could not fail; say what in `expect`, "
                              "`counts`, `queued`, `provenance` or `bulletins`");
    }
    return out;
  }

  // ---- what goes in

  std::string bytes_of(const YamlNode& node) {
    if (!node.is(Kind::kMap)) return scalar_text(node, "`content`", wrong_).value_or("");
    Fields fields(node, "`content`", wrong_);
    std::string out;
    const YamlNode* file = fields.find("file");
    const YamlNode* base64 = fields.find("base64");
    if ((file == nullptr) == (base64 == nullptr)) {
      wrong_.add(node.at, "`content` is a text, `{file: NAME}` or `{base64: …}`");
    } else if (file != nullptr) {
      out = file_bytes(fields.text("file"), file->at);
    } else {
      out = decoded(fields.text("base64"), base64->at);
    }
    fields.refuse_others();
    return out;
  }

  std::string file_bytes(const std::optional<std::string>& name, Position at) {
    if (!name) return {};
    const auto path = std::filesystem::path(folder_) / *name;
    auto bytes = read_text_file(path.string(), FlowTestLimits::kFile);
    if (!bytes.ok()) wrong_.add(at, "`" + path.string() + "` " + bytes.error().text());
    return std::move(bytes).value_or("");
  }

  std::string decoded(const std::optional<std::string>& text, Position at) {
    if (!text) return {};
    auto bytes = from_base64(*text);
    if (!bytes.ok()) wrong_.add(at, "`base64`: " + bytes.error().text());
    return std::move(bytes).value_or("");
  }

  GivenFlowFile given(const YamlNode& node) {
    GivenFlowFile out;
    Fields fields(node, "a FlowFile", wrong_, "`{at: bus, content: …}`");
    out.to = place(fields);
    if (const YamlNode* content = fields.find("content")) out.content = bytes_of(*content);
    out.attributes = texts(fields.find("attributes"), "`attributes`");
    out.after = fields.period("after", 0ns, kTimeMax).value_or(0ns);
    out.count = fields.count("count", 1, FlowTestLimits::kCount).value_or(1);
    fields.refuse_others();
    return out;
  }

  std::vector<Mock> mocks(const YamlNode* node) {
    std::vector<Mock> out;
    if (node == nullptr) return out;
    if (!Fields(*node, "`mock`", wrong_, "`{processor: relationship}`").is_map()) return out;
    for (const YamlNode::Entry& entry : node->entries) {
      Mock mock;
      mock.processor = {entry.key, entry.key_at};
      const YamlNode& value = *entry.value;
      const bool is_in_turn =
          value.is(Kind::kMap) && value.entries.size() == 1 && value.entries[0].key == "in_turn" &&
          value.entries[0].value->is(Kind::kList) && !value.entries[0].value->items.empty();
      if (is_in_turn) {
        for (const YamlNode* turn : value.entries[0].value->items)
          mock.turns.push_back(answers(*turn));
      } else {
        mock.turns.push_back(answers(value));
      }
      out.push_back(std::move(mock));
    }
    return out;
  }

  std::vector<MockAnswer> answers(const YamlNode& node) {
    std::vector<MockAnswer> out;
    if (node.is(Kind::kList) && !node.items.empty()) {
      for (const YamlNode* item : node.items) out.push_back(answer(*item));
    } else {
      out.push_back(answer(node));
    }
    return out;
  }

  MockAnswer answer(const YamlNode& node) {
    MockAnswer out;
    if (node.is(Kind::kScalar)) {
      out.relationship = {node.text, node.at};
      return out;
    }
    Fields fields(node, "a mock", wrong_,
                  "its relationship, `{to: …, attributes: …, content: …}`, a list of such, or "
                  "`{in_turn: […]}`");
    if (!fields.is_map()) return out;
    if (const YamlNode* to = fields.require("to")) {
      out.relationship = {fields.text("to").value_or(""), to->at};
    }
    out.attributes = texts(fields.find("attributes"), "`attributes`");
    if (const YamlNode* content = fields.find("content")) out.content = bytes_of(*content);
    fields.refuse_others();
    return out;
  }

  // ---- what comes out

  std::optional<TextRule> pattern(const YamlNode& node) {
    const auto text = scalar_text(node, "`matches`", wrong_);
    if (!text) return std::nullopt;
    const auto regex = Regex::compile(*text);
    if (!regex.ok()) {
      wrong_.add(node.at, "`matches`: " + regex.error().text());
      return std::nullopt;
    }
    return TextRule{TextRule::Kind::kMatches, *text, *regex, node.at};
  }

  // A text, nothing, or `{matches: …}`.
  std::optional<TextRule> text_rule(const YamlNode& node, std::string_view what) {
    if (node.is(Kind::kNull)) return TextRule{TextRule::Kind::kAbsent, {}, std::nullopt, node.at};
    if (!node.is(Kind::kMap)) {
      const auto text = scalar_text(node, what, wrong_);
      if (!text) return std::nullopt;
      return TextRule{TextRule::Kind::kIs, *text, std::nullopt, node.at};
    }
    Fields fields(node, std::string(what), wrong_);
    const YamlNode* matches = fields.require("matches");
    fields.refuse_others();
    return matches == nullptr ? std::nullopt : pattern(*matches);
  }

  std::optional<TextRule> text_field(Fields& fields, std::string_view key) {
    const YamlNode* node = fields.find(key);
    return node == nullptr ? std::nullopt : text_rule(*node, backquoted(key));
  }

  void read_content(const YamlNode& node, ContentRule& out) {
    const auto is_text = [](std::string text, Position at) {
      return TextRule{TextRule::Kind::kIs, std::move(text), std::nullopt, at};
    };
    if (!node.is(Kind::kMap)) {
      if (auto text = scalar_text(node, "`content`", wrong_)) out.is = is_text(*text, node.at);
      return;
    }
    Fields fields(node, "`content`", wrong_);
    if (const YamlNode* file = fields.find("file"))
      out.is = is_text(file_bytes(fields.text("file"), file->at), file->at);
    if (const YamlNode* base64 = fields.find("base64"))
      out.is = is_text(decoded(fields.text("base64"), base64->at), base64->at);
    if (const YamlNode* matches = fields.find("matches")) out.matches = pattern(*matches);
    if (const YamlNode* part = fields.find("contains"))
      out.contains = is_text(fields.text("contains").value_or(""), part->at);
    if (const YamlNode* size = fields.find("size")) {
      out.size = fields.size("size");
      out.size_at = size->at;
    }
    if (const YamlNode* json = fields.find("json")) read_json(*json, out);
    if (const YamlNode* absent = fields.find("absent")) {
      each(absent, "`absent`", "`[$.path]`", [&](const YamlNode& item) {
        if (const auto path = json_path(scalar_text(item, "`absent`", wrong_), item.at))
          out.json.push_back({*path, std::nullopt, item.at});
      });
    }
    fields.refuse_others();
    if (node.entries.empty()) wrong_.add(node.at, "`content` says nothing");
  }

  std::optional<JsonPath> json_path(const std::optional<std::string>& text, Position at) {
    if (!text) return std::nullopt;
    const auto path = JsonPath::compile(*text);
    if (path.ok()) return *path;
    wrong_.add(at, "JSON path " + backquoted(*text) + ": " + path.error().text());
    return std::nullopt;
  }

  void read_json(const YamlNode& node, ContentRule& out) {
    if (!Fields(node, "`json`", wrong_, "`{$.path: value}`").is_map()) return;
    for (const YamlNode::Entry& entry : node.entries) {
      if (const auto path = json_path(entry.key, entry.key_at))
        out.json.push_back({*path, json_of(*entry.value).dump(), entry.value->at});
    }
  }

  // YAML's own reading of a value: quoted ones are texts, plain ones numbers and the like where
  // they look so.
  Json json_of(const YamlNode& node) const {
    switch (node.kind) {
      case Kind::kNull:
        return nullptr;
      case Kind::kList: {
        Json out = Json::array();
        for (const YamlNode* item : node.items) out.push_back(json_of(*item));
        return out;
      }
      case Kind::kMap: {
        Json out = Json::object();
        for (const YamlNode::Entry& entry : node.entries) out[entry.key] = json_of(*entry.value);
        return out;
      }
      case Kind::kScalar:
        break;
    }
    const std::string_view written = document_.text();
    const bool is_plain =
        node.offset < written.size() &&
        std::string_view("'\"|>").find(written[node.offset]) == std::string_view::npos;
    if (is_plain) {
      Json parsed = Json::parse(node.text, nullptr, /*allow_exceptions=*/false);
      if (parsed.is_number() || parsed.is_boolean() || parsed.is_null()) return parsed;
    }
    return to_utf8(node.text);
  }

  ExpectedFlowFile expected(const YamlNode& node) {
    ExpectedFlowFile out;
    out.at = node.at;
    Fields fields(node, "a FlowFile", wrong_, "`{at: to-kafka, content: …}`");
    out.place = place(fields);
    if (const YamlNode* content = fields.find("content")) read_content(*content, out.content);
    if (const YamlNode* attributes = fields.find("attributes")) {
      if (Fields(*attributes, "`attributes`", wrong_, "`{name: value}`").is_map()) {
        for (const YamlNode::Entry& entry : attributes->entries) {
          if (auto rule = text_rule(*entry.value, "attribute " + backquoted(entry.key)))
            out.attributes.emplace_back(entry.key, std::move(*rule));
        }
      }
    }
    out.count = fields.count("count", 1, FlowTestLimits::kCount).value_or(1);
    out.is_in_any_order = fields.boolean("in_any_order").value_or(false);
    fields.refuse_others();
    return out;
  }

  std::vector<CountRule> counts(const YamlNode* node, std::string_view what) {
    std::vector<CountRule> out;
    if (node == nullptr) return out;
    Fields fields(*node, std::string(what), wrong_, "`{place: 3}`");
    if (!fields.is_map()) return out;
    for (const YamlNode::Entry& entry : node->entries) {
      if (const auto count = fields.count(entry.key, 0, INT64_MAX))
        out.push_back({{entry.key, entry.key_at}, *count});
    }
    return out;
  }

  ProvenanceRule provenance(const YamlNode& node) {
    ProvenanceRule out;
    out.at = node.at;
    Fields fields(node, "an event", wrong_, "`{at: to-kafka, kind: SEND}`");
    out.processor = place(fields);
    if (const YamlNode* kind = fields.require("kind")) {
      out.kind = fields.text("kind").value_or("");
      if (kind->is(Kind::kScalar) && !provenance_kind(out.kind)) {
        wrong_.add(kind->at, backquoted(out.kind) + " is no kind of provenance event, as SEND is");
      }
    }
    out.count = fields.count("count", 0, INT64_MAX);
    out.uri = text_field(fields, "uri");
    out.details = text_field(fields, "details");
    out.relationship = text_field(fields, "relationship");
    fields.refuse_others();
    return out;
  }

  BulletinRule bulletin(const YamlNode& node) {
    BulletinRule out;
    Fields fields(node, "a bulletin", wrong_, "`{at: to-kafka, text: …}`");
    out.processor = place(fields);
    fields.require("text");
    out.text = text_field(fields, "text").value_or(TextRule{});
    fields.refuse_others();
    return out;
  }

  const YamlDocument& document_;
  const std::string folder_;
  Complaints& wrong_;
  Texts parameters_;
  std::int64_t clock_ms_ = kClockDefaultMs;
  std::set<std::string> names_;
};

}  // namespace

FlowTestFile read_flow_test(std::string_view text, const std::string& folder, Complaints& wrong) {
  const YamlDocument document(
      text, {FlowTestLimits::kText, FlowTestLimits::kDepth, FlowTestLimits::kNodes}, wrong);
  if (document.root() == nullptr) return {};
  return TestReader(document, folder, wrong).read();
}

}  // namespace runnel
