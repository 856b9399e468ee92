// Says which assertion failed, and ends the process: going on from an impossible state could lose
// data.

#include "agent/base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace runnel {

void assertion_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
  std::abort();
}

}  // namespace runnel
