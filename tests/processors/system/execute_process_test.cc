// ExecuteProcess starts its program by its schedule, and makes FlowFiles of what it prints.

#include <doctest/doctest.h>
#include <signal.h>

#include "processors/registry.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

TEST_CASE("a program's output becomes a FlowFile before the next moment of the schedule") {
  ProcessorRunner runner("ExecuteProcess",
                         {{"Command", "echo"}, {"Command Arguments", "one 'two  three'"}});
  runner.advance(1s);
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
  const auto taken = runner.taken("success");
  CHECK(taken[0].content == "one two  three\n");
  CHECK(taken[0].attribute("command") == "echo");
  const auto created = runner.events(ProvenanceKind::kCreate);  // as NiFi's: nobody sent it
  REQUIRE(created.size() == 1);
  CHECK(created[0].details == "created from command: echo");
  CHECK(runner.events(ProvenanceKind::kReceive).empty());
  // Its own wake does not start it again.
  runner.run();
  CHECK(runner.count("success") == 0);
  for (int i = 0; i < 100 && runner.count("success") == 0; ++i) {  // it may still be ending
    runner.advance(1s);
    runner.run_until([&] { return runner.count("success") == 1; }, 100ms);
  }
  CHECK(runner.count("success") == 1);
}

TEST_CASE("a program that goes on is not started twice, and is ended by stop") {
  ProcessorRunner runner("ExecuteProcess",
                         {{"Command", "sh"},
                          {"Command Arguments", "-c 'echo begun; exec sleep 1000'"},
                          {"Batch Duration", "10 ms"}});
  runner.advance(1s);
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
  for (int i = 0; i < 5; ++i) runner.advance(1s);
  runner.stop();
  CHECK(runner.taken("success").size() == 1);
}

TEST_CASE("a program that has closed its output and goes on is ended by stop, too") {
  ProcessorRunner runner(
      "ExecuteProcess",
      {{"Command", "sh"}, {"Command Arguments", "-c 'echo begun; exec >&- 2>&-; sleep 1000'"}});
  runner.advance(1s);
  REQUIRE(runner.run_until([&] { return runner.count("success") == 1; }));
  for (int i = 0; i < 5; ++i) runner.advance(1s);
  const auto began = std::chrono::steady_clock::now();
  runner.stop();
  CHECK(std::chrono::steady_clock::now() - began < 20s);
  CHECK(runner.taken("success").size() == 1);
}

TEST_CASE("a program has the signals that programs have: who writes to nobody ends") {
  ::signal(SIGPIPE, SIG_IGN);  // as the agent does
  ProcessorRunner runner("ExecuteProcess",
                         {{"Command", "sh"}, {"Command Arguments", "-c 'kill -PIPE $$; echo on'"}});
  runner.advance(1s);
  CHECK(runner.run_until([&] { return runner.has_bulletin("ended by signal 13"); }));
  CHECK(runner.taken("success").empty());
}

TEST_CASE("much output is cut into FlowFiles of a bounded size, and none of it is missing") {
  ProcessorRunner runner(
      "ExecuteProcess",
      {{"Command", "seq"}, {"Command Arguments", "1 20000"}, {"Maximum Output Size", "1 KB"}});
  runner.advance(1s);
  std::size_t bytes = 0;
  CHECK(runner.run_until([&] {
    for (const TakenFlowFile& one : runner.taken("success")) bytes += one.content.size();
    return bytes == 108'894;
  }));
}

TEST_CASE("a program that is not there, and one that fails, are told") {
  ProcessorRunner missing("ExecuteProcess", {{"Command", "/no/such/program"}});
  missing.advance(1s);
  CHECK(missing.run_until([&] { return missing.has_bulletin("/no/such/program"); }));
  ProcessorRunner failing("ExecuteProcess", {{"Command", "sh"},
                                             {"Command Arguments", "-c 'echo oops >&2; exit 3'"},
                                             {"Redirect Error Stream", "true"}});
  failing.advance(1s);
  CHECK(failing.run_until([&] { return failing.has_bulletin("exit code 3"); }));
  CHECK(failing.run_until([&] { return failing.count("success") == 1; }));
}

TEST_CASE("a quote that is not closed is refused") {
  const auto made = find_processor_type("ExecuteProcess")
                        ->make({{"Command", "echo"}, {"Command Arguments", "'x"}});
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().text().find("Command Arguments") != std::string::npos);
}

TEST_CASE(
    "a program that floods its error stream neither hangs nor fills memory, and is told in short") {
  ProcessorRunner runner(
      "ExecuteProcess",
      {{"Command", "/bin/sh"},
       {"Command Arguments", "-c 'head -c 20000000 /dev/zero | tr \"\\0\" e >&2; echo out'"}});
  runner.advance(1s);
  CHECK(runner.run_until([&] { return runner.count("success") == 1; }));
  CHECK(runner.taken("success").at(0).content == "out\n");
  for (const Bulletin& bulletin : runner.bulletins()) CHECK(bulletin.text.size() < 100'000);
}

}  // namespace
}  // namespace runnel
