// ConsumeKafka: makes a FlowFile of each message of one or more Kafka topics.
//
// The group's offset moves on only when the FlowFiles are safe: fsynced here, or already
// acknowledged by where they were going. After a crash the messages beyond it come again. While the
// queues are full nothing is polled; librdkafka's own buffer is bounded, and the broker keeps the
// rest.

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/mutex.h"
#include "agent/flow/el/regex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/kafka/access_properties.h"
#include "processors/kafka/client.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class TopicNameFormat { kNames, kPatterns };
enum class OffsetReset { kLatest, kEarliest, kNone };
enum class TextEncoding { kUtf8, kHex };
enum class DuplicateHeaders { kKeepLatest, kKeepFirst, kMerge };

template <>
struct EnumNames<TopicNameFormat> {
  static constexpr std::array<std::pair<TopicNameFormat, std::string_view>, 2> names{
      {{TopicNameFormat::kNames, "Names"}, {TopicNameFormat::kPatterns, "Patterns"}}};
};
template <>
struct EnumNames<OffsetReset> {
  static constexpr std::array<std::pair<OffsetReset, std::string_view>, 3> names{
      {{OffsetReset::kEarliest, "earliest"},
       {OffsetReset::kLatest, "latest"},
       {OffsetReset::kNone, "none"}}};
};
template <>
struct EnumNames<TextEncoding> {
  static constexpr std::array<std::pair<TextEncoding, std::string_view>, 2> names{
      {{TextEncoding::kUtf8, "UTF-8"}, {TextEncoding::kHex, "Hex"}}};
};
template <>
struct EnumNames<DuplicateHeaders> {
  static constexpr std::array<std::pair<DuplicateHeaders, std::string_view>, 3> names{
      {{DuplicateHeaders::kKeepFirst, "Keep First"},
       {DuplicateHeaders::kKeepLatest, "Keep Latest"},
       {DuplicateHeaders::kMerge, "Comma-separated Merge"}}};
};

namespace {

using namespace std::chrono_literals;

struct ConsumeKafkaConfig : kafka::AccessConfig {
  EnvironmentText topic_names;
  TopicNameFormat topic_name_format = TopicNameFormat::kNames;
  EnvironmentText group_id;
  OffsetReset offset_reset = OffsetReset::kLatest;
  bool honor_transactions = true;
  TextEncoding key_attribute_encoding = TextEncoding::kUtf8;
  TextEncoding message_header_encoding = TextEncoding::kUtf8;
  std::optional<std::string> headers_to_add;
  DuplicateHeaders duplicate_header_handling = DuplicateHeaders::kKeepLatest;
  std::optional<EnvironmentText> message_demarcator;
  std::uint32_t max_poll_records = 10'000;
  std::chrono::milliseconds max_poll_time = 4s;
  std::chrono::milliseconds session_timeout = 60s;
};

class ConsumeKafka final : public Processor {
 public:
  using Config = ConsumeKafkaConfig;
  static Result<std::unique_ptr<ConsumeKafka>> make(Config config);
  ConsumeKafka(Config config, std::optional<Regex> headers)
      : config_(std::move(config)), headers_to_add_(std::move(headers)) {}
  ~ConsumeKafka() override { stop(); }

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;
  void stop() override;

 private:
  struct Position {
    std::string topic;
    std::int32_t partition;
    std::int64_t offset;
  };
  struct Polled {
    Arrival arrival;
    Position last;  // of the messages in it
    std::uint64_t messages = 1;
    SteadyTime began{};
    bool is_closed = false;   // nothing more is joined to it
    bool is_counted = false;  // has its attribute `kafka.count`
  };

  kafka::Settings settings() const;
  Result<> open_consumer();
  Polled polled_of(const kafka::Record& record) const;
  void append_attributes(Arrival& arrival, const kafka::Record& record) const;
  void poll();
  bool is_joined(const kafka::Record& record);
  bool is_whole(const Polled& polled) const;
  void deliver_held();
  void on_safe(Ticket ticket);

