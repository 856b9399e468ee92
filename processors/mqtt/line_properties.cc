// The properties that ConsumeMQTT and PublishMQTT have in common.

#include "processors/mqtt/line_properties.h"

#include "agent/base/hash.h"

namespace runnel::mqtt {
namespace {

constexpr std::size_t kClientIdHex = 16;  // 23 characters in all: what MQTT 3.1.0 allows

}  // namespace

Result<> LineConfig::check() const {
  TRY(parse_broker_uri(broker_uri).within("property `Broker URI`"));
  if (will_message && !will_topic) {
    return invalid("property `Last Will Message` needs `Last Will Topic` beside it");
  }
  if (will_topic && will_topic->find_first_of("+#") != std::string::npos) {
    return invalid("property `Last Will Topic`: a topic that is published to has no wildcards");
  }
  if (password && !username && version != Version::k500) {
    return invalid("property `Password` needs `Username` beside it before MQTT 5.0");
  }
  return {};
}

Result<ClientOptions> LineConfig::client_options(ServiceUser& user, const std::string& name,
                                                 const std::string& id) const {
  ClientOptions options;
  TRY_ASSIGN(broker, parse_broker_uri(broker_uri));
  options.broker = std::move(broker);
  if (security_protocol == SecurityProtocol::kSsl) options.broker.is_tls = true;
  TRY_ASSIGN(files, tls_files(user, ssl_context,
                              {ca_file.value_or(""), certificate_file.value_or(""),
                               key_file.value_or(""), key_pass_phrase.value_or("")}));
  options.tls = {.ca_file = files.ca_file,
                 .certificate_file = files.certificate_file,
                 .key_file = files.key_file,
                 .key_pass_phrase = files.key_pass_phrase};
  if (options.broker.is_tls) TRY(check_tls_files(options.tls));
  options.name = name;
  options.credentials = {username, password};
  options.client_id = client_id.value_or("runnel-" + sha256_hex(id).substr(0, kClientIdHex));
  options.version = version;
  options.keep_alive = keep_alive;
  options.connect_timeout = connection_timeout;
  options.qos = number_of(qos);
  options.packet_bytes_max = static_cast<std::size_t>(message_bytes_max.bytes) + kPacketOverhead;
  if (will_topic) {
    options.will = Will{.topic = *will_topic,
                        .message = will_message.value_or(""),
                        .qos = number_of(will_qos),
                        .is_retained = will_retain,
                        .content_type = will_content_type.value_or("")};
  }
  return options;
}

}  // namespace runnel::mqtt
