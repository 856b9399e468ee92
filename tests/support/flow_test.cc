// Running flow tests.

#include "tests/support/flow_test.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>

#include "agent/flow/check.h"
#include "agent/flow/yaml_fields.h"
#include "agent/flow/yaml_reader.h"
#include "agent/runtime/engine.h"
#include "agent/sdk/processor.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kPatience = 10s;
constexpr std::size_t kContentMax = 64 << 20;

using Attributes = std::map<std::string, std::string, std::less<>>;

struct Sample {
  std::string at;  // a processor's path, or path.relationship
  std::optional<std::string> content;
  Attributes attributes;
  bool is_in_any_order = false;
};

struct Test {
  std::string name;
  std::map<std::string, std::string> mocks;  // path -> relationship
  std::vector<Sample> given;
  std::vector<Sample> expect;
};

struct TestFile {
  std::string flow;
  std::map<std::string, std::string, std::less<>> parameters;
  std::vector<Test> tests;
};

// ---- reading

std::map<std::string, std::string, std::less<>> read_texts(const YamlNode* node,
                                                           Complaints& wrong) {
  std::map<std::string, std::string, std::less<>> out;
  if (node == nullptr) return out;
  for (const YamlNode::Entry& entry : node->entries) {
    if (const auto text = scalar_text(*entry.value, backquoted(entry.key), wrong)) {
      out[entry.key] = *text;
    }
  }
  return out;
}

std::vector<Sample> read_samples(const YamlNode* node, Complaints& wrong) {
  std::vector<Sample> out;
  if (node == nullptr) return out;
  for (const YamlNode* item : node->items) {
    Fields fields(*item, "a FlowFile", wrong);
    Sample sample;
    fields.require("at");
    sample.at = fields.text("at").value_or("");
    sample.content = fields.text("content");
    sample.attributes = read_texts(fields.find("attributes"), wrong);
    sample.is_in_any_order = fields.boolean("in_any_order").value_or(false);
    fields.refuse_others();
    out.push_back(std::move(sample));
  }
  return out;
}

TestFile read_test_file(std::string_view text, Complaints& wrong) {
  TestFile file;
  const YamlDocument document(text, {1 << 20, 16, 10'000}, wrong);
  if (document.root() == nullptr) return file;
  Fields fields(*document.root(), "a test file", wrong);
  fields.require("flow");
  file.flow = fields.text("flow").value_or("");
  file.parameters = read_texts(fields.find("parameters"), wrong);
  if (const YamlNode* tests = fields.require("tests")) {
    for (const YamlNode* item : tests->items) {
      Fields one(*item, "a test", wrong);
      one.require("name");
      Test test;
      test.name = one.text("name").value_or("");
      for (auto& [path, relationship] : read_texts(one.find("mock"), wrong)) {
        test.mocks[path] = relationship;
      }
      test.given = read_samples(one.find("given"), wrong);
      test.expect = read_samples(one.find("expect"), wrong);
      one.refuse_others();
      file.tests.push_back(std::move(test));
    }
  }
  fields.refuse_others();
  return file;
}

std::string contents(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream out;
  out << stream.rdbuf();
  return out.str();
}

// ---- mocks

// Where mocks put what reached them. Any thread.
class Collector {
 public:
  void add(Sample sample) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::move(sample));
    changed_.notify_all();
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kPatience, [&] { return all_.size() >= count; });
  }
  std::vector<Sample> all() const {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Sample> all_;
};

class MockSource final : public Processor {
 public:
  explicit MockSource(std::vector<Sample> given) : given_(std::move(given)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    if (!given_.empty()) context.wake();
    return {};
  }
  Result<> on_trigger(Session& session) override {
    if (next_ >= given_.size()) return {};
    const Sample& sample = given_[next_];
    FlowFile flowfile = session.create();
    for (const auto& [name, value] : sample.attributes) flowfile.set(name, value);
    TRY(session.write(flowfile, sample.content.value_or("")));
    session.transfer(flowfile, context_->relationship(sample.at));
    ++next_;
    return {};
  }

