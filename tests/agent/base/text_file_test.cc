// Small files that somebody else wrote.

#include "agent/base/text_file.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace runnel {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "runnel-text-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
  std::string at(const char* name) const { return (path / name).string(); }
  fs::path path;
};

TEST_CASE("a file up to the bound is read, a byte more is refused") {
  const Folder folder;
  std::ofstream(folder.at("text")) << "four";
  CHECK(read_text_file(folder.at("text"), 4).value() == "four");
  const auto larger = read_text_file(folder.at("text"), 3);
  CHECK(larger.error().code() == Code::kInvalid);
  CHECK(larger.error().text() == "is larger than 3 B");
}

TEST_CASE("what is no file is refused at once, and says what it is") {
  const Folder folder;
  CHECK(read_text_file(folder.path.string(), 9).error().text() == "is a folder");
  REQUIRE(::mkfifo(folder.at("pipe").c_str(), 0600) == 0);
  CHECK(read_text_file(folder.at("pipe"), 9).error().text() == "is no regular file");
  CHECK(read_text_file("/dev/zero", 9).error().code() == Code::kInvalid);
  const auto none = read_text_file(folder.at("none"), 9);
  CHECK(none.error().code() == Code::kNotFound);
  CHECK(none.error().text() == "cannot be read: No such file or directory");
}

}  // namespace
}  // namespace runnel
