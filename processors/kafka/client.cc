// The door to librdkafka.
//
// Producer: delivery reports come as events of the main queue, which is forwarded to librdkafka's
// background thread: nothing of ours polls. Consumer: offsets are neither stored nor committed by
// librdkafka; `commit` says what is safe. Back pressure may keep us from polling for hours: so the
// poll interval is the longest there is, and rebalances are left to librdkafka's own thread, since
// a callback of ours would be served by polling only, and the whole group would wait for it.

#include "processors/kafka/client.h"

#include <librdkafka/rdkafka.h>

#include <array>
#include <map>

#include "agent/base/log.h"
#include "agent/base/mutex.h"

namespace runnel::kafka {
namespace {

constexpr std::size_t kErrorTextMax = 512;
constexpr std::size_t kPollBatch = 1000;
constexpr int kPurgeLooks = 100;
constexpr std::size_t kTopicsMax = 64;  // held by one producer

struct ConfDelete {
  void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
struct QueueDelete {
  void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
};
struct ClientDelete {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};
struct TopicDelete {
  void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
};
using Topic = std::unique_ptr<rd_kafka_topic_t, TopicDelete>;
using Conf = std::unique_ptr<rd_kafka_conf_t, ConfDelete>;
using Queue = std::unique_ptr<rd_kafka_queue_t, QueueDelete>;
using Client = std::unique_ptr<rd_kafka_t, ClientDelete>;

void log_callback(const rd_kafka_t*, int level, const char* facility, const char* text) {
  log_line(level <= 3 ? LogLevel::kWarn : LogLevel::kDebug, "kafka", facility, {{"text", text}});
}

Result<Conf> configure(const Settings& settings) {
  Conf conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), log_callback);
  std::array<char, kErrorTextMax> text{};
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), text.data(), text.size()) !=
        RD_KAFKA_CONF_OK) {
      return invalid(text.data());
    }
  }
  return conf;
}

// Whether trying again later can help, as librdkafka's error codes say it.
Fate fate_of(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return Fate::kDelivered;
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR__DESTROY:
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR:
      return Fate::kUndelivered;
    default:
      return Fate::kRefused;
  }
}

Trouble trouble_of(rd_kafka_t* client, rd_kafka_resp_err_t error, const char* text) {
  Trouble trouble{std::string(rd_kafka_err2name(error)) + ": " + text, false};
  if (error == RD_KAFKA_RESP_ERR__FATAL) {
    std::array<char, kErrorTextMax> why{};
    const rd_kafka_resp_err_t cause = rd_kafka_fatal_error(client, why.data(), why.size());
    trouble = {std::string(rd_kafka_err2name(cause)) + ": " + why.data(), true};
  }
  return trouble;
}

class RealProducer final : public Producer {
 public:
  RealProducer(OnReports on_reports, OnTrouble on_trouble)
      : on_reports_(std::move(on_reports)), on_trouble_(std::move(on_trouble)) {}
  ~RealProducer() override { close(0); }

  Result<> start(Conf conf) {
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_events(conf.get(), RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    rd_kafka_conf_set_background_event_cb(conf.get(), on_event);
    std::array<char, kErrorTextMax> text{};
    client_.reset(rd_kafka_new(RD_KAFKA_PRODUCER, conf.get(), text.data(), text.size()));
    if (!client_) return invalid(text.data());
    static_cast<void>(conf.release());  // the client owns it now
    const Queue main_queue(rd_kafka_queue_get_main(client_.get()));
    const Queue background(rd_kafka_queue_get_background(client_.get()));
    rd_kafka_queue_forward(main_queue.get(), background.get());
    return {};
  }

  Result<> send(const Message& message, std::uint64_t cookie) override {
    if (topic_ == nullptr || message.topic != topic_name_) TRY(turn_to(message.topic));
    void* const value = const_cast<char*>(message.value.data());
    const std::string_view key = message.key.value_or(std::string_view{});
    // An empty key is a key, too; librdkafka tells it from none by its address.
    void* const key_at =
        message.key ? const_cast<char*>(key.data() == nullptr ? "" : key.data()) : nullptr;
    void* const opaque = reinterpret_cast<void*>(cookie);
    if (!message.headers.empty()) return send_with_headers(message, value, key, key_at, opaque);
    if (rd_kafka_produce(topic_, message.partition, RD_KAFKA_MSG_F_COPY, value,
                         message.value.size(), key_at, key.size(), opaque) == 0) {
      return {};
    }
    return refused(rd_kafka_last_error());
  }

  void flush(int wait_ms) override { rd_kafka_flush(client_.get(), wait_ms); }

  void purge() override {
    rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                      RD_KAFKA_PURGE_F_NON_BLOCKING);
  }

