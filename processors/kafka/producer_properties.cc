// What the properties of a producer are called by librdkafka.

#include "processors/kafka/producer_properties.h"

#include <string>

namespace runnel::kafka {
namespace {

// librdkafka's limits of one client's queue, where several processors' windows bound it.
constexpr std::uint64_t kSharedMessagesMax = 10'000'000;
constexpr std::uint64_t kSharedKilobytesMax = 2'147'483'647;

}  // namespace

Settings ProducerConfig::settings(const Access& access, bool is_shared,
                                  std::uint64_t batch_bytes_max) const {
  Settings all = settings_of(access);
  const auto add = [&all](const char* name, std::string value) {
    all.emplace_back(name, std::move(value));
  };
  const auto add_number = [&add](const char* name, std::uint64_t value) {
    add(name, std::to_string(value));
  };
  const auto add_time = [&add](const char* name, std::chrono::milliseconds value) {
    add(name, std::to_string(value.count()));
  };
  add("acks", PropertyTraits<DeliveryGuarantee>::text(delivery_guarantee));
  const bool is_idempotent = delivery_guarantee == DeliveryGuarantee::kAll;
  add("enable.idempotence", is_idempotent ? "true" : "false");
  if (!is_idempotent) add("max.in.flight.requests.per.connection", "1");  // keeps the order
  add("partitioner", PropertyTraits<Partitioner>::text(partitioner));
  add("compression.codec", PropertyTraits<CompressCodec>::text(compress_codec));
  add_time("request.timeout.ms", request_timeout);
  add_time("message.timeout.ms", message_timeout);
  add_time("queue.buffering.max.ms", queue_buffering_max_time);
  // Our own window is the bound; this is never reached. One that is shared has room for everybody's
  // window, which is no reason not to share it.
  add_number("queue.buffering.max.messages",
             is_shared ? kSharedMessagesMax : std::uint64_t{queue_max_message} * 2 + 1000);
  add_number("queue.buffering.max.kbytes",
             is_shared ? kSharedKilobytesMax : queue_max_buffer_size.bytes / 1024 * 2 + 262'144);
  add_number("batch.num.messages", batch_size);
  add_number("batch.size", batch_bytes_max);
  add_number("message.max.bytes", max_request_size.bytes);
  return all;
}

}  // namespace runnel::kafka
