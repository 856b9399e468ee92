// How the Kafka processors reach their cluster, and how they tell of trouble with it.

#include "processors/kafka/access_properties.h"

namespace runnel::kafka {

using namespace std::chrono_literals;

Access AccessConfig::access() const {
  Access access;
  access.brokers = brokers.value;
  access.client_name = client_name.value;
  access.security_protocol = PropertyTraits<SecurityProtocol>::text(security_protocol);
  access.sasl_mechanism = PropertyTraits<SaslMechanism>::text(sasl_mechanism);
  access.username = username.value_or("");
  access.password = password.value_or("");
  access.ca_file = ca_file.value_or("");
  access.certificate_file = certificate_file.value_or("");
  access.key_file = key_file.value_or("");
  access.key_pass_phrase = key_pass_phrase.value_or("");
  access.debug_contexts = debug_contexts.value_or("");
  return access;
}

void TroubleReporter::report(const Trouble& trouble) {
  if (context_ == nullptr) return;
  {
    Lock lock(mutex_);
    const SteadyTime now = context_->clock().steady();
    if (trouble.text == last_text_ && now - last_at_ < 30s) return;
    last_text_ = trouble.text;
    last_at_ = now;
  }
  context_->bulletin(trouble.is_fatal ? BulletinLevel::kError : BulletinLevel::kWarning,
                     trouble.text);
}

}  // namespace runnel::kafka