 private:
  const std::vector<Sample> given_;  // `at` is the relationship
  std::size_t next_ = 0;
  Context* context_ = nullptr;
};

class MockSink final : public Processor {
 public:
  MockSink(std::string at, std::string relationship, Collector& collector)
      : at_(std::move(at)), relationship_(std::move(relationship)), collector_(collector) {}

  Result<> start(Context& context) override {
    if (!relationship_.empty()) to_ = context.relationship(relationship_);
    return {};
  }
  Result<> on_trigger(Session& session) override {
    const FlowFile flowfile = session.get();
    if (!flowfile) return {};
    TRY_ASSIGN(content, session.content(flowfile, kContentMax));
    Sample sample{at_, std::string(content), {}};
    flowfile.each_attribute([&](std::string_view name, std::string_view value) {
      sample.attributes.emplace(name, value);
    });
    if (to_) {
      session.transfer(flowfile, to_);
    } else {
      session.drop(flowfile);
    }
    collector_.add(std::move(sample));
    return {};
  }

 private:
  const std::string at_;
  const std::string relationship_;  // empty: what comes is dropped
  Collector& collector_;
  Relationship to_;
};

// ---- one test

class Runner {
 public:
  Runner(const Test& test, Flow flow, std::span<const ProcessorType> types)
      : test_(test), flow_(std::move(flow)), types_(types.begin(), types.end()) {}

  std::vector<std::string> run() {
    mock_group(flow_.root);
    for (const Sample& sample : test_.expect) watch(sample.at);
    check_places();
    if (failures_.empty()) drive();
    if (failures_.empty()) compare();
    return std::move(failures_);
  }

 private:
  void fail(std::string text) { failures_.push_back(std::move(text)); }

  const ProcessorType* type_of(const ProcessorNode& node) const {
    for (const ProcessorType& type : types_) {
      if (type.spec.type == node.type) return &type;
    }
    return nullptr;
  }

  // Gives the node a type of its own, with the relationships of the old one and no properties.
  void replace(ProcessorNode& node, InputRule input,
               std::function<std::unique_ptr<Processor>()> make) {
    const ComponentSpec old = type_of(node)->spec;
    ProcessorType type;
    type.spec.type = "Mock of " + node.path;
    type.spec.doc = old.doc;
    type.spec.relationships = relationships_of(old, node.properties);
    type.spec.input = input;
    type.make = [make = std::move(make)](const PropertyValues&) {
      return Result<std::unique_ptr<Processor>>(make());
    };
    node.type = type.spec.type;
    node.properties.clear();
    node.property_sources.clear();
    node.schedule = {};
    node.schedule.kind = Schedule::Kind::kEvent;
    types_.push_back(std::move(type));
  }

  void mock_group(ProcessGroup& group) {
    for (ProcessorNode& node : group.processors) {
      paths_.insert({node.path, node.group_id});
      node.penalty_period = std::chrono::nanoseconds(0);
      const ComponentSpec& spec = type_of(node)->spec;
      const auto mocked = test_.mocks.find(node.path);
      if (spec.input == InputRule::kForbidden ||
          (spec.input == InputRule::kAllowed && !has_input(group, node.id))) {
        mock_source(node, spec);
      } else if (mocked != test_.mocks.end()) {
        mock_paths_.push_back(node.path);
        replace(node, InputRule::kRequired,
                [path = node.path, to = mocked->second, collector = &collector_] {
                  return std::make_unique<MockSink>(path, to, *collector);
                });
      }
    }
    for (ProcessGroup& inner : group.groups) mock_group(inner);
  }

  static bool has_input(const ProcessGroup& group, const std::string& id) {
    return std::any_of(group.connections.begin(), group.connections.end(),
                       [&id](const Connection& connection) { return connection.to.id == id; });
  }

