// The processors of the stage, and the flow's builder.

#include "tests/agent/runtime/stage.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <thread>
#include <utility>

#include "agent/sdk/describe.h"

namespace runnel {
namespace {

Mutex roles_mutex;
std::map<std::string, std::unique_ptr<Role>> roles GUARDED_BY(roles_mutex);
// Engines that still stand may know them.
std::vector<std::unique_ptr<Role>> retired GUARDED_BY(roles_mutex);

Mutex journal_mutex;
std::vector<std::string> journal GUARDED_BY(journal_mutex);

void note(const std::string& what) {
  Lock lock(journal_mutex);
  journal.push_back(what);
}

// What a TestService is to its users.
class TestShared {
 public:
  static constexpr std::string_view kService = "TestShared";
  virtual ~TestShared() = default;
  virtual bool is_running() const = 0;
};

struct NoConfig {
  std::string note;
  ServiceRef<TestShared> service;
};

struct TestServiceConfig {
  std::string note;
  ServiceRef<TestShared> other;
};

class TestService final : public Service, public TestShared {
 public:
  using Config = TestServiceConfig;
  explicit TestService(Config config) : config_(std::move(config)) {}

  Result<> start(ServiceContext& context) override {
    path_ = context.path();
    Role& its = role(path_);
    ++its.starts;
    if (its.start_fails > 0) {
      --its.start_fails;
      return Error(its.start_error, "the stage says no");
    }
    TRY_ASSIGN(other, context.service(config_.other));
    if (other) REQUIRE(other->is_running());
    is_running_ = true;
    note("start " + path_);
    return {};
  }
  void stop() override {
    if (!is_running_) return;
    is_running_ = false;
    ++role(path_).stops;
    note("stop " + path_);
  }
  bool is_running() const override { return is_running_; }

 private:
  const Config config_;
  std::string path_;
  std::atomic<bool> is_running_{false};
};

// What all of them have in common.
class StageProcessor : public Processor {
 public:
  using Config = NoConfig;

  Result<> start(Context& context) override {
    context_ = &context;
    if (role_ == nullptr) ++role(context.path()).made_objects;
    role_ = &role(context.path());
    ++role_->starts;
    {
      Lock lock(role_->mutex);
      role_->context = &context;
    }
    if (role_->start_fails > 0) {
      --role_->start_fails;
      return Error(role_->start_error, "the stage says no");
    }
    TRY_ASSIGN(shared, context.service(config_.service));
    shared_ = shared;
    if (shared_) REQUIRE(shared_->is_running());
    note("start " + context.path());
    return {};
  }
  void stop() override {
    if (!role_) return;
    ++role_->stops;
    if (shared_) REQUIRE(shared_->is_running());
    note("stop " + context_->path());
  }

 protected:
  explicit StageProcessor(NoConfig config) : config_(std::move(config)) {}

  // Around the body of on_trigger.
  struct Inside {
    explicit Inside(StageProcessor& of) : owner(of) {
      if (++owner.inside_ != 1) std::abort();  // no object is ever entered twice
      ++owner.role_->calls;
    }
    ~Inside() { --owner.inside_; }
    StageProcessor& owner;
  };
  Result<> outcome(Session& session) {
    if (role_->yields) session.yield();
    if (role_->fails <= 0) return {};
    --role_->fails;
    return Error(role_->error, "the stage fails");
  }
  void see(Session& session, FlowFile flowfile) {
    const Result<std::string_view> content = session.content(flowfile, 1 << 20);
    REQUIRE(content.ok());
    Lock lock(role_->mutex);
    role_->contents.emplace_back(*content);
    ++role_->seen;
    role_->changed.notify_all();
  }

  const NoConfig config_;
  TestShared* shared_ = nullptr;
  Context* context_ = nullptr;
  Role* role_ = nullptr;
  std::atomic<int> inside_{0};
};

class TestSource final : public StageProcessor {
 public:
  explicit TestSource(NoConfig config) : StageProcessor(std::move(config)) {}
  Result<> start(Context& context) override {
    TRY(StageProcessor::start(context));
    success_ = context.relationship("success");
    return {};
  }
  Result<> on_trigger(Session& session) override {
    Inside inside(*this);
    if (role_->to_make <= 0) return outcome(session);
    --role_->to_make;
    FlowFile made = session.create();
    const int number = role_->next++;
    TRY(session.write(made, std::to_string(number)));
    made.set("kind", number % 2 == 0 ? "odd" : "even");
    session.transfer(made, success_);
    session.when_safe([role = role_] {
      ++role->safe;
      Lock lock(role->mutex);
      role->changed.notify_all();
    });
    return outcome(session);
  }

