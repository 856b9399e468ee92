// The example of processors/README.md is what this folder builds.

#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "tests/support/source_dir.h"

namespace runnel {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream in(std::string(test::source_dir()) + "/" + path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

TEST_CASE("the example of processors/README.md is built and tested as it stands there") {
  const std::string page = text_of("processors/README.md");
  constexpr std::string_view kBegin = "```cpp\n";
  std::vector<std::string> blocks;
  for (std::size_t at = page.find(kBegin); at != page.npos; at = page.find(kBegin, at)) {
    at += kBegin.size();
    blocks.push_back(page.substr(at, page.find("```\n", at) - at));
  }
  REQUIRE(blocks.size() == 2);
  CHECK(blocks[0] == text_of("tests/processors/example/count_words.cc"));
  CHECK(blocks[1] == text_of("tests/processors/example/count_words_test.cc"));
}

}  // namespace
}  // namespace runnel
