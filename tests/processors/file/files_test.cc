// GetFile, ListFile, FetchFile and PutFile.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "processors/registry.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("GetFile takes each file, and removes it only when its FlowFile is safe") {
  const test::TempFolder in;
  fs::create_directory(in.path() + "/sub");
  write(in.path() + "/a.txt", "A");
  write(in.path() + "/sub/b.txt", "B");
  write(in.path() + "/c.dat", "C");
  write(in.path() + "/.hidden.txt", "H");
  ProcessorRunner runner("GetFile", {{"Input Directory", in.path()}, {"File Filter", ".*\\.txt"}});
  runner.advance(1s);
  CHECK(runner.count("success") == 2);
  runner.flush();
  CHECK(runner.run_until([&] { return !fs::exists(in.path() + "/a.txt"); }));
  CHECK_FALSE(fs::exists(in.path() + "/sub/b.txt"));
  CHECK(fs::exists(in.path() + "/c.dat"));
  CHECK(fs::exists(in.path() + "/.hidden.txt"));
  for (const TakenFlowFile& one : runner.taken("success")) {
    const bool is_a = one.attribute("filename") == "a.txt";
    CHECK(one.content == (is_a ? "A" : "B"));
    CHECK(one.attribute("path") == (is_a ? "./" : "sub/"));
  }
}

TEST_CASE("GetFile takes a kept file at each run") {
  const test::TempFolder in;
  write(in.path() + "/a", "A");
  ProcessorRunner runner("GetFile", {{"Input Directory", in.path()}, {"Keep Source File", "true"}});
  runner.advance(1s);
  runner.advance(1s);
  CHECK(runner.taken("success").size() >= 2);
  CHECK(fs::exists(in.path() + "/a"));
}

TEST_CASE("GetFile takes files of any name, and PutFile writes them under the same") {
  const test::TempFolder in;
  const test::TempFolder out;
  const std::vector<std::string> names{"line\nend",
                                       "\xfc"
                                       "bung.txt",
                                       std::string(255, 'x'), " b'\""};
  for (const std::string& one : names) write(in.path() + "/" + one, one);
  ProcessorRunner all("GetFile", {{"Input Directory", in.path()}, {"Keep Source File", "true"}});
  all.advance(1s);
  CHECK(all.count("success") == names.size());
  ProcessorRunner some("GetFile", {{"Input Directory", in.path()}, {"File Filter", ".+\\.txt"}});
  some.advance(1s);
  CHECK(some.taken("success").at(0).attribute("filename") == names[1]);
  ProcessorRunner puts("PutFile", {{"Directory", out.path()}});
  for (const TakenFlowFile& one : all.taken("success"))
    puts.enqueue(one.content, {{"filename", one.attribute("filename")}});
  puts.run();
  for (const std::string& one : names) CHECK(read(out.path() + "/" + one) == one);
}

TEST_CASE("GetFile says which directory is missing") {
  ProcessorRunner runner("GetFile", {{"Input Directory", "/nowhere/at/all"}});
  runner.advance(1s);
  CHECK(runner.has_bulletin("/nowhere/at/all"));
}

TEST_CASE("ListFile lists each file once, and again when it has changed") {
  const test::TempFolder in;
  write(in.path() + "/a", "A");
  ProcessorRunner runner("ListFile", {{"Input Directory", in.path()}});
  runner.advance(1s);
  auto listed = runner.taken("success");
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].attribute("filename") == "a");
  CHECK(listed[0].attribute("file.size") == "1");
  runner.advance(1s);
  CHECK(runner.taken("success").empty());
  runner.restart();
  runner.advance(1s);
  CHECK(runner.taken("success").empty());
  write(in.path() + "/a", "AA");
  fs::last_write_time(in.path() + "/a", fs::file_time_type::clock::now() + 5s);
  runner.advance(1s);
  CHECK(runner.taken("success").size() == 1);
}

