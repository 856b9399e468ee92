// The hub's data folder: which files lie there, how they are made and read.
//
//   hub.db          all that is kept
//   ca.pem, ca.key  the hub's own CA: what agents and browsers trust; signs server certificates
//   server.pem      key and certificate of both listeners
//   agents.token    what agents show
//   lock            held by the hub that serves

#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel::hub {

struct DataFolder {
  std::string path;
  std::string ca() const { return path + "/ca.pem"; }
  std::string ca_key() const { return path + "/ca.key"; }
  std::string server() const { return path + "/server.pem"; }
  std::string agents_token() const { return path + "/agents.token"; }
  std::string lock() const { return path + "/lock"; }
};

// For its owner alone, unless `is_public`; durable when it returns.
Result<> write_file(const std::string& path, std::string_view bytes, bool is_public = false);
Result<std::string> read_file(const std::string& path);
// The first line of a file, without blanks around it.
Result<std::string> read_secret(const std::string& path);

// Held until the program ends; kUnavailable while another hub serves from there.
Result<> lock_for_good(const DataFolder& folder);

}  // namespace runnel::hub
