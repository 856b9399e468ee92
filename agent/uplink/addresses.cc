// Where at a hub things are; what addresses.h promises.

#include "agent/uplink/addresses.h"

#include "agent/base/bytes.h"

namespace runnel {
namespace {

bool is_http(std::string_view url) { return to_lower(url.substr(0, 7)) == "http://"; }
bool is_https(std::string_view url) { return to_lower(url.substr(0, 8)) == "https://"; }

// scheme://host:port, in small letters, with the port that the scheme means left out.
std::string origin_of(std::string_view url) {
  const std::size_t host = url.find("://") + 3;
  std::string origin =
      to_lower(url.substr(0, std::min(url.find_first_of("/?#", host), url.size())));
  const std::string_view port = is_https(url) ? ":443" : ":80";
  if (origin.ends_with(port)) origin.resize(origin.size() - port.size());
  return origin;
}

bool is_loopback(std::string_view origin) {
  std::string_view host = origin.substr(origin.find("://") + 3);
  if (host.starts_with("[")) return host.starts_with("[::1]");
  host = host.substr(0, host.find(':'));
  if (host == "localhost") return true;
  if (!host.starts_with("127.")) return false;
  return host.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

Result<HubAddresses> HubAddresses::of(std::string_view hub_url) {
  const std::string_view url = trimmed(hub_url);
  if (!is_http(url) && !is_https(url))
    return invalid("the hub's address `" + std::string(url) +
                   "` must begin with `https://`, e.g. `https://hub.example:8444`");
  if (url.find_first_of("?#@ ") != std::string_view::npos)
    return invalid("the hub's address `" + std::string(url) +
                   "` must have no user, query or fragment");
  HubAddresses out;
  out.origin_ = origin_of(url);
  if (out.origin_.ends_with("://")) return invalid("the hub's address names no host");
  if (is_http(url) && !is_loopback(out.origin_))
    return invalid("the hub's address `" + std::string(url) +
                   "` is plain HTTP, which is for loopback only; use `https://`");
  const std::size_t path = url.find('/', url.find("://") + 3);
  std::string_view base = path == std::string_view::npos ? std::string_view() : url.substr(path);
  while (base.ends_with('/')) base.remove_suffix(1);
  out.base_ = out.origin_ + (base.empty() ? "/efm/api" : std::string(base));
  out.post_path_ = base.ends_with("/c2/config") ? "/" : "/c2-protocol/";
  return out;
}

Result<std::string> HubAddresses::resolve(std::string_view given) const {
  const std::string_view url = trimmed(given);
  if (url.empty()) return invalid("an empty URL");
  if (url.find("://") == std::string_view::npos) {
    const std::string_view rest = url.substr(std::min(url.find_first_not_of('/'), url.size()));
    return base_ + "/" + std::string(rest);
  }
  if (!is_http(url) && !is_https(url))
    return invalid("`" + std::string(url) + "` is neither HTTP nor HTTPS");
  if (is_http(url) && is_https(origin_))
    return invalid("`" + std::string(url) + "` is plain HTTP, though the hub is reached over TLS");
  return std::string(url);
}

bool HubAddresses::is_hub(std::string_view url) const {
  return (is_http(url) || is_https(url)) && url.find('@') == std::string_view::npos &&
         origin_of(url) == origin_;
}

}  // namespace runnel
