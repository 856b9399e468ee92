// What every processor of the registry keeps to, whoever wrote it.

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "agent/base/log.h"
#include "processors/registry.h"
#include "tests/support/processor_runner.h"
#include "tests/support/source_dir.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

// Values for properties that must be given and whose example is for people only. Nothing listens on
// port 1.
const std::map<std::string, PropertyValues> kGiven{
    {"ConsumeKafka", {{"Kafka Brokers", "127.0.0.1:1"}, {"Topic Names", "t"}, {"Group ID", "g"}}},
    {"ConsumeMQTT", {{"Broker URI", "tcp://127.0.0.1:1"}, {"Topic", "t"}}},
    {"ControlRate", {{"Maximum Rate", "1 MB"}}},
    {"EvaluateJsonPath", {{"Destination", "flowfile-attribute"}, {"id", "$.id"}}},
    {"ExecuteProcess", {{"Command", "/bin/true"}}},
    {"FetchFile", {{"File to Fetch", "/nonexistent/runnel"}}},
    {"GetFile", {{"Input Directory", "/tmp"}, {"File Filter", "no-such-file-of-runnel"}}},
    {"InvokeHTTP", {{"Remote URL", "http://127.0.0.1:1/"}}},
    {"ListFile", {{"Input Directory", "/tmp"}, {"File Filter", "no-such-file-of-runnel"}}},
    {"ListenHTTP", {{"Listening Port", "0"}}},
    {"LookupRecord", {{"key", "/k"}}},
    {"PublishKafka", {{"Known Brokers", "127.0.0.1:1"}, {"Topic Name", "t"}}},
    {"PublishMQTT", {{"Broker URI", "tcp://127.0.0.1:1"}, {"Topic", "t"}}},
    {"PutDistributedMapCache", {{"Cache Entry Identifier", "k"}}},
    {"PutFile", {{"Directory", "${literal('/tmp'):append('/runnel-conformance')}"}}},
    {"ReplaceText", {{"Evaluation Mode", "Entire text"}, {"Replacement Value", "x"}}},
    {"SplitRecord", {{"Records Per Split", "2"}}},
    {"SplitText", {{"Line Split Count", "1"}}},
    {"TailFile", {{"File to Tail", "/tmp/no-such-file-of-runnel"}}},
};

// The same of services.
const std::map<std::string, PropertyValues> kGivenToServices{
    {"SimpleCsvFileLookupService",
     {{"CSV File", test::source_dir() + std::string("/tests/conformance/lookup.csv")},
      {"Lookup Key Column", "key"},
      {"Lookup Value Column", "value"}}},
    {"Kafka3ConnectionService", {{"Bootstrap Servers", "127.0.0.1:1"}}},
    {"AvroRecordSetWriter",
     {{"Schema Text", R"({"type":"record","name":"R","fields":[{"name":"a","type":"long"}]})"}}},
    {"MQTTConnectionService", {{"Broker URI", "tcp://127.0.0.1:1"}}},
    {"SQLiteLookupService",
     {{"Database File", test::source_dir() + std::string("/tests/conformance/lookup.db")},
      {"Table Name", "lookup"},
      {"Lookup Key Column", "key"},
      {"Lookup Value Column", "value"}}},
};

PropertyValues given(const ServiceType& type) {
  const auto found = kGivenToServices.find(type.spec.type);
  return found == kGivenToServices.end() ? PropertyValues{} : found->second;
}

// A service of the registry that provides this: what a required property of kind kService names.
std::map<std::string, RunnerService> providers_of(const ComponentSpec& spec,
                                                  PropertyValues& values) {
  std::map<std::string, RunnerService> services;
  for (const PropertySpec& property : spec.properties) {
    if (property.kind != PropertyKind::kService || !property.is_required) continue;
    for (const ServiceType& type : service_types()) {
      if (!type.spec.does_provide(property.service)) continue;
      values[property.name] = type.spec.type;
      services[type.spec.type] = {type.spec.type, given(type)};
      break;
    }
  }
  return services;
}

PropertyValues given(const ProcessorType& type) {
  const auto found = kGiven.find(type.spec.type);
  PropertyValues values = found == kGiven.end() ? PropertyValues{} : found->second;
  providers_of(type.spec, values);
  return values;
}

