// The line to the hub, with a hub and a clock of the test's own.

#include "agent/uplink/uplink.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "agent/c2/supported_operations.h"
#include "tests/agent/uplink/uplink_fixture.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct Line {
  TestFolder folder;
  TestAgent agent;
  FakeHub hub;
  ManualClock clock;
  std::unique_ptr<Uplink> uplink;
  std::optional<DeliveredFlow> running;
  std::optional<c2::FlowUpdate> boot_failure;

  Line() { begin(); }

  // As after a start of the process.
  void begin() {
    uplink.reset();
    UplinkOptions options{.hub_url = "https://hub.example:8444",
                          .token = "secret",
                          .agent_class = "trucks",
                          .agent_id = "truck-1",
                          .state_dir = folder.path(),
                          .heartbeat = 10s,
                          .backoff_max = 60s,
                          .boot_failure = boot_failure,
                          .clock = &clock};
    auto opened =
        Uplink::open(options, agent, std::make_unique<FakeTransport>(hub), std::move(running));
    REQUIRE(opened.ok());
    uplink = std::move(opened).value();
  }
  // One turn; how long until the next.
  std::chrono::milliseconds turn() {
    const auto due = uplink->turn();
    return std::chrono::duration_cast<std::chrono::milliseconds>(due - clock.steady());
  }
};

const std::string kUpdate =
    R"({"identifier":"op-1","operation":"UPDATE","operand":"configuration","args":{
    "relativeFlowUrl":"flows/77/content?aid=truck-1","location":"https://elsewhere/x","flowId":"77",
    "flowVersion":"2"}})";
const std::string kFlowUrl = "https://hub.example:8444/efm/api/flows/77/content?aid=truck-1";