 private:
  Relationship success_;
};

class TestPass final : public StageProcessor {
 public:
  explicit TestPass(NoConfig config) : StageProcessor(std::move(config)) {}
  Result<> start(Context& context) override {
    TRY(StageProcessor::start(context));
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    return {};
  }
  Result<> on_trigger(Session& session) override {
    Inside inside(*this);
    FlowFile flowfile = session.get();
    if (!flowfile) return {};
    TRY(outcome(session));
    see(session, flowfile);
    if (!role_->change.empty()) {
      flowfile.set("changed", role_->change);
      TRY(session.write(flowfile, role_->change));
    }
    for (int i = 0; i < role_->copies; ++i) session.transfer(session.clone(flowfile), success_);
    session.transfer(flowfile, role_->send_to == "success" ? success_ : failure_);
    return {};
  }

 private:
  Relationship success_;
  Relationship failure_;
};

class TestAsync final : public StageProcessor {
 public:
  explicit TestAsync(NoConfig config) : StageProcessor(std::move(config)) {}
  Result<> on_trigger(Session& session) override {
    Inside inside(*this);
    FlowFile flowfile = session.get();
    if (!flowfile) return {};
    see(session, flowfile);
    Lock lock(role_->mutex);
    role_->handed.push_back(session.hand_over(flowfile));
    return {};
  }
  void stop() override {
    if (!role_) return;
    std::vector<Handed> gone;
    {
      Lock lock(role_->mutex);
      gone.swap(role_->handed);
    }
    StageProcessor::stop();
  }
};

class TestSink final : public StageProcessor {
 public:
  explicit TestSink(NoConfig config) : StageProcessor(std::move(config)) {}
  Result<> on_trigger(Session& session) override {
    Inside inside(*this);
    FlowFile flowfile = session.get();
    if (!flowfile) return {};
    TRY(outcome(session));
    see(session, flowfile);
    while (role_->hangs) std::this_thread::yield();
    session.drop(flowfile);
    return {};
  }
};

template <typename P>
ProcessorType described(const char* name, InputRule input, bool is_concurrent) {
  auto describe = Describe<P>(name, "For tests.")
                      .property("Note", &NoConfig::note, {.doc = "Any text."})
                      .property("Service", &NoConfig::service, {.doc = "What it uses."});
  if (input == InputRule::kForbidden) describe.relationship("success", "Made.");
  if (input == InputRule::kRequired && std::string(name) != "TestSink") {
    describe.relationship("success", "Good.").relationship("failure", "Bad.");
  }
  describe.input(input);
  if (is_concurrent) describe.concurrent();
  return describe;
}

}  // namespace

Role& role(const std::string& path) {
  Lock lock(roles_mutex);
  std::unique_ptr<Role>& one = roles[path];
  if (!one) one = std::make_unique<Role>();
  return *one;
}

void clear_roles() {
  std::map<std::string, std::unique_ptr<Role>> gone;
  {
    Lock lock(roles_mutex);
    gone.swap(roles);
  }
  for (auto& [path, one] : gone) {
    std::vector<Handed> handed;
    {
      Lock lock(one->mutex);
      handed.swap(one->handed);
    }
    Lock lock(roles_mutex);
    retired.push_back(std::move(one));
  }
  Lock lock(journal_mutex);
  journal.clear();
}

std::vector<std::string> take_journal() {
  Lock lock(journal_mutex);
  return std::exchange(journal, {});
}

void Role::wait_for_seen(int count) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  Lock lock(mutex);
  while (seen < count) {
    REQUIRE_MESSAGE(changed.wait_until(mutex, deadline), "saw only " << seen << " of " << count);
  }
}

void Role::wake() {
  Lock lock(mutex);
  REQUIRE(context != nullptr);
  context->wake();
}

std::span<const ServiceType> stage_services() {
  static const std::vector<ServiceType> types{
      DescribeService<TestService>("TestService", "For tests.")
          .property("Note", &TestServiceConfig::note, {.doc = "Any text."})
          .property("Other", &TestServiceConfig::other, {.doc = "What it uses itself."})
          .provides<TestShared>()};
  return types;
}

std::span<const ProcessorType> stage_types() {
  static const std::vector<ProcessorType> types{
      described<TestSource>("TestSource", InputRule::kForbidden, false),
      described<TestPass>("TestPass", InputRule::kRequired, true),
      described<TestAsync>("TestAsync", InputRule::kRequired, false),
      described<TestSink>("TestSink", InputRule::kRequired, false)};
  return types;
}

FlowBuilder::FlowBuilder(std::string name) {
  flow_.name = name;
  flow_.id = flow_id(name);
  flow_.root.name = std::move(name);
}