// Where services keep what they keep.
struct TemporaryLedger {
  TemporaryLedger() {
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    LedgerOptions options;
    options.directory = path;
    options.clock = &clock;
    auto opened = Ledger::open(std::move(options));
    REQUIRE(opened.ok());
    ledger = std::move(opened).value();
  }
  ~TemporaryLedger() {
    ledger.reset();
    std::filesystem::remove_all(path);
  }
  Ledger* operator->() { return ledger.get(); }
  std::string path = (std::filesystem::temp_directory_path() / "runnel-XXXXXX").string();
  ManualClock clock;
  std::unique_ptr<Ledger> ledger;
};

struct Quiet {
  Quiet() { set_log_level(LogLevel::kOff); }
  ~Quiet() { set_log_level(LogLevel::kInfo); }
};

bool is_sentence(const std::string& text) {
  return !text.empty() && (text.back() == '.' || text.back() == ')' || text.back() == '`');
}

TEST_CASE("the registry is sorted, and every type is there once") {
  const auto types = processor_types();
  REQUIRE(types.size() >= 20);
  for (std::size_t i = 1; i < types.size(); ++i) {
    CHECK(types[i - 1].spec.type < types[i].spec.type);
  }
  CHECK(find_processor_type(types[3].spec.type) == &types[3]);
  CHECK(find_processor_type("NoSuchType") == nullptr);
}

TEST_CASE("services are sorted, there once, and each provides something that somebody wants") {
  const auto types = service_types();
  std::set<std::string> wanted;
  for (const ComponentSpec& spec : component_specs()) {
    for (const PropertySpec& property : spec.properties) {
      CHECK_MESSAGE((property.kind == PropertyKind::kService) == !property.service.empty(),
                    spec.type, ".", property.name);
      if (!property.service.empty()) wanted.insert(property.service);
    }
  }
  std::set<std::string> provided;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (i > 0) CHECK(types[i - 1].spec.type < types[i].spec.type);
    CHECK(types[i].spec.is_service());
    CHECK(find_processor_type(types[i].spec.type) == nullptr);
    for (const std::string& one : types[i].spec.provides) {
      CHECK_MESSAGE(wanted.contains(one), types[i].spec.type, " provides ", one);
      provided.insert(one);
    }
  }
  CHECK(wanted == provided);
}

TEST_CASE("a service that is stopped without a start, or started twice in a row, is not harmed") {
  struct Alone final : ServiceContext {
    const std::string& name() const override { return name_; }
    const std::string& path() const override { return name_; }
    const std::string& id() const override { return name_; }
    const std::string& agent_id() const override { return name_; }
    void bulletin(BulletinLevel, std::string_view) override {}
    DurableMap& durable() override { return *map; }
    void each_state(const std::function<void(std::string_view, std::string_view)>&) override {}
    Clock& clock() override { return time; }
    const std::string name_ = "service";
    std::unique_ptr<DurableMap> map;
    ManualClock time;
  };
  TemporaryLedger ledger;
  for (const ServiceType& type : service_types()) {
    CAPTURE(type.spec.type);
    Alone alone;
    alone.map = ledger->durable(type.spec.type);
    Result<std::unique_ptr<Service>> made = type.make(given(type));
    REQUIRE_MESSAGE(made.ok(), type.spec.type, ": ", made.error().text());
    (*made)->stop();
    (*made)->stop();
    for (int round = 0; round < 2; ++round) {
      const Result<> started = (*made)->start(alone);
      CHECK_MESSAGE(started.ok(), type.spec.type, ": ", started.error().text());
      (*made)->stop();
    }
  }
}

TEST_CASE("every type, property, relationship and attribute says what it is") {
  for (const ComponentSpec& spec : component_specs()) {
    CHECK_MESSAGE(is_sentence(spec.doc), spec.type);
    std::set<std::string> names;
    for (const PropertySpec& property : spec.properties) {
      const std::string what = spec.type + "." + property.name;
      CHECK_MESSAGE(is_sentence(property.doc), what);
      CHECK_MESSAGE(names.insert(property.name).second, what);
      if (property.kind == PropertyKind::kChoice) CHECK_MESSAGE(!property.choices.empty(), what);
    }
    names.clear();
    for (const RelationshipSpec& relationship : spec.relationships) {
      CHECK_MESSAGE(is_sentence(relationship.doc), spec.type, " -> ", relationship.name);
      CHECK_MESSAGE(names.insert(relationship.name).second, spec.type);
    }
    for (const AttributeSpec& attribute : spec.writes) {
      CHECK_MESSAGE(is_sentence(attribute.doc), spec.type, " writes ", attribute.name);
    }
    for (const AttributeSpec& attribute : spec.reads) {
      CHECK_MESSAGE(is_sentence(attribute.doc), spec.type, " reads ", attribute.name);
    }
  }
}

