// Laying out the screen of `top`.

#include "agent/top_view.h"

#include <fmt/core.h>

#include <algorithm>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/output.h"

namespace runnel {
namespace {

using Json = StatusJson;

constexpr const char* kBold = "\033[1m";
constexpr const char* kRed = "\033[31m";
constexpr const char* kYellow = "\033[33m";
constexpr const char* kPlain = "\033[0m";

double number(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

// What a component says of itself may hold anything; a terminal must not obey it.
std::string text_member(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_string()) return {};
  std::string out = harmless(to_utf8(found->get<std::string>()));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return out;
}

std::string count_text(double count) {
  if (count < 10'000) return fmt::format("{:.0f}", count);
  if (count < 1e7) return fmt::format("{:.1f}k", count / 1e3);
  if (count < 1e10) return fmt::format("{:.1f}M", count / 1e6);
  return fmt::format("{:.1f}G", count / 1e9);
}

std::string rate_text(double rate) {
  if (rate <= 0) return "-";
  return rate < 10 ? fmt::format("{:.1f}", rate) : count_text(rate);
}

std::string growth_text(double rate) { return rate <= 0 ? "+0/s" : "+" + rate_text(rate) + "/s"; }

std::string bytes_text(double bytes) {
  return bytes <= 0 ? "-" : size_text(static_cast<std::uint64_t>(bytes));
}

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

// The first `width` characters.
std::string clipped(const std::string& text, std::size_t width) {
  if (width == 0 || width_of(text) <= width) return text;
  std::size_t end = 0;
  for (std::size_t count = 0; end < text.size(); ++end) {
    const bool is_start = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (is_start && count++ == width) break;
  }
  return text.substr(0, end);
}

struct Row {
  std::vector<std::string> cells;
  const char* colour = nullptr;
};

// Numbers stand to the right; the first `left` columns and the last one to the left.
std::vector<Row> aligned(std::vector<Row> rows, std::size_t left) {
  std::vector<std::size_t> widths;
  for (const Row& row : rows) {
    widths.resize(std::max(widths.size(), row.cells.size()));
    for (std::size_t i = 0; i < row.cells.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row.cells[i]));
  }
  for (Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const std::string pad(widths[i] - width_of(row.cells[i]), ' ');
      const bool is_last = i + 1 == row.cells.size();
      line += i < left || is_last ? row.cells[i] + (is_last ? "" : pad) : pad + row.cells[i];
      if (!is_last) line += "  ";
    }
    row.cells = {line};
  }
  return rows;
}

class Screen {
 public:
  Screen(const Json& before, const Json& now, const TopView& view)
      : now_(now), view_(view), seconds_((number(now, "at_ms") - number(before, "at_ms")) / 1e3) {
    is_same_ = text_member(before, "agent_id") == text_member(now, "agent_id") &&
               number(before, "started_ms") == number(now, "started_ms") && seconds_ > 0;
    for (const char* list : {"processors", "connections"}) {
      if (!before.contains(list)) continue;
      for (const Json& one : before[list]) old_[text_member(one, "id")] = &one;
    }
    old_["loss"] = before.contains("loss") ? &before["loss"] : nullptr;
    old_["ledger"] = before.contains("ledger") ? &before["ledger"] : nullptr;
  }

  std::string text() {
    head();
    std::vector<Row> body = processors();
    body.push_back({{""}});
    for (Row& row : connections()) body.push_back(std::move(row));
    const std::size_t first = std::min(view_.first, body.empty() ? 0 : body.size() - 1);
    for (std::size_t i = 0; i < body.size(); ++i) {
      // The heads of the columns stay.
      if (i > 0 && i <= first) continue;
      put(body[i].cells[0], body[i].colour);
    }
    return std::move(out_);
  }

 private:
  double rate(const Json& one, const std::string& id, const char* name) const {
    const auto found = old_.find(id);
    if (!is_same_ || found == old_.end() || found->second == nullptr) return 0;
    return std::max(0.0, (number(one, name) - number(*found->second, name)) / seconds_);
  }

  void put(const std::string& line, const char* colour = nullptr) {
    if (view_.height != 0 && lines_ >= view_.height) return;
    ++lines_;
    const std::string shown = clipped(line, view_.width);
    out_ += colour != nullptr && view_.has_colour ? colour + shown + kPlain : shown;
    out_ += '\n';
  }