  void mock_source(ProcessorNode& node, const ComponentSpec& spec) {
    std::vector<Sample> given;
    for (const Sample& sample : test_.given) {
      const std::size_t dot = sample.at.find('.');
      if (sample.at.substr(0, dot) != node.path) continue;
      given.push_back(sample);
      given.back().at =
          dot == std::string::npos ? spec.relationships.front().name : sample.at.substr(dot + 1);
    }
    given_count_ += given.size();
    replace(node, InputRule::kForbidden,
            [given = std::move(given)] { return std::make_unique<MockSource>(given); });
  }

  // Lets `path.relationship` lead to a mock, beside where it leads already.
  void watch(const std::string& at) {
    const std::size_t dot = at.find('.');
    if (dot == std::string::npos || !watched_.insert({at, {}}).second) return;
    const std::string path = at.substr(0, dot);
    const std::string relationship = at.substr(dot + 1);
    const auto found = paths_.find(path);
    if (found == paths_.end()) return fail("there is no processor `" + path + "`");
    ProcessGroup* group = group_of(flow_.root, found->second);
    ProcessorNode watcher;
    watcher.name = "watch " + std::to_string(watched_.size());
    watcher.path = watcher.name;
    watcher.id = element_id(flow_.name, "watch:" + at);
    watcher.group_id = group->id;
    watcher.type = "Watch of " + at;
    watcher.schedule.kind = Schedule::Kind::kEvent;
    ProcessorType type;
    type.spec.type = watcher.type;
    type.make = [at, collector = &collector_](const PropertyValues&) {
      return Result<std::unique_ptr<Processor>>(std::make_unique<MockSink>(at, "", *collector));
    };
    types_.push_back(std::move(type));
    Connection connection;
    connection.name = "watch:" + at;
    connection.id = connection_id(flow_.name, group->path, connection.name);
    connection.group_id = group->id;
    connection.relationships = {{relationship, {}}};
    connection.to = {EndpointKind::kProcessor, watcher.id, watcher.path, {}};
    for (ProcessorNode& node : group->processors) {
      if (node.path != path) continue;
      connection.from = {EndpointKind::kProcessor, node.id, node.path, {}};
      std::erase_if(node.terminate,
                    [&](const NamedPlace& one) { return one.name == relationship; });
    }
    group->connections.push_back(std::move(connection));
    group->processors.push_back(std::move(watcher));
  }

  static ProcessGroup* group_of(ProcessGroup& group, const std::string& id) {
    if (group.id == id) return &group;
    for (ProcessGroup& inner : group.groups) {
      if (ProcessGroup* found = group_of(inner, id)) return found;
    }
    return nullptr;
  }

  void check_places() {
    if (given_count_ != test_.given.size()) fail("`given` names a processor that is no source");
    for (const auto& [path, relationship] : test_.mocks) {
      if (std::find(mock_paths_.begin(), mock_paths_.end(), path) == mock_paths_.end()) {
        fail("`mock` names `" + path + "`, which is no processor that takes FlowFiles");
      }
    }
    for (const Sample& sample : test_.expect) {
      const bool is_mock =
          std::find(mock_paths_.begin(), mock_paths_.end(), sample.at) != mock_paths_.end();
      if (!is_mock && !watched_.contains(sample.at)) {
        fail("`expect` names `" + sample.at + "`, which is neither mocked nor a relationship");
      }
    }
    std::vector<ComponentSpec> specs;
    for (const ProcessorType& type : types_) specs.push_back(type.spec);
    const auto complaints = check_flow(flow_, specs);
    if (has_error(complaints)) fail("with its mocks the flow is none:\n" + text_of(complaints));
  }

