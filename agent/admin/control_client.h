// ControlClient: asks a running agent over its control socket; the other end of control_server.h.

#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "agent/admin/sockets.h"
#include "agent/admin/status_json.h"
#include "agent/base/result.h"

namespace runnel {

class ControlClient {
 public:
  // kNotFound: no agent runs on this state directory.
  static Result<ControlClient> connect(const std::string& state_dir);

  using Until = std::optional<std::chrono::steady_clock::time_point>;
  // The answer's result, or its error; `on_item` gets what comes before it. What is still coming at
  // `until` (a tap) is told to end then.
  Result<StatusJson> ask(const StatusJson& request,
                         const std::function<void(const StatusJson&)>& on_item = {},
                         Until until = {});

 private:
  explicit ControlClient(Socket socket) : socket_(std::move(socket)) {}
  Result<> send_line(const StatusJson& json);
  Result<std::string> next_line(Until& until);

  Socket socket_;
  std::string received_;
};

}  // namespace runnel
