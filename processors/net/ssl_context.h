// SslContext: the keys and certificates that several processors share, by a controller service.

#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/sdk/service.h"

namespace runnel {

// PEM files.
struct TlsFiles {
  std::string ca_file;           // who may have signed the peer's; empty: the machine's own
  std::string certificate_file;  // ours, and what leads to its authority
  std::string key_file;          // empty: it is in `certificate_file`
  std::string key_pass_phrase;

  bool is_empty() const {
    return ca_file.empty() && certificate_file.empty() && key_file.empty() &&
           key_pass_phrase.empty();
  }
};

class SslContext {
 public:
  static constexpr std::string_view kService = "SSLContextService";
  static constexpr std::string_view kProperty = "SSL Context Service";
  static constexpr const char* kDoc =
      "The service that has the certificates and the key, in place of the properties for files.";

  virtual ~SslContext() = default;
  virtual const TlsFiles& files() const = 0;
};

// Those of the service that `ref` names, else `own`. kInvalid: both say something.
Result<TlsFiles> tls_files(ServiceUser& user, const ServiceRef<SslContext>& ref, TlsFiles own);

}  // namespace runnel
