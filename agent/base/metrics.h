// Metrics declared as data: a family (name, kind, help, label names) and its series, rendered for
// Prometheus.
//
// A family is declared once, at namespace scope: `const MetricFamily
// kAccepted{"runnel_ledger_accepted_bytes_total", …}`. A series is a number somebody owns; a
// Collection is filled at the moment of the scrape, so that counting costs nothing here.

#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel {

enum class MetricKind { kCounter, kGauge };

struct MetricFamily {
  std::string_view name;  // runnel_<room>_<noun>_<unit>[_total]
  MetricKind kind;
  std::string_view help;
};

using MetricLabels = std::vector<std::pair<std::string_view, std::string>>;

// What one scrape found. One thread.
class MetricCollection {
 public:
  void add(const MetricFamily& family, MetricLabels labels, double value);
  // Prometheus text format 0.0.4; families in the order of their first series.
  std::string text() const;

 private:
  struct Series {
    MetricLabels labels;
    double value;
  };
  std::vector<std::pair<const MetricFamily*, std::vector<Series>>> families_;
};

}  // namespace runnel
