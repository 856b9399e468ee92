// TailFile loses no line and makes none twice, over rotations, truncations and restarts.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "processors/file/tail_rotation.h"
#include "processors/file/tail_state.h"
#include "processors/registry.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

struct Log {
  test::TempFolder folder;
  std::string path = folder.path() + "/app.log";

  void append(const std::string& text, const std::string& to = {}) const {
    std::ofstream(to.empty() ? path : to, std::ios::app) << text;
  }
  void rotate(const std::string& to) const { fs::rename(path, folder.path() + "/" + to); }
  PropertyValues properties(PropertyValues more = {}) const {
    more.emplace("File to Tail", path);
    more.emplace("Include Delimiter", "false");
    return more;
  }
};

std::string lines(ProcessorRunner& runner) {
  runner.advance(1s);
  std::string all;
  for (const TakenFlowFile& one : runner.taken("success")) all += one.content + "|";
  return all;
}

TEST_CASE("a FlowFile is made of each line, named by its place; a line that is not ended waits") {
  const Log log;
  log.append("one\ntwo\nthr");
  ProcessorRunner runner("TailFile", log.properties());
  runner.advance(1s);
  const auto taken = runner.taken("success");
  REQUIRE(taken.size() == 2);
  CHECK(taken[0].content == "one");
  CHECK(taken[1].content == "two");
  CHECK(taken[1].attribute("filename") == "app.4-7.log");
  CHECK(taken[1].attribute("path") == log.folder.path() + "/");
  const auto received = runner.events(ProvenanceKind::kReceive);
  REQUIRE(received.size() == 1);
  CHECK(received[0].count == 2);
  CHECK(received[0].uri == "file://" + log.path);
  CHECK(runner.events(ProvenanceKind::kCreate).empty());
  log.append("ee\n");
  CHECK(lines(runner) == "three|");
  CHECK(lines(runner).empty());
}

TEST_CASE("more lines than a session takes are read at once, not one session a tick") {
  const Log log;
  std::string many;
  for (int i = 0; i < 5000; ++i) many += std::to_string(i) + "\n";
  log.append(many);
  ProcessorRunner runner("TailFile", log.properties());
  runner.advance(1s);
  const auto taken = runner.taken("success");
  REQUIRE(taken.size() == 5000);
  CHECK(taken.back().content == "4999");
}

TEST_CASE("a file that was renamed is read to its end before the new one") {
  const Log log;
  log.append("1\n");
  ProcessorRunner runner("TailFile", log.properties());
  CHECK(lines(runner) == "1|");
  log.append("2\nlast");
  log.rotate("app.log.1");
  log.append("3\n");
  CHECK(lines(runner) == "2|last|3|");
}

TEST_CASE("several rotations between two looks lose nothing and keep the order") {
  const Log log;
  log.append("1\n");
  ProcessorRunner runner("TailFile", log.properties());
  CHECK(lines(runner) == "1|");
  log.append("2\n");
  log.rotate("app.log.3");
  log.append("3\n");
  log.rotate("app.log.2");
  log.append("4\n");
  log.rotate("app.log.1");
  log.append("5\n");
  CHECK(lines(runner) == "2|3|4|5|");
}

TEST_CASE("what a writer adds to the renamed file is read while it has not left it") {
  const Log log;
  log.append("1\n");
  ProcessorRunner runner("TailFile", log.properties());
  CHECK(lines(runner) == "1|");
  log.rotate("app.log.1");
  log.append("3\n");
  const std::string old = log.folder.path() + "/app.log.1";
  const auto touch = [&] {
    const std::int64_t ms = runner.clock().wall_ms() + 1000;
    const timespec at{ms / 1000, 0};
    const timespec times[2] = {at, at};
    REQUIRE(::utimensat(AT_FDCWD, old.c_str(), times, 0) == 0);
  };
  touch();
  CHECK(lines(runner).empty());
  log.append("2\n", old);
  touch();
  CHECK(lines(runner) == "2|");
  runner.advance(10s);
  CHECK(lines(runner) == "3|");
}

TEST_CASE("a file that was copied and truncated is found by its bytes") {
  const Log log;
  log.append("1\n");
  ProcessorRunner runner("TailFile", log.properties());
  CHECK(lines(runner) == "1|");
  log.append("2\n");
  fs::copy_file(log.path, log.folder.path() + "/app.log.1");
  fs::resize_file(log.path, 0);
  log.append("3\n");
  CHECK(lines(runner) == "2|3|");
}

TEST_CASE("a file that was truncated and has grown beyond its old size is seen as new") {
  const Log log;
  log.append("aaaa\n");
  ProcessorRunner runner("TailFile", log.properties());
  CHECK(lines(runner) == "aaaa|");
  fs::resize_file(log.path, 0);
  log.append("bbbb\ncccc\n");
  CHECK(lines(runner) == "bbbb|cccc|");
  CHECK(runner.has_bulletin("was truncated or replaced"));
}

