// Requests, schemas, routes, gzip.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "hub/http/gzip.h"
#include "hub/http/router.h"
#include "hub/http/schema.h"

namespace runnel::hub {
namespace {

Router table() {
  Router router;
  router.add(
      {.method = "GET",
       .pattern = "/things/{id}",
       .doc = "",
       .handler = [](const Request& request) { return Response{.body = request.params[0]}; }});
  router.add({.method = "POST",
              .pattern = "/deploy",
              .doc = "",
              .handler = [](const Request&) { return Response{.status = 201}; },
              .body = "DeployRequest",
              .body_max = 100});
  return router;
}

Request request_of(const std::string& method, const std::string& path,
                   const std::string& body = "") {
  Request request;
  request.method = method;
  request.path = path;
  request.body = body;
  request.headers = {{"Content-Type", "application/json; charset=utf-8"}};
  return request;
}

TEST_CASE("a route's parameters are one decoded segment each") {
  Request good = request_of("GET", "/things/a%20b%2Fc");
  CHECK(table().handle(good).body == "a b/c");
  Request head = request_of("HEAD", "/things/x");
  CHECK(table().handle(head).status == 200);
  Request bad = request_of("GET", "/things/%zz");
  CHECK(table().handle(bad).status == 404);
  Request deeper = request_of("GET", "/things/a/b");
  CHECK(table().handle(deeper).status == 404);
  Request method = request_of("PUT", "/things/a");
  CHECK(table().handle(method).status == 405);
}

TEST_CASE("a body is held against its schema before the handler sees it") {
  const auto status = [](const std::string& body) {
    Request request = request_of("POST", "/deploy", body);
    return table().handle(request).status;
  };
  CHECK(status(R"({"class":"a","flow":"b","version":1})") == 201);
  CHECK(status(R"({"class":"a","flow":"b","version":1,"agents_expected":null})") == 201);
  CHECK(status(R"({"class":"a","flow":"b"})") == 422);
  CHECK(status(R"({"class":"a","flow":"b","version":"1"})") == 422);
  CHECK(status(R"({"class":"a","flow":"b","version":1,"clas":2})") == 422);
  CHECK(status("[]") == 422);
  CHECK(status("{") == 400);
  CHECK(status(std::string(50'000, '[')) == 400);
  Request plain = request_of("POST", "/deploy", "{}");
  plain.headers = {{"Content-Type", "text/plain"}};
  CHECK(table().handle(plain).status == 415);
}

TEST_CASE("a body is bounded by its route, and nothing is read where none is taken") {
  CHECK(table().body_max("POST", "/deploy") == 100);
  CHECK(table().body_max("POST", "/nowhere") == 0);
}

TEST_CASE("an unknown key is named with the one that was meant") {
  const auto complaint = schema_complaint(
      "DeployRequest", Json{{"class", "a"}, {"flow", "b"}, {"version", 1}, {"agent_expected", 1}});
  CHECK(complaint.find("agents_expected") != std::string::npos);
}

TEST_CASE("every schema names only types that there are") {
  for (const Schema& schema : schemas()) CHECK_FALSE(json_schema_of_shape(schema).empty());
}

TEST_CASE("what was compressed comes back, and a bomb does not") {
  const std::string text(1'000'000, 'x');
  const std::string gzip = gzipped(text);
  CHECK(gzip.size() < 10'000);
  CHECK(*inflated(gzip, text.size()) == text);
  const auto bomb = inflated(gzip, text.size() - 1);
  REQUIRE_FALSE(bomb.ok());
  CHECK(bomb.code() == Code::kFull);
  CHECK(inflated("no gzip", 100).code() == Code::kInvalid);
  CHECK(inflated(std::string_view(gzip).substr(0, gzip.size() / 2), text.size()).code() ==
        Code::kInvalid);
}

TEST_CASE("queries and cookies are read as browsers write them") {
  Request request = request_of("GET", "/");
  request.query = "q=a+b%26c&empty=&flag";
  request.headers = {{"Cookie", "x=1; runnel=abc; y=2"}, {"Authorization", "bearer  tok"}};
  CHECK(request.query_value("q") == "a b&c");
  CHECK(request.query_value("empty") == "");
  CHECK(request.query_value("flag") == "");
  CHECK_FALSE(request.query_value("none"));
  CHECK(request.cookie("runnel") == "abc");
  CHECK(request.bearer() == "tok");
  CHECK(*percent_decoded(percent_encoded("ä/ %?")) == "ä/ %?");
}

}  // namespace
}  // namespace runnel::hub
