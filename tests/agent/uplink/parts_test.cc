// The parts of the line to the hub: addresses, journal, kept flow, the machine's figures.

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "agent/uplink/addresses.h"
#include "agent/uplink/flow_keeper.h"
#include "agent/uplink/host.h"
#include "agent/uplink/journal.h"
#include "tests/agent/uplink/uplink_fixture.h"

namespace runnel {
namespace {

TEST_CASE("a hub's address leads to both layouts") {
  auto plain = HubAddresses::of("https://Hub.example:8444/");
  REQUIRE(plain.ok());
  CHECK(plain->heartbeat() == "https://hub.example:8444/efm/api/c2-protocol/heartbeat");
  CHECK(plain->acknowledge() == "https://hub.example:8444/efm/api/c2-protocol/acknowledge");
  CHECK(*plain->resolve("flows/1") == "https://hub.example:8444/efm/api/flows/1");
  CHECK(*plain->resolve("/flows/1") == "https://hub.example:8444/efm/api/flows/1");
  CHECK(*plain->resolve("https://other/x") == "https://other/x");
  CHECK(plain->resolve("http://other/x").code() == Code::kInvalid);
  CHECK(plain->resolve("ftp://other/x").code() == Code::kInvalid);
  CHECK(plain->is_hub("https://HUB.example:8444/x"));
  CHECK(!plain->is_hub("https://hub.example:8444.evil.example/x"));
  CHECK(!plain->is_hub("https://hub.example:8444@evil.example/x"));
  CHECK(!plain->is_hub("http://hub.example:8444/x"));
  auto apache = HubAddresses::of("http://127.0.0.1:10090/c2/config");
  REQUIRE(apache.ok());
  CHECK(apache->heartbeat() == "http://127.0.0.1:10090/c2/config/heartbeat");
  auto based = HubAddresses::of("https://proxy/fleet/api/");
  CHECK(based->heartbeat() == "https://proxy/fleet/api/c2-protocol/heartbeat");
}

TEST_CASE("plain HTTP is for loopback only, and nothing but HTTP is an address") {
  CHECK(HubAddresses::of("http://localhost:1").ok());
  CHECK(HubAddresses::of("http://[::1]:1").ok());
  CHECK(HubAddresses::of("http://127.0.0.1.evil.example:1").code() == Code::kInvalid);
  CHECK(HubAddresses::of("http://hub.example:8444").code() == Code::kInvalid);
  CHECK(HubAddresses::of("hub.example").code() == Code::kInvalid);
  CHECK(HubAddresses::of("https://").code() == Code::kInvalid);
  CHECK(HubAddresses::of("https://user@hub").code() == Code::kInvalid);
}

TEST_CASE("the journal gives up what never ends, and forgets the oldest") {
  TestFolder folder;
  const std::string path = folder.path() + "/uplink.db";
  for (int i = 0; i < Journal::kAttemptsMax; ++i) {
    auto journal = std::move(*Journal::open(path));
    CHECK(*journal->begin("killer", 1) == Journal::Decision::kCarryOut);
  }
  auto journal = std::move(*Journal::open(path));
  CHECK(*journal->begin("killer", 1) == Journal::Decision::kGivenUp);
  for (std::size_t i = 0; i < Journal::kOperationsMax + 5; ++i) {
    const std::string id = "op" + std::to_string(i);
    REQUIRE(journal->begin(id, 1).ok());
    REQUIRE(journal->end({.operation_id = id, .state = c2::AckState::kFullyApplied}, false).ok());
    REQUIRE(journal->delivered(journal->waiting(1)->at(0).number).ok());
  }
  CHECK(*journal->begin("op0", 1) == Journal::Decision::kCarryOut);
  CHECK(*journal->begin("op1004", 1) == Journal::Decision::kDone);
  CHECK(journal->waiting(10)->size() == 1);
}

TEST_CASE("a damaged journal is set aside and begun anew") {
  TestFolder folder;
  const std::string path = folder.path() + "/uplink.db";
  std::ofstream(path) << "this is no database, whatever its name says, not even a small one";
  auto journal = Journal::open(path);
  REQUIRE(journal.ok());
  CHECK(*(*journal)->begin("a", 1) == Journal::Decision::kCarryOut);
  CHECK(std::filesystem::exists(path + ".damaged"));
}

TEST_CASE("the journal remembers what became of the last flow") {
  TestFolder folder;
  const std::string path = folder.path() + "/uplink.db";
  {
    auto journal = std::move(*Journal::open(path));
    CHECK(journal->last_update()->state == c2::UpdateState::kNone);
    REQUIRE(journal->set_last_update({c2::UpdateState::kFailed, "77", "because"}).ok());
  }
  auto journal = std::move(*Journal::open(path));
  const auto update = std::move(*journal->last_update());
  CHECK(update.state == c2::UpdateState::kFailed);
  CHECK(update.flow_id == "77");
  CHECK(update.reason == "because");
}

TEST_CASE("a kept flow is given back byte by byte, the one before stands behind it") {
  TestFolder folder;
  FlowKeeper keeper(folder.path());
  CHECK(keeper.kept().empty());
  const DeliveredFlow first{
      .id = "1", .version = "1", .text = std::string("a\n\0b\r\n", 6), .url = "https://hub/1"};
  const DeliveredFlow second{.id = "2", .text = "flow: two\n"};
  REQUIRE(keeper.keep(first).ok());
  CHECK(keeper.kept() == std::vector{first});
  REQUIRE(keeper.keep(first).ok());
  CHECK(keeper.kept().size() == 1);
  REQUIRE(keeper.keep(second).ok());
  CHECK(keeper.kept() == std::vector{second, first});
}

TEST_CASE("a kept flow that was damaged is passed over for the one before") {
  TestFolder folder;
  FlowKeeper keeper(folder.path());
  REQUIRE(keeper.keep({.id = "1", .text = "flow: one\n"}).ok());
  REQUIRE(keeper.keep({.id = "2", .text = "flow: two\n"}).ok());
  std::ofstream(folder.path() + "/hub-flow", std::ios::app) << "x";
  CHECK(keeper.kept().size() == 1);
  CHECK(keeper.kept()[0].id == "1");
  std::ofstream(folder.path() + "/hub-flow", std::ios::trunc) << "";
  CHECK(keeper.kept().size() == 1);
}

TEST_CASE("a kept flow lies encrypted, also one that an earlier version has left in plain") {
  TestFolder folder;
  const auto sealer = Sealer::make({std::string(kCipherKeyBytes, 'k')});
  const auto holds_plain = [&folder](const std::string& name) {
    std::ifstream in(folder.path() + name, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    REQUIRE_FALSE(text.empty());
    return text.find("password") != std::string::npos;
  };
  const DeliveredFlow first{.id = "1", .text = "password: one\n"};
  const DeliveredFlow second{.id = "2", .text = "password: two\n"};
  REQUIRE(FlowKeeper(folder.path()).keep(first).ok());
  CHECK(holds_plain("/hub-flow"));
  const FlowKeeper reading(folder.path(), sealer);
  FlowKeeper keeper(folder.path(), sealer);
  CHECK_FALSE(keeper.holds_sealed());
  REQUIRE(reading.seal_kept().ok());
  CHECK_FALSE(holds_plain("/hub-flow"));
  CHECK(keeper.holds_sealed());
  REQUIRE(keeper.keep(second).ok());
  CHECK_FALSE(holds_plain("/hub-flow"));
  CHECK_FALSE(holds_plain("/hub-flow.previous"));
  CHECK(keeper.kept() == std::vector{second, first});
  // With another key, or none, nothing is given out.
  CHECK(
      FlowKeeper(folder.path(), Sealer::make({std::string(kCipherKeyBytes, 'x')})).kept().empty());
  CHECK(FlowKeeper(folder.path()).kept().empty());
}

TEST_CASE("a flow that cannot be kept leaves the kept one") {
  TestFolder folder;
  FlowKeeper keeper(folder.path() + "/nowhere");
  CHECK(keeper.keep({.id = "1", .text = "x"}).code() == Code::kUnavailable);
}

TEST_CASE("the machine's figures are plausible") {
  Host host;
  const auto device = host.device();
  CHECK(*device.system.v_cores >= 1);
  CHECK(*device.system.physical_mem > *device.system.memory_usage);
  CHECK(device.system.operating_system == "Linux");
  CHECK(!device.network.hostname.empty());
  CHECK(!device.identifier.empty());
  CHECK(*host.process_memory_bytes() > 100'000);
  const auto disk = host.disk("/tmp");
  REQUIRE(disk);
  CHECK(disk->total_bytes >= disk->free_bytes);
  CHECK(*host.uptime_ms() > 0);
  CHECK(!host.process_cpu());
}

}  // namespace
}  // namespace runnel
