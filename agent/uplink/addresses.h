// Addresses: where at a hub the heartbeat, the acknowledgement and the flows are.

#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

class HubAddresses {
 public:
  // `https://hub:8444` means the layout `/efm/api/…`; a path is taken as the base: `…/c2/config` is
  // that of Apache's C2 server. Plain HTTP is for loopback only. kInvalid says what is wrong.
  static Result<HubAddresses> of(std::string_view hub_url);

  std::string heartbeat() const { return base_ + post_path_ + "heartbeat"; }
  std::string acknowledge() const { return base_ + post_path_ + "acknowledge"; }
  // A relative URL against the base, an absolute one as it is. kInvalid: not HTTP, or plain HTTP
  // while the hub is reached over TLS.
  Result<std::string> resolve(std::string_view url) const;
  // Whether it leads to the hub itself, which alone may see the token.
  bool is_hub(std::string_view url) const;

 private:
  std::string origin_;  // scheme://host:port
  std::string base_;    // without a slash at its end
  std::string post_path_;
};

}  // namespace runnel
