// SSLContextService: certificates and a key, said once for all that speak TLS.
//
// What it names is read when it starts, so that a wrong file or pass phrase keeps the flow from
// running, with the property's name, and not the first connection from succeeding. The door to
// OpenSSL of this folder.

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstring>
#include <memory>
#include <optional>

#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/net/ssl_context.h"
#include "processors/registry.h"

namespace runnel {
namespace {

struct SslContextServiceConfig {
  std::optional<std::string> certificate_file;
  std::optional<std::string> key_file;
  std::optional<std::string> key_pass_phrase;
  std::optional<std::string> ca_file;
  bool uses_system_store = false;
};

class SslContextService final : public Service, public SslContext {
 public:
  using Config = SslContextServiceConfig;
  explicit SslContextService(const Config& config)
      : files_{config.ca_file.value_or(""), config.certificate_file.value_or(""),
               config.key_file.value_or(""), config.key_pass_phrase.value_or("")} {}
  static Result<std::unique_ptr<SslContextService>> make(const Config& config);

  Result<> start(ServiceContext& context) override;
  const TlsFiles& files() const override { return files_; }

 private:
  const TlsFiles files_;
};

Error file_error(const char* property, const std::string& file) {
  const unsigned long code = ERR_get_error();
  std::string reason = "unknown error";
  if (const char* text = ERR_reason_error_string(code)) reason = text;
  if (ERR_SYSTEM_ERROR(code)) reason = std::strerror(ERR_GET_REASON(code));
  ERR_clear_error();
  return invalid("property `" + std::string(property) + "`: `" + file + "`: " + reason);
}

// Without a phrase the key's is not asked for at the terminal: the key cannot be read.
int give_pass_phrase(char* buffer, int size, int /*is_writing*/, void* context) {
  const auto* phrase = static_cast<const std::string*>(context);
  if (phrase->size() > static_cast<std::size_t>(size)) return 0;
  std::memcpy(buffer, phrase->data(), phrase->size());
  return static_cast<int>(phrase->size());
}

}  // namespace

ServiceType ssl_context_service() {
  using C = SslContextServiceConfig;
  return DescribeService<SslContextService>(
             "SSLContextService",
             "Certificates and a private key, for all processors that speak TLS. The certificate "
             "stores of Windows, which MiNiFi's has, are not there.")
      .property("Client Certificate", &C::certificate_file,
                {.doc = "PEM file of our certificate, and of those between it and its authority."})
      .property("Private Key", &C::key_file,
                {.doc = "PEM file of our private key. Empty: it is in `Client Certificate`."})
      .property("Passphrase", &C::key_pass_phrase,
                {.doc = "Pass phrase of the private key.", .sensitive = true})
      .property("CA Certificate", &C::ca_file,
                {.doc = "PEM file of the authorities that may have signed the peer's certificate. "
                        "Empty: the machine's own."})
      .property("Use System Cert Store", &C::uses_system_store,
                {.doc = "Trust the machine's own authorities; `CA Certificate` stays empty then."})
      .provides<SslContext>()
      .example(R"(services:
  fleet-tls:
    type: SSLContextService
    properties:
      CA Certificate: /etc/runnel/ca.pem
      Client Certificate: /etc/runnel/device.pem
      Private Key: /etc/runnel/device.key
processors:
  bus:
    type: ConsumeMQTT
    properties:
      Broker URI: ssl://broker:8883
      Topic: vehicle/#
      SSL Context Service: fleet-tls
)");
}

Result<std::unique_ptr<SslContextService>> SslContextService::make(const Config& config) {
  if (config.uses_system_store && config.ca_file) {
    return invalid("properties `CA Certificate` and `Use System Cert Store`: keep one");
  }
  if (config.key_file && !config.certificate_file) {
    return invalid("property `Private Key` needs `Client Certificate`, too");
  }
  return std::make_unique<SslContextService>(config);
}

Result<> SslContextService::start(ServiceContext& /*context*/) {
  ERR_clear_error();
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls(SSL_CTX_new(TLS_method()),
                                                              &SSL_CTX_free);
  if (!tls) return unavailable("TLS cannot be used");
  std::string phrase = files_.key_pass_phrase;
  SSL_CTX_set_default_passwd_cb(tls.get(), &give_pass_phrase);
  SSL_CTX_set_default_passwd_cb_userdata(tls.get(), &phrase);
  if (!files_.ca_file.empty() && SSL_CTX_load_verify_file(tls.get(), files_.ca_file.c_str()) != 1) {
    return file_error("CA Certificate", files_.ca_file);
  }
  const std::string& certificate = files_.certificate_file;
  if (certificate.empty()) return {};
  if (SSL_CTX_use_certificate_chain_file(tls.get(), certificate.c_str()) != 1) {
    return file_error("Client Certificate", certificate);
  }
  const bool is_apart = !files_.key_file.empty();
  const std::string& key = is_apart ? files_.key_file : certificate;
  if (SSL_CTX_use_PrivateKey_file(tls.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(tls.get()) != 1) {
    return file_error(is_apart ? "Private Key" : "Client Certificate", key)
        .within("the private key");
  }
  return {};
}

Result<TlsFiles> tls_files(ServiceUser& user, const ServiceRef<SslContext>& ref, TlsFiles own) {
  TRY_ASSIGN(shared, user.service(ref));
  if (shared == nullptr) return own;
  if (own.is_empty()) return shared->files();
  return invalid("property `" + std::string(SslContext::kProperty) +
                 "` and the properties for files of its own: keep one");
}

}  // namespace runnel
