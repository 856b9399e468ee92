// Serves the web UI.

#include "hub/http/pages.h"

#include <algorithm>

#include "agent/base/bytes.h"
#include "hub/ui/assets.h"

namespace runnel::hub {
namespace {

const UiAsset* find(std::string_view path) {
  const auto assets = ui_assets();
  const auto found = std::lower_bound(
      assets.begin(), assets.end(), path,
      [](const UiAsset& asset, std::string_view wanted) { return asset.path < wanted; });
  return found != assets.end() && found->path == path ? &*found : nullptr;
}

}  // namespace

Response page(const Request& request) {
  if (request.path.starts_with("/api/")) {
    return problem(404, "not-found", "there is nothing at " + to_utf8(request.path));
  }
  if (request.method != "GET" && request.method != "HEAD") {
    return problem(405, "invalid", request.method + " is not for this address");
  }
  const UiAsset* asset = find(request.path);
  if (asset == nullptr && !request.path.starts_with("/assets/")) asset = find("/index.html");
  if (asset == nullptr) {
    if (!ui_assets().empty()) return problem(404, "not-found", "there is no such file");
    return {.content_type = "text/plain; charset=utf-8",
            .body =
                "This hub was built without its pages. The API is at /api/v1, described by "
                "/api/v1/openapi.json.\n"};
  }
  const bool never_changes = asset->path.starts_with("/assets/");
  Response response{
      .content_type = std::string(asset->content_type),
      .headers = {
          {"ETag", std::string(asset->etag)},
          {"Cache-Control", never_changes ? "public, max-age=31536000, immutable" : "no-cache"},
          {"Vary", "Accept-Encoding"}}};
  if (request.header("If-None-Match") == asset->etag) {
    response.status = 304;
    return response;
  }
  response.body = asset->gzip;
  response.is_gzip = true;
  return response;
}

std::vector<std::pair<std::string, std::string>> security_headers() {
  return {{"Content-Security-Policy",
           "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
           "form-action 'self'"},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"}};
}

}  // namespace runnel::hub
