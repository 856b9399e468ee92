// A scope in which nothing changes by itself: for tests of expressions.

#pragma once

#include <map>
#include <string>
#include <utility>

#include "agent/base/clock.h"
#include "agent/flow/el/expression.h"

namespace runnel {

class TestScope final : public Scope {
 public:
  TestScope() = default;
  using Attributes = std::map<std::string, std::string, std::less<>>;
  explicit TestScope(Attributes attributes) : attributes_(std::move(attributes)) {}
  TestScope(std::initializer_list<Attributes::value_type> attributes) : attributes_(attributes) {}

  std::optional<std::string_view> attribute(std::string_view name) const override {
    const auto at = attributes_.find(name);
    return at == attributes_.end() ? std::nullopt : std::optional<std::string_view>(at->second);
  }
  void each_attribute(const Visit& visit) const override {
    for (const auto& [name, value] : attributes_) {
      if (!visit(name, value)) return;
    }
  }
  std::optional<FlowFileFacts> facts() const override {
    return FlowFileFacts{42, 1024, 1420058163264, 1420058163000, 1420058163500};
  }
  std::optional<std::string> state(std::string_view key) const override {
    static const std::map<std::string, std::string, std::less<>> kState{
        {"abc", "xyz"}, {"123", "qwe"}, {"true", "asd"}, {"iop", "098"}};
    const auto at = kState.find(key);
    return at == kState.end() ? std::nullopt : std::optional(at->second);
  }
  Clock& clock() const override { return clock_; }
  std::string_view time_zone() const override { return "UTC"; }
  std::string hostname(bool is_qualified) const override {
    return is_qualified ? "truck-7.fleet.example" : "truck-7";
  }
  std::string ip() const override { return "10.1.2.3"; }
  std::string thread_name() const override { return "worker-1"; }
  std::int64_t next_int() const override { return next_++; }
  std::uint64_t random() const override { return 0x0123456789abcdef; }

 private:
  Attributes attributes_;
  mutable ManualClock clock_;
  mutable std::int64_t next_ = 0;
};

}  // namespace runnel
