// The OpenAPI document, made of the route table and the schemas.

#pragma once

#include <string>
#include <vector>

#include "hub/http/router.h"

namespace runnel::hub {

// Indented JSON; only what lies under /api/.
std::string openapi_document(const std::vector<Route>& routes);

}  // namespace runnel::hub
