// The C2 messages: exact where we write, tolerant where we read, without loss for real peers.

#include "agent/c2/messages.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/source_dir.h"

namespace runnel::c2 {
namespace {

using nlohmann::json;

const std::string kGolden = test::source_dir() + "/tests/agent/c2/golden/";

std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// The golden file's JSON, laid out for people. RUNNEL_WRITE_GOLDEN=1 writes it anew.
void check_golden(const std::string& name, const std::string& written) {
  const std::string path = kGolden + name;
  const std::string laid_out = nlohmann::ordered_json::parse(written).dump(1) + "\n";
  if (std::getenv("RUNNEL_WRITE_GOLDEN") != nullptr) std::ofstream(path) << laid_out;
  CHECK_MESSAGE(
      file_text(path) == laid_out,
      name << " is stale: run this test with RUNNEL_WRITE_GOLDEN=1 and review the change");
}

// What readers may leave out of what peers say: getters that repeat other members, fractions of two
// numbers beside them, and fixed words.
bool is_redundant(const std::string& pointer) {
  for (const char* one : {"/operation", "/identifier", "/agentClass", "/agentId",
                          "/agentManifestId", "/flowId", "/deviceId", "/dependencies"})
    if (pointer == one) return true;
  return pointer.ends_with("Utilization") && !pointer.ends_with("/cpuUtilization");
}

void check_holds(const json& all, const json& part, const std::string& pointer = {}) {
  if (is_redundant(pointer)) return;
  CAPTURE(pointer);
  if (part.is_object()) {
    if (part.empty()) return;
    REQUIRE(all.is_object());
    for (const auto& [name, value] : part.items()) {
      const std::string inner = pointer + "/" + name;
      if (value.is_null() || is_redundant(inner)) continue;
      if (value.is_structured() && value.empty()) continue;
      if (inner == "/resourceInfo/hash" && value == "null") continue;  // C++: never synchronized
      CAPTURE(inner);
      REQUIRE(all.contains(name));
      check_holds(all[name], value, inner);
    }
  } else if (part.is_array()) {
    REQUIRE(all.is_array());
    REQUIRE(all.size() == part.size());
    for (std::size_t i = 0; i < part.size(); ++i)
      check_holds(all[i], part[i], pointer + "/" + std::to_string(i));
  } else {
    CHECK(all == part);
  }
}

TEST_CASE("every message of the captured peers is read without loss") {
  std::size_t heartbeats = 0;
  std::size_t acknowledgements = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kGolden + "peers")) {
    if (!entry.is_regular_file()) continue;
    CAPTURE(entry.path().string());
    const json exchange = json::parse(file_text(entry.path()));
    const json& request = exchange["request"];
    const std::string line = request["line"];
    if (line.find("/heartbeat") != std::string::npos) {
      auto read = heartbeat_from_json(request["body"].dump());
      REQUIRE(read.ok());
      check_holds(json::parse(to_json(*read)), request["body"]);
      ++heartbeats;
    } else if (line.find("/acknowledge") != std::string::npos) {
      auto read = acknowledgement_from_json(request["body"].dump());
      REQUIRE(read.ok());
      check_holds(json::parse(to_json(*read)), request["body"]);
      ++acknowledgements;
    }
  }
  CHECK(heartbeats == 36);
  CHECK(acknowledgements == 22);
}

TEST_CASE("what servers answered in the captures becomes the operations that were meant") {
  std::size_t operations = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kGolden + "peers")) {
    if (!entry.is_regular_file()) continue;
    CAPTURE(entry.path().string());
    const json exchange = json::parse(file_text(entry.path()));
    if (!exchange.contains("response") || !exchange["response"]["body"].is_object()) continue;
    const json& body = exchange["response"]["body"];
    auto read = response_from_json(body.dump());
    REQUIRE(read.ok());
    if (!body.contains("requestedOperations") || body["requestedOperations"].is_null()) continue;
    CHECK(read->operations.size() + read->complaints.size() == body["requestedOperations"].size());
    operations += read->operations.size();
    for (const Operation& one : read->operations)
      CHECK((one.verb != Verb::kUnknown || one.verb_text == "PAUSE_ALL"));
  }
  CHECK(operations > 15);
}