TEST_CASE("after a restart it goes on where it was, and reads what was rotated meanwhile") {
  const Log log;
  log.append("1\n");
  ProcessorRunner runner("TailFile", log.properties());
  CHECK(lines(runner) == "1|");
  log.append("2\n");
  log.rotate("app.log.1");
  log.append("3\n");
  runner.restart();
  CHECK(lines(runner) == "2|3|");
}

TEST_CASE("a very long line is cut, not kept in memory without end") {
  const Log log;
  log.append(std::string(5000, 'x') + "\nend\n");
  ProcessorRunner runner("TailFile", log.properties({{"Maximum Line Size", "2 KB"}}));
  runner.advance(1s);
  const auto taken = runner.taken("success");
  REQUIRE(taken.size() == 4);
  CHECK(taken[0].content.size() == 2048);
  CHECK(taken[2].content.size() == 5000 - 2 * 2048);
  CHECK(taken[3].content == "end");
}

TEST_CASE("a line larger than the buffer is one FlowFile") {
  const Log log;
  log.append(std::string(700'000, 'x') + "\n");
  ProcessorRunner runner("TailFile", log.properties());
  runner.advance(1s);
  const auto taken = runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content.size() == 700'000);
}

TEST_CASE("from the current time on, only what is new is read, but all of files that come later") {
  const Log log;
  log.append("old\n");
  const PropertyValues now{{"Initial Start Position", "Current Time"}};
  ProcessorRunner runner("TailFile", log.properties(now));
  CHECK(lines(runner).empty());
  log.append("new\n");
  CHECK(lines(runner) == "new|");
  const Log later;
  ProcessorRunner waiting("TailFile", later.properties(now));
  CHECK(lines(waiting).empty());
  later.append("first\n");
  CHECK(lines(waiting) == "first|");
}

TEST_CASE("from the beginning of time, rotated versions come first") {
  const Log log;
  log.append("1\n");
  log.rotate("app.log.2");
  log.append("2\n");
  log.rotate("app.log.1");
  log.append("3\n");
  ProcessorRunner runner("TailFile",
                         log.properties({{"Initial Start Position", "Beginning of Time"}}));
  CHECK(lines(runner) == "1|2|3|");
}

TEST_CASE("all lines of a batch make one FlowFile") {
  const Log log;
  log.append("1\n2\n3\n");
  ProcessorRunner runner(
      "TailFile",
      {{"File to Tail", log.path}, {"Result Mode", "Flow file per batch"}, {"Batch Size", "2"}});
  CHECK(lines(runner) == "1\n2\n|3\n|");
}

TEST_CASE("several files are tailed, each gets its turn, one that goes is forgotten in time") {
  const Log log;
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "a\n";
  log.append(many, log.folder.path() + "/a.txt");
  log.append("b\n", log.folder.path() + "/b.txt");
  log.append("c\n", log.folder.path() + "/c.dat");
  ProcessorRunner runner("TailFile", {{"File to Tail", ".*\\.txt"},
                                      {"tail-mode", "Multiple file"},
                                      {"tail-base-directory", log.folder.path()},
                                      {"Lookup frequency", "1 sec"}});
  runner.advance(1s);
  CHECK(runner.taken("success").size() == 1001);
  CHECK(runner.state().contains("tail:" + log.folder.path() + "/a.txt"));
  fs::remove(log.folder.path() + "/a.txt");
  for (int i = 0; i < 4; ++i) runner.advance(2s);
  CHECK_FALSE(runner.state().contains("tail:" + log.folder.path() + "/a.txt"));
  CHECK(runner.state().contains("tail:" + log.folder.path() + "/b.txt"));
}

PropertyValues several(const Log& log) {
  return {{"File to Tail", "[ab]\\.txt"},
          {"tail-mode", "Multiple file"},
          {"tail-base-directory", log.folder.path()},
          {"Include Delimiter", "false"},
          {"Rolling Filename Pattern", "${filename}.txt.*"},
          {"Post-Rotation Tail Period", "0 sec"},
          {"Lookup frequency", "1 min"}};
}

TEST_CASE("one of several that cannot be read does not keep the others back, whoever is first") {
  for (const std::string bad : {"a", "b"}) {
    CAPTURE(bad);
    const Log log;
    const std::string bad_path = log.folder.path() + "/" + bad + ".txt";
    const std::string good_path = log.folder.path() + (bad == "a" ? "/b.txt" : "/a.txt");
    log.append("1\n", bad_path);
    log.append("2\n", good_path);
    ProcessorRunner runner("TailFile", several(log));
    CHECK(lines(runner).size() == 4);
    fs::remove(bad_path);
    fs::create_directory(bad_path);
    for (const std::string more : {"3", "4"}) {
      log.append(more + "\n", good_path);
      CHECK(lines(runner) == more + "|");
    }
    CHECK(runner.has_bulletin("is no regular file"));
  }
}

TEST_CASE(
    "what was read before a rotated version that cannot be read counts, and it is read later") {
  const Log log;
  const std::string path = log.folder.path() + "/a.txt";
  log.append("1\n", path);
  ProcessorRunner runner("TailFile", several(log));
  CHECK(lines(runner) == "1|");
  log.append("2\n", path);
  fs::rename(path, path + ".2");
  log.append("3\n", path + ".1");
  fs::last_write_time(path + ".1", fs::last_write_time(path + ".2") + 1s);
  fs::permissions(path + ".1", fs::perms::none);
  log.append("4\n", path);
  std::string all;
  std::thread([&] {
    ::setfsuid(65534);  // of this thread: root may read everything
    all = lines(runner);
    all += lines(runner);
  }).join();
  CHECK(all == "2|");
  CHECK(runner.has_bulletin("a.txt.1"));
  fs::permissions(path + ".1", fs::perms::all);
  CHECK(lines(runner) == "3|4|");
}

TEST_CASE("the rest of one of several that was rotated away is read before it is forgotten") {
  const Log log;
  const std::string path = log.folder.path() + "/a.txt";
  log.append("1\n", path);
  ProcessorRunner runner("TailFile", several(log), {.output_limit = {.count = 1, .bytes = 0}});
  runner.advance(1s);
  CHECK(runner.count("success") == 1);
  std::string many;
  for (int i = 0; i < 300; ++i) many += "x\n";
  log.append(many, path);
  fs::rename(path, path + ".1");
  std::size_t taken = runner.taken("success").size();
  // The queue behind is full for longer than it takes to look into the directory twice.
  for (int i = 0; i < 5; ++i) runner.advance(2min);
  taken += runner.taken("success").size();
  for (int i = 0; i < 5; ++i) {
    runner.advance(2min);
    taken += runner.taken("success").size();
  }
  CHECK(taken == 301);
  CHECK_FALSE(runner.state().contains("tail:" + path));
}

TEST_CASE("rotated versions that were compressed are told, and are not taken for lines") {
  const Log log;
  log.append("1\n");
  ProcessorRunner runner("TailFile", log.properties({{"Post-Rotation Tail Period", "0 sec"}}));
  CHECK(lines(runner) == "1|");
  log.append("2\n");
  // Two rotations while it was away, the older one compressed.
  fs::remove(log.path);
  log.append("\x1f\x8bzipped\n", log.path + ".2.gz");
  log.append("3\n", log.path + ".1");
  const auto now = fs::file_time_type::clock::now();
  fs::last_write_time(log.path + ".2.gz", now + 1s);
  fs::last_write_time(log.path + ".1", now + 2s);
  CHECK(lines(runner) == "3|");
  CHECK(runner.has_bulletin("app.log.2.gz` is compressed"));
  log.append("4\n");
  CHECK(lines(runner) == "4|");
  std::size_t told = 0;
  for (const Bulletin& one : runner.bulletins())
    told += one.text.find("is compressed") != one.text.npos;
  CHECK(told == 1);
}

TEST_CASE("what cannot be read is told, with its name") {
  const Log log;
  fs::create_directory(log.path);
  ProcessorRunner runner("TailFile", log.properties());
  runner.advance(1s);
  CHECK(runner.has_bulletin("is no regular file"));
}

TEST_CASE("a delimiter of several characters and a mode without its directory are refused") {
  CHECK_FALSE(find_processor_type("TailFile")
                  ->make({{"File to Tail", "x"}, {"Input Delimiter", "ab"}})
                  .ok());
  CHECK_FALSE(find_processor_type("TailFile")
                  ->make({{"File to Tail", "x"}, {"tail-mode", "Multiple file"}})
                  .ok());
}

TEST_CASE("a tail state is read back as it was written, and nonsense is refused") {
  const TailState state{.device = 1,
                        .inode = 2,
                        .position = 3,
                        .modified_ms = -4,
                        .head_size = 5,
                        .head_hash = ~0ULL,
                        .tail_size = 6,
                        .tail_hash = 7};
  const auto back = TailState::parse(state.text());
  REQUIRE(back.ok());
  CHECK(back->text() == state.text());
  CHECK(TailState::parse("1 2 3").code() == Code::kCorrupt);
}

TEST_CASE("a glob matches as a shell's, in bounded time") {
  CHECK(matches_glob("app.*", "app.log.1"));
  CHECK(matches_glob("a?c*", "abc"));
  CHECK_FALSE(matches_glob("a?c", "ac"));
  CHECK(matches_glob("*", ""));
  CHECK_FALSE(matches_glob("*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace runnel