  void close(int flush_ms) override {
    if (!client_) return;
    if (flush_ms > 0) rd_kafka_flush(client_.get(), flush_ms);
    rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    // The background thread reports what was purged; whoever gets no report would wait for ever.
    for (int i = 0; i < kPurgeLooks && rd_kafka_outq_len(client_.get()) > 0; ++i) {
      rd_kafka_flush(client_.get(), 100);
    }
    topic_ = nullptr;
    topics_.clear();
    client_.reset();
  }

 private:
  Result<> turn_to(std::string_view name) {
    auto found = topics_.find(name);
    if (found == topics_.end()) {
      if (topics_.size() >= kTopicsMax) topics_.clear();
      topic_ = nullptr;
      Topic topic(rd_kafka_topic_new(client_.get(), std::string(name).c_str(), nullptr));
      if (!topic) return refused(rd_kafka_last_error());
      found = topics_.emplace(name, std::move(topic)).first;
    }
    topic_ = found->second.get();
    topic_name_ = found->first;
    return {};
  }

  static Error refused(rd_kafka_resp_err_t code) {
    std::string text = rd_kafka_err2str(code);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) return full(std::move(text));
    if (fate_of(code) == Fate::kUndelivered) return unavailable(std::move(text));
    return invalid(std::move(text));
  }

  Result<> send_with_headers(const Message& message, void* value, std::string_view key,
                             void* key_at, void* opaque) {
    rd_kafka_headers_t* const headers = rd_kafka_headers_new(message.headers.size());
    for (const auto& [name, text] : message.headers) {
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), text.data(),
                          static_cast<ssize_t>(text.size()));
    }
    std::array<rd_kafka_vu_t, 7> parts{};
    std::size_t count = 0;
    const auto add = [&](rd_kafka_vtype_t kind) -> rd_kafka_vu_t& {
      parts[count].vtype = kind;
      return parts[count++];
    };
    add(RD_KAFKA_VTYPE_RKT).u.rkt = topic_;
    add(RD_KAFKA_VTYPE_PARTITION).u.i32 = message.partition;
    add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
    add(RD_KAFKA_VTYPE_VALUE).u.mem = {value, message.value.size()};
    if (key_at != nullptr) add(RD_KAFKA_VTYPE_KEY).u.mem = {key_at, key.size()};
    add(RD_KAFKA_VTYPE_HEADERS).u.headers = headers;
    add(RD_KAFKA_VTYPE_OPAQUE).u.ptr = opaque;
    rd_kafka_error_t* const error = rd_kafka_produceva(client_.get(), parts.data(), count);
    if (error == nullptr) return {};
    const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(headers);  // still ours when produce failed
    return refused(code);
  }

  static void on_event(rd_kafka_t* client, rd_kafka_event_t* event, void* opaque) {
    static_cast<RealProducer*>(opaque)->handle(client, event);
    rd_kafka_event_destroy(event);
  }

  void handle(rd_kafka_t* client, rd_kafka_event_t* event) {
    switch (rd_kafka_event_type(event)) {
      case RD_KAFKA_EVENT_DR:
        report(event);
        break;
      case RD_KAFKA_EVENT_ERROR:
        on_trouble_(
            trouble_of(client, rd_kafka_event_error(event), rd_kafka_event_error_string(event)));
        break;
      default:
        break;
    }
  }

  // An event holds the messages of one batch.
  void report(rd_kafka_event_t* event) {
    reports_.clear();
    bool is_too_large = false;
    while (const rd_kafka_message_t* message = rd_kafka_event_message_next(event)) {
      const bool is_good = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
      is_too_large = message->err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
      reports_.push_back({reinterpret_cast<std::uintptr_t>(message->_private),
                          fate_of(message->err), message->len, rd_kafka_topic_name(message->rkt),
                          is_good ? "" : rd_kafka_err2str(message->err)});
    }
    if (is_too_large && reports_.size() > 1) {
      std::uint64_t bytes = 0;
      for (const Report& one : reports_) bytes += one.value_size;
      for (Report& one : reports_) {
        one.fate = Fate::kCrowded;
        one.batch_size = bytes;
      }
    }
    on_reports_(reports_);
  }

  const OnReports on_reports_;
  const OnTrouble on_trouble_;
  Client client_;
  // Messages mostly go to the topic of the one before; of a client that several share, to a few.
  std::map<std::string, Topic, std::less<>> topics_;
  rd_kafka_topic_t* topic_ = nullptr;
  std::string topic_name_;
  std::vector<Report> reports_;  // the background thread's
};

