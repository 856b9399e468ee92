// DistributedMapCacheClient: values by their keys, which the processors of a flow share.
//
// What a session changes is committed with its FlowFiles or not at all. Named as NiFi's interface,
// whose processors these are.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/sdk/session.h"
#include "processors/text_property.h"

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

// The FlowFile's key. kInvalid: it has none, or the expression does not fit.
Result<std::string> cache_key(const Text& key, const FlowFile& flowfile);

// A number, big-endian, and the text behind it; and the number of such bytes, which are as many at
// least.
inline constexpr std::size_t kNumberBytes = 8;
std::string behind_number(std::uint64_t number, std::string_view text);
std::uint64_t number_before(std::string_view stored);

}  // namespace runnel
