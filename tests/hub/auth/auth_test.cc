// Users, sessions, tokens, passwords, certificates.

#include <doctest/doctest.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <thread>
#include <vector>

#include "agent/base/hash.h"
#include "hub/auth/accounts.h"
#include "hub/auth/certificate.h"
#include "hub/auth/password.h"
#include "tests/hub/support/hub_folder.h"

namespace runnel::hub {
namespace {

TEST_CASE("a password matches its hash and no other") {
  const std::string hash = *password_hash("correct horse");
  CHECK(hash.starts_with("$argon2id$"));
  CHECK(password_matches("correct horse", hash));
  CHECK_FALSE(password_matches("correct hors", hash));
  CHECK(*password_hash("correct horse") != hash);
  CHECK_FALSE(password_hash("short").ok());
  CHECK(random_password().size() == 20);
}

TEST_CASE("a password that no login could carry is refused") {
  CHECK(password_hash("caf\xc3\xa9 au lait").ok());
  CHECK_FALSE(password_hash("caf\xe9 au lait").ok());
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep what is freed

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  in >> all >> resident;
  return resident * 4096;
}

TEST_CASE("the memory that a password costs is given back, whichever threads ask") {
  constexpr std::size_t kThreads = 8;
  const std::string hash = *password_hash("correct horse");
  const std::size_t before = resident_bytes();
  std::latch done(kThreads);
  std::vector<std::thread> threads;
  std::atomic<int> matched = 0;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      if (password_matches("correct horse", hash)) ++matched;
      done.arrive_and_wait();  // all of them live at once, as a listener's do
    });
  }
  done.wait();
  const std::size_t after = resident_bytes();
  for (std::thread& thread : threads) thread.join();
  CHECK(matched == int{kThreads});
  CHECK(after < before + 30 * 1024 * 1024);
}

#endif

TEST_CASE("a session lives by use, and not longer than its hours") {
  HubFolder folder;
  ManualClock clock;
  Accounts accounts(*folder.store, clock);
  REQUIRE(accounts.add_user("ann", "operator", "long enough"));
  const auto session = accounts.log_in("ann", "long enough", "10.0.0.1");
  REQUIRE(session.ok());
  clock.advance(std::chrono::minutes(29));
  const auto identity = accounts.identity_of_session(session->secret);
  REQUIRE(identity);
  CHECK(identity->user == "ann");
  CHECK(identity->role == "operator");
  CHECK(identity->csrf_token == session->identity.csrf_token);
  clock.advance(std::chrono::minutes(29));
  REQUIRE(accounts.flush());
  CHECK(accounts.identity_of_session(session->secret));
  clock.advance(std::chrono::minutes(31));
  CHECK_FALSE(accounts.identity_of_session(session->secret));
  CHECK_FALSE(accounts.identity_of_session(std::string(64, '0')));
}

TEST_CASE("a used session ends after twelve hours all the same") {
  HubFolder folder;
  ManualClock clock;
  Accounts accounts(*folder.store, clock);
  REQUIRE(accounts.add_user("ann", "viewer", "long enough"));
  const auto session = accounts.log_in("ann", "long enough", "10.0.0.1");
  REQUIRE(session.ok());
  for (int i = 0; i < 35; ++i) {
    clock.advance(std::chrono::minutes(20));
    CHECK(accounts.identity_of_session(session->secret));
  }
  clock.advance(std::chrono::minutes(20));
  CHECK_FALSE(accounts.identity_of_session(session->secret));
}

TEST_CASE("a new password ends the sessions, and logging out ends one") {
  HubFolder folder;
  ManualClock clock;
  Accounts accounts(*folder.store, clock);
  REQUIRE(accounts.add_user("ann", "viewer", "long enough"));
  const auto first = accounts.log_in("ann", "long enough", "a");
  const auto second = accounts.log_in("ann", "long enough", "a");
  REQUIRE(accounts.log_out(first->identity.session));
  CHECK_FALSE(accounts.identity_of_session(first->secret));
  CHECK(accounts.identity_of_session(second->secret));
  REQUIRE(accounts.change_password("ann", "another one"));
  CHECK_FALSE(accounts.identity_of_session(second->secret));
  CHECK(accounts.log_in("ann", "long enough", "a").code() == Code::kNotFound);
}

