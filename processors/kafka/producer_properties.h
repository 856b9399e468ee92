// The properties of PublishKafka that are settings of its client: what an acknowledgement means,
// how messages are gathered, and how many may be on their way. PublishKafka that say all of it
// alike can share a client (shared_producer.h).

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "agent/sdk/describe.h"
#include "processors/kafka/client.h"

namespace runnel::kafka {

enum class CompressCodec { kNone, kGzip, kSnappy, kLz4, kZstd };
enum class Partitioner { kMurmur2Random, kConsistentRandom, kRandom, kFnv1aRandom };
enum class DeliveryGuarantee { kAll, kOne, kZero };

struct ProducerConfig {
  Partitioner partitioner = Partitioner::kMurmur2Random;
  DeliveryGuarantee delivery_guarantee = DeliveryGuarantee::kAll;
  CompressCodec compress_codec = CompressCodec::kNone;
  std::chrono::milliseconds request_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds message_timeout{0};
  std::chrono::milliseconds queue_buffering_max_time{1};
  std::uint32_t queue_max_message = 10'000;
  Size queue_max_buffer_size{8 << 20};
  std::uint32_t batch_size = 10'000;
  Size target_batch_payload_size{512 << 10};
  Size max_request_size{1'000'000};

  // Those of `access`, and its own. `is_shared`: of a client for several processors.
  // `batch_bytes_max` stands in the place of `target_batch_payload_size`.
  Settings settings(const Access& access, bool is_shared, std::uint64_t batch_bytes_max) const;
};

// Adds them to a description whose Config derives from ProducerConfig.
template <typename D>
D& describe_producer(D& describe) {
  using Config = typename D::Config;
  const auto of = [](auto ProducerConfig::*member) {
    return static_cast<std::remove_reference_t<decltype(std::declval<Config>().*member)> Config::*>(
        member);
  };
  using namespace std::chrono_literals;
  using C = ProducerConfig;
  return describe
      .property(
          "Partitioner", of(&C::partitioner),
          {.doc =
               "How the key chooses the partition. `murmur2_random` agrees with Java producers."})
      .property("Delivery Guarantee", of(&C::delivery_guarantee),
                {.doc = "Whose acknowledgement makes a FlowFile delivered: `all` in-sync replicas "
                        "(with an idempotent producer), the leader (`1`), or nobody (`0`)."})
      .property("Compress Codec", of(&C::compress_codec), {.doc = "How batches are compressed."})
      .property(
          "Request Timeout", of(&C::request_timeout),
          {.doc = "How long the broker may take to answer one request.", .min = 1ms, .max = 15min})
      .property("Message Timeout", of(&C::message_timeout),
                {.doc = "After this time without acknowledgement a FlowFile goes to `failure`. `0 "
                        "sec`: never; "
                        "it waits in its durable queue.",
                 .min = 0ms})
      .property(
          "Queue Buffering Max Time", of(&C::queue_buffering_max_time),
          {.doc = "How long a message may wait for others to share its batch. MiNiFi waits 5 ms; "
                  "but what the broker acknowledges within the ledger's linger (5 ms) never "
                  "has to be written to disk.",
           .min = 0ms,
           .max = 15min})
      .property("Queue Max Message", of(&C::queue_max_message),
                {.doc = "Messages in flight at most.", .min = 1, .max = 1'000'000})
      .property("Queue Max Buffer Size", of(&C::queue_max_buffer_size),
                {.doc = "Bytes in flight at most: no more content stands in memory, and one "
                        "message.",
                 .min = Size{1024},
                 .max = Size{1ULL << 31}})
      .property("Batch Size", of(&C::batch_size),
                {.doc = "Messages in one batch at most.", .min = 1, .max = 1'000'000})
      .property("Target Batch Payload Size", of(&C::target_batch_payload_size),
                {.doc = "Bytes in one batch at most; fewer once the broker has refused a batch as "
                        "too large.",
                 .min = Size{1},
                 .max = Size{2'147'483'647}})
      .property("Max Request Size", of(&C::max_request_size),
                {.doc = "The largest message that is sent; a larger FlowFile goes to `failure`. "
                        "The broker has a limit of "
                        "its own (`message.max.bytes`).",
                 .min = Size{1000},
                 .max = Size{1'000'000'000}});
}

}  // namespace runnel::kafka

namespace runnel {

template <>
struct EnumNames<kafka::CompressCodec> {
  static constexpr std::array<std::pair<kafka::CompressCodec, std::string_view>, 5> names{
      {{kafka::CompressCodec::kNone, "none"},
       {kafka::CompressCodec::kGzip, "gzip"},
       {kafka::CompressCodec::kSnappy, "snappy"},
       {kafka::CompressCodec::kLz4, "lz4"},
       {kafka::CompressCodec::kZstd, "zstd"}}};
};

template <>
struct EnumNames<kafka::Partitioner> {
  static constexpr std::array<std::pair<kafka::Partitioner, std::string_view>, 4> names{
      {{kafka::Partitioner::kMurmur2Random, "murmur2_random"},
       {kafka::Partitioner::kConsistentRandom, "consistent_random"},
       {kafka::Partitioner::kRandom, "random"},
       {kafka::Partitioner::kFnv1aRandom, "fnv1a_random"}}};
};

template <>
struct EnumNames<kafka::DeliveryGuarantee> {
  static constexpr std::array<std::pair<kafka::DeliveryGuarantee, std::string_view>, 3> names{
      {{kafka::DeliveryGuarantee::kAll, "all"},
       {kafka::DeliveryGuarantee::kOne, "1"},
       {kafka::DeliveryGuarantee::kZero, "0"}}};
};

}  // namespace runnel
