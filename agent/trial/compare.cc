// Comparing what came with what was expected.

#include "agent/trial/compare.h"

#include <algorithm>
#include <deque>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/base/bytes.h"
#include "agent/base/words.h"

namespace runnel {
namespace {

using Json = nlohmann::json;

struct Difference {
  Position at;
  std::string text;
};

std::string rule_text(const TextRule& rule) {
  switch (rule.kind) {
    case TextRule::Kind::kAbsent:
      return "nothing";
    case TextRule::Kind::kMatches:
      return "what matches " + shown_value(rule.text);
    case TextRule::Kind::kIs:
      break;
  }
  return shown_value(rule.text);
}

bool holds(const TextRule& rule, const std::optional<std::string_view>& value) {
  if (rule.kind == TextRule::Kind::kAbsent) return !value.has_value();
  if (!value) return false;
  return rule.kind == TextRule::Kind::kIs ? *value == rule.text : rule.regex->find(*value);
}

std::string cut_where_differs(std::string_view value, std::string_view other) {
  constexpr std::size_t kShown = 160;
  constexpr std::size_t kBefore = 40;
  if (value.size() <= kShown) return shown_value(value);
  const auto [a, b] = std::mismatch(value.begin(), value.end(), other.begin(), other.end());
  const auto first = static_cast<std::size_t>(a - value.begin());
  const std::size_t from = first > kBefore ? first - kBefore : 0;
  return shown_value(value.substr(from)) + " from byte " + std::to_string(from) + " of " +
         std::to_string(value.size());
}

class Judge {
 public:
  Judge(const ExpectedFlowFile& expected, const SeenFlowFile& seen)
      : expected_(expected), seen_(seen) {}

  std::vector<Difference> differences() {
    judge_content();
    for (const auto& [name, rule] : expected_.attributes) {
      const auto found = seen_.attributes.find(name);
      const auto value = found == seen_.attributes.end()
                             ? std::nullopt
                             : std::optional<std::string_view>(found->second);
      if (holds(rule, value)) continue;
      differ(rule.at, "attribute " + backquoted(name) + ": expected " + rule_text(rule) + ", saw " +
                          (value ? shown_value(*value) : "none"));
    }
    return std::move(out_);
  }

 private:
  void differ(Position at, std::string text) {
    out_.push_back({at, "at " + backquoted(expected_.place.name) + ": " + std::move(text)});
  }

  void judge_content() {
    const ContentRule& rule = expected_.content;
    const std::string& content = seen_.content;
    if (rule.is && rule.is->text != content) {
      differ(rule.is->at, "content: expected " + cut_where_differs(rule.is->text, content) +
                              ", saw " + cut_where_differs(content, rule.is->text));
    }
    if (rule.matches && !holds(*rule.matches, content)) {
      differ(rule.matches->at,
             "content: expected " + rule_text(*rule.matches) + ", saw " + shown_value(content));
    }
    if (rule.contains && content.find(rule.contains->text) == std::string::npos) {
      differ(rule.contains->at, "content: expected it to contain " +
                                    shown_value(rule.contains->text) + ", saw " +
                                    shown_value(content));
    }
    if (rule.size && *rule.size != content.size()) {
      differ(rule.size_at, "content: expected " + std::to_string(*rule.size) + " bytes, saw " +
                               std::to_string(content.size()));
    }
    if (!rule.json.empty()) judge_json(rule.json);
  }

  void judge_json(const std::vector<JsonRule>& rules) {
    const auto document = JsonDocument::parse(seen_.content);
    if (!document.ok()) {
      return differ(rules.front().at, "content: expected JSON, saw " + shown_value(seen_.content) +
                                          ": " + document.error().text());
    }
    for (const JsonRule& rule : rules) {
      const std::string path = backquoted(rule.path.text());
      if (!rule.value) {
        const auto found = rule.path.find(*document);
        if (!found.ok()) {
          differ(rule.at, "content: " + path + ": " + found.error().text());
        } else if (!found->empty()) {
          differ(rule.at, "content: expected nothing at " + path + ", saw " +
                              shown_value(found->front().text));
        }
        continue;
      }
      const auto found = rule.path.read(*document);
      if (!found.ok()) {
        differ(rule.at, "content: expected " + shown_value(*rule.value) + " at " + path +
                            ", saw nothing: " + found.error().text());
        continue;
      }
      const Json expected = Json::parse(*rule.value, nullptr, false);
      const Json actual = found->kind == JsonKind::kString
                              ? Json(to_utf8(found->text))
                              : Json::parse(found->text, nullptr, false);
      if (expected == actual) continue;
      differ(rule.at, "content: expected " + shown_value(*rule.value) + " at " + path + ", saw " +
                          shown_value(actual.dump(-1, ' ', false, Json::error_handler_t::replace)));
    }
  }