class RealConsumer final : public Consumer {
 public:
  RealConsumer(std::function<void()> on_ready, OnTrouble on_trouble)
      : on_ready_(std::move(on_ready)), on_trouble_(std::move(on_trouble)) {}
  ~RealConsumer() override { close(); }

  Result<> start(Conf conf, const std::vector<std::string>& topics) {
    rd_kafka_conf_set_opaque(conf.get(), this);
    rd_kafka_conf_set_error_cb(conf.get(), on_error);
    rd_kafka_conf_set_offset_commit_cb(conf.get(), on_commit);
    std::array<char, kErrorTextMax> text{};
    client_.reset(rd_kafka_new(RD_KAFKA_CONSUMER, conf.get(), text.data(), text.size()));
    if (!client_) return invalid(text.data());
    static_cast<void>(conf.release());
    rd_kafka_poll_set_consumer(client_.get());
    queue_.reset(rd_kafka_queue_get_consumer(client_.get()));
    rd_kafka_queue_cb_event_enable(
        queue_.get(),
        [](rd_kafka_t*, void* self) { static_cast<RealConsumer*>(self)->on_ready_(); }, this);
    rd_kafka_topic_partition_list_t* wanted =
        rd_kafka_topic_partition_list_new(static_cast<int>(topics.size()));
    for (const std::string& topic : topics) {
      rd_kafka_topic_partition_list_add(wanted, topic.c_str(), RD_KAFKA_PARTITION_UA);
    }
    const rd_kafka_resp_err_t error = rd_kafka_subscribe(client_.get(), wanted);
    rd_kafka_topic_partition_list_destroy(wanted);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return invalid(rd_kafka_err2str(error));
    return {};
  }

