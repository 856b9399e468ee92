// PublishKafka: sends the content of each FlowFile to a Kafka topic.
//
// A FlowFile leaves its queue when the broker has acknowledged it, not before: each is handed to
// librdkafka and committed from its delivery report, many at a time. The producer is idempotent and
// waits for all in-sync replicas, so that a broker that comes back gets every message once and in
// order; without `Message Timeout` it waits for ever, because the queue behind it is durable and
// librdkafka's memory is not.

#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/kafka/access_properties.h"
#include "processors/kafka/client.h"
#include "processors/kafka/producer_properties.h"
#include "processors/kafka/segment_book.h"
#include "processors/kafka/send_window.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

namespace {

struct PublishKafkaConfig : kafka::AccessConfig, kafka::ProducerConfig {
  Text topic_name;
  std::optional<Text> kafka_key;
  std::optional<Text> partition;
  std::optional<std::string> attributes_to_send;
  Size max_flow_segment_size{0};
  bool fail_empty_flow_files = true;
};

class PublishKafka final : public Processor {
 public:
  using Config = PublishKafkaConfig;
  static Result<std::unique_ptr<PublishKafka>> make(Config config);
  explicit PublishKafka(Config config, std::optional<Regex> headers)
      : config_(std::move(config)),
        headers_to_send_(std::move(headers)),
        batch_bytes_max_(config_.target_batch_payload_size.bytes),
        window_(config_.queue_max_message, config_.queue_max_buffer_size.bytes) {}
  ~PublishKafka() override { stop(); }

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;
  void stop() override;

 private:
  // The one that is being read: no more of it is in memory than what is in flight.
  struct Stream {
    std::uint64_t number;  // in `segments_`
    std::unique_ptr<ContentReader> content;
    std::uint64_t bytes_left;
    std::uint64_t flowfile;
    std::string topic;
    std::optional<std::string> key;
    std::int32_t partition;
  };
  // What a message's cookie says: the slot of a FlowFile that is one message, or, with the lowest
  // bit set, its number in `segments_`.
  static std::uint64_t cookie_of(std::uint64_t number, bool is_segmented) {
    return number << 1 | (is_segmented ? 1 : 0);
  }

  Result<> open_producer();
  void on_reports(std::span<const kafka::Report> reports);
  void note(const kafka::Report& report, std::vector<Handed>& delivered);
  void hand_to_client(const kafka::Message& message, std::uint64_t cookie);
  void settle(std::uint32_t messages, std::uint64_t bytes);
  void use_smaller_batches(std::string_view topic, std::uint64_t refused_bytes);
  Result<kafka::Message> addressed(FlowFile flowfile);
  Result<> send(Session& session, FlowFile flowfile);
  Result<std::optional<std::string_view>> whole_content(Session& session, FlowFile flowfile);
  void begin_stream(std::unique_ptr<ContentReader> content, FlowFile flowfile,
                    const kafka::Message& message, std::uint64_t slot);
  Result<> send_on();
  Result<> read_segment();
  void end_stream(kafka::Fate fate, std::string_view why);
  void refuse(Session& session, FlowFile flowfile, std::string_view why);

  const Config config_;
  const std::optional<Regex> headers_to_send_;
  Context* context_ = nullptr;
  kafka::Access access_;
  kafka::KafkaConnection* shared_ = nullptr;  // whose producers it uses, if any
  kafka::TroubleReporter trouble_;
  Relationship success_;
  Relationship failure_;
  // Of all that is handed over; set before anything is sent.
  std::atomic<Handed::Owner*> handed_owner_{nullptr};
  std::unique_ptr<kafka::Producer> producer_;
  std::atomic<bool> is_producer_dead_{false};
  std::atomic<std::uint64_t> batch_bytes_max_;
  kafka::SendWindow window_;
  std::atomic<bool> is_undelivered_{false};  // something came back: wait before it is sent again
  kafka::SegmentBook segments_;
  std::optional<Stream> stream_;
  // By their ids: FlowFiles that are given back, at once or when the last of their messages is
  // reported. Others are taken in between, and may join them.
  std::map<std::uint64_t, Error> unreadable_;
  std::string segment_;
  std::vector<Handed> delivered_;  // the reports' thread's
  // Reused from one FlowFile to the next.
  std::string uri_;
  std::string uri_topic_;
  std::string topic_text_;
  std::string key_text_;
  std::vector<std::pair<std::string, std::string>> header_list_;
};

constexpr int kFlushMs = 2000;
constexpr std::size_t kUnreadableMax = 1000;

}  // namespace