  void head() {
    const std::string version = text_member(now_, "flow_version");
    const std::string health = text_member(now_, "health");
    const std::string reason = text_member(now_, "health_reason");
    const std::string flow = text_member(now_, "flow_name");
    const double up_ms = number(now_, "at_ms") - number(now_, "started_ms");
    put(fmt::format("{}{}  {}  health {}{}  agent {}  up {}", flow.empty() ? "(no flow)" : flow,
                    version.empty() ? "" : "@" + version, text_member(now_, "state"), health,
                    reason.empty() ? "" : ": " + reason, text_member(now_, "agent_id"),
                    flow.empty() ? "-"
                                 : period_text(std::chrono::seconds(
                                       static_cast<std::int64_t>(std::max(0.0, up_ms) / 1e3)))),
        health == "ok" ? kBold : kRed);
    const Json& loss = now_["loss"];
    double dropped = 0;
    double dropped_rate = 0;
    std::string reasons;
    for (const auto& [name, value] : loss.items()) {
      if (!name.starts_with("dropped_")) continue;
      dropped += value.get<double>();
      dropped_rate += rate(loss, "loss", name.c_str());
      if (value.get<double>() > 0)
        reasons += fmt::format("{}{} {}", reasons.empty() ? " (" : ", ",
                               name.substr(std::string_view("dropped_").size()),
                               count_text(value.get<double>()));
    }
    if (!reasons.empty()) reasons += ')';
    const bool is_balanced = loss["is_balanced"].get<bool>();
    put(fmt::format("ledger  in {} ({}) = out {} ({}) + queued {} + dropped {} ({}){}{}",
                    count_text(number(loss, "in")), growth_text(rate(loss, "loss", "in")),
                    count_text(number(loss, "out")), growth_text(rate(loss, "loss", "out")),
                    count_text(number(loss, "queued")), count_text(dropped),
                    growth_text(dropped_rate), reasons, is_balanced ? "" : "  DOES NOT BALANCE"),
        is_balanced ? nullptr : kRed);
    const Json& ledger = now_["ledger"];
    put(fmt::format("disk    written {} (+{}/s), database {}, content {}; memory {} of {}",
                    bytes_text(number(ledger, "written_bytes")),
                    bytes_text(rate(ledger, "ledger", "written_bytes")),
                    bytes_text(number(ledger, "database_bytes")),
                    bytes_text(number(ledger, "content_bytes")),
                    bytes_text(number(ledger, "memory_bytes")),
                    bytes_text(number(ledger, "memory_budget_bytes"))));
    put("");
  }

  double order_of(const Json& one) const {
    const std::string id = text_member(one, "id");
    switch (view_.order) {
      case TopOrder::kIn:
        return rate(one, id, "in_count");
      case TopOrder::kOut:
        return rate(one, id, "out_count");
      case TopOrder::kTime:
        return rate(one, id, "processing_ns");
      case TopOrder::kFailures:
        return number(one, "failures");
      case TopOrder::kFlow:
      case TopOrder::kName:
        break;
    }
    return 0;
  }

  std::vector<const Json*> sorted(const char* list, const char* name) const {
    std::vector<const Json*> out;
    for (const Json& one : now_[list]) out.push_back(&one);
    if (view_.order == TopOrder::kName) {
      std::stable_sort(out.begin(), out.end(), [name](const Json* a, const Json* b) {
        return text_member(*a, name) < text_member(*b, name);
      });
    } else {
      std::stable_sort(out.begin(), out.end(), [this](const Json* a, const Json* b) {
        return order_of(*a) > order_of(*b);
      });
    }
    return out;
  }

  std::vector<Row> processors() const {
    std::vector<Row> rows{{{"PROCESSOR", "TYPE", "STATE", "IN/s", "IN B/s", "OUT/s", "OUT B/s",
                            "TIME", "FLYING", "FAILURES", ""},
                           kBold}};
    for (const Json* one : sorted("processors", "path")) {
      const std::string id = text_member(*one, "id");
      const std::string state = text_member(*one, "state");
      const double share = rate(*one, id, "processing_ns") / 1e7;
      rows.push_back(
          {{text_member(*one, "path"), text_member(*one, "type"), state,
            rate_text(rate(*one, id, "in_count")), bytes_text(rate(*one, id, "in_bytes")),
            rate_text(rate(*one, id, "out_count")), bytes_text(rate(*one, id, "out_bytes")),
            fmt::format("{:.0f} %", share), count_text(number(*one, "in_flight")),
            count_text(number(*one, "failures")), text_member(*one, "last_error")},
           state == "failed"    ? kRed
           : state == "running" ? nullptr
                                : kYellow});
    }
    return aligned(std::move(rows), 3);
  }

  std::vector<Row> connections() const {
    std::vector<Row> rows{
        {{"CONNECTION", "QUEUED", "SIZE", "FULL", "IN/s", "OUT/s", "OLDEST", ""}, kBold}};
    for (const Json* one : sorted("connections", "name")) {
      const std::string id = text_member(*one, "id");
      const auto share = [one](const char* what, const char* max) {
        return number(*one, max) > 0 ? number(*one, what) / number(*one, max) * 100 : 0;
      };
      const double fill = std::max(share("count", "count_max"), share("bytes", "bytes_max"));
      const auto age = static_cast<std::int64_t>(number(*one, "oldest_age_ms"));
      const bool is_parked = one->value("is_parked", false);
      const bool is_full = one->value("is_full", false);
      rows.push_back(
          {{text_member(*one, "name"), count_text(number(*one, "count")),
            bytes_text(number(*one, "bytes")), is_parked ? "-" : fmt::format("{:.0f} %", fill),
            rate_text(rate(*one, id, "in_count")), rate_text(rate(*one, id, "out_count")),
            age <= 0 ? "-"
                     : period_text(std::chrono::milliseconds(age < 1000 ? age : age / 1000 * 1000)),
            is_parked ? "parked: no longer in the flow"
            : is_full ? "full: what stands before it waits"
                      : ""},
           is_full ? kYellow : nullptr});
    }
    return aligned(std::move(rows), 1);
  }

  const Json& now_;
  const TopView& view_;
  const double seconds_;
  bool is_same_ = false;
  std::map<std::string, const Json*> old_;
  std::string out_;
  std::size_t lines_ = 0;
};

}  // namespace

std::string top_text(const StatusJson& before, const StatusJson& now, const TopView& view) {
  return Screen(before, now, view).text();
}

std::size_t top_rows(const StatusJson& now) {
  return now["processors"].size() + now["connections"].size() + 3;
}

}  // namespace runnel
