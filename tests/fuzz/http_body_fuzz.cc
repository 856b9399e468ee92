// Any bytes as a request's body: inflated, parsed, held against the schemas; and as its query,
// cookie and path.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "hub/http/gzip.h"
#include "hub/http/message.h"
#include "hub/http/router.h"
#include "hub/http/schema.h"

namespace {

const runnel::hub::Router& router() {
  static const runnel::hub::Router made = [] {
    runnel::hub::Router table;
    const auto answer = [](const runnel::hub::Request&) { return runnel::hub::Response{}; };
    table.add({.method = "POST",
               .pattern = "/a/{x}/b/{y}",
               .doc = "",
               .handler = answer,
               .body = "NewOperation"});
    table.add({.method = "POST",
               .pattern = "/deploy",
               .doc = "",
               .handler = answer,
               .body = "DeployRequest"});
    return table;
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace runnel::hub;
  constexpr std::size_t kMost = 1024 * 1024;
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto plain = inflated(text, kMost); plain.ok() && plain->size() > kMost) std::abort();
  if (const auto again = inflated(gzipped(text), text.size()); !again.ok() || *again != text)
    std::abort();

  Request request;
  request.method = "POST";
  request.path = "/deploy";
  request.body = text;
  request.headers = {
      {"Content-Type", "application/json"}, {"Cookie", text}, {"Authorization", text}};
  request.query = text;
  request.query_value("x");
  request.cookie("x");
  request.bearer();
  router().handle(request);
  request.path = "/a/" + text + "/b/" + text.substr(0, text.find('/'));
  router().handle(request);
  if (const auto decoded = percent_decoded(text); decoded.ok()) {
    const auto back = percent_decoded(percent_encoded(*decoded));
    if (!back.ok() || *back != *decoded) std::abort();
  }
  return 0;
}