  const Config config_;
  const std::optional<Regex> headers_to_add_;
  Context* context_ = nullptr;
  kafka::Access access_;
  kafka::TroubleReporter trouble_;
  Relationship success_;
  std::unique_ptr<Intake> intake_;
  std::deque<Polled> held_;  // polled, not yet taken by the intake
  std::size_t held_bytes_ = 0;
  bool is_intake_full_ = false;
  Mutex mutex_;
  std::deque<std::pair<Ticket, Position>> unsafe_ GUARDED_BY(mutex_);
  std::unique_ptr<kafka::Consumer> consumer_;  // changed under the mutex, too, for `on_safe`
  std::atomic<bool> is_consumer_dead_{false};
};

constexpr std::size_t kPollMax = 1000;
constexpr std::size_t kIntakeCount = 10'000;
constexpr std::size_t kIntakeBytes = 16 << 20;
constexpr std::size_t kJoinedBytesMax = 1 << 20;  // of messages joined by a demarcator

std::string encoded(std::string_view bytes, TextEncoding how) {
  return how == TextEncoding::kHex ? to_hex(bytes) : to_utf8(bytes);
}

// With the letters that Kafka allows in a member's name.
std::string instance_name(std::string text) {
  constexpr std::size_t kNameMax = 200;
  for (char& c : text) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-';
    if (!is_plain) c = '-';
  }
  return text.substr(0, kNameMax);
}

}  // namespace

ProcessorType consume_kafka() {
  auto describe = Describe<ConsumeKafka>("ConsumeKafka",
                                         "Makes a FlowFile of each message of one or more Kafka "
                                         "topics. Offsets are committed only when "
                                         "the FlowFiles are safe.");
  using C = ConsumeKafkaConfig;
  kafka::describe_access(describe, "Kafka Brokers")
      .property(
          "Topic Names", &C::topic_names,
          {.doc = "The topics, separated by commas.", .required = true, .example = "commands"})
      .property(
          "Topic Name Format", &C::topic_name_format,
          {.doc = "Whether `Topic Names` are names or regular expressions. An expression matches "
                  "topics whose name begins with what it describes; end it with `$` for "
                  "the whole name."})
      .property(
          "Group ID", &C::group_id,
          {.doc = "The consumer group; its members share the partitions. Each processor of each "
                  "agent is a member of its own name.",
           .required = true})
      .property(
          "Offset Reset", &C::offset_reset,
          {.doc = "Where to begin when the group has no offset yet. `none`: report it and wait."})
      .property("Honor Transactions", &C::honor_transactions,
                {.doc = "Leave out the messages of transactions that were not committed."})
      .property("Key Attribute Encoding", &C::key_attribute_encoding,
                {.doc = "How the key is written into `kafka.key`."})
      .property(
          "Message Demarcator", &C::message_demarcator,
          {.doc = "If given, messages of one partition that come within `Max Poll Time` become "
                  "one FlowFile, with this between them."})
      .property(
          "Headers To Add As Attributes", &C::headers_to_add,
          {.doc = "Headers whose whole name matches this regular expression become attributes."})
      .property("Message Header Encoding", &C::message_header_encoding,
                {.doc = "How header values are written into attributes."})
      .property("Duplicate Header Handling", &C::duplicate_header_handling,
                {.doc = "What becomes of a header that occurs several times in one message."})
      .property(
          "Max Poll Records", &C::max_poll_records,
          {.doc = "Messages joined by `Message Demarcator` at most.", .min = 1, .max = 1'000'000})
      .property("Max Poll Time", &C::max_poll_time,
                {.doc = "With `Message Demarcator`: how long a FlowFile waits for more messages.",
                 .min = 0ms,
                 .max = 1h})
      .property(
          "Session Timeout", &C::session_timeout,
          {.doc = "After this time without heartbeats the broker gives the partitions to others.",
           .min = 1s,
           .max = 1h})
      .relationship("success", "Every message.")
      .writes("kafka.topic", "The topic.")
      .writes("kafka.partition", "The partition.")
      .writes("kafka.offset", "The message's offset; of the first one where several were joined.")
      .writes("kafka.timestamp", "The message's timestamp, ms since the epoch.")
      .writes("kafka.key", "The key, where there is one.")
      .writes("kafka.count", "How many messages are in this FlowFile.")
      .input(InputRule::kForbidden)
      .example(R"(commands:
  type: ConsumeKafka
  properties: {Kafka Brokers: "127.0.0.1:9092", Topic Names: commands, Group ID: "vehicle-17", Offset Reset: earliest}
)");
  return describe;
}

Result<std::unique_ptr<ConsumeKafka>> ConsumeKafka::make(Config config) {
  std::optional<Regex> headers;
  if (config.headers_to_add) {
    TRY_ASSIGN(
        pattern,
        Regex::compile(*config.headers_to_add).within("property `Headers To Add As Attributes`"));
    headers = std::move(pattern);
  }
  return std::make_unique<ConsumeKafka>(std::move(config), std::move(headers));
}

