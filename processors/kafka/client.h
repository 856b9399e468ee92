// The Kafka client: a producer and a consumer, without librdkafka's types. client.cc is the door to
// librdkafka.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"

namespace runnel::kafka {

// librdkafka's own property names and values (CONFIGURATION.md of librdkafka).
using Settings = std::vector<std::pair<std::string, std::string>>;

// What every connection to a cluster needs to know; each field is a property of the processors,
// under NiFi's name.
struct Access {
  std::string brokers;
  std::string client_name;
  std::string security_protocol = "plaintext";
  std::string sasl_mechanism;
  std::string username;
  std::string password;
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
  std::string key_pass_phrase;
  std::string debug_contexts;
};

Settings settings_of(const Access& access);

// Called from librdkafka's threads; must not block.
struct Trouble {
  std::string text;
  bool is_fatal = false;  // the client is of no further use: open another
};
using OnTrouble = std::function<void(const Trouble& trouble)>;

// ---- producing

enum class Fate {
  kDelivered,    // the broker has acknowledged it
  kRefused,      // the broker or the client will never take it: too large, not authorized, no such
                 // topic
  kUndelivered,  // nobody knows: purged at stop, or the producer has died; to be sent again
  kCrowded,  // the broker finds the batch that it was in too large: to be sent again in a smaller
             // one. All reports of one call are of that batch.
};

struct Message {
  std::string_view topic;
  std::int32_t partition = -1;  // -1: by the partitioner
  std::optional<std::string_view> key;
  std::string_view value;
  std::span<const std::pair<std::string, std::string>> headers;
};

// What became of a message. `cookie` is what was given to `send`.
struct Report {
  std::uint64_t cookie;
  Fate fate;
  std::uint64_t value_size;
  std::string_view topic;
  std::string_view reason;       // of a fate other than kDelivered
  std::uint64_t batch_size = 0;  // of kCrowded: bytes of the whole batch
};

class Producer {
 public:
  // From librdkafka's background thread, in the order of reports, many at a time.
  using OnReports = std::function<void(std::span<const Report> reports)>;

  // kInvalid when librdkafka refuses a setting; being unable to reach a broker is no error here.
  static Result<std::unique_ptr<Producer>> open(const Settings& settings, OnReports on_reports,
                                                OnTrouble on_trouble);
  virtual ~Producer() = default;

  // Copies the message into the client's queue; the report follows. kFull: the queue is full, wait
  // for reports. kInvalid: never. One thread.
  virtual Result<> send(const Message& message, std::uint64_t cookie) = 0;
  // Has what is queued sent now, whatever may still join its batch, and waits at most so long for
  // all reports. Any thread.
  virtual void flush(int wait_ms) = 0;
  // What is queued or under way is reported kUndelivered. Does not wait; also from the reports'
  // thread.
  virtual void purge() = 0;
  // Waits at most so long for reports, then purges the rest, which is reported kUndelivered. After
  // it nothing is reported any more.
  virtual void close(int flush_ms) = 0;
};

// ---- consuming

struct Record {
  std::string_view topic;
  std::int32_t partition;
  std::int64_t offset;
  std::int64_t timestamp_ms;  // -1: none
  std::optional<std::string_view> key;
  std::string_view value;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

class Consumer {
 public:
  // `on_ready`: there may be something to poll; from librdkafka's threads. A topic that begins with
  // `^` is a pattern.
  static Result<std::unique_ptr<Consumer>> open(const Settings& settings,
                                                const std::vector<std::string>& topics,
                                                std::function<void()> on_ready,
                                                OnTrouble on_trouble);
  virtual ~Consumer() = default;

  // Visits what is there, at most `count_max` records, without waiting; returns how many. The views
  // hold during the visit.
  virtual std::size_t poll(std::size_t count_max,
                           const std::function<void(const Record&)>& visit) = 0;
  // Everything of this partition before `offset + 1` is safe: commit it, in the background. Any
  // thread.
  virtual void commit(const std::string& topic, std::int32_t partition, std::int64_t offset) = 0;
  // Commits what is outstanding and leaves the group.
  virtual void close() = 0;
};

}  // namespace runnel::kafka
