// The hub's door to OpenSSL's certificates.

#include "hub/auth/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <array>
#include <memory>

namespace runnel::hub {
namespace {

template <typename T, void (*F)(T*)>
struct Free {
  void operator()(T* thing) const { F(thing); }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509, X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO, BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION, X509_EXTENSION_free>>;

constexpr int kCaDays = 3650;
constexpr int kServerDays = 825;

Error failed(const char* what) { return invalid(std::string("OpenSSL: ") + what + " failed"); }

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem_of(X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio.get());
}

std::string pem_of(EVP_PKEY* key) {
  const Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

Bio reader(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

bool extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Certificate blank(EVP_PKEY* key, const std::string& common_name, int days) {
  Certificate certificate(X509_new());
  X509* raw = certificate.get();
  X509_set_version(raw, X509_VERSION_3);
  std::array<unsigned char, 16> serial{};
  RAND_bytes(serial.data(), static_cast<int>(serial.size()));
  serial[0] &= 0x7f;
  BIGNUM* number = BN_bin2bn(serial.data(), static_cast<int>(serial.size()), nullptr);
  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(raw));
  BN_free(number);
  X509_gmtime_adj(X509_getm_notBefore(raw), -300);  // clocks of the field are not ours
  X509_time_adj_ex(X509_getm_notAfter(raw), days, 0, nullptr);
  X509_set_pubkey(raw, key);
  X509_NAME* name = X509_get_subject_name(raw);
  const auto add = [&](const char* field, const std::string& text) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
  };
  add("O", "Runnel");
  add("CN", common_name.substr(0, 64));
  return certificate;
}

std::string alternative_names(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    in_addr address{};
    const bool is_address = inet_pton(AF_INET, name.c_str(), &address) == 1;
    if (!text.empty()) text += ",";
    text += (is_address ? "IP:" : "DNS:") + name;
  }
  return text;
}

Result<std::string> sign_server(X509* ca, EVP_PKEY* ca_key, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (name.empty() || name.find_first_not_of(
                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-*") !=
                            std::string::npos) {
      return invalid("`" + name + "` is no host name and no IPv4 address");
    }
  }
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return failed("making a key");
  const Certificate server = blank(key.get(), names.front(), kServerDays);
  X509_set_issuer_name(server.get(), X509_get_subject_name(ca));
  if (!extend(server.get(), ca, NID_basic_constraints, "critical,CA:FALSE") ||
      !extend(server.get(), ca, NID_key_usage, "critical,digitalSignature") ||
      !extend(server.get(), ca, NID_ext_key_usage, "serverAuth") ||
      !extend(server.get(), ca, NID_subject_key_identifier, "hash") ||
      !extend(server.get(), ca, NID_authority_key_identifier, "keyid") ||
      !extend(server.get(), ca, NID_subject_alt_name, alternative_names(names)) ||
      X509_sign(server.get(), ca_key, EVP_sha256()) == 0) {
    return failed("signing the server certificate");
  }
  return pem_of(key.get()) + pem_of(server.get()) + pem_of(ca);
}

}  // namespace

Result<Certificates> make_certificates(const std::vector<std::string>& names) {
  const Key key(EVP_EC_gen("P-256"));
  if (!key) return failed("making a key");
  const Certificate ca = blank(key.get(), "Runnel hub CA", kCaDays);
  X509_set_issuer_name(ca.get(), X509_get_subject_name(ca.get()));
  if (!extend(ca.get(), ca.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !extend(ca.get(), ca.get(), NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !extend(ca.get(), ca.get(), NID_subject_key_identifier, "hash") ||
      X509_sign(ca.get(), key.get(), EVP_sha256()) == 0) {
    return failed("signing the CA's certificate");
  }
  TRY_ASSIGN(server_pem, sign_server(ca.get(), key.get(), names));
  return Certificates{pem_of(ca.get()), pem_of(key.get()), std::move(server_pem)};
}

Result<std::string> make_server_certificate(const std::string& ca_pem,
                                            const std::string& ca_key_pem,
                                            const std::vector<std::string>& names) {
  const Certificate ca(PEM_read_bio_X509(reader(ca_pem).get(), nullptr, nullptr, nullptr));
  const Key key(PEM_read_bio_PrivateKey(reader(ca_key_pem).get(), nullptr, nullptr, nullptr));
  if (!ca || !key) return invalid("the CA's certificate or key cannot be read");
  return sign_server(ca.get(), key.get(), names);
}

std::vector<std::string> local_names() {
  std::vector<std::string> names{"localhost", "127.0.0.1"};
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) == 0 && host[0] != '\0') {
    names.emplace_back(host.data());
  }
  return names;
}

}  // namespace runnel::hub