Heartbeat our_heartbeat() {
  Heartbeat out;
  out.created_ms = 1'767'225'600'123;
  out.device.identifier = "0242AC110002";
  out.device.system = {.machine_arch = "x86_64",
                       .operating_system = "Linux",
                       .v_cores = 4,
                       .physical_mem = 4'103'036'928,
                       .memory_usage = 912'261'120,
                       .cpu_utilization = 0.25,
                       .cpu_load_average = 0.5};
  out.device.network = {
      .device_id = "eth0", .hostname = "truck-1.example", .ip_address = "10.20.0.17"};
  out.agent.identifier = "truck-1";
  out.agent.agent_class = "trucks";
  out.agent.manifest_hash = "ab12";
  out.agent.status.uptime_ms = 61'034;
  out.agent.status.repositories = {
      {.name = "flowFile", .data_size = 40'960, .data_size_max = 1'073'741'824}};
  out.agent.status.components = {
      {.name = "bus", .uuid = "a1b2c3d4-0000-0000-0000-000000000001", .is_running = true}};
  out.agent.status.memory_usage = 12'000'000;
  out.agent.status.cpu_utilization = 0.004;
  out.flow.flow_id = "6f0c2a4e-0d0b-4b0e-9a57-0e0c8f3f7a11";
  out.flow.run_status = RunStatus::kRunning;
  out.flow.flow_uri = FlowUri{.registry_url = "https://hub:8444/efm/api/flows/6f0c2a4e/content",
                              .bucket_id = "default",
                              .flow_id = "6f0c2a4e-0d0b-4b0e-9a57-0e0c8f3f7a11"};
  out.flow.queues = {{.id = "a1b2c3d4-0000-0000-0000-000000000003",
                      .name = "bus/Message/to-kafka",
                      .size = 12,
                      .size_max = 10'000,
                      .data_size = 4'096,
                      .data_size_max = 104'857'600}};
  out.flow.processors = {{.id = "a1b2c3d4-0000-0000-0000-000000000001",
                          .group_id = "a1b2c3d4-0000-0000-0000-000000000000",
                          .bytes_written = 4'096,
                          .flow_files_out = 12,
                          .bytes_out = 4'096,
                          .invocations = 301,
                          .processing_nanos = 88'121'000,
                          .active_thread_count = 1,
                          .run_status = RunStatus::kRunning}};
  out.flow.bulletins = {{.id = 3,
                         .timestamp_ms = 1'767'225'590'000,
                         .level = "ERROR",
                         .category = "Log Message",
                         .message = "broker \"tcp://127.0.0.1:1883\" refused the connection",
                         .group_id = "a1b2c3d4-0000-0000-0000-000000000000",
                         .group_name = "telemetry",
                         .group_path = "telemetry",
                         .source_id = "a1b2c3d4-0000-0000-0000-000000000001",
                         .source_name = "bus"}};
  RunnelInfo info;
  info.boot = "0f3a5c7e";
  info.sequence = 7;
  info.interval_ms = 30'000;
  info.flow_name = "telemetry";
  info.flow_version = "2";
  info.flow_sha256 = "9f2c";
  info.flow_started_ms = 1'767'225'540'000;
  info.health = Health::kDegraded;
  info.health_reason = "bus: broker refused the connection";
  info.update = {.state = UpdateState::kFailed, .flow_id = "77", .reason = "unknown processor"};
  info.ledger = {.in = 120, .out = 100, .queued = 12, .dropped_auto_terminated = 8};
  info.traffic = {.in_records = 120, .in_bytes = 30'000, .out_records = 100, .out_bytes = 25'000};
  info.queues = {{.id = "a1b2c3d4-0000-0000-0000-000000000003", .age_ms_max = 950}};
  info.processors = {{.id = "a1b2c3d4-0000-0000-0000-000000000001",
                      .name = "bus",
                      .type = "ConsumeMQTT",
                      .run_state = "running",
                      .errors_total = 4,
                      .error = "broker refused the connection"}};
  info.disk_used_bytes = 40'960;
  info.disk_total_bytes = 16'000'000'000;
  info.disk_free_bytes = 9'000'000'000;
  info.host_uptime_ms = 86'400'000;
  out.runnel = info;
  return out;
}

TEST_CASE("our heartbeat looks as agreed, and is read back whole") {
  Heartbeat heartbeat = our_heartbeat();
  check_golden("heartbeat-light.json", to_json(heartbeat));
  heartbeat.agent.manifest_json = R"({"identifier":"x","bundles":[{"z":1,"a":2}]})";
  const std::string full = to_json(heartbeat);
  check_golden("heartbeat-full.json", full);
  auto read = heartbeat_from_json(full);
  REQUIRE(read.ok());
  CHECK(read->agent.manifest_json == heartbeat.agent.manifest_json);
  CHECK(to_json(*read) == full);
  CHECK(read->runnel->ledger.is_balanced());
}