ProcessorType publish_kafka() {
  auto describe = Describe<PublishKafka>(
      "PublishKafka",
      "Sends the content of each FlowFile to a Kafka topic. A FlowFile leaves its queue when the "
      "broker has acknowledged it; a broker that is away for days loses nothing.");
  using C = PublishKafkaConfig;
  kafka::describe_access(describe, "Known Brokers")
      .property("Topic Name", &C::topic_name,
                {.doc = "The topic to send to.", .required = true, .example = "telemetry"})
      .property("Kafka Key", &C::kafka_key,
                {.doc = "The message's key; messages of one key keep their order. Empty: no key.",
                 .example = "${vehicle}"})
      .property("Partition", &C::partition,
                {.doc = "The partition's number. Empty: the partitioner chooses by the key."})
      .property(
          "Attributes to Send as Headers", &C::attributes_to_send,
          {.doc = "Attributes whose whole name matches this regular expression become headers."});
  kafka::describe_producer(describe)
      .property("Max Flow Segment Size", &C::max_flow_segment_size,
                {.doc = "Content above this size, however large, is sent as several messages of at "
                        "most this size, while it is read. If one of them is not acknowledged, all "
                        "are sent again. `0 B`: as one."})
      .property("Fail empty flow files", &C::fail_empty_flow_files,
                {.doc = "Whether a FlowFile without content goes to `failure`, or is sent as an "
                        "empty message."})
      .relationship("success", "Acknowledged by the broker.")
      .relationship("failure",
                    "Will never be taken: too large, no such topic, not authorized, an expression "
                    "that has no value.")
      .example(R"(to-kafka:
  type: PublishKafka
  properties: {Known Brokers: "127.0.0.1:9092", Topic Name: telemetry, Kafka Key: "${mqtt.topic}"}
  retry: {failure: {attempts: forever, backoff: 1s..1min}}
  terminate: [success]
)");
  return describe;
}

Result<std::unique_ptr<PublishKafka>> PublishKafka::make(Config config) {
  std::optional<Regex> headers;
  if (config.attributes_to_send) {
    TRY_ASSIGN(pattern, Regex::compile(*config.attributes_to_send)
                            .within("property `Attributes to Send as Headers`"));
    headers = std::move(pattern);
  }
  return std::make_unique<PublishKafka>(std::move(config), std::move(headers));
}

Result<> PublishKafka::open_producer() {
  // Before it is open: one that is shared may die before we look.
  is_producer_dead_ = false;
  const kafka::Settings settings = config_.settings(access_, shared_ != nullptr, batch_bytes_max_);
  auto on_reports = [this](std::span<const kafka::Report> reports) { this->on_reports(reports); };
  auto on_trouble = [this](const kafka::Trouble& trouble) {
    trouble_.report(trouble);
    if (!trouble.is_fatal) return;
    is_producer_dead_ = true;
    context_->wake();
  };
  Result<std::unique_ptr<kafka::Producer>> producer =
      shared_ != nullptr ? shared_->producers().open(settings, on_reports, on_trouble)
                         : kafka::Producer::open(settings, on_reports, on_trouble);
  if (!producer.ok()) {
    is_producer_dead_ = true;
    return producer.error();
  }
  producer_ = std::move(*producer);
  return {};
}

Result<> PublishKafka::start(Context& context) {
  context_ = &context;
  trouble_.attach(context);
  TRY_ASSIGN(access, config_.access(context));
  access_ = std::move(access);
  TRY_ASSIGN(shared, context.service(config_.connection));
  shared_ = shared;
  success_ = context.relationship("success");
  failure_ = context.relationship("failure");
  return open_producer();
}

void PublishKafka::stop() {
  if (producer_) producer_->close(kFlushMs);
  producer_.reset();
  if (stream_) end_stream(kafka::Fate::kUndelivered, "");
  unreadable_.clear();
  is_undelivered_ = false;
}

Result<> PublishKafka::on_trigger(Session& session) {
  if (is_producer_dead_) {
    // What was in flight is given back by the reports of the purge.
    producer_->close(0);
    TRY(open_producer());
  }
  if (is_undelivered_.exchange(false)) {
    session.yield();
    return {};
  }
  if (stream_) TRY(send_on());
  if (stream_ || window_.is_full()) return {};  // a report wakes us
  const FlowFile flowfile = session.get();
  if (!flowfile) return {};
  if (!unreadable_.empty()) {
    if (const auto known = unreadable_.extract(flowfile.id())) return known.mapped();
  }
  if (flowfile.size() == 0 && config_.fail_empty_flow_files) {
    refuse(session, flowfile, "the FlowFile is empty");
    return {};
  }
  return send(session, flowfile);
}