void set_age(const std::string& path, const Clock& clock, std::chrono::milliseconds age) {
  const std::int64_t ms = clock.wall_ms() - age.count();
  const timespec at{.tv_sec = ms / 1000, .tv_nsec = 0};
  const timespec times[] = {at, at};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

TEST_CASE("a file that was written before the clock was set back is old enough for GetFile") {
  const test::TempFolder in;
  ManualClock clock;
  for (const std::string one : {"fresh", "old", "ahead", "future"})
    write(in.path() + "/" + one, one);
  set_age(in.path() + "/fresh", clock, 5s);
  set_age(in.path() + "/old", clock, 90s);
  set_age(in.path() + "/ahead", clock, -5s);
  set_age(in.path() + "/future", clock, -87'600h);
  ProcessorRunner runner("GetFile", {{"Input Directory", in.path()}, {"Minimum File Age", "1 min"}},
                         {.clock = &clock});
  runner.run();
  std::set<std::string> names;
  for (const TakenFlowFile& one : runner.taken("success")) names.insert(one.content);
  CHECK(names == std::set<std::string>{"future", "old"});
}

TEST_CASE("ListFile says so when a file of the future keeps it from seeing others") {
  const test::TempFolder in;
  ManualClock clock;
  write(in.path() + "/a", "A");
  set_age(in.path() + "/a", clock, 1h);
  ProcessorRunner runner("ListFile", {{"Input Directory", in.path()}}, {.clock = &clock});
  runner.run();
  CHECK(runner.taken("success").size() == 1);
  write(in.path() + "/b", "B");
  set_age(in.path() + "/b", clock, -87'600h);
  clock.advance(1s);
  runner.run();
  CHECK(runner.taken("success").size() == 1);
  CHECK_FALSE(runner.has_bulletin("yet to come"));
  clock.advance(1s);
  runner.run();
  CHECK(runner.has_bulletin("yet to come: until then no older one is listed"));
}

TEST_CASE("FetchFile gets the content, and removes the file when that is safe") {
  const test::TempFolder in;
  write(in.path() + "/a", "content");
  ProcessorRunner runner("FetchFile", {{"Completion Strategy", "Delete File"}});
  runner.enqueue("", {{"absolute.path", in.path() + "/"}, {"filename", "a"}});
  runner.run();
  CHECK(runner.taken("success").at(0).content == "content");
  runner.flush();
  CHECK(runner.run_until([&] { return !fs::exists(in.path() + "/a"); }));
}

TEST_CASE("FetchFile routes what is missing, what is no file and what has no name") {
  const test::TempFolder in;
  ProcessorRunner runner("FetchFile", {{"File to Fetch", "${file}"}});
  runner.enqueue("", {{"file", in.path() + "/none"}});
  runner.enqueue("", {{"file", in.path()}});
  runner.run();
  CHECK(runner.taken("not.found").size() == 1);
  CHECK(runner.taken("failure").size() == 1);
  CHECK(runner.has_bulletin("/none"));
  ProcessorRunner nameless("FetchFile");
  nameless.enqueue("", {{"absolute.path", "/tmp"}});
  nameless.run();
  CHECK(nameless.count("success") + nameless.count("not.found") + nameless.count("failure") == 1);
  if (::geteuid() != 0) {
    write(in.path() + "/secret", "s");
    ::chmod((in.path() + "/secret").c_str(), 0);
    runner.enqueue("", {{"file", in.path() + "/secret"}});
    runner.run();
    CHECK(runner.taken("permission.denied").size() == 1);
  }
}

TEST_CASE("PutFile writes whole files under their names, and resolves conflicts as told") {
  const test::TempFolder out;
  const std::string directory = out.path() + "/deep/er";
  const auto put = [&](const std::string& strategy, const std::string& content) {
    ProcessorRunner runner("PutFile",
                           {{"Directory", "${where}"}, {"Conflict Resolution Strategy", strategy}});
    runner.enqueue(content, {{"filename", "f"}, {"where", directory}});
    runner.run();
    return runner.count("success") == 1 ? "success" : "failure";
  };
  CHECK(put("fail", "1") == std::string("success"));
  CHECK(read(directory + "/f") == "1");
  CHECK(put("fail", "2") == std::string("failure"));
  CHECK(put("ignore", "3") == std::string("success"));
  CHECK(read(directory + "/f") == "1");
  CHECK(put("replace", "4") == std::string("success"));
  CHECK(read(directory + "/f") == "4");
  CHECK(std::distance(fs::directory_iterator(directory), fs::directory_iterator()) == 1);
}

TEST_CASE("PutFile never leaves its directory, and says why it would not write") {
  const test::TempFolder out;
  ProcessorRunner runner("PutFile", {{"Directory", out.path()}, {"Maximum File Count", "1"}});
  runner.enqueue("x", {{"filename", "../evil"}});
  runner.enqueue("x", {{"filename", ".."}});
  runner.enqueue("x", {{"filename", "one"}});
  runner.enqueue("x", {{"filename", "two"}});
  runner.run();
  CHECK(runner.taken("success").size() == 1);
  CHECK(runner.taken("failure").size() == 3);
  CHECK(runner.has_bulletin("is no file name"));
  CHECK_FALSE(fs::exists(out.path() + "/../evil"));
}

TEST_CASE("GetFile reads no pipes, follows no links in a circle, and outlives its directory") {
  const test::TempFolder in;
  const std::string folder = in.path() + "/in";
  fs::create_directory(folder);
  REQUIRE(::mkfifo((folder + "/pipe").c_str(), 0600) == 0);
  fs::create_directory_symlink(folder, folder + "/circle");
  fs::create_symlink("/no/such/file", folder + "/dangling");
  write(folder + "/good", "good");
  ProcessorRunner runner("GetFile", {{"Input Directory", folder}});
  runner.advance(1s);
  const auto taken = runner.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == "good");
  runner.flush();  // what is safe is removed, and by nobody else than us at the same time
  fs::remove_all(folder);
  runner.advance(1min);
  CHECK(runner.has_bulletin(folder));
  fs::create_directory(folder);
  write(folder + "/again", "again");
  runner.advance(1min);
  CHECK(runner.taken("success").size() == 1);
}

TEST_CASE("ListFile outlives its directory, and says which one went") {
  const test::TempFolder in;
  const std::string folder = in.path() + "/in";
  fs::create_directory(folder);
  write(folder + "/a", "a");
  ProcessorRunner runner("ListFile", {{"Input Directory", folder}});
  runner.advance(1s);
  CHECK(runner.taken("success").size() == 1);
  fs::remove_all(folder);
  runner.advance(1min);
  CHECK(runner.has_bulletin(folder));
  fs::create_directory(folder);
  write(folder + "/b", "b");
  runner.advance(1min);
  CHECK(runner.taken("success").size() == 1);
}

TEST_CASE("FetchFile hangs on no pipe, and takes no device for a file") {
  const test::TempFolder in;
  REQUIRE(::mkfifo((in.path() + "/pipe").c_str(), 0600) == 0);
  ProcessorRunner runner("FetchFile", {{"File to Fetch", "${file}"}});
  for (const std::string& file : {in.path() + "/pipe", std::string("/dev/zero"), in.path()}) {
    runner.enqueue("", {{"file", file}});
  }
  runner.run();
  CHECK(runner.count("failure") + runner.count("not.found") == 3);
}

// Fetches `name` of each of two directories, and moves them to a third one.
void fetch_two(const std::string& folder, const std::string& conflict) {
  for (const std::string one : {"1", "2"}) {
    fs::create_directory(folder + "/" + one);
    write(folder + "/" + one + "/same", one);
  }
  ProcessorRunner runner("FetchFile", {{"Completion Strategy", "Move File"},
                                       {"Move Destination Directory", folder + "/done/${date}"},
                                       {"Move Conflict Strategy", conflict}});
  for (const std::string one : {"1", "2"}) {
    runner.enqueue("",
                   {{"absolute.path", folder + "/" + one}, {"filename", "same"}, {"date", "5/6"}});
  }
  runner.run();
  CHECK(runner.taken("success").size() == 2);
  runner.flush();
}

TEST_CASE("FetchFile moves two files of one name that are fetched together as its strategy says") {
  const test::TempFolder folder;
  SUBCASE("Rename: both are kept") {
    fetch_two(folder.path(), "Rename");
    std::string all;
    for (const auto& entry : fs::directory_iterator(folder.path() + "/done/5/6"))
      all += read(entry.path());
    CHECK((all == "12" || all == "21"));
    CHECK(read(folder.path() + "/done/5/6/same") == "1");
    CHECK_FALSE(fs::exists(folder.path() + "/2/same"));
  }
  SUBCASE("Keep Existing: the first one is kept") {
    fetch_two(folder.path(), "Keep Existing");
    CHECK(read(folder.path() + "/done/5/6/same") == "1");
    CHECK_FALSE(fs::exists(folder.path() + "/2/same"));
  }
  SUBCASE("Replace File: the last one is kept") {
    fetch_two(folder.path(), "Replace File");
    CHECK(read(folder.path() + "/done/5/6/same") == "2");
    CHECK_FALSE(fs::exists(folder.path() + "/2/same"));
  }
  SUBCASE("Fail: the second one stays where it is") {
    fetch_two(folder.path(), "Fail");
    CHECK(read(folder.path() + "/done/5/6/same") == "1");
    CHECK(read(folder.path() + "/2/same") == "2");
  }
}

TEST_CASE("FetchFile leaves a file alone that was written to after it was read") {
  const test::TempFolder in;
  write(in.path() + "/a", "first");
  ProcessorRunner runner("FetchFile", {{"Completion Strategy", "Delete File"}});
  runner.enqueue("", {{"absolute.path", in.path() + "/"}, {"filename", "a"}});
  runner.run();
  CHECK(runner.taken("success").at(0).content == "first");
  write(in.path() + "/a", "second, which nobody has read");
  runner.flush();
  CHECK(runner.run_until([&] { return runner.has_bulletin("was changed after it was read"); }));
  CHECK(read(in.path() + "/a") == "second, which nobody has read");
}

TEST_CASE("FetchFile moves files to another file system") {
  const test::TempFolder in;
  const test::TempFolder elsewhere("/dev/shm");
  struct stat here {};
  struct stat there {};
  REQUIRE(::stat(in.path().c_str(), &here) == 0);
  REQUIRE(::stat(elsewhere.path().c_str(), &there) == 0);
  if (here.st_dev == there.st_dev) return;  // a machine without another one
  write(in.path() + "/a", "content");
  ProcessorRunner runner("FetchFile", {{"Completion Strategy", "Move File"},
                                       {"Move Destination Directory", elsewhere.path() + "/done"}});
  runner.enqueue("", {{"absolute.path", in.path() + "/"}, {"filename", "a"}});
  runner.run();
  CHECK(runner.taken("success").at(0).content == "content");
  CHECK(fs::exists(in.path() + "/a"));  // it is not safe yet
  runner.flush();
  CHECK(runner.run_until([&] { return !fs::exists(in.path() + "/a"); }));
  CHECK(read(elsewhere.path() + "/done/a") == "content");
  const fs::directory_iterator left(elsewhere.path() + "/done");
  CHECK(std::distance(left, fs::directory_iterator()) == 1);
}

// From now on these calls fail so, for the thread that calls this.
void forbid(std::initializer_list<std::pair<long, int>> calls) {
  std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const auto& [number, error] : calls) {
    program.push_back(
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
    program.push_back(
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  REQUIRE(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  REQUIRE(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0);
}

TEST_CASE("PutFile writes to file systems without second names or without renaming unless") {
  for (const bool has_renaming : {true, false}) {
    CAPTURE(has_renaming);
    const test::TempFolder out;
    std::size_t good = 0;
    std::size_t bad = 0;
    std::thread([&] {
      forbid({{SYS_linkat, EPERM},
#ifdef SYS_link
              {SYS_link, EPERM},
#endif
              {has_renaming ? -2 : SYS_renameat2, EINVAL}});
      ProcessorRunner runner("PutFile", {{"Directory", out.path()}});
      runner.enqueue("1", {{"filename", "f"}});
      runner.enqueue("2", {{"filename", "f"}});
      runner.run();
      good = runner.count("success");
      bad = runner.count("failure");
    }).join();
    CHECK(good == 1);
    CHECK(bad == 1);
    CHECK(read(out.path() + "/f") == "1");
    CHECK(std::distance(fs::directory_iterator(out.path()), fs::directory_iterator()) == 1);
  }
}

TEST_CASE("PutFile gives new files and directories just the permissions that it is told") {
  const test::TempFolder out;
  const mode_t before = ::umask(0077);
  ProcessorRunner runner("PutFile", {{"Directory", out.path() + "/a/b"},
                                     {"Permissions", "0664"},
                                     {"Directory Permissions", "2775"}});
  runner.enqueue("x", {{"filename", "f"}});
  runner.run();
  ::umask(before);
  CHECK(runner.count("success") == 1);
  const auto mode_of = [](const std::string& path) {
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
  };
  CHECK(mode_of(out.path() + "/a") == 02775);
  CHECK(mode_of(out.path() + "/a/b") == 02775);
  CHECK(mode_of(out.path() + "/a/b/f") == 0664);
  CHECK_FALSE(find_processor_type("PutFile")->make({{"Permissions", "77777"}}).ok());
}

TEST_CASE("PutFile leaves content that cannot be read to the quarantine, and puts what is behind") {
  const test::TempFolder out;
  ProcessorRunner runner("PutFile", {{"Directory", out.path()}});
  runner.stop();
  runner.enqueue(std::string(100'000, 'x'), {{"filename", "large"}});
  runner.enqueue("behind it", {{"filename", "small"}});
  runner.flush();
  runner.damage_content(2'000);
  runner.restart();
  for (int i = 0; i < 3; ++i) runner.advance(1min);
  CHECK(runner.count("success") == 1);
  CHECK(runner.loss().quarantined == 1);
  CHECK(runner.count("failure") == 0);
  CHECK(std::distance(fs::directory_iterator(out.path()), fs::directory_iterator()) == 1);
  check_balanced(runner.loss());
}

}  // namespace
}  // namespace runnel
