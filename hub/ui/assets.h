// The built web UI, inside the hub's binary. embed.cmake makes the list; hub/http serves it.

#pragma once

#include <span>
#include <string_view>

namespace runnel::hub {

/// One file of the UI. All fields live as long as the program.
///
/// How to serve: `path` exactly, with Content-Encoding: gzip. What lies under /assets/ has a hash
/// in its name and is sent with `Cache-Control: public, max-age=31536000, immutable`, all else with
/// `no-cache` and the ETag. A GET of any other path that is not under /api/ is a page of the
/// application and gets /index.html, with status 200.
struct UiAsset {
  std::string_view path;          ///< Begins with '/': "/index.html", "/assets/index-4f2a.js".
  std::string_view content_type;  ///< With charset where it is text.
  std::string_view etag;          ///< Quoted, strong: sha256 of the plain bytes.
  std::string_view gzip;          ///< The file, gzip-compressed.
};

/// In byte order of `path`. Empty when the hub was built without its UI (-DRUNNEL_UI=OFF).
std::span<const UiAsset> ui_assets();

}  // namespace runnel::hub
