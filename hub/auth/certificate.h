// The certificates that `init` makes: a CA of the hub's own and a server certificate by it.

#pragma once

#include <string>
#include <vector>

#include "agent/base/result.h"

namespace runnel::hub {

struct Certificates {
  std::string ca_pem;      // what agents, browsers and runnelctl trust
  std::string ca_key_pem;  // signs further certificates
  std::string server_pem;  // key, certificate and CA in one, as the listeners want it
};

// EC keys on P-256. `names` are host names and IPv4 addresses: the server certificate is good for
// them. The CA is good for ten years, the server certificate for 825 days (what browsers accept of
// private CAs).
Result<Certificates> make_certificates(const std::vector<std::string>& names);
// A new server certificate by an existing CA.
Result<std::string> make_server_certificate(const std::string& ca_pem,
                                            const std::string& ca_key_pem,
                                            const std::vector<std::string>& names);

// "localhost", "127.0.0.1" and this machine's host name.
std::vector<std::string> local_names();

}  // namespace runnel::hub
