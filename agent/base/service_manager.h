// What a service tells systemd about itself: that it is ready, that it lives, that it stops.
//
// The protocol is one datagram to a socket that the environment names, and is promised to stay
// (sd_notify(3) gives it for programs that do without libsystemd). libsystemd itself would bring
// five more libraries into each agent.

#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace runnel {

// `state` as sd_notify(3) lists it, such as "READY=1\nSTATUS=text". Does nothing where no service
// manager listens. Any thread.
void tell_service_manager(std::string_view state);

// Within what time "WATCHDOG=1" is to be told again and again, if the service manager watches this
// process (sd_watchdog_enabled(3)).
std::optional<std::chrono::microseconds> watchdog_period();

}  // namespace runnel
