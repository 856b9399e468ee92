// Kafka3ConnectionService: how a Kafka cluster is reached, said once for all its users, and one
// producer for those who send alike.

#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/kafka/access_properties.h"
#include "processors/kafka/kafka_connection.h"
#include "processors/net/ssl_context.h"
#include "processors/registry.h"

namespace runnel {
namespace {

struct KafkaConnectionConfig {
  EnvironmentText servers;
  kafka::SecurityProtocol security_protocol = kafka::SecurityProtocol::kPlaintext;
  kafka::SaslMechanism sasl_mechanism = kafka::SaslMechanism::kPlain;
  std::optional<std::string> username;
  std::optional<std::string> password;
  ServiceRef<SslContext> ssl_context;
};

class KafkaConnectionService final : public Service, public kafka::KafkaConnection {
 public:
  using Config = KafkaConnectionConfig;
  explicit KafkaConnectionService(Config config) : config_(std::move(config)) {}

  Result<> start(ServiceContext& context) override {
    kafka::AccessConfig said;
    said.brokers = config_.servers;
    said.security_protocol = config_.security_protocol;
    said.sasl_mechanism = config_.sasl_mechanism;
    said.username = config_.username;
    said.password = config_.password;
    said.ssl_context = config_.ssl_context;
    TRY_ASSIGN(access, said.access(context));
    access_ = std::move(access);
    return {};
  }
  const kafka::Access& access() const override { return access_; }
  kafka::ProducerPool& producers() override { return producers_; }

 private:
  const Config config_;
  kafka::Access access_;  // constant while it runs
  kafka::ProducerPool producers_;
};

}  // namespace

ServiceType kafka_connection_service() {
  using C = KafkaConnectionConfig;
  return DescribeService<KafkaConnectionService>(
             "Kafka3ConnectionService",
             "Where a Kafka cluster is and how it is reached, for all PublishKafka and "
             "ConsumeKafka that name this service. PublishKafka whose settings of sending are "
             "equal "
             "(guarantee, codec, partitioner, batches, timeouts, largest message, client name) "
             "share "
             "one producer: its connections, threads and memory; each keeps its own window, order "
             "and acknowledgements. A ConsumeKafka has a client of its own: it is one member of "
             "its "
             "group.")
      .property("Bootstrap Servers", &C::servers,
                {.doc = "Where to find the cluster: `host:port`, several separated by commas.",
                 .required = true,
                 .example = "127.0.0.1:9092"})
      .property("Security Protocol", &C::security_protocol,
                {.doc = "Whether the connection is encrypted, and whether SASL proves who we are."})
      .property("SASL Mechanism", &C::sasl_mechanism,
                {.doc = "How the user is proved to the broker with `sasl_plaintext` and "
                        "`sasl_ssl`. GSSAPI needs the Kerberos module of libsasl2."})
      .property("SASL Username", &C::username, {.doc = "The SASL user."})
      .property("SASL Password", &C::password,
                {.doc = "The SASL user's password.", .sensitive = true})
      .property(std::string(SslContext::kProperty), &C::ssl_context,
                {.doc = "The service that has the certificates and the key. None: the machine's "
                        "own authorities."})
      .provides<kafka::KafkaConnection>();
}

}  // namespace runnel
