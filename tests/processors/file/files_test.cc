// GetFile, ListFile, FetchFile and PutFile.

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

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

}  // namespace
}  // namespace runnel
