// KafkaConnection: where a cluster is and how we prove who we are, shared by a controller service.

#pragma once

#include <string_view>

#include "processors/kafka/client.h"

namespace runnel::kafka {

// What producers and consumers do not share: their connections. How a producer batches and
// compresses, and which group a consumer is in, are settings of a librdkafka client as a whole.
class KafkaConnection {
 public:
  static constexpr std::string_view kService = "KafkaConnectionService";
  static constexpr std::string_view kProperty = "Kafka Connection Service";
  static constexpr const char* kDoc =
      "The service that says where the cluster is and how it is reached, in place of the "
      "properties for that.";

  virtual ~KafkaConnection() = default;
  // Without a client's name. Any thread.
  virtual const Access& access() const = 0;
};

}  // namespace runnel::kafka