TEST_CASE("defaults pass their own checks, and so do examples") {
  for (const ComponentSpec& spec : component_specs()) {
    for (const PropertySpec& property : spec.properties) {
      const std::string what = spec.type + "." + property.name;
      if (property.default_value) {
        const Result<> checked = check_value(property, *property.default_value);
        CHECK_MESSAGE(checked.ok(), what, ": ", checked.ok() ? "" : checked.error().text());
      }
      if (!property.example.empty()) {
        CHECK_MESSAGE(check_value(property, property.example).ok(), what, ": its example");
      }
      const bool has_both = property.is_required && property.default_value;
      CHECK_MESSAGE(!has_both, what, ": required, and has a default");
    }
  }
}

TEST_CASE("a missing property and an unknown one are refused by name") {
  for (const ProcessorType& type : processor_types()) {
    const auto missing = check_values(type.spec, {});
    for (const PropertySpec& property : type.spec.properties) {
      const bool is_named =
          std::any_of(missing.begin(), missing.end(),
                      [&](const PropertyComplaint& one) { return one.property == property.name; });
      CHECK_MESSAGE(is_named == property.is_required, type.spec.type, ".", property.name);
    }
    if (type.spec.dynamic_properties) continue;
    PropertyValues values = given(type);
    values["No Such Property"] = "x";
    const auto complaints = check_values(type.spec, values);
    REQUIRE_MESSAGE(complaints.size() == 1, type.spec.type);
    CHECK(complaints[0].property == "No Such Property");
  }
}

TEST_CASE("stop without start is harmless, twice too") {
  for (const ProcessorType& type : processor_types()) {
    CAPTURE(type.spec.type);
    Result<std::unique_ptr<Processor>> made = type.make(given(type));
    REQUIRE_MESSAGE(made.ok(), type.spec.type, ": ", made.error().text());
    (*made)->stop();
    (*made)->stop();
  }
}

template <typename Type>
void give_odd_values(std::span<const Type> types) {
  for (const Type& type : types) {
    for (const PropertySpec& property : type.spec.properties) {
      for (const char* value : {"", " ", "-1", "99999999999999999999", "${", "${literal(", "((",
                                "\\", "1e400", "5 parsecs", "\xff\xfe", "${now():unknown()}"}) {
        PropertyValues values = given(type);
        values[property.name] = value;
        if (!check_value(property, value).ok()) continue;
        const auto made = type.make(values);
        if (!made.ok()) {
          CHECK_MESSAGE(made.code() == Code::kInvalid, type.spec.type, ".", property.name);
        }
      }
    }
  }
}

TEST_CASE("a value that fits its kind but makes no sense is refused or runs; nothing crashes") {
  give_odd_values(processor_types());
  give_odd_values(service_types());
}

TEST_CASE(
    "each runs on the real kernel with odd input: started, stopped, started again, balanced") {
  Quiet quiet;
  for (const ProcessorType& type : processor_types()) {
    CAPTURE(type.spec.type);
    PropertyValues values = given(type);
    const auto services = providers_of(type.spec, values);
    ProcessorRunner runner(type, values, {.services = services, .must_start = false});
    const bool takes = type.spec.input != InputRule::kForbidden;
    for (int round = 0; round < 2; ++round) {
      if (takes) {
        runner.enqueue("");
        runner.enqueue("{\"id\": 1", {{"filename", "../../etc/passwd"}, {"path", "\xff"}});
        runner.enqueue(std::string(20'000, '\n'));
      }
      for (int i = 0; i < 5; ++i) runner.advance(1s);
      check_balanced(runner.loss());
      runner.stop();
      check_balanced(runner.loss());
      if (round == 0) runner.restart();
    }
    const LossFigures loss = runner.loss();
    if (takes && type.spec.type != "SplitText") CHECK(loss.in >= 6);
    CHECK(loss.expired + loss.evicted + loss.quarantined == 0);
  }
}

}  // namespace
}  // namespace runnel