TEST_CASE("the manifest goes along until a hub has taken it, then its hash is enough") {
  Line line;
  line.hub.status = 503;
  line.turn();
  CHECK(!line.hub.last_heartbeat().agent.manifest_json.empty());
  line.hub.status = 200;
  line.turn();
  CHECK(!line.hub.last_heartbeat().agent.manifest_json.empty());
  line.turn();
  CHECK(line.hub.last_heartbeat().agent.manifest_json.empty());
  CHECK(line.hub.last_heartbeat().agent.manifest_hash == "cafe");
  CHECK(line.hub.last_heartbeat().runnel->sequence == 3);
  line.clock.advance(90s);
  line.turn();
  CHECK(line.hub.last_heartbeat().agent.status.uptime_ms == 90'000);
  CHECK(line.hub.got[0].url == "https://hub.example:8444/efm/api/c2-protocol/heartbeat");
  CHECK(line.hub.got[0].authorization == "Bearer secret");
}

TEST_CASE("heartbeats keep the cadence, with jitter; the hub may dictate another") {
  Line line;
  for (int i = 0; i < 20; ++i) {
    const auto wait = line.turn();
    CHECK(wait >= 9s);
    CHECK(wait <= 11s);
  }
  line.hub.answers.push_back(R"({"requestedOperations":[],"runnel":{"heartbeat_ms":2000}})");
  CHECK(line.turn() <= 2200ms);
  CHECK(line.turn() <= 2200ms);
  CHECK(line.hub.last_heartbeat().runnel->interval_ms == 2000);
  line.hub.answers.push_back(R"({"requestedOperations":[],"runnel":{"heartbeat_ms":0}})");
  CHECK(line.turn() >= 90ms);
}

TEST_CASE("a hub that is away is asked ever more rarely, up to the cap, and at once usual again") {
  Line line;
  line.hub.is_away = true;
  CHECK(line.turn() <= 1s);
  std::chrono::milliseconds wait{};
  for (int i = 0; i < 20; ++i) wait = line.turn();
  CHECK(wait >= 30s);
  CHECK(wait <= 60s);
  line.hub.is_away = false;
  CHECK(line.turn() <= 11s);
  line.hub.is_away = true;
  CHECK(line.turn() <= 1s);
}

TEST_CASE(
    "who only shows sends heartbeats, writes nothing, and leaves what is asked to be asked again") {
  Line line;
  line.uplink.reset();
  std::filesystem::remove_all(line.folder.path());
  UplinkOptions options{.hub_url = "https://hub.example:8444",
                        .agent_id = "truck-1",
                        .state_dir = line.folder.path(),
                        .heartbeat = 10s,
                        .only_shows = true,
                        .clock = &line.clock};
  line.uplink =
      Uplink::open(options, line.agent, std::make_unique<FakeTransport>(line.hub), std::nullopt)
          .value();
  line.hub.answers.push_back(R"({"requestedOperations":[)" + kUpdate + "]}");
  CHECK(line.turn() >= 9s);
  CHECK(line.turn() >= 9s);
  CHECK(line.hub.got.size() == 2);  // no flow was fetched, nothing acknowledged
  CHECK(line.hub.last_heartbeat().runnel->sequence == 2);
  CHECK_FALSE(std::filesystem::exists(line.folder.path()));
}

TEST_CASE("a hub that is busy is waited for as long as it says") {
  Line line;
  line.hub.status = 503;
  line.hub.retry_after = 45s;
  CHECK(line.turn() >= 45s);
}

TEST_CASE("an update fetches the flow, runs it, keeps it and says so") {
  Line line;
  line.hub.flows[kFlowUrl] = "flow: x";
  line.hub.ask(kUpdate);
  CHECK(line.turn() <= Uplink::kAfterOperations);
  CHECK(line.agent.done == std::vector<std::string>{"apply 77 2 flow: x"});
  REQUIRE(line.hub.acknowledged().size() == 1);
  CHECK(line.hub.acknowledged()[0].operation_id == "op-1");
  CHECK(line.hub.acknowledged()[0].state == c2::AckState::kFullyApplied);
  line.turn();
  CHECK(line.hub.last_heartbeat().flow.flow_id == "77");
  CHECK(line.hub.last_heartbeat().runnel->update.state == c2::UpdateState::kApplied);
  const auto kept = FlowKeeper(line.folder.path()).kept();
  REQUIRE(kept.size() == 1);
  CHECK(kept[0] == DeliveredFlow{.id = "77", .version = "2", .text = "flow: x", .url = kFlowUrl});
}

TEST_CASE("a flow that is refused leaves the old one, on disk too, and every complaint is told") {
  Line line;
  line.hub.flows[kFlowUrl] = "flow: x";
  line.hub.ask(kUpdate);
  line.turn();
  line.hub.flows["https://hub.example:8444/efm/api/flows/78"] = "broken";
  line.hub.ask(R"({"identifier":"op-2","operation":"update","operand":"configuration",
      "args":{"location":"/flows/78","flowId":"78"}})");
  line.turn();
  REQUIRE(line.hub.acknowledged().size() == 2);
  const auto acknowledged = line.hub.acknowledged()[1];
  CHECK(acknowledged.state == c2::AckState::kNotApplied);
  REQUIRE(acknowledged.failure);
  CHECK(acknowledged.failure->caused_by.size() == 2);
  line.turn();
  CHECK(line.hub.last_heartbeat().flow.flow_id == "77");
  CHECK(line.hub.last_heartbeat().runnel->update.state == c2::UpdateState::kFailed);
  CHECK(line.hub.last_heartbeat().runnel->update.flow_id == "78");
  CHECK(FlowKeeper(line.folder.path()).kept()[0].id == "77");
}

TEST_CASE("a flow that runs but for a processor that cannot start yet is partially applied") {
  Line line;
  line.hub.flows[kFlowUrl] = "flow: x";
  line.agent.not_started = {"`listen`: port 8080 is taken", "`depot/other`: no such host"};
  line.hub.ask(kUpdate);
  line.turn();
  REQUIRE(line.hub.acknowledged().size() == 1);
  const auto acknowledged = line.hub.acknowledged()[0];
  CHECK(acknowledged.state == c2::AckState::kPartiallyApplied);
  CHECK(acknowledged.details ==
        "the flow runs, but 2 processors could not be started; this is tried again");
  REQUIRE(acknowledged.failure);
  CHECK(acknowledged.failure->caused_by == line.agent.not_started);
  // It runs, is kept for the next start, and is not taken for one that failed.
  line.turn();
  CHECK(line.hub.last_heartbeat().flow.flow_id == "77");
  CHECK(line.hub.last_heartbeat().runnel->update.state == c2::UpdateState::kApplied);
  CHECK(FlowKeeper(line.folder.path()).kept()[0].id == "77");
}

