// TLS to a broker: the door to OpenSSL's TLS for the MQTT processors. The server's certificate and
// name are checked, always.

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

#include <cstring>

#include "processors/mqtt/wire.h"

namespace runnel::mqtt {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using ContextPtr = std::unique_ptr<SSL_CTX, FreeContext>;
using SslPtr = std::unique_ptr<SSL, FreeSsl>;

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

int give_pass_phrase(char* buffer, int size, int /*is_writing*/, void* context) {
  const auto* phrase = static_cast<const std::string*>(context);
  if (phrase->size() > static_cast<std::size_t>(size)) return 0;
  std::memcpy(buffer, phrase->data(), phrase->size());
  return static_cast<int>(phrase->size());
}

Result<ContextPtr> open_context(const TlsOptions& options) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (!context) return unavailable("TLS: " + queued_error());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  std::string phrase = options.key_pass_phrase;
  SSL_CTX_set_default_passwd_cb(context.get(), &give_pass_phrase);
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), &phrase);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else if (SSL_CTX_load_verify_file(context.get(), options.ca_file.c_str()) != 1) {
    return file_error("Security CA", options.ca_file);
  }
  if (!options.certificate_file.empty()) {
    if (SSL_CTX_use_certificate_chain_file(context.get(), options.certificate_file.c_str()) != 1) {
      return file_error("Security Cert", options.certificate_file);
    }
    const std::string& key = options.key_file.empty() ? options.certificate_file : options.key_file;
    if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context.get()) != 1) {
      return file_error("Security Private Key", key);
    }
  } else if (!options.key_file.empty()) {
    return invalid("property `Security Private Key` needs `Security Cert` beside it");
  }
  // `phrase` ends here, so the callback must not be reached again.
  SSL_CTX_set_default_passwd_cb(context.get(), nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(context.get(), nullptr);
  return context;
}

class TlsWire final : public Wire {
 public:
  TlsWire(std::unique_ptr<Wire> tcp, SslPtr ssl) : tcp_(std::move(tcp)), ssl_(std::move(ssl)) {}

  Result<bool> open_step() override {
    if (!is_connected_) {
      TRY_ASSIGN(is_open, tcp_->open_step());
      if (!is_open) return false;
      is_connected_ = true;
    }
    ERR_clear_error();
    const int got = SSL_connect(ssl_.get());
    if (got == 1) {
      wanted_ = 0;
      return true;
    }
    TRY(wait_or_fail(got, "TLS"));
    return false;
  }

  Result<std::optional<std::size_t>> read(std::span<char> into) override {
    ERR_clear_error();
    std::size_t count = 0;
    const int got = SSL_read_ex(ssl_.get(), into.data(), into.size(), &count);
    if (got == 1) {
      wanted_ = 0;
      return std::optional<std::size_t>(count);
    }
    if (SSL_get_error(ssl_.get(), got) == SSL_ERROR_ZERO_RETURN) {
      return std::optional<std::size_t>(0);
    }
    TRY(wait_or_fail(got, "TLS"));
    return std::optional<std::size_t>{};
  }

  Result<std::size_t> write(std::string_view bytes) override {
    if (bytes.empty()) return std::size_t{0};
    ERR_clear_error();
    std::size_t count = 0;
    const int got = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
    if (got == 1) return count;
    TRY(wait_or_fail(got, "TLS"));
    return std::size_t{0};
  }

  int fd() const override { return tcp_->fd(); }
  short events() const override { return is_connected_ ? wanted_ : tcp_->events(); }
  bool has_more() const override { return is_connected_ && SSL_pending(ssl_.get()) > 0; }

 private:
  // OpenSSL says whether it waits for the socket or has failed.
  Result<> wait_or_fail(int got, const char* what) {
    switch (SSL_get_error(ssl_.get(), got)) {
      case SSL_ERROR_WANT_READ:
        wanted_ = POLLIN;
        return {};
      case SSL_ERROR_WANT_WRITE:
        wanted_ = POLLOUT;
        return {};
      default:
        break;
    }
    const long verdict = SSL_get_verify_result(ssl_.get());
    if (verdict != X509_V_OK) {
      ERR_clear_error();
      return unavailable(std::string(what) + ": the broker's certificate is not accepted: " +
                         X509_verify_cert_error_string(verdict) +
                         "; see property `Security CA` and the host in `Broker URI`");
    }
    if (ERR_peek_error() == 0) return unavailable(std::string(what) + ": closed by the broker");
    return unavailable(std::string(what) + ": " + queued_error());
  }

  std::unique_ptr<Wire> tcp_;
  SslPtr ssl_;
  bool is_connected_ = false;
  short wanted_ = 0;
};

}  // namespace

Result<> check_tls_files(const TlsOptions& options) {
  TRY(open_context(options));
  return {};
}

Result<std::unique_ptr<Wire>> open_tls_wire(std::unique_ptr<Wire> tcp, const std::string& host,
                                            const TlsOptions& options) {
  TRY_ASSIGN(context, open_context(options));
  SslPtr ssl(SSL_new(context.get()));
  if (!ssl) return unavailable("TLS: " + queued_error());
  SSL_set_fd(ssl.get(), tcp->fd());
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) != 1) {
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (SSL_set1_host(ssl.get(), host.c_str()) != 1 ||
        SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(host.c_str())) != 1) {
      return invalid("TLS: `" + host + "` is no host name");
    }
  }
  return std::unique_ptr<Wire>(std::make_unique<TlsWire>(std::move(tcp), std::move(ssl)));
}

}  // namespace runnel::mqtt
