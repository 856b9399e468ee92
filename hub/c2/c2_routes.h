// The C2 endpoints of the agents' listener, in both layouts: EFM's and that of Apache's C2 server.

#pragma once

#include <string>
#include <vector>

#include "hub/fleet/fleet.h"
#include "hub/fleet/ticker.h"
#include "hub/http/router.h"

namespace runnel::hub {

struct C2Parts {
  Fleet& fleet;
  Catalog& catalog;
  Classes& classes;
  Ticker& ticker;
};

std::vector<Route> c2_routes(C2Parts& parts);
// Wants `Authorization: Bearer TOKEN`; with an empty token, nothing (plain HTTP on loopback).
Router::Guard c2_guard(std::string token);

}  // namespace runnel::hub
