// Certificates for tests: a CA, a server certificate for 127.0.0.1 and localhost, and a client
// certificate, as PEM files.

#pragma once

#include <string>

namespace runnel::test {

struct Certificates {
  std::string ca;
  std::string server, server_key;
  std::string client, client_key;
  std::string client_key_locked;  // encrypted with `pass_phrase`
  std::string pass_phrase;
  std::string stranger_ca;  // has signed none of them
};

// Writes them into `folder`, which must exist; throws when openssl fails. Readable by all:
// mosquitto runs as a user of its own.
Certificates make_certificates(const std::string& folder);

}  // namespace runnel::test