// None: it is too large, and refused.
Result<std::optional<std::string_view>> PublishKafka::whole_content(Session& session,
                                                                    FlowFile flowfile) {
  const std::uint64_t largest = config_.max_request_size.bytes;
  if (flowfile.size() > largest) {
    refuse(session, flowfile,
           "its " + std::to_string(flowfile.size()) + " bytes are more than `Max Request Size` (" +
               size_text(largest) + ")");
    return std::optional<std::string_view>{};
  }
  TRY_ASSIGN(content, session.content(flowfile, largest));
  return std::optional<std::string_view>(content);
}

// Where it goes, by the FlowFile's attributes; without its value. kInvalid: nowhere.
Result<kafka::Message> PublishKafka::addressed(FlowFile flowfile) {
  kafka::Message message{};
  TRY_ASSIGN(topic, config_.topic_name.of(flowfile, topic_text_).within("`Topic Name`"));
  if (topic.empty()) return invalid("`Topic Name` has no value");
  message.topic = topic;
  if (config_.kafka_key) {
    TRY_ASSIGN(key, config_.kafka_key->of(flowfile, key_text_).within("`Kafka Key`"));
    if (!key.empty()) message.key = key;
  }
  if (config_.partition) {
    const Result<std::string> text = config_.partition->of(flowfile);
    const Result<std::int64_t> chosen = text.ok() ? parse_int(*text) : text.error();
    if (!chosen.ok() || *chosen < 0 || *chosen > 1'000'000) {
      return invalid("`Partition` is no partition's number");
    }
    message.partition = static_cast<std::int32_t>(*chosen);
  }
  header_list_.clear();
  if (headers_to_send_) {
    flowfile.each_attribute([this](std::string_view name, std::string_view value) {
      if (headers_to_send_->matches(name)) header_list_.emplace_back(name, value);
    });
  }
  message.headers = header_list_;
  return message;
}

Result<> PublishKafka::send(Session& session, FlowFile flowfile) {
  Result<kafka::Message> message = addressed(flowfile);
  if (!message.ok()) {
    refuse(session, flowfile, message.error().text());
    return {};
  }
  const std::uint64_t segment_max = config_.max_flow_segment_size.bytes;
  const bool is_segmented = segment_max > 0 && flowfile.size() > segment_max;
  std::unique_ptr<ContentReader> reader;
  if (is_segmented) {
    TRY_ASSIGN(opened, session.reader(flowfile));
    reader = std::move(opened);
  } else {
    TRY_ASSIGN(content, whole_content(session, flowfile));
    if (!content) return {};
    message->value = *content;
  }

  if (uri_topic_ != message->topic) {
    uri_topic_ = message->topic;
    uri_ = "kafka://" + access_.brokers + "/" + uri_topic_;
  }
  // From here on a report may come at any time.
  Handed handed = session.hand_over(flowfile, uri_);
  handed_owner_ = handed.owner();
  const std::uint64_t slot = handed.release();
  if (is_segmented) {
    begin_stream(std::move(reader), flowfile, *message, slot);
    // An error would take the FlowFile back, of which something may be on its way.
    if (!send_on().ok()) session.yield();
  } else {
    hand_to_client(*message, cookie_of(slot, false));
  }
  return {};
}

void PublishKafka::hand_to_client(const kafka::Message& message, std::uint64_t cookie) {
  const std::uint64_t bytes = message.value.size();
  window_.add(bytes);
  const Result<> sent = producer_->send(message, cookie);
  if (sent.ok()) return;
  // The client would not take it: nobody else will report it.
  const kafka::Fate fate =
      sent.code() == Code::kInvalid ? kafka::Fate::kRefused : kafka::Fate::kUndelivered;
  std::vector<Handed> delivered;  // none
  note({cookie, fate, bytes, message.topic, sent.error().text()}, delivered);
  settle(1, bytes);
}

// ---- content that is sent while it is read

void PublishKafka::begin_stream(std::unique_ptr<ContentReader> content, FlowFile flowfile,
                                const kafka::Message& message, std::uint64_t slot) {
  Stream stream{.number = segments_.open(slot),
                .content = std::move(content),
                .bytes_left = flowfile.size(),
                .flowfile = flowfile.id(),
                .topic = std::string(message.topic),
                .key = {},
                .partition = message.partition};
  if (message.key) stream.key = std::string(*message.key);
  stream_ = std::move(stream);
}