TEST_CASE("services are told with their state and how many use them, and are read back") {
  Heartbeat heartbeat = our_heartbeat();
  heartbeat.agent.status.components = {{.name = "bus", .uuid = "p-1", .is_running = true},
                                       {.name = "bus", .uuid = "s-1", .is_running = false}};
  heartbeat.runnel->services = {
      {.id = "s-1", .name = "bus", .type = "LocalMapCache", .state = "running", .users = 2},
      {.id = "s-2", .name = "tls", .type = "SSLContextService", .state = "failed", .error = "x"}};
  const std::string text = to_json(heartbeat);
  auto read = heartbeat_from_json(text);
  REQUIRE(read.ok());
  CHECK(to_json(*read) == text);
  REQUIRE(read->runnel->services.size() == 2);
  CHECK(read->runnel->services[0].state == "running");
  CHECK(read->runnel->services[0].users == 2);
  CHECK(read->runnel->services[1].error == "x");
  // No key is there twice: of two of one name the first counts.
  REQUIRE(read->agent.status.components.size() == 1);
  CHECK(read->agent.status.components[0].uuid == "p-1");
}

TEST_CASE("a heartbeat without anything is read as one that says nothing") {
  auto read = heartbeat_from_json("{}");
  REQUIRE(read.ok());
  CHECK(read->agent.identifier.empty());
  CHECK(!read->runnel);
  CHECK(read->flow.queues.empty());
}

TEST_CASE("members of wrong types are passed over, the others are read") {
  auto read = heartbeat_from_json(R"({"created":"12","deviceInfo":[],"agentInfo":{"identifier":17,
    "agentClass":null,"status":{"uptime":1e300,"repositories":[1],"components":{"x":3}},
    "agentManifest":"no"},
    "flowInfo":{"flowId":{},"queues":{"q":5},"processorStatuses":[1,{"id":"p"},null],
    "processorBulletins":{}},"resourceInfo":"null","runnel":{"ledger":[],"health":{"state":9},
    "queues":[null],"processors":{"a":1}},"unknown":{"deep":[[[]]]}})");
  REQUIRE(read.ok());
  CHECK(read->created_ms == 12);
  CHECK(read->agent.identifier == "17");
  CHECK(read->agent.manifest_json.empty());
  CHECK(read->agent.status.uptime_ms == std::int64_t{1} << 53);
  CHECK(read->agent.status.components.size() == 1);
  CHECK(read->flow.flow_id.empty());
  CHECK(read->flow.queues.size() == 1);
  CHECK(!read->flow.queues[0].size);
  REQUIRE(read->flow.processors.size() == 1);
  CHECK(read->flow.processors[0].id == "p");
  CHECK(read->runnel->health == Health::kUnknown);
}

TEST_CASE("what is no JSON object, too deep or too large is refused") {
  CHECK(heartbeat_from_json("").code() == Code::kInvalid);
  CHECK(heartbeat_from_json("[]").code() == Code::kInvalid);
  CHECK(heartbeat_from_json("{\"a\":").code() == Code::kInvalid);
  CHECK(heartbeat_from_json("<html>").code() == Code::kInvalid);
  const std::string deep = "{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  CHECK(heartbeat_from_json(deep).code() == Code::kInvalid);
  CHECK(heartbeat_from_json(std::string(Limits::kMessage + 1, ' ')).code() == Code::kInvalid);
}

TEST_CASE("lists and texts are bounded") {
  std::string many = R"({"flowInfo":{"processorBulletins":[)";
  for (int i = 0; i < 1'500; ++i) many += R"({"id":1},)";
  many += R"({"id":2,"message":")" + std::string(70'000, 'x') + "\"}]}}";
  auto read = heartbeat_from_json(many);
  REQUIRE(read.ok());
  CHECK(read->flow.bulletins.size() == Limits::kBulletins);
  read = heartbeat_from_json(R"({"flowInfo":{"flowId":")" + std::string(70'000, 'x') + "\"}}");
  REQUIRE(read.ok());
  CHECK(read->flow.flow_id.size() == Limits::kText);
}

TEST_CASE("ill-formed UTF-8 in a bulletin costs a character, not the heartbeat") {
  auto read = heartbeat_from_json("{\"agentInfo\":{\"identifier\":\"a\xff z\"}}");
  REQUIRE(read.ok());
  CHECK(read->agent.identifier == "a\xef\xbf\xbd z");
  Heartbeat heartbeat;
  heartbeat.agent.identifier = "a\xff";
  CHECK(heartbeat_from_json(to_json(heartbeat)).ok());
}

TEST_CASE("operations are written in the encoding that every known agent takes") {
  HeartbeatResponse response;
  response.operations = {{.identifier = "op-1001",
                          .verb = Verb::kUpdate,
                          .operand = "Configuration",
                          .arguments = {{"location", "https://hub/efm/api/flows/77/content"},
                                        {"flowId", "77"},
                                        {"persist", "true"}}}};
  response.heartbeat_ms = 10'000;
  check_golden("response-update.json", to_json(response));
  check_golden("response-idle.json", to_json(HeartbeatResponse{}));
}