TEST_CASE("a flow that cannot be fetched, or is not what was announced, is not run") {
  Line line;
  line.hub.ask(kUpdate);
  line.turn();
  line.hub.flows[kFlowUrl] = "flow: x";
  line.hub.ask(R"({"identifier":"op-3","operation":"UPDATE","operand":"configuration",
      "args":{"location":")" +
               kFlowUrl + R"(","flowId":"77","sha256":"00"}})");
  line.turn();
  line.hub.ask(R"({"identifier":"op-4","operation":"UPDATE","operand":"configuration",
      "args":{"location":"file:///etc/passwd","flowId":"77"}})");
  line.turn();
  CHECK(line.agent.done.empty());
  for (const auto& one : line.hub.acknowledged()) CHECK(one.state == c2::AckState::kNotApplied);
  CHECK(line.hub.acknowledged().size() == 3);
}

TEST_CASE("an operation is carried out once however often it is sent, also after a restart") {
  Line line;
  const std::string clear =
      R"({"identifier":"op-7","operation":"CLEAR","operand":"connection","args":{"c":"q1"}})";
  line.hub.ask(clear + "," + clear);
  line.turn();
  line.hub.ask(clear);
  line.turn();
  line.begin();
  line.hub.ask(clear);
  line.turn();
  CHECK(line.agent.done == std::vector<std::string>{"clear q1"});
  const auto acknowledged = line.hub.acknowledged();
  CHECK(acknowledged.size() == 3);
  for (const auto& one : acknowledged) CHECK(one.details == "7 FlowFiles removed");
}

TEST_CASE("the state of components is cleared on request, unless one of them runs") {
  Line line;
  line.hub.ask(
      R"({"identifier":"s1","operation":"CLEAR","operand":"corecomponentstate","args":{"a":"tail","b":"cache"}})");
  line.hub.ask(
      R"({"identifier":"s2","operation":"CLEAR","operand":"corecomponentstate","args":{"a":"runs"}})");
  line.hub.ask(R"({"identifier":"s3","operation":"CLEAR","operand":"corecomponentstate"})");
  for (int i = 0; i < 3; ++i) line.turn();
  CHECK(line.agent.done == std::vector<std::string>{"clear state of tail", "clear state of cache",
                                                    "clear state of runs"});
  const auto acknowledged = line.hub.acknowledged();
  REQUIRE(acknowledged.size() == 3);
  CHECK(acknowledged[0].details == "6 keys removed");
  CHECK(acknowledged[1].state == c2::AckState::kNotApplied);
  CHECK(acknowledged[1].details == "`runs` runs; stop it first");
  CHECK(acknowledged[2].details == "which component?");
}

TEST_CASE("what components remember is told on request, and what was left out is counted") {
  Line line;
  line.hub.ask(R"({"identifier":"d1","operation":"DESCRIBE","operand":"corecomponentstate"})");
  line.hub.ask(
      R"({"identifier":"d2","operation":"DESCRIBE","operand":"corecomponentstate","args":{"c0":"tail"}})");
  line.hub.ask(
      R"({"identifier":"d3","operation":"DESCRIBE","operand":"corecomponentstate","args":{"c0":"ghost"}})");
  for (int i = 0; i < 3; ++i) line.turn();
  const auto acknowledged = line.hub.acknowledged();
  REQUIRE(acknowledged.size() == 3);
  CHECK(acknowledged[0].details == "1 component, 2 keys");
  CHECK_FALSE(acknowledged[0].described);  // no heartbeat, as the manifest's is
  REQUIRE(acknowledged[0].memories);
  REQUIRE(acknowledged[0].memories->size() == 1);
  CHECK((*acknowledged[0].memories)[0].id == "tail");
  CHECK((*acknowledged[0].memories)[0].values ==
        std::vector<std::pair<std::string, std::string>>{{"\"k\"", "ü"}, {"position", "7"}});
  CHECK(acknowledged[1].details == "1 component, 2 keys; 3 more keys left out");
  CHECK(acknowledged[2].state == c2::AckState::kNotApplied);
  CHECK_FALSE(acknowledged[2].memories);
}

