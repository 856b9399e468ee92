// What Debian's civetweb lacks for TLS, for the two doors to civetweb (hub/http, processors/http).
//
// civetweb 1.15 loads OpenSSL at run time by names that only the -dev package has, and looks for a
// function that OpenSSL 3 has renamed (its upstream issue 1334). agent/base/civetweb holds two
// small libraries of these names, linked to the real ones; they lie in `../lib/runnel` beside the
// program's folder. Once they are loaded, civetweb's own load by name finds them.

#pragma once

#include "agent/base/result.h"

namespace runnel {

// To be called before `mg_init_library(MG_FEATURES_TLS)`; loads them once for the process and for
// good. Whoever never serves TLS never has them in memory. kInvalid: they are not there. Any
// thread.
Result<> load_tls_for_civetweb();

}  // namespace runnel