kafka::Settings ConsumeKafka::settings() const {
  kafka::Settings all = kafka::settings_of(access_);
  const auto add = [&all](const char* name, std::string value) {
    all.emplace_back(name, std::move(value));
  };
  add("group.id", config_.group_id.value);
  // A member with a name of its own: after a crash or a restart it has its partitions back at once,
  // not when the broker has missed it for a whole session timeout.
  add("group.instance.id", instance_name(context_->agent_id() + "." + context_->id()));
  add("enable.auto.commit", "false");
  add("enable.auto.offset.store", "false");
  switch (config_.offset_reset) {
    case OffsetReset::kEarliest:
      add("auto.offset.reset", "earliest");
      break;
    case OffsetReset::kLatest:
      add("auto.offset.reset", "latest");
      break;
    case OffsetReset::kNone:
      add("auto.offset.reset", "error");
      break;
  }
  add("isolation.level", config_.honor_transactions ? "read_committed" : "read_uncommitted");
  add("session.timeout.ms", std::to_string(config_.session_timeout.count()));
  // Three heartbeats before the broker gives us up, and no more than one in three seconds.
  const std::int64_t heartbeat_ms =
      std::min<std::int64_t>(config_.session_timeout.count() / 3, 3000);
  add("heartbeat.interval.ms", std::to_string(heartbeat_ms));
  add("max.poll.interval.ms", "86400000");
  add("queued.min.messages", "10000");
  add("queued.max.messages.kbytes", "8192");
  return all;
}

Result<> ConsumeKafka::start(Context& context) {
  context_ = &context;
  trouble_.attach(context);
  TRY_ASSIGN(access, config_.access(context));
  access_ = std::move(access);
  success_ = context.relationship("success");
  intake_ = context.open_intake({.count_max = kIntakeCount,
                                 .bytes_max = kIntakeBytes,
                                 .on_safe = [this](Ticket ticket) { on_safe(ticket); }});
  return open_consumer();
}

Result<> ConsumeKafka::open_consumer() {
  std::vector<std::string> topics;
  for (const std::string_view part : split(config_.topic_names.value, ',')) {
    const std::string_view topic = trimmed(part);
    if (topic.empty()) continue;
    const bool is_pattern = config_.topic_name_format == TopicNameFormat::kPatterns;
    topics.push_back((is_pattern && topic[0] != '^' ? "^" : "") + std::string(topic));
  }
  if (topics.empty()) return invalid("property `Topic Names` names no topic");
  is_consumer_dead_ = false;
  TRY_ASSIGN(consumer, kafka::Consumer::open(
                           settings(), topics, [this] { context_->wake(); },
                           [this](const kafka::Trouble& trouble) {
                             trouble_.report(trouble);
                             if (!trouble.is_fatal) return;
                             is_consumer_dead_ = true;
                             context_->wake();
                           }));
  {
    Lock lock(mutex_);
    consumer_ = std::move(consumer);
  }
  context_->wake();  // the first poll serves the group's protocol
  return {};
}

void ConsumeKafka::stop() {
  intake_.reset();
  if (consumer_) consumer_->close();
  consumer_.reset();
  held_.clear();
  held_bytes_ = 0;
  Lock lock(mutex_);
  unsafe_.clear();
}

Result<> ConsumeKafka::on_trigger(Session& session) {
  if (is_consumer_dead_) {
    {
      Lock lock(mutex_);
      unsafe_.clear();  // nobody commits them any more; they come again
    }
    consumer_->close();
    TRY(open_consumer());
    session.yield();
    return {};
  }
  FlowFile flowfile = intake_->next(session);
  if (!flowfile) {
    deliver_held();
    const bool has_room = !is_intake_full_ && held_bytes_ < kIntakeBytes;
    if (has_room && intake_->waiting() + kPollMax <= kIntakeCount) poll();
    flowfile = intake_->next(session);
  }
  if (flowfile) session.transfer(flowfile, success_);
  return {};
}

void ConsumeKafka::poll() {
  const std::size_t got = consumer_->poll(kPollMax, [this](const kafka::Record& record) {
    if (is_joined(record)) return;
    held_.push_back(polled_of(record));
    held_bytes_ += record.value.size();
  });
  deliver_held();
  if (got == kPollMax) context_->wake();  // there may be more, and nobody would tell
}