// As much as there is room for. kUnavailable: the next part cannot be read now; it goes on there.
Result<> PublishKafka::send_on() {
  while (stream_->bytes_left > 0) {
    if (window_.is_full()) return {};
    const Result<> read = read_segment();
    if (!read.ok() && read.code() == Code::kUnavailable) return read;
    if (!read.ok()) {
      unreadable_.emplace(stream_->flowfile, read.error());
      // Those that have expired instead never come back.
      if (unreadable_.size() > kUnreadableMax) unreadable_.erase(unreadable_.begin());
      end_stream(kafka::Fate::kUndelivered, "");
      return {};
    }
    if (!segments_.add(stream_->number)) break;
    stream_->bytes_left -= segment_.size();
    kafka::Message message{.topic = stream_->topic,
                           .partition = stream_->partition,
                           .key = {},
                           .value = segment_,
                           .headers = header_list_};
    if (stream_->key) message.key = *stream_->key;
    hand_to_client(message, cookie_of(stream_->number, true));
  }
  end_stream(kafka::Fate::kDelivered, "");
  return {};
}

Result<> PublishKafka::read_segment() {
  segment_.resize(std::min(config_.max_flow_segment_size.bytes, stream_->bytes_left));
  TRY_ASSIGN(got, stream_->content->read(segment_));
  if (got != segment_.size()) return corrupt("content ends early");
  return {};
}

void PublishKafka::end_stream(kafka::Fate fate, std::string_view why) {
  const Stream ended = std::move(*std::exchange(stream_, std::nullopt));
  std::vector<Handed> delivered;
  note({cookie_of(ended.number, true), fate, 0, ended.topic, why}, delivered);
  Handed::transfer_all(delivered, success_);
}

// ---- reports

// From librdkafka's thread.
void PublishKafka::on_reports(std::span<const kafka::Report> reports) {
  std::uint64_t bytes = 0;
  const bool is_crowded = !reports.empty() && reports[0].fate == kafka::Fate::kCrowded;
  for (const kafka::Report& report : reports) {
    note(report, delivered_);
    bytes += report.value_size;
  }
  Handed::transfer_all(delivered_, success_);
  settle(static_cast<std::uint32_t>(reports.size()), bytes);
  if (is_crowded) use_smaller_batches(reports[0].topic, reports[0].batch_size);
}

// A broker's limit (`message.max.bytes`) is for batches, and nobody tells it to clients. What was
// sent behind that batch must not overtake it: all comes back, and goes by a new producer.
void PublishKafka::use_smaller_batches(std::string_view topic, std::uint64_t refused_bytes) {
  const std::uint64_t smaller = std::min(batch_bytes_max_.load(), refused_bytes) / 2;
  batch_bytes_max_ = std::max<std::uint64_t>(smaller, 1);
  is_producer_dead_ = true;
  producer_->purge();
  context_->bulletin(BulletinLevel::kWarning,
                     "topic `" + std::string(topic) + "` takes no batch of " +
                         size_text(refused_bytes) + "; batches are smaller from now on");
  context_->wake();
}

// Notes the fate of a message. FlowFiles that are delivered with it are left to the caller.
void PublishKafka::note(const kafka::Report& report, std::vector<Handed>& delivered) {
  if (report.fate == kafka::Fate::kRefused) {
    context_->bulletin(BulletinLevel::kError, "refused by Kafka: topic `" +
                                                  std::string(report.topic) +
                                                  "`: " + std::string(report.reason));
  }
  std::uint64_t slot = report.cookie >> 1;
  kafka::Fate fate = report.fate;
  if ((report.cookie & 1) != 0) {
    const auto whole = segments_.note(slot, fate);
    if (!whole) return;
    slot = whole->slot;
    fate = whole->fate;
  }
  Handed handed(handed_owner_, slot);
  switch (fate) {
    case kafka::Fate::kDelivered:
      delivered.push_back(std::move(handed));
      break;
    case kafka::Fate::kRefused:
      std::move(handed).transfer(failure_);
      break;
    case kafka::Fate::kUndelivered:
    case kafka::Fate::kCrowded:
      is_undelivered_ = true;
      std::move(handed).give_back();
      break;
  }
}

void PublishKafka::settle(std::uint32_t messages, std::uint64_t bytes) {
  if (window_.settle(messages, bytes)) context_->wake();
}

void PublishKafka::refuse(Session& session, FlowFile flowfile, std::string_view why) {
  context_->bulletin(BulletinLevel::kError,
                     "FlowFile " + flowfile.uuid() + " goes to failure: " + std::string(why));
  session.penalize(flowfile);
  session.transfer(flowfile, failure_);
}

}  // namespace runnel