  std::size_t poll(std::size_t count_max,
                   const std::function<void(const Record&)>& visit) override {
    std::array<rd_kafka_message_t*, kPollBatch> batch{};
    std::size_t visited = 0;
    while (visited < count_max) {
      const std::size_t room = std::min(count_max - visited, batch.size());
      const ssize_t got = rd_kafka_consume_batch_queue(queue_.get(), 0, batch.data(), room);
      if (got <= 0) break;
      for (ssize_t i = 0; i < got; ++i) {
        rd_kafka_message_t* message = batch[static_cast<std::size_t>(i)];
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
          visit(record_of(*message));
          ++visited;
        } else if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
          on_trouble_(trouble_of(client_.get(), message->err, rd_kafka_message_errstr(message)));
        }
        rd_kafka_message_destroy(message);
      }
    }
    return visited;
  }

  void commit(const std::string& topic, std::int32_t partition, std::int64_t offset) override {
    Lock lock(mutex_);
    if (!client_) return;
    rd_kafka_topic_partition_list_t* offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, topic.c_str(), partition)->offset = offset + 1;
    rd_kafka_commit(client_.get(), offsets, 1 /* in the background */);
    rd_kafka_topic_partition_list_destroy(offsets);
  }

  void close() override {
    if (!client_) return;
    rd_kafka_queue_cb_event_enable(queue_.get(), nullptr, nullptr);
    rd_kafka_consumer_close(client_.get());
    queue_.reset();
    Lock lock(mutex_);
    client_.reset();
  }

 private:
  static Record record_of(const rd_kafka_message_t& message) {
    Record record{
        rd_kafka_topic_name(message.rkt), message.partition, message.offset, -1, {}, {}, {}};
    rd_kafka_timestamp_type_t kind{};
    record.timestamp_ms = rd_kafka_message_timestamp(&message, &kind);
    if (message.key != nullptr) {
      record.key = std::string_view(static_cast<const char*>(message.key), message.key_len);
    }
    record.value = std::string_view(static_cast<const char*>(message.payload), message.len);
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
      const char* name = nullptr;
      const void* value = nullptr;
      std::size_t size = 0;
      for (std::size_t i = 0;
           rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
           ++i) {
        record.headers.emplace_back(name, std::string_view(static_cast<const char*>(value), size));
      }
    }
    return record;
  }

  static void on_error(rd_kafka_t* client, int error, const char* text, void* opaque) {
    static_cast<RealConsumer*>(opaque)->on_trouble_(
        trouble_of(client, static_cast<rd_kafka_resp_err_t>(error), text));
  }

  static void on_commit(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t*,
                        void*) {
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET) {
      log_warn("kafka", "offsets not committed; those messages may come twice",
               {{"reason", rd_kafka_err2str(error)}});
    }
  }

  const std::function<void()> on_ready_;
  const OnTrouble on_trouble_;
  Mutex mutex_;  // `commit` against `close`
  Client client_;
  Queue queue_;
};

}  // namespace

Settings settings_of(const Access& access) {
  Settings settings{{"bootstrap.servers", access.brokers},
                    {"client.id", access.client_name},
                    {"security.protocol", access.security_protocol},
                    {"log.connection.close", "false"},
                    {"reconnect.backoff.ms", "100"},
                    {"reconnect.backoff.max.ms", "10000"},
                    {"socket.keepalive.enable", "true"}};
  const auto add = [&settings](const char* name, const std::string& value) {
    if (!value.empty()) settings.emplace_back(name, value);
  };
  if (access.security_protocol.starts_with("sasl")) {
    add("sasl.mechanisms", access.sasl_mechanism);
    add("sasl.username", access.username);
    add("sasl.password", access.password);
  }
  add("ssl.ca.location", access.ca_file);
  add("ssl.certificate.location", access.certificate_file);
  add("ssl.key.location", access.key_file);
  add("ssl.key.password", access.key_pass_phrase);
  add("debug", access.debug_contexts);
  return settings;
}

Result<std::unique_ptr<Producer>> Producer::open(const Settings& settings, OnReports on_reports,
                                                 OnTrouble on_trouble) {
  TRY_ASSIGN(conf, configure(settings));
  auto producer = std::make_unique<RealProducer>(std::move(on_reports), std::move(on_trouble));
  TRY(producer->start(std::move(conf)));
  return std::unique_ptr<Producer>(std::move(producer));
}

Result<std::unique_ptr<Consumer>> Consumer::open(const Settings& settings,
                                                 const std::vector<std::string>& topics,
                                                 std::function<void()> on_ready,
                                                 OnTrouble on_trouble) {
  TRY_ASSIGN(conf, configure(settings));
  auto consumer = std::make_unique<RealConsumer>(std::move(on_ready), std::move(on_trouble));
  TRY(consumer->start(std::move(conf), topics));
  return std::unique_ptr<Consumer>(std::move(consumer));
}

}  // namespace runnel::kafka
