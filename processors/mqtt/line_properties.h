// The properties that ConsumeMQTT and PublishMQTT have in common: how to reach the broker, prove
// who we are, and what is said when we are gone.

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "agent/sdk/context.h"
#include "agent/sdk/describe.h"
#include "processors/mqtt/client.h"
#include "processors/net/ssl_context.h"

namespace runnel::mqtt {

enum class SecurityProtocol { kPlaintext, kSsl };
enum class Qos { k0, k1, k2 };

struct LineConfig {
  std::string broker_uri;
  std::optional<std::string> client_id;
  Version version = Version::k3Auto;
  Qos qos = Qos::k0;
  std::chrono::milliseconds connection_timeout = std::chrono::seconds(10);
  std::chrono::seconds keep_alive = std::chrono::seconds(60);
  std::optional<std::string> will_topic;
  std::optional<std::string> will_message;
  Qos will_qos = Qos::k0;
  bool will_retain = false;
  std::optional<std::string> will_content_type;
  std::optional<std::string> username;
  std::optional<std::string> password;
  SecurityProtocol security_protocol = SecurityProtocol::kPlaintext;
  std::optional<std::string> ca_file;
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  std::optional<std::string> key_pass_phrase;
  ServiceRef<SslContext> ssl_context;
  Size message_bytes_max{16 << 20};

  // What can be refused before anything is tried; kInvalid names the property.
  Result<> check() const;
  // For who is called so: a processor, or the service that several share.
  template <typename C>
  Result<ClientOptions> client_options(C& context) const {
    return client_options(context, context.name(), context.agent_id() + "/" + context.id());
  }