  void drive() {
    std::string pattern = (fs::temp_directory_path() / "runnel-flow-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return fail("no temporary directory");
    EngineOptions options;
    options.state_dir = pattern;
    options.types = types_;
    auto opened = Engine::open(std::move(options));
    if (opened) {
      Engine& engine = **opened;
      if (const auto started = engine.start(std::make_shared<const Flow>(flow_)); !started) {
        fail("the flow does not start: " + started.error().text());
      } else {
        collector_.wait_for(test_.expect.size());
        if (const auto stopped = engine.stop(5s); !stopped) fail(stopped.error().text());
        look_at(engine);
      }
      opened->reset();
    } else {
      fail("the engine does not open: " + opened.error().text());
    }
    fs::remove_all(pattern);
  }

  void look_at(Engine& engine) {
    const Status status = engine.status();
    if (!status.loss.is_balanced()) fail("the loss ledger does not balance");
    for (const ConnectionStatus& one : status.connections) {
      if (one.count > 0) {
        fail(std::to_string(one.count) + " FlowFiles are left in `" + one.name + "`");
      }
    }
    if (failures_.empty()) return;
    for (const Bulletin& one : engine.bulletins()) fail(one.component + ": " + one.text);
  }

  static std::string text_of_sample(const Sample& sample) {
    std::string out = "`" + sample.content.value_or("(any content)") + "`";
    for (const auto& [name, value] : sample.attributes) out += ' ' + name + '=' + value;
    return out;
  }

  static bool fits(const Sample& expected, const Sample& seen) {
    if (expected.content && expected.content != seen.content) return false;
    return std::all_of(expected.attributes.begin(), expected.attributes.end(),
                       [&](const auto& one) {
                         const auto found = seen.attributes.find(one.first);
                         return found != seen.attributes.end() && found->second == one.second;
                       });
  }

  void compare() {
    std::map<std::string, std::vector<Sample>> seen;
    for (Sample& sample : collector_.all()) seen[sample.at].push_back(std::move(sample));
    for (const Sample& expected : test_.expect) {
      std::vector<Sample>& here = seen[expected.at];
      auto found = here.begin();
      if (expected.is_in_any_order) {
        found = std::find_if(here.begin(), here.end(),
                             [&](const Sample& one) { return fits(expected, one); });
      }
      if (found == here.end()) {
        fail("at `" + expected.at + "` expected " + text_of_sample(expected) + ", saw nothing" +
             (here.empty() ? "" : " like it"));
        continue;
      }
      if (!fits(expected, *found)) {
        fail("at `" + expected.at + "` expected " + text_of_sample(expected) + ", saw " +
             text_of_sample(*found));
      }
      here.erase(found);
    }
    for (const auto& [at, rest] : seen) {
      for (const Sample& one : rest) fail("at `" + at + "` not expected: " + text_of_sample(one));
    }
  }

  const Test& test_;
  Flow flow_;
  std::vector<ProcessorType> types_;
  Collector collector_;
  std::map<std::string, std::string> paths_;  // of processors -> their group's id
  std::vector<std::string> mock_paths_;
  std::map<std::string, Position> watched_;
  std::size_t given_count_ = 0;
  std::vector<std::string> failures_;
};

}  // namespace

std::vector<FlowTestOutcome> run_flow_tests(const std::string& file,
                                            std::span<const ProcessorType> types) {
  const fs::path path(file);
  Complaints wrong(path.filename().string(), 100);
  const TestFile tests = read_test_file(contents(path), wrong);
  std::vector<ComponentSpec> specs;
  for (const ProcessorType& type : types) specs.push_back(type.spec);
  const fs::path flow_file = path.parent_path() / tests.flow;
  const FlowReading reading =
      read_flow_file(flow_file.string(), {flow_file.filename().string(), tests.parameters}, specs);
  std::vector<Complaint> complaints = wrong.take();
  complaints.insert(complaints.end(), reading.complaints.begin(), reading.complaints.end());
  if (!complaints.empty() || tests.tests.empty()) {
    return {{path.filename().string(), {text_of(complaints) + "there is nothing to run"}}};
  }
  std::vector<FlowTestOutcome> outcomes;
  for (const Test& test : tests.tests) {
    outcomes.push_back({test.name, Runner(test, *reading.flow, types).run()});
  }
  return outcomes;
}

}  // namespace runnel