TEST_CASE("whoever guesses is made to wait, and then may try again") {
  HubFolder folder;
  ManualClock clock;
  Accounts accounts(*folder.store, clock);
  REQUIRE(accounts.add_user("ann", "viewer", "long enough"));
  for (int i = 0; i < Accounts::kFailuresMax; ++i) {
    CHECK(accounts.log_in("ann", "wrong wrong", "10.0.0." + std::to_string(i)).code() ==
          Code::kNotFound);
  }
  CHECK(accounts.log_in("ann", "long enough", "10.0.0.99").code() == Code::kFull);
  clock.advance(std::chrono::minutes(6));
  CHECK(accounts.log_in("ann", "long enough", "10.0.0.99").ok());
}

TEST_CASE("tokens are known after a restart, until they expire or are removed") {
  HubFolder folder;
  ManualClock clock;
  std::string secret;
  std::string id;
  {
    Accounts accounts(*folder.store, clock);
    REQUIRE(accounts.add_user("ann", "operator", "long enough"));
    const auto created = accounts.create_token("ann", "ci", clock.wall_ms() + 60'000);
    REQUIRE(created.ok());
    secret = created->secret;
    id = created->token.id;
    CHECK(accounts.create_token("nobody", "ci", std::nullopt).code() == Code::kNotFound);
  }
  folder.open();
  Accounts accounts(*folder.store, clock);
  CHECK(accounts.identity_of_token(secret)->user == "ann");
  CHECK_FALSE(accounts.identity_of_token(secret + "0"));
  clock.advance(std::chrono::minutes(2));
  CHECK_FALSE(accounts.identity_of_token(secret));
  const Identity eve{.user = "eve", .role = "viewer"};
  CHECK(accounts.remove_token(eve, id).code() == Code::kNotFound);
  CHECK(accounts.remove_token({.user = "ann", .role = "operator"}, id).ok());
}

TEST_CASE("the last administrator cannot be removed") {
  HubFolder folder;
  ManualClock clock;
  Accounts accounts(*folder.store, clock);
  REQUIRE(accounts.add_user("root", "administrator", "long enough"));
  REQUIRE(accounts.add_user("ann", "operator", "long enough"));
  CHECK(accounts.remove_user("root").code() == Code::kInvalid);
  CHECK(accounts.remove_user("ann").ok());
  CHECK(accounts.add_user("a b", "viewer", "long enough").code() == Code::kInvalid);
  CHECK(accounts.add_user("bob", "boss", "long enough").code() == Code::kInvalid);
  CHECK(accounts.add_user("root", "viewer", "long enough").code() == Code::kInvalid);
}

TEST_CASE("certificates are made for good names and renewed by the same CA") {
  const auto made = make_certificates({"localhost", "127.0.0.1", "hub.example"});
  REQUIRE(made.ok());
  CHECK(made->server_pem.find("PRIVATE KEY") != std::string::npos);
  CHECK(make_server_certificate(made->ca_pem, made->ca_key_pem, {"other.example"}).ok());
  CHECK(make_certificates({"a b"}).code() == Code::kInvalid);
  CHECK(make_server_certificate("x", "y", {"z"}).code() == Code::kInvalid);
}

TEST_CASE("a login on a full disk is not possible now, and no wrong password") {
  HubFolder folder;
  ManualClock clock;
  Accounts accounts(*folder.store, clock);
  REQUIRE(accounts.add_user("ann", "operator", "a good password").ok());
  REQUIRE(folder.store->write(
      [](Database& database) { return database.execute("PRAGMA max_page_count=1"); }));
  // Down to the last byte, whichever page a row goes to.
  int number = 0;
  for (const std::size_t size : {500U, 1U}) {
    for (int failed = 0; failed < 100;) {
      const std::string key = sha256_hex(std::to_string(++number)) + std::string(size, 'x');
      const auto filled = folder.store->write([&](Database& database) {
        return database.execute("INSERT INTO sessions VALUES ('" + key + "', 'ann', 0, 0, 0)");
      });
      failed += filled.ok() ? 0 : 1;
    }
  }
  CHECK(accounts.log_in("ann", "a good password", "here").code() == Code::kUnavailable);
  REQUIRE(folder.store->write(
      [](Database& database) { return database.execute("PRAGMA max_page_count=100000"); }));
  CHECK(accounts.log_in("ann", "a good password", "here").ok());
}

}  // namespace
}  // namespace runnel::hub
