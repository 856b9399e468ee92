// The parser: text with expressions in it becomes a Program. The grammar is in grammar.md.

#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "agent/flow/el/program.h"

namespace runnel::el {

// Nothing when `text` is wrong; `error` then says where and why.
std::shared_ptr<const Expression::Program> parse(std::string_view text, ElError& error);

}  // namespace runnel::el
