// RUNNEL_ASSERT: what only a programmer can break. On in release; nothing from a file, a message or
// the net reaches one.

#pragma once

namespace runnel {

[[noreturn]] void assertion_failed(const char* expression, const char* file, int line);

}  // namespace runnel

#define RUNNEL_ASSERT(expression)                        \
  (__builtin_expect(static_cast<bool>(expression), true) \
       ? static_cast<void>(0)                            \
       : ::runnel::assertion_failed(#expression, __FILE__, __LINE__))
