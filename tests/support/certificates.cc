// Certificates for tests, made by the openssl command.

#include "tests/support/certificates.h"

#include <fstream>

#include "tests/support/process.h"

namespace runnel::test {
namespace {

void openssl(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "openssl");
  run_to_end(arguments);
}

void make_ca(const std::string& stem, const std::string& name) {
  openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
           "-days", "2", "-subj", "/CN=" + name, "-keyout", stem + ".key", "-out", stem + ".pem"});
}

void make_signed(const std::string& folder, const std::string& name, const std::string& subject) {
  const std::string stem = folder + "/" + name;
  openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
           subject, "-keyout", stem + ".key", "-out", stem + ".csr"});
  std::ofstream(stem + ".ext") << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
  openssl({"x509", "-req", "-in", stem + ".csr", "-CA", folder + "/ca.pem", "-CAkey",
           folder + "/ca.key", "-CAcreateserial", "-days", "2", "-extfile", stem + ".ext", "-out",
           stem + ".pem"});
}

}  // namespace

Certificates make_certificates(const std::string& folder) {
  make_ca(folder + "/ca", "test CA");
  make_ca(folder + "/stranger", "another CA");
  make_signed(folder, "server", "/CN=localhost");
  make_signed(folder, "client", "/CN=truck");
  const std::string phrase = "open sesame";
  openssl({"pkey", "-in", folder + "/client.key", "-aes256", "-passout", "pass:" + phrase, "-out",
           folder + "/client.locked.key"});
  run_to_end({"chmod", "-R", "a+rX", folder});
  return {.ca = folder + "/ca.pem",
          .server = folder + "/server.pem",
          .server_key = folder + "/server.key",
          .client = folder + "/client.pem",
          .client_key = folder + "/client.key",
          .client_key_locked = folder + "/client.locked.key",
          .pass_phrase = phrase,
          .stranger_ca = folder + "/stranger.pem"};
}

}  // namespace runnel::test