TEST_CASE("acknowledgements wait for the hub, also over a restart, and are sent in order") {
  Line line;
  line.hub.ack_status = 500;
  line.hub.ask(R"({"identifier":"a","operation":"STOP","operand":"flow"})");
  line.turn();
  line.hub.ask(R"({"identifier":"b","operation":"START","operand":"flow"})");
  line.turn();
  line.begin();
  line.hub.ack_status = 200;
  line.hub.got.clear();
  line.turn();
  const auto acknowledged = line.hub.acknowledged();
  REQUIRE(acknowledged.size() == 2);
  CHECK(acknowledged[0].operation_id == "a");
  CHECK(acknowledged[1].operation_id == "b");
  line.turn();
  CHECK(line.hub.acknowledged().size() == 2);
  CHECK(line.agent.done == std::vector<std::string>{"stop flow", "start flow"});
}

TEST_CASE("an acknowledgement that the hub refuses for good is not sent again") {
  Line line;
  line.hub.ack_status = 404;
  line.hub.ask(R"({"identifier":"a","operation":"STOP","operand":"flow"})");
  line.turn();
  line.turn();
  CHECK(line.hub.acknowledged().size() == 1);
}

TEST_CASE("DESCRIBE manifest is answered with a whole heartbeat") {
  Line line;
  line.turn();
  line.hub.ask(R"({"identifier":"a","operation":"DESCRIBE","operand":"manifest"})");
  line.turn();
  REQUIRE(line.hub.acknowledged().size() == 1);
  REQUIRE(line.hub.acknowledged()[0].described);
  CHECK(line.hub.acknowledged()[0].described->agent.identifier == "truck-1");
  CHECK(line.hub.acknowledged()[0].described->agent.manifest_json == line.agent.manifest_json());
}

TEST_CASE("START processor with runOnce triggers it once, and says what that did or why not") {
  Line line;
  line.hub.ask(
      R"({"identifier":"a","operation":"START","operand":"processor","args":{"processorId":"p","runOnce":"true"}})");
  line.turn();
  line.hub.ask(
      R"({"identifier":"b","operation":"START","operand":"processor","args":{"processorId":"runs","runOnce":"TRUE"}})");
  line.turn();
  line.hub.ask(
      R"({"identifier":"c","operation":"START","operand":"processor","args":{"processorId":"p","runOnce":"false"}})");
  line.turn();
  line.hub.ask(
      R"({"identifier":"d","operation":"STOP","operand":"processor","args":{"processorId":"p","runOnce":"true"}})");
  line.turn();
  CHECK(line.agent.done ==
        std::vector<std::string>{"run p once", "run runs once", "start p", "stop p"});
  const auto all = line.hub.acknowledged();
  REQUIRE(all.size() == 4);
  CHECK(all[0].state == c2::AckState::kFullyApplied);
  CHECK(all[0].details == "1 FlowFile in, 1 out");
  CHECK(all[1].state == c2::AckState::kNotApplied);
  CHECK(all[1].details == "`runs` runs; stop it first, then it can be run once");
}

TEST_CASE("processors are started and stopped; what is not there, not said or not known is said") {
  Line line;
  line.hub.ask(
      R"({"identifier":"a","operation":"START","operand":"processor","args":{"processorId":"p"}})");
  line.turn();
  line.hub.ask(
      R"({"identifier":"b","operation":"STOP","operand":"processor","args":{"processorId":"ghost"}})");
  line.turn();
  line.hub.ask(R"({"identifier":"c","operation":"STOP","operand":"processor"})");
  line.turn();
  line.hub.ask(R"({"identifier":"d","operation":"PAUSE"})");
  line.turn();
  line.hub.ask(R"({"identifier":"e","operation":"LEVITATE","operand":"flow"})");
  line.turn();
  CHECK(line.agent.done == std::vector<std::string>{"start p"});
  const auto all = line.hub.acknowledged();
  REQUIRE(all.size() == 5);
  CHECK(all[0].state == c2::AckState::kFullyApplied);
  CHECK(all[1].state == c2::AckState::kNotApplied);
  CHECK(all[1].details == "no processor `ghost`");
  CHECK(all[2].state == c2::AckState::kNotApplied);
  CHECK(all[3].state == c2::AckState::kNotUnderstood);
  CHECK(all[4].state == c2::AckState::kNotUnderstood);
}

