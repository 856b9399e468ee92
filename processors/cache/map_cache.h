// DistributedMapCacheClient: values by their keys, which the processors of a flow share.
//
// What a session changes is committed with its FlowFiles or not at all. Named as NiFi's interface,
// whose processors these are.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/sdk/session.h"

namespace runnel {

// All of it in `on_trigger`, with its session. A session changes one cache only: from its first
// change until it ends others that want to change it wait, which lasts no longer than a slice.
class DistributedMapCacheClient {
 public:
  static constexpr std::string_view kService = "DistributedMapCacheClient";
  static constexpr std::size_t kKeyBytesMax = 64 << 10;
  virtual ~DistributedMapCacheClient() = default;

  // As it is committed, or as this session has changed it.
  virtual std::optional<std::string> get(Session& session, std::string_view key) = 0;
  // kInvalid: the key is empty or longer than kKeyBytesMax; kFull: larger than the whole cache.
  virtual Result<> put(Session& session, std::string_view key, std::string_view value) = 0;
  // The value that is there, which stays; or none, and `value` is there now. Errors as `put`.
  virtual Result<std::optional<std::string>> get_and_put_if_absent(Session& session,
                                                                   std::string_view key,
                                                                   std::string_view value) = 0;
};

}  // namespace runnel
