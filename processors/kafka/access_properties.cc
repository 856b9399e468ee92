// How the Kafka processors reach their cluster, and how they tell of trouble with it.

#include "processors/kafka/access_properties.h"

namespace runnel::kafka {

using namespace std::chrono_literals;

Result<Access> AccessConfig::access(ServiceUser& user) const {
  TRY_ASSIGN(shared, user.service(connection));
  Access access;
  if (shared != nullptr) access = shared->access();
  access.client_name = client_name.value;
  access.debug_contexts = debug_contexts.value_or("");
  if (shared != nullptr) return access;
  TRY_ASSIGN(files, tls_files(user, ssl_context,
                              {ca_file.value_or(""), certificate_file.value_or(""),
                               key_file.value_or(""), key_pass_phrase.value_or("")}));
  access.brokers = brokers.value;
  access.security_protocol = PropertyTraits<SecurityProtocol>::text(security_protocol);
  access.sasl_mechanism = PropertyTraits<SaslMechanism>::text(sasl_mechanism);
  access.username = username.value_or("");
  access.password = password.value_or("");
  access.ca_file = files.ca_file;
  access.certificate_file = files.certificate_file;
  access.key_file = files.key_file;
  access.key_pass_phrase = files.key_pass_phrase;
  return access;
}

void TroubleReporter::report(const Trouble& trouble) {
  if (context_ == nullptr || trouble.text.empty()) return;
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
