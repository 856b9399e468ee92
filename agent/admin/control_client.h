// ControlClient: asks a running agent over its control socket; the other end of control_server.h.

#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/admin/sockets.h"
#include "agent/admin/status_json.h"
#include "agent/base/result.h"

namespace runnel {

class ControlClient {
 public:
  // kNotFound: no agent runs on this state directory.
  static Result<ControlClient> connect(const std::string& state_dir);

  // The answer's result, or its error; `on_item` gets what comes before it.
  Result<StatusJson> ask(const StatusJson& request,
                         const std::function<void(const StatusJson&)>& on_item = {});

 private:
  explicit ControlClient(Socket socket) : socket_(std::move(socket)) {}
  Result<std::string> next_line();

  Socket socket_;
  std::string received_;
};

}  // namespace runnel