TEST_CASE("every spelling of an operation is understood") {
  auto read = response_from_json(R"({"requested_operations":[
    {"operationid":17,"operation":"update","name":"CONFIGURATION","content":{"persist":true,"n":null,"a":[1]}},
    {"operationId":"b","operation":"Restart","args":null,"dependencies":null},
    {"identifier":"c","operation":"levitate","operand":null},
    {"operation":"START"}, {"identifier":"d"}, 5]})");
  REQUIRE(read.ok());
  REQUIRE(read->operations.size() == 3);
  const Operation& update = read->operations[0];
  CHECK(update.identifier == "17");
  CHECK(update.verb == Verb::kUpdate);
  CHECK(update.operand == "configuration");
  REQUIRE(update.argument("persist") != nullptr);
  CHECK(*update.argument("persist") == "true");
  CHECK(update.argument("n") == nullptr);
  CHECK(*update.argument("a") == "[1]");
  CHECK(read->operations[1].verb == Verb::kRestart);
  CHECK(read->operations[2].verb == Verb::kUnknown);
  CHECK(read->operations[2].verb_text == "levitate");
  CHECK(read->complaints.size() == 3);
}

TEST_CASE("an answer that says nothing is an answer") {
  for (const char* text :
       {"", "  \n", "{}", R"({"requestedOperations":null})", R"({"requestedOperations":[]})"}) {
    auto read = response_from_json(text);
    REQUIRE(read.ok());
    CHECK(read->operations.empty());
  }
  CHECK(response_from_json("<html>").code() == Code::kInvalid);
  auto ours = response_from_json(R"({"requestedOperations":[],"runnel":{"heartbeat_ms":2000}})");
  CHECK(ours->heartbeat_ms == 2'000);
}

TEST_CASE("acknowledgements look as agreed and are read back whole") {
  Acknowledgement good{.operation_id = "op-1", .state = AckState::kFullyApplied, .details = ""};
  check_golden("ack-fully-applied.json", to_json(good));
  Acknowledgement bad{
      .operation_id = "op-2",
      .state = AckState::kNotApplied,
      .details = "the flow was refused",
      .failure = FailureCause{
          .message = "2 complaints",
          .caused_by = {"77:3:5: unknown key `proprties`"},
          .validation = {{.subject = "Topic", .input = "", .explanation = "missing"}}}};
  const std::string text = to_json(bad);
  check_golden("ack-not-applied.json", text);
  auto read = acknowledgement_from_json(text);
  REQUIRE(read.ok());
  CHECK(to_json(*read) == text);
  CHECK(!read->is_success());
  Acknowledgement described{
      .operation_id = "op-3", .state = AckState::kFullyApplied, .described = our_heartbeat()};
  described.described->agent.manifest_json = R"({"bundles":[]})";
  check_golden("ack-describe-manifest.json", to_json(described));
}

TEST_CASE("an acknowledgement names its operation or is refused; unknown states are not applied") {
  CHECK(acknowledgement_from_json("{}").code() == Code::kInvalid);
  auto read = acknowledgement_from_json(R"({"operationId":7,"operationState":{"state":"DONE"}})");
  REQUIRE(read.ok());
  CHECK(read->operation_id == "7");
  CHECK(read->state == AckState::kNotApplied);
  read =
      acknowledgement_from_json(R"({"identifier":"x","operationState":{"state":"no_operation"}})");
  REQUIRE(read.ok());
  CHECK(read->is_success());
}

TEST_CASE("what components remember is read as MiNiFi C++ writes it, and written so") {
  const auto read = acknowledgement_from_json(
      R"({"operation":"acknowledge","operationId":"o1","operationState":{"state":"FULLY_APPLIED"},)"
      R"("corecomponentstate":{"c1":{"position":"7","n":8},"c2":{},"odd":[1]}})");
  REQUIRE(read.ok());
  REQUIRE(read->memories);
  REQUIRE(read->memories->size() == 2);
  CHECK((*read->memories)[0].id == "c1");
  using Values = std::vector<std::pair<std::string, std::string>>;
  CHECK((*read->memories)[0].values == Values{{"n", "8"}, {"position", "7"}});
  CHECK((*read->memories)[1].values.empty());
  const std::string written = to_json(*read);
  CHECK(written.find(R"("corecomponentstate":{"c1":{"n":"8","position":"7"},"c2":{}})") !=
        std::string::npos);
  CHECK_FALSE(acknowledgement_from_json(R"({"operationId":"o2"})")->memories);
}

}  // namespace
}  // namespace runnel::c2
