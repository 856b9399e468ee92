// The door to OpenSSL for the HTTP processors: an SSL_CTX that civetweb is given whole, because
// civetweb knows no pass phrases and says nothing of what is wrong with a file.

#include "processors/http/server_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstring>

namespace runnel {
namespace {

// The first of OpenSSL's queued errors, in its own words.
std::string queued_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown error";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  return "error " + std::to_string(code);
}

Error file_error(const char* property, const std::string& file) {
  return invalid("property `" + std::string(property) + "`: `" + file + "`: " + queued_error());
}

// Without a phrase the key's is not asked for at the terminal: the key cannot be read.
int give_pass_phrase(char* buffer, int size, int /*is_writing*/, void* context) {
  const auto* phrase = static_cast<const std::string*>(context);
  if (phrase == nullptr || phrase->size() > static_cast<std::size_t>(size)) return 0;
  std::memcpy(buffer, phrase->data(), phrase->size());
  return static_cast<int>(phrase->size());
}

class OpenTls final : public ServerTls {
 public:
  OpenTls() : context_(SSL_CTX_new(TLS_server_method())) {}
  ~OpenTls() override { SSL_CTX_free(context_); }
  OpenTls(const OpenTls&) = delete;
  OpenTls& operator=(const OpenTls&) = delete;

  void* ssl_ctx() const override { return context_; }

  Result<> set(const ServerTlsOptions& options) {
    if (context_ == nullptr) return unavailable("TLS: " + queued_error());
    SSL_CTX_set_min_proto_version(context_,
                                  options.is_tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context_, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
    constexpr unsigned char kSession[] = "runnel";
    SSL_CTX_set_session_id_context(context_, kSession, sizeof kSession - 1);
    TRY(set_own(options));
    return set_peer(options);
  }

 private:
  Result<> set_own(const ServerTlsOptions& options) {
    std::string phrase = options.key_pass_phrase;
    SSL_CTX_set_default_passwd_cb(context_, &give_pass_phrase);
    SSL_CTX_set_default_passwd_cb_userdata(context_, &phrase);
    const std::string& file = options.certificate_file;
    if (SSL_CTX_use_certificate_chain_file(context_, file.c_str()) != 1) {
      return file_error("SSL Certificate", file);
    }
    const bool is_apart = !options.key_file.empty();
    const std::string& key = is_apart ? options.key_file : file;
    if (SSL_CTX_use_PrivateKey_file(context_, key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context_) != 1) {
      return file_error(is_apart ? "SSL Private Key" : "SSL Certificate", key)
          .within("the private key");
    }
    // `phrase` ends here.
    SSL_CTX_set_default_passwd_cb_userdata(context_, nullptr);
    return {};
  }

  Result<> set_peer(const ServerTlsOptions& options) {
    if (!options.verifies_peer) return {};
    if (SSL_CTX_load_verify_file(context_, options.ca_file.c_str()) != 1) {
      return file_error("SSL Certificate Authority", options.ca_file);
    }
    // Tells clients which of their certificates to show.
    SSL_CTX_set_client_CA_list(context_, SSL_load_client_CA_file(options.ca_file.c_str()));
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return {};
  }

  SSL_CTX* const context_;
};

}  // namespace

Result<std::unique_ptr<ServerTls>> ServerTls::open(const ServerTlsOptions& options) {
  ERR_clear_error();
  auto tls = std::make_unique<OpenTls>();
  TRY(tls->set(options));
  return std::unique_ptr<ServerTls>(std::move(tls));
}

}  // namespace runnel
