// KafkaConnection: where a cluster is and how we prove who we are, and producers for all who send
// by equal settings, shared by a controller service.

#pragma once

#include <string_view>

#include "processors/kafka/client.h"
#include "processors/kafka/shared_producer.h"

namespace runnel::kafka {

// How a producer batches, compresses and is acknowledged is a setting of a librdkafka client as a
// whole: those who say it alike share one, others have one of their own. Consumers share none: a
// client is one member of one group, with its partitions, its position and its fetches.
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
  // What users take of it must have gone when the service stops. Any thread.
  virtual ProducerPool& producers() = 0;
};

}  // namespace runnel::kafka
