// Login, logout, me, tokens; and the guard that recognizes who asks.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hub/auth/accounts.h"
#include "hub/http/router.h"

namespace runnel::hub {

// Told of logins and tokens, for the list of events: kind, severity, actor, message.
using AuthListener = std::function<void(std::string_view kind, std::string_view severity,
                                        const std::string& actor, const std::string& message)>;

std::vector<Route> auth_routes(Accounts& accounts, bool is_tls, AuthListener listener);

// Recognizes a token or a session, wants the CSRF header where a session changes something, and the
// role that the route asks for. 401 and 403.
Router::Guard auth_guard(Accounts& accounts, bool is_tls);

}  // namespace runnel::hub
