// ServerTls: what a listener shows and asks for in its TLS handshakes. server_tls.cc is the door to
// OpenSSL for the HTTP processors.

#pragma once

#include <memory>
#include <string>

#include "agent/base/result.h"

namespace runnel {

struct ServerTlsOptions {
  std::string certificate_file;  // PEM: the certificate, and what leads to its authority
  std::string key_file;          // PEM; empty: it is in `certificate_file`
  std::string key_pass_phrase;
  std::string ca_file;  // PEM: who may have signed clients' certificates
  bool verifies_peer = false;
  bool is_tls13_only = false;  // otherwise TLS 1.2 or newer
};

class ServerTls {
 public:
  // kInvalid names the property and the file.
  static Result<std::unique_ptr<ServerTls>> open(const ServerTlsOptions& options);
  virtual ~ServerTls() = default;
  virtual void* ssl_ctx() const = 0;  // an SSL_CTX
};

}  // namespace runnel
