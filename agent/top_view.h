// What `top` shows: two snapshots of a running agent as one screen of text.

#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "agent/admin/status_json.h"

namespace runnel {

enum class TopOrder { kFlow, kName, kIn, kOut, kTime, kFailures };

struct TopView {
  TopOrder order = TopOrder::kFlow;
  std::size_t first = 0;   // of the rows, the first that is shown
  std::size_t width = 0;   // columns; 0: no limit
  std::size_t height = 0;  // lines; 0: no limit
  bool has_colour = false;
};

// `before` and `now` are snapshots of agent/admin/status_json.h, of the same agent or of one that
// was started anew meanwhile. One line each, ending in `\n`; no control characters but those of
// colour.
std::string top_text(const StatusJson& before, const StatusJson& now, const TopView& view);
// How many rows can be scrolled over.
std::size_t top_rows(const StatusJson& now);

}  // namespace runnel
