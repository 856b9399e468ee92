// The web UI's files, as hub/ui/assets.h says how to serve them; and what every answer of the
// operators' listener carries.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "hub/http/message.h"

namespace runnel::hub {

// For paths that are no route: a file of the UI, else its page; 404 below /api/.
Response page(const Request& request);

// Strict: nothing from elsewhere, no inline script or style.
std::vector<std::pair<std::string, std::string>> security_headers();

}  // namespace runnel::hub