 private:
  // `id` is stable over restarts and nobody else's.
  Result<ClientOptions> client_options(ServiceUser& user, const std::string& name,
                                       const std::string& id) const;
};

template <typename Config, typename T>
constexpr T Config::*member_of(T LineConfig::*member) {
  return static_cast<T Config::*>(member);
}

// Adds those of the connection to a description whose Config derives from LineConfig.
// `replaced_by`: the property that names a service with a connection, for who may share one.
template <typename D>
D& describe_connection(D& describe, const std::string& replaced_by) {
  using Config = typename D::Config;
  const auto of = [](auto LineConfig::*member) { return member_of<Config>(member); };
  using namespace std::chrono_literals;
  return describe
      .property("Broker URI", of(&LineConfig::broker_uri),
                {.doc = "Where the broker is: `tcp://host:1883` (also `mqtt`), `ssl://host:8883` "
                        "(also `mqtts`), "
                        "`ws://host/path` or `wss://host/path`.",
                 .required = true,
                 .example = "tcp://127.0.0.1:1883",
                 .replaced_by = replaced_by})
      .property("Client ID", of(&LineConfig::client_id),
                {.doc = "By which the broker knows this client and keeps its session. Empty: made "
                        "of the agent's id "
                        "and its own, so that it stays the same over restarts.",
                 .replaced_by = replaced_by})
      .property("MQTT Version", of(&LineConfig::version),
                {.doc = "`3.x AUTO` is 3.1.1, or 3.1.0 where the broker refuses that.",
                 .replaced_by = replaced_by})
      .property("Connection Timeout", of(&LineConfig::connection_timeout),
                {.doc = "How long one attempt to connect may take.",
                 .min = 100ms,
                 .max = 10min,
                 .replaced_by = replaced_by})
      .property("Keep Alive Interval", of(&LineConfig::keep_alive),
                {.doc = "After this long without a packet a ping is sent; 0 sec: never.",
                 .min = 0s,
                 .max = 65'535s,
                 .replaced_by = replaced_by})
      .property("Last Will Topic", of(&LineConfig::will_topic),
                {.doc = "Where the broker publishes the last will when the line breaks.",
                 .replaced_by = replaced_by})
      .property("Last Will Message", of(&LineConfig::will_message),
                {.doc = "The last will.", .replaced_by = replaced_by})
      .property("Last Will QoS", of(&LineConfig::will_qos),
                {.doc = "Its quality of service.", .replaced_by = replaced_by})
      .property(
          "Last Will Retain", of(&LineConfig::will_retain),
          {.doc = "Whether the broker keeps it for later subscribers.", .replaced_by = replaced_by})
      .property("Last Will Content Type", of(&LineConfig::will_content_type),
                {.doc = "Its content type (MQTT 5).", .replaced_by = replaced_by})
      .property("Username", of(&LineConfig::username),
                {.doc = "The user.", .replaced_by = replaced_by})
      .property("Password", of(&LineConfig::password),
                {.doc = "The user's password.", .sensitive = true, .replaced_by = replaced_by})
      .property("Security Protocol", of(&LineConfig::security_protocol),
                {.doc = "`ssl` encrypts also where the scheme of `Broker URI` does not say so.",
                 .replaced_by = replaced_by})
      .property(
          "Security CA", of(&LineConfig::ca_file),
          {.doc = "PEM file of the authorities that may have signed the broker's certificate. "
                  "Empty: the "
                  "machine's own. The certificate and the host's name in it are always checked.",
           .replaced_by = replaced_by})
      .property(
          "Security Cert", of(&LineConfig::certificate_file),
          {.doc =
               "PEM file of the client's certificate, and of those between it and its authority.",
           .replaced_by = replaced_by})
      .property("Security Private Key", of(&LineConfig::key_file),
                {.doc = "PEM file of the client's private key. Empty: it is in `Security Cert`.",
                 .replaced_by = replaced_by})
      .property(
          "Security Pass Phrase", of(&LineConfig::key_pass_phrase),
          {.doc = "Pass phrase of the private key.", .sensitive = true, .replaced_by = replaced_by})
      .property(std::string(SslContext::kProperty), of(&LineConfig::ssl_context),
                {.doc = SslContext::kDoc, .replaced_by = replaced_by});
}

// Adds those and what is said of messages.
template <typename D>
D& describe_line(D& describe, const std::string& replaced_by = {}) {
  using Config = typename D::Config;
  return describe_connection(describe, replaced_by)
      .property("Quality of Service", member_of<Config>(&LineConfig::qos),
                {.doc = "0: at most once, 1: at least once, 2: exactly once."})
      .property("Maximum Message Size", member_of<Config>(&LineConfig::message_bytes_max),
                {.doc = "Larger messages are refused with a bulletin.",
                 .min = Size{1},
                 .max = Size{256 << 20}});
}

// Bytes of a PUBLISH beside its payload that are allowed for.
inline constexpr std::size_t kPacketOverhead = 128 * 1024;

inline int number_of(Qos qos) { return static_cast<int>(qos); }

}  // namespace runnel::mqtt

namespace runnel {

template <>
struct EnumNames<mqtt::Version> {
  static constexpr std::array<std::pair<mqtt::Version, std::string_view>, 4> names{
      {{mqtt::Version::k3Auto, "3.x AUTO"},
       {mqtt::Version::k310, "3.1.0"},
       {mqtt::Version::k311, "3.1.1"},
       {mqtt::Version::k500, "5.0"}}};
};
template <>
struct EnumNames<mqtt::Qos> {
  static constexpr std::array<std::pair<mqtt::Qos, std::string_view>, 3> names{
      {{mqtt::Qos::k0, "0"}, {mqtt::Qos::k1, "1"}, {mqtt::Qos::k2, "2"}}};
};
template <>
struct EnumNames<mqtt::SecurityProtocol> {
  static constexpr std::array<std::pair<mqtt::SecurityProtocol, std::string_view>, 2> names{
      {{mqtt::SecurityProtocol::kPlaintext, "plaintext"}, {mqtt::SecurityProtocol::kSsl, "ssl"}}};
};

}  // namespace runnel
