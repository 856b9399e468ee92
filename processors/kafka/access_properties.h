// The properties that PublishKafka and ConsumeKafka have in common: how to reach the cluster and
// prove who we are.

#pragma once

#include <array>
#include <optional>
#include <string>

#include "agent/base/mutex.h"
#include "agent/sdk/describe.h"
#include "processors/kafka/client.h"
#include "processors/kafka/kafka_connection.h"
#include "processors/net/ssl_context.h"
#include "processors/text_property.h"

namespace runnel::kafka {

enum class SecurityProtocol { kPlaintext, kSsl, kSaslPlaintext, kSaslSsl };
enum class SaslMechanism { kPlain, kScramSha256, kScramSha512, kGssapi };

struct AccessConfig {
  EnvironmentText brokers;
  EnvironmentText client_name = EnvironmentText("runnel");
  SecurityProtocol security_protocol = SecurityProtocol::kPlaintext;
  SaslMechanism sasl_mechanism = SaslMechanism::kPlain;
  std::optional<std::string> username;
  std::optional<std::string> password;
  std::optional<std::string> ca_file;
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  std::optional<std::string> key_pass_phrase;
  ServiceRef<SslContext> ssl_context;
  std::optional<std::string> debug_contexts;
  ServiceRef<KafkaConnection> connection;

  // Of the service of `Kafka Connection Service`, or of the properties that it replaces, with the
  // certificates of the service of `SSL Context Service` or of the properties `Security …`.
  Result<Access> access(ServiceUser& user) const;
};

// Adds them to a description whose Config derives from AccessConfig.
template <typename D>
D& describe_access(D& describe, std::string brokers_name) {
  using Config = typename D::Config;
  const auto of = [](auto AccessConfig::*member) {
    return static_cast<std::remove_reference_t<decltype(std::declval<Config>().*member)> Config::*>(
        member);
  };
  const std::string shared(KafkaConnection::kProperty);
  return describe
      .property(std::move(brokers_name), of(&AccessConfig::brokers),
                {.doc = "Where to find the cluster: `host:port`, several separated by commas.",
                 .required = true,
                 .example = "127.0.0.1:9092",
                 .replaced_by = shared})
      .property("Client Name", of(&AccessConfig::client_name),
                {.doc = "What the broker's logs and quotas call this client."})
      .property("Security Protocol", of(&AccessConfig::security_protocol),
                {.doc = "Whether the connection is encrypted, and whether SASL proves who we are.",
                 .replaced_by = shared})
      .property(
          "SASL Mechanism", of(&AccessConfig::sasl_mechanism),
          {.doc = "How the user is proved to the broker with `sasl_plaintext` and `sasl_ssl`. "
                  "GSSAPI needs the Kerberos module of libsasl2.",
           .replaced_by = shared})
      .property("Username", of(&AccessConfig::username),
                {.doc = "The SASL user.", .replaced_by = shared})
      .property("Password", of(&AccessConfig::password),
                {.doc = "The SASL user's password.", .sensitive = true, .replaced_by = shared})
      .property(
          "Security CA", of(&AccessConfig::ca_file),
          {.doc = "PEM file of the authorities that may have signed the broker's certificate. "
                  "Empty: the machine's own.",
           .replaced_by = shared})
      .property("Security Cert", of(&AccessConfig::certificate_file),
                {.doc = "PEM file of the client's certificate.", .replaced_by = shared})
      .property("Security Private Key", of(&AccessConfig::key_file),
                {.doc = "PEM file of the client's private key.", .replaced_by = shared})
      .property(
          "Security Pass Phrase", of(&AccessConfig::key_pass_phrase),
          {.doc = "Pass phrase of the private key.", .sensitive = true, .replaced_by = shared})
      .property(std::string(SslContext::kProperty), of(&AccessConfig::ssl_context),
                {.doc = SslContext::kDoc, .replaced_by = shared})
      .property(shared, of(&AccessConfig::connection), {.doc = KafkaConnection::kDoc})
      .property(
          "Debug contexts", of(&AccessConfig::debug_contexts),
          {.doc = "librdkafka's debug contexts, separated by commas. Logged at level debug."});
}

// How the operator hears of what librdkafka reports: the same trouble at most once in 30 s, since a
// client that cannot reach its broker repeats itself. Any thread.
class TroubleReporter {
 public:
  void attach(Context& context) { context_ = &context; }
  void report(const Trouble& trouble);

 private:
  Context* context_ = nullptr;
  Mutex mutex_;
  std::string last_text_ GUARDED_BY(mutex_);
  SteadyTime last_at_ GUARDED_BY(mutex_){};
};

}  // namespace runnel::kafka

namespace runnel {

template <>
struct EnumNames<kafka::SecurityProtocol> {
  static constexpr std::array<std::pair<kafka::SecurityProtocol, std::string_view>, 4> names{
      {{kafka::SecurityProtocol::kPlaintext, "plaintext"},
       {kafka::SecurityProtocol::kSsl, "ssl"},
       {kafka::SecurityProtocol::kSaslPlaintext, "sasl_plaintext"},
       {kafka::SecurityProtocol::kSaslSsl, "sasl_ssl"}}};
};

template <>
struct EnumNames<kafka::SaslMechanism> {
  static constexpr std::array<std::pair<kafka::SaslMechanism, std::string_view>, 4> names{
      {{kafka::SaslMechanism::kPlain, "PLAIN"},
       {kafka::SaslMechanism::kScramSha256, "SCRAM-SHA-256"},
       {kafka::SaslMechanism::kScramSha512, "SCRAM-SHA-512"},
       {kafka::SaslMechanism::kGssapi, "GSSAPI"}}};
};

}  // namespace runnel