// Whether the record went into the FlowFile that is still open for its partition.
bool ConsumeKafka::is_joined(const kafka::Record& record) {
  if (!config_.message_demarcator) return false;
  for (Polled& open : held_) {
    if (open.is_closed || open.last.topic != record.topic ||
        open.last.partition != record.partition) {
      continue;
    }
    if (open.arrival.content.size() + record.value.size() > kJoinedBytesMax) {
      open.is_closed = true;
      return false;
    }
    open.arrival.content += config_.message_demarcator->value;
    open.arrival.content += record.value;
    held_bytes_ += config_.message_demarcator->value.size() + record.value.size();
    open.last.offset = record.offset;
    open.is_closed = ++open.messages >= config_.max_poll_records;
    return true;
  }
  return false;
}

// Whether it may become a FlowFile now.
bool ConsumeKafka::is_whole(const Polled& polled) const {
  return polled.is_closed || !config_.message_demarcator || held_bytes_ >= kIntakeBytes ||
         context_->clock().steady() - polled.began >= config_.max_poll_time;
}

void ConsumeKafka::deliver_held() {
  is_intake_full_ = false;
  while (!held_.empty()) {
    Polled& polled = held_.front();
    if (!is_whole(polled)) {
      context_->wake_at(polled.began + config_.max_poll_time);
      return;
    }
    if (!polled.is_counted) {
      polled.arrival.attributes.emplace_back("kafka.count", std::to_string(polled.messages));
      polled.is_closed = polled.is_counted = true;
    }
    const std::size_t bytes = polled.arrival.content.size();
    // Under the lock: the ticket may be safe before it is noted.
    Lock lock(mutex_);
    const Result<Ticket> ticket = intake_->deliver(std::move(polled.arrival));
    if (!ticket.ok()) {
      is_intake_full_ = true;  // `on_safe` wakes us
      return;
    }
    unsafe_.emplace_back(*ticket, std::move(polled.last));
    held_.pop_front();
    held_bytes_ -= bytes;
  }
}

void ConsumeKafka::on_safe(Ticket ticket) {
  std::map<std::pair<std::string, std::int32_t>, std::int64_t> offsets;
  {
    Lock lock(mutex_);
    while (!unsafe_.empty() && unsafe_.front().first <= ticket) {
      Position& position = unsafe_.front().second;
      offsets[{std::move(position.topic), position.partition}] = position.offset;
      unsafe_.pop_front();
    }
  }
  {
    Lock lock(mutex_);
    for (const auto& [partition, offset] : offsets) {
      if (consumer_) consumer_->commit(partition.first, partition.second, offset);
    }
  }
  context_->wake();
}

ConsumeKafka::Polled ConsumeKafka::polled_of(const kafka::Record& record) const {
  Polled polled{{}, {std::string(record.topic), record.partition, record.offset}};
  polled.arrival.content = record.value;
  polled.arrival.uri = "kafka://" + config_.brokers.value + "/" + polled.last.topic;
  append_attributes(polled.arrival, record);
  polled.began = context_->clock().steady();
  return polled;
}

void ConsumeKafka::append_attributes(Arrival& arrival, const kafka::Record& record) const {
  arrival.attributes = {{"kafka.topic", std::string(record.topic)},
                        {"kafka.partition", std::to_string(record.partition)},
                        {"kafka.offset", std::to_string(record.offset)}};
  if (record.timestamp_ms >= 0) {
    arrival.attributes.emplace_back("kafka.timestamp", std::to_string(record.timestamp_ms));
  }
  if (record.key) {
    arrival.attributes.emplace_back("kafka.key",
                                    encoded(*record.key, config_.key_attribute_encoding));
  }
  if (!headers_to_add_) return;
  std::map<std::string, std::string> headers;
  for (const auto& [name, value] : record.headers) {
    if (!headers_to_add_->matches(name)) continue;
    std::string text = encoded(value, config_.message_header_encoding);
    const auto [known, is_new] = headers.try_emplace(std::string(name), text);
    if (is_new) continue;
    if (config_.duplicate_header_handling == DuplicateHeaders::kKeepLatest) known->second = text;
    if (config_.duplicate_header_handling == DuplicateHeaders::kMerge) known->second += ", " + text;
  }
  for (auto& [name, value] : headers) arrival.attributes.emplace_back(name, value);
}

}  // namespace runnel
