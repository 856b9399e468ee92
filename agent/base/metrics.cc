// Renders a scrape in Prometheus' text format.

#include "agent/base/metrics.h"

#include <fmt/core.h>

namespace runnel {
namespace {

void append_escaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

}  // namespace

void MetricCollection::add(const MetricFamily& family, MetricLabels labels, double value) {
  for (auto& [known, series] : families_) {
    if (known == &family) {
      series.push_back({std::move(labels), value});
      return;
    }
  }
  families_.push_back({&family, {}});
  families_.back().second.push_back({std::move(labels), value});
}

std::string MetricCollection::text() const {
  std::string out;
  for (const auto& [family, series] : families_) {
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", family->name, family->help, family->name,
                       family->kind == MetricKind::kCounter ? "counter" : "gauge");
    for (const Series& one : series) {
      out += family->name;
      if (!one.labels.empty()) {
        out += '{';
        bool is_first = true;
        for (const auto& [key, value] : one.labels) {
          if (!is_first) out += ',';
          is_first = false;
          out += key;
          out += "=\"";
          append_escaped(out, value);
          out += '"';
        }
        out += '}';
      }
      out += fmt::format(" {}\n", one.value);
    }
  }
  return out;
}

}  // namespace runnel
