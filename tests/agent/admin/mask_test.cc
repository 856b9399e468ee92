// What is masked of tapped FlowFiles; and that nothing is shown that could not be looked through.

#include "agent/admin/mask.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace runnel {
namespace {

StatusJson shown(std::vector<std::string> attributes, std::vector<std::string> paths,
                 std::string content, bool is_cut = false) {
  PeekedFlowFile flowfile;
  flowfile.flowfile.attributes = {{"driver", "Ann"}, {"speed", "3"}};
  flowfile.content = std::move(content);
  flowfile.is_cut = is_cut;
  const auto mask = Mask::make(attributes, paths);
  REQUIRE(mask.ok());
  return mask->shown(flowfile);
}

TEST_CASE("attributes and parts of JSON are masked, and nothing else") {
  const StatusJson one =
      shown({"driver", "ghost"}, {"$.driver", "$..pin"},
            R"({"driver": {"name": "Ann"}, "cards": [{"pin": 1}, {"pin": 2}], "speed": 3})");
  CHECK(one["attributes"]["driver"] == "***");
  CHECK(one["attributes"]["speed"] == "3");
  CHECK_FALSE(one["attributes"].contains("ghost"));
  CHECK(StatusJson::parse(one["text"].get<std::string>()) ==
        StatusJson::parse(
            R"({"driver": "***", "cards": [{"pin": "***"}, {"pin": "***"}], "speed": 3})"));
}

TEST_CASE("lines of JSON are masked line by line") {
  const StatusJson one = shown({}, {"$.a"}, "{\"a\": 1}\n\n{\"b\": 2}\n");
  CHECK(one["text"] == "{\"a\":\"***\"}\n\n{\"b\":2}\n");
}

TEST_CASE("a content that is no JSON, or is not whole, is masked altogether") {
  CHECK(shown({}, {"$.a"}, "a=secret")["text"] == "***");
  CHECK(shown({}, {"$.a"}, "{\"a\": 1}\nsecret")["text"] == "***");
  CHECK(shown({}, {"$.a"}, "{\"a\": 1, \"b\": ", true)["text"] == "***");
  CHECK(shown({}, {"$.a"}, "\xFF\xFE")["text"] == "***");
  CHECK(shown({"driver"}, {}, "plain")["text"] == "plain");
}

TEST_CASE("what stands twice in an object is masked twice") {
  CHECK(shown({}, {"$.a"}, R"({"a": "first", "a": "second"})")["text"].get<std::string>().find(
            "first") == std::string::npos);
  CHECK(shown({}, {"$.a"}, R"({"a": "first", "a": "second"})")["text"].get<std::string>().find(
            "second") == std::string::npos);
}

TEST_CASE("a path that is none is refused") {
  CHECK(Mask::make({}, {"$.["}).code() == Code::kInvalid);
}

}  // namespace
}  // namespace runnel
