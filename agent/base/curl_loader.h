// libcurl, in memory only where something speaks HTTP.
//
// Debian's libcurl brings twenty more libraries along (GnuTLS, Kerberos, LDAP, SSH, …), 3.4 MiB of
// memory that a flow from MQTT to Kafka never needs. So no program is linked to it: the
// functions that its doors call (processors/http, agent/uplink, hub/cli) are here, and pass the
// call on to the library, which the first of them to open loads for good.

#pragma once

#include "agent/base/result.h"

namespace runnel {

// To be called before any function of <curl/curl.h>. Loads and initialises libcurl once for the
// process. kInvalid: there is none, or it lacks a function. Any thread.
Result<> load_curl();

}  // namespace runnel