  const ExpectedFlowFile& expected_;
  const SeenFlowFile& seen_;
  std::vector<Difference> out_;
};

std::string text_of_flowfile(const SeenFlowFile& seen) {
  std::string out = "content " + shown_value(seen.content);
  std::string attributes;
  for (const auto& [name, value] : seen.attributes) {
    if (name == "uuid" || name == "path" || name == "filename") continue;
    attributes += (attributes.empty() ? " with " : ", ") + name + "=" + shown_value(value);
  }
  return out + attributes;
}

using Places = std::map<std::string, std::deque<SeenFlowFile>, std::less<>>;

// Takes one that is expected out of those that came.
void meet(const ExpectedFlowFile& expected, std::deque<SeenFlowFile>& here, Complaints& wrong) {
  const std::string at = "at " + backquoted(expected.place.name) + ": ";
  if (here.empty()) {
    wrong.add(expected.at, at + "expected a FlowFile, saw no more");
    return;
  }
  auto found = here.begin();
  if (expected.is_in_any_order) {
    found = std::find_if(here.begin(), here.end(), [&](const SeenFlowFile& one) {
      return Judge(expected, one).differences().empty();
    });
    if (found == here.end()) {
      wrong.add(expected.at, at + "expected a FlowFile such as this, saw none among " +
                                 std::to_string(here.size()) + "; the first has " +
                                 text_of_flowfile(here.front()));
      return;
    }
  }
  for (Difference& one : Judge(expected, *found).differences()) {
    wrong.add(one.at, std::move(one.text));
  }
  here.erase(found);
}

}  // namespace

std::string shown_value(std::string_view value) {
  constexpr std::size_t kShown = 200;
  std::string out = "`";
  for (const char c : to_utf8(value.substr(0, kShown))) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\t') {
      out += "\\t";
    } else {
      out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '.' : c;
    }
  }
  return out + (value.size() > kShown ? "…`" : "`");
}

void compare_flowfiles(const FlowTest& test, std::vector<SeenFlowFile> seen, Complaints& wrong) {
  Places places;
  for (SeenFlowFile& one : seen) places[one.at].push_back(std::move(one));
  std::map<std::string, Position> last;  // of what is expected at a place
  for (const CountRule& rule : test.counts) {
    const std::size_t count = places[rule.place.name].size();
    if (count == rule.count) continue;
    wrong.add(rule.place.at, "at " + backquoted(rule.place.name) + ": expected " +
                                 counted(rule.count, "FlowFile") + ", saw " +
                                 std::to_string(count));
  }
  for (const ExpectedFlowFile& expected : test.expect) {
    last[expected.place.name] = expected.at;
    for (std::uint64_t i = 0; i < expected.count && !wrong.is_full(); ++i) {
      meet(expected, places[expected.place.name], wrong);
    }
  }
  // Where the number is said, not each must be.
  for (const CountRule& rule : test.counts) places.erase(rule.place.name);
  for (const auto& [at, rest] : places) {
    const auto found = last.find(at);
    const Position where = found == last.end() ? test.at : found->second;
    for (const SeenFlowFile& one : rest) {
      wrong.add(where, "at " + backquoted(at) + ": not expected: " + text_of_flowfile(one));
    }
  }
}

void compare_provenance(const FlowTest& test, const std::vector<ProvenanceEvent>& events,
                        Complaints& wrong) {
  for (const ProvenanceRule& rule : test.provenance) {
    std::uint64_t count = 0;
    const ProvenanceEvent* near = nullptr;
    for (const ProvenanceEvent& event : events) {
      if (event.component != rule.processor.name || name_of(event.kind) != rule.kind) continue;
      near = &event;
      const bool fits = (!rule.uri || holds(*rule.uri, event.uri)) &&
                        (!rule.details || holds(*rule.details, event.details)) &&
                        (!rule.relationship || holds(*rule.relationship, event.relationship));
      if (fits) count += event.count;
    }
    if (rule.count ? count == *rule.count : count > 0) continue;
    std::string text = "at " + backquoted(rule.processor.name) + ": expected " +
                       (rule.count ? std::to_string(*rule.count) : "some") + " " + rule.kind +
                       " events, saw " + (count > 0 ? std::to_string(count) : "none");
    if (count == 0 && near != nullptr) {
      text += " such; one has uri " + shown_value(near->uri) + ", relationship " +
              shown_value(near->relationship) + ", details " + shown_value(near->details);
    }
    wrong.add(rule.at, std::move(text));
  }
}

void compare_bulletins(const FlowTest& test, const std::vector<Bulletin>& bulletins,
                       Complaints& wrong) {
  for (const BulletinRule& rule : test.bulletins) {
    const bool is_there =
        std::any_of(bulletins.begin(), bulletins.end(), [&rule](const Bulletin& one) {
          return one.component == rule.processor.name && holds(rule.text, one.text);
        });
    if (is_there) continue;
    wrong.add(rule.processor.at, "at " + backquoted(rule.processor.name) + ": expected the " +
                                     "bulletin " + rule_text(rule.text) + ", saw it not");
  }
}

}  // namespace runnel