TEST_CASE("a flow that runs already is no operation, also when the agent booted with it") {
  Line line;
  line.running = DeliveredFlow{.id = "77", .version = "2"};
  line.begin();
  line.hub.ask(kUpdate);
  line.turn();
  CHECK(line.agent.done.empty());
  CHECK(line.hub.acknowledged()[0].state == c2::AckState::kNoOperation);
  CHECK(line.hub.last_heartbeat().flow.flow_id == "77");
}

TEST_CASE("an update that the agent's end interrupted is told as what became of it") {
  Line line;
  {
    auto journal = std::move(*Journal::open(line.folder.path() + "/other.db"));
    REQUIRE(journal->set_last_update({c2::UpdateState::kApplying, "77", ""}).ok());
  }
  line.uplink.reset();
  for (const char* end : {"", "-wal", "-shm"})
    std::filesystem::remove(line.folder.path() + "/uplink.db" + end);
  std::filesystem::rename(line.folder.path() + "/other.db", line.folder.path() + "/uplink.db");
  line.running = DeliveredFlow{.id = "77", .version = "2"};
  line.begin();
  line.turn();
  CHECK(line.hub.last_heartbeat().runnel->update.state == c2::UpdateState::kApplied);
  line.boot_failure = c2::FlowUpdate{c2::UpdateState::kFailed, "77", "no such processor"};
  line.begin();
  line.turn();
  CHECK(line.hub.last_heartbeat().runnel->update.reason == "no such processor");
}

TEST_CASE("RESTART is acknowledged, then done, and not again after it") {
  Line line;
  line.hub.ask(R"({"identifier":"r","operation":"RESTART"})");
  line.turn();
  CHECK(line.hub.acknowledged().size() == 1);
  line.begin();
  line.hub.ask(R"({"identifier":"r","operation":"RESTART"})");
  line.turn();
  CHECK(line.hub.acknowledged().size() == 2);
}

TEST_CASE("answers that make no sense cost nothing but a line in the log") {
  Line line;
  for (const char* text : {"", "<html>oops</html>", "[]", R"({"requestedOperations":[5,{"x":1}]})",
                           R"({"requestedOperations":{}})"}) {
    line.hub.answers.push_back(text);
    line.turn();
  }
  CHECK(line.agent.done.empty());
  CHECK(line.hub.acknowledged().empty());
  CHECK(line.turn() <= 11s);
}

TEST_CASE("every operation that the manifest lists is understood, and none is missing there") {
  Line line;
  int number = 0;
  for (const SupportedOperation& type : c2::supported_operations()) {
    std::vector<std::string> operands;
    for (const auto& operand : type.operands) operands.push_back(operand.name);
    if (operands.empty()) operands.push_back("");
    for (const std::string& operand : operands) {
      line.hub.ask(R"({"identifier":"n)" + std::to_string(++number) + R"(","operation":")" +
                   type.type + R"(","operand":")" + operand + R"("})");
      line.turn();
    }
  }
  CHECK(number == 10);
  const auto all = line.hub.acknowledged();
  REQUIRE(all.size() == 10);
  for (const auto& one : all) CHECK(one.state != c2::AckState::kNotUnderstood);
}

TEST_CASE("the token is shown to the hub alone") {
  Line line;
  line.hub.flows["https://elsewhere.example/x"] = "flow: x";
  line.hub.ask(R"({"identifier":"a","operation":"UPDATE","operand":"configuration",
      "args":{"location":"https://elsewhere.example/x","flowId":"9"}})");
  line.turn();
  REQUIRE(line.hub.at("elsewhere.example/x").size() == 1);
  CHECK(line.hub.at("elsewhere.example/x")[0].authorization.empty());
}

TEST_CASE("an agent's id that cannot be sent is refused with a text") {
  TestFolder folder;
  TestAgent agent;
  FakeHub hub;
  for (const char* id : {"", "two words", "t\xc3\xbcr"}) {
    const auto opened =
        Uplink::open({.hub_url = "https://hub", .agent_id = id, .state_dir = folder.path()}, agent,
                     std::make_unique<FakeTransport>(hub), std::nullopt);
    CHECK(opened.code() == Code::kInvalid);
  }
}

}  // namespace
}  // namespace runnel