FlowBuilder& FlowBuilder::processor(const std::string& name, const std::string& type,
                                    const TuneProcessor& tune) {
  ProcessorNode node;
  node.name = node.path = name;
  node.id = element_id(flow_.name, name);
  node.type = type;
  if (type != "TestSink") node.terminate = {{"success", {}}, {"failure", {}}};
  if (tune) tune(node);
  flow_.root.processors.push_back(std::move(node));
  return *this;
}

FlowBuilder& FlowBuilder::service(const std::string& name, const TuneService& tune) {
  ServiceNode node;
  node.name = node.path = name;
  node.id = element_id(flow_.name, name);
  node.type = "TestService";
  if (tune) tune(node);
  flow_.root.services.push_back(std::move(node));
  return *this;
}

FlowBuilder& FlowBuilder::funnel(const std::string& name) {
  Funnel funnel;
  funnel.name = funnel.path = name;
  funnel.id = element_id(flow_.name, name);
  flow_.root.funnels.push_back(std::move(funnel));
  return *this;
}

FlowBuilder& FlowBuilder::port(const std::string& name, PortKind kind) {
  Port port;
  port.name = port.path = name;
  port.id = element_id(flow_.name, name);
  port.kind = kind;
  auto& ports = kind == PortKind::kInput ? flow_.root.input_ports : flow_.root.output_ports;
  ports.push_back(std::move(port));
  return *this;
}

Endpoint FlowBuilder::endpoint(const std::string& name) const {
  Endpoint end;
  end.id = element_id(flow_.name, name);
  end.path = name;
  for (const Funnel& funnel : flow_.root.funnels) {
    if (funnel.name == name) end.kind = EndpointKind::kFunnel;
  }
  for (const Port& port : flow_.root.input_ports) {
    if (port.name == name) end.kind = EndpointKind::kInputPort;
  }
  for (const Port& port : flow_.root.output_ports) {
    if (port.name == name) end.kind = EndpointKind::kOutputPort;
  }
  return end;
}

FlowBuilder& FlowBuilder::connect(const std::string& from, const std::string& to,
                                  const TuneConnection& tune) {
  Connection connection;
  connection.name = from + " -> " + to;
  connection.id = connection_id(flow_.name, "", connection.name);
  const std::size_t dot = from.find('.');
  connection.from = endpoint(from.substr(0, dot));
  connection.to = endpoint(to);
  if (connection.from.kind == EndpointKind::kProcessor) {
    connection.relationships.push_back(
        {dot == std::string::npos ? "success" : from.substr(dot + 1), {}});
  }
  if (tune) tune(connection);
  flow_.root.connections.push_back(std::move(connection));
  return *this;
}

TemporaryDirectory::TemporaryDirectory() {
  path = (std::filesystem::temp_directory_path() / "runnel-stage-XXXXXX").string();
  REQUIRE(::mkdtemp(path.data()) != nullptr);
}

std::unique_ptr<EngineCore> open_with_workers(const TemporaryDirectory& directory, unsigned workers,
                                              std::chrono::milliseconds call_patience) {
  EngineOptions options;
  options.state_dir = directory.path;
  options.types = stage_types();
  options.workers = workers;
  options.call_patience = call_patience;
  auto opened = EngineCore::open(std::move(options));
  REQUIRE_MESSAGE(opened.ok(), opened.error().text());
  return std::move(opened).value();
}

void DrivenEngine::open() {
  EngineOptions options;
  options.state_dir = directory.path;
  options.types = stage_types();
  options.services = stage_services();
  options.clock = &clock;
  options.is_driven = true;
  if (tune) tune(options);
  auto opened = EngineCore::open(std::move(options));
  REQUIRE_MESSAGE(opened.ok(), opened.error().text());
  engine = std::move(opened).value();
}

ProcessorStatus DrivenEngine::processor(const std::string& path) const {
  for (ProcessorStatus& one : engine->status().processors) {
    if (one.path == path) return one;
  }
  FAIL("no processor " << path);
  return {};
}

ServiceStatus DrivenEngine::service(const std::string& path) const {
  for (ServiceStatus& one : engine->status().services) {
    if (one.path == path) return one;
  }
  FAIL("no service " << path);
  return {};
}

ConnectionStatus DrivenEngine::connection(const std::string& name) const {
  for (ConnectionStatus& one : engine->status().connections) {
    if (one.name == name) return one;
  }
  FAIL("no connection " << name);
  return {};
}

void DrivenEngine::check_balanced() const {
  const LossFigures loss = engine->status().loss;
  CHECK_MESSAGE(loss.is_balanced(), "in " << loss.in << " out " << loss.out << " queued "
                                          << loss.queued << " dropped " << loss.dropped());
}

}  // namespace runnel
