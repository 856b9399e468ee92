// The floor plan: who may include whom, one door for each third-party library, and the cheap rules
// of style.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/source_dir.h"

namespace runnel {
namespace {

namespace fs = std::filesystem;

struct Floor {
  std::string_view room;  // a folder, with all below it that is no room of its own
  std::vector<std::string_view> may_use;
};

// An include goes down, or stays in its room.
const std::vector<Floor> kFloors{
    {"agent/base", {}},
    {"agent/spec", {"agent/base"}},
    {"agent/store", {"agent/base"}},
    {"agent/sdk", {"agent/spec", "agent/base"}},
    {"agent/flow/el", {"agent/base"}},
    {"agent/flow", {"agent/flow/el", "agent/spec", "agent/base"}},
    {"agent/c2", {"agent/flow", "agent/spec", "agent/base"}},
    {"agent/runtime", {"agent/sdk", "agent/flow", "agent/store", "agent/spec", "agent/base"}},
    {"agent/uplink", {"agent/c2", "agent/flow", "agent/store", "agent/base"}},
    {"agent/trial",
     {"agent/runtime", "agent/sdk", "agent/flow", "agent/flow/el", "agent/spec", "agent/base"}},
    {"agent/admin", {"agent/runtime", "agent/flow", "agent/flow/el", "agent/spec", "agent/base"}},
    {"processors", {"agent/sdk", "agent/store", "agent/spec", "agent/flow/el", "agent/base"}},
    {"hub", {"agent/c2", "agent/flow", "agent/spec", "agent/store", "agent/base"}},
    // main.cc and commands.*
    {"agent",
     {"agent/base", "agent/spec", "agent/store", "agent/sdk", "agent/flow", "agent/flow/el",
      "agent/c2", "agent/runtime", "agent/trial", "agent/uplink", "agent/admin", "processors"}},
};

// A library that is a vocabulary rather than a machine: any .cc of the rooms that link it.
const std::vector<std::string_view> kVocabulary{"fmt/", "nlohmann/", "doctest/"};

struct Door {
  std::vector<std::string_view> headers;  // prefixes
  std::vector<std::string_view> folders;  // in each, one .cc may open it
};

const std::vector<Door> kDoors{
    {{"sqlite3.h"}, {"agent/store"}},
    {{"nmmintrin.h"}, {"agent/base"}},  // the compiler's: CRC-32C
    {{"zstd.h", "zdict.h"}, {"agent/runtime", "processors/record"}},
    {{"snappy-c.h"}, {"processors/record"}},
    {{"zlib.h"}, {"agent/base", "processors/record", "hub/http"}},
    {{"yaml-cpp/"}, {"agent/flow"}},
    {{"date/"}, {"agent/flow", "agent/flow/el"}},
    {{"re2/"}, {"agent/flow/el"}},
    {{"openssl/"},
     {"agent/base", "agent/flow", "agent/uplink", "processors/mqtt", "processors/http",
      "processors/net", "hub/auth", "hub/http"}},
    {{"mqtt/", "MQTT"}, {"processors/mqtt"}},
    {{"librdkafka/"}, {"processors/kafka"}},
    {{"curl/"}, {"agent/base", "processors/http", "agent/uplink", "hub/alerts", "hub/cli"}},
    {{"civetweb.h", "CivetServer.h"}, {"processors/http", "agent/admin", "hub/http"}},
    {{"CLI/"}, {"agent", "hub", "hub/cli", "hub/cli/main"}},
    {{"argon2.h"}, {"hub/auth"}},
    {{"libpq"}, {"hub/store"}},
    {{"lua"}, {"processors/script"}},
};

// What Debian's libc and kernel bring.
const std::vector<std::string_view> kSystemFolders{"sys/", "netinet/", "arpa/", "net/", "linux/"};
const std::set<std::string_view> kSystemHeaders{
    "unistd.h", "fcntl.h",  "poll.h",   "signal.h",  "pthread.h", "dirent.h", "fnmatch.h",
    "glob.h",   "netdb.h",  "spawn.h",  "termios.h", "time.h",    "errno.h",  "ifaddrs.h",
    "pwd.h",    "grp.h",    "malloc.h", "sched.h",   "syslog.h",  "getopt.h", "ftw.h",
    "locale.h", "wctype.h", "string.h", "stdlib.h",  "stdio.h",   "limits.h", "wait.h",
    "alloca.h", "cxxabi.h", "dlfcn.h",  "elf.h",     "link.h"};

struct Include {
  std::string header;
  bool is_ours = false;
  int line = 0;
};

struct Source {
  std::string path;  // from the root of the tree
  std::string first_line;
  std::vector<Include> includes;
  std::size_t lines = 0;
};

std::vector<Source> sources_of(const std::vector<std::string>& folders) {
  const fs::path root(test::source_dir());
  std::vector<Source> sources;
  for (const std::string& folder : folders) {
    for (auto entry = fs::recursive_directory_iterator(root / folder);
         entry != fs::recursive_directory_iterator(); ++entry) {
      const std::string name = entry->path().filename().string();
      if (entry->is_directory() && (name == "node_modules" || name == "build" || name == "ui")) {
        entry.disable_recursion_pending();
        continue;
      }
      const std::string extension = entry->path().extension().string();
      if (extension != ".h" && extension != ".cc") continue;
      Source source;
      source.path = fs::relative(entry->path(), root).string();
      std::ifstream in(entry->path());
      std::string line;
      while (std::getline(in, line)) {
        if (++source.lines == 1) source.first_line = line;
        if (!line.starts_with("#include ")) continue;
        const bool is_ours = line[9] == '"';
        const std::size_t end = line.find(is_ours ? '"' : '>', 10);
        if (end == std::string::npos) continue;
        source.includes.push_back(
            {line.substr(10, end - 10), is_ours, static_cast<int>(source.lines)});
      }
      sources.push_back(std::move(source));
    }
  }
  return sources;
}

bool lies_in(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/';
}

// The innermost room that a file lies in.
const Floor* room_of(std::string_view path) {
  const Floor* found = nullptr;
  for (const Floor& floor : kFloors) {
    if (lies_in(path, floor.room) && (!found || floor.room.size() > found->room.size())) {
      found = &floor;
    }
  }
  return found;
}

std::string place(const Source& source, const Include& include) {
  return source.path + ":" + std::to_string(include.line) + ": `" + include.header + "`";
}

bool is_system(std::string_view header) {
  if (header.find('.') == header.npos && header.find('/') == header.npos) return true;
  return kSystemHeaders.contains(header) ||
         std::any_of(kSystemFolders.begin(), kSystemFolders.end(),
                     [header](std::string_view folder) { return header.starts_with(folder); });
}

bool begins_with_any(std::string_view header, const std::vector<std::string_view>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [header](std::string_view prefix) { return header.starts_with(prefix); });
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

TEST_CASE("an include goes down, or stays in its room") {
  for (const Source& source : sources_of({"agent", "processors", "hub"})) {
    const Floor* from = room_of(source.path);
    REQUIRE_MESSAGE(from != nullptr, source.path, " lies in no room");
    for (const Include& include : source.includes) {
      if (!include.is_ours) continue;
      const Floor* to = room_of(include.header);
      // Generated sources have no folder in the tree.
      if (to == nullptr) continue;
      const bool is_allowed = to == from || std::find(from->may_use.begin(), from->may_use.end(),
                                                      to->room) != from->may_use.end();
      CHECK_MESSAGE(is_allowed, place(source, include), ": ", from->room, " may not use ",
                    to->room);
    }
  }
}

TEST_CASE("each third-party library has one door in a room, and only in its rooms") {
  std::map<std::pair<const Door*, std::string>, std::set<std::string>> opened;
  for (const Source& source : sources_of({"agent", "processors", "hub"})) {
    for (const Include& include : source.includes) {
      if (include.is_ours || is_system(include.header)) continue;
      if (begins_with_any(include.header, kVocabulary)) continue;
      const auto door = std::find_if(kDoors.begin(), kDoors.end(), [&](const Door& one) {
        return begins_with_any(include.header, one.headers);
      });
      CHECK_MESSAGE(door != kDoors.end(), place(source, include),
                    ": an unknown library; say in kDoors where its door is");
      if (door == kDoors.end()) continue;
      const std::string folder = folder_of(source.path);
      CHECK_MESSAGE(
          std::find(door->folders.begin(), door->folders.end(), folder) != door->folders.end(),
          place(source, include), ": its door is elsewhere");
      opened[{&*door, folder}].insert(source.path);
    }
  }
  for (const auto& [where, files] : opened) {
    std::string all;
    for (const std::string& file : files) all += " " + file;
    CHECK_MESSAGE(files.size() == 1, where.first->headers.front(), " has several doors:", all);
  }
}

TEST_CASE("headers of ours include no third-party header, but forward declarations of JSON") {
  for (const Source& source : sources_of({"agent", "processors", "hub", "tests"})) {
    if (!source.path.ends_with(".h")) continue;
    for (const Include& include : source.includes) {
      if (include.is_ours || is_system(include.header)) continue;
      const bool is_allowed =
          include.header == "nlohmann/json_fwd.hpp" ||
          (lies_in(source.path, "tests") && include.header == "doctest/doctest.h");
      CHECK_MESSAGE(is_allowed, place(source, include));
    }
  }
}

TEST_CASE("the first line of a file says what it is") {
  for (const Source& source : sources_of({"agent", "processors", "hub", "tests"})) {
    CHECK_MESSAGE((source.first_line.starts_with("// ") && source.first_line.size() > 12),
                  source.path);
  }
}

TEST_CASE("a file stays short enough to be read") {
  for (const Source& source : sources_of({"agent", "processors", "hub"})) {
    CHECK_MESSAGE(source.lines <= 600, source.path, " has ", source.lines, " lines: split it");
  }
}

TEST_CASE("the parser of this test sees what is there") {
  const std::vector<Source> sources = sources_of({"agent"});
  const auto door = std::find_if(sources.begin(), sources.end(), [](const Source& source) {
    return source.path == "agent/store/database.cc";
  });
  REQUIRE(door != sources.end());
  CHECK(std::any_of(door->includes.begin(), door->includes.end(), [](const Include& include) {
    return include.header == "sqlite3.h" && !include.is_ours;
  }));
  CHECK(room_of("agent/flow/el/lexer.cc")->room == "agent/flow/el");
  CHECK(room_of("agent/main.cc")->room == "agent");
}

}  // namespace
}  // namespace runnel
