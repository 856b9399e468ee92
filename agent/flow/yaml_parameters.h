// The native YAML reader: parameter contexts, whom they inherit, and what a group sees of them.

#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/yaml_elements.h"

namespace runnel {

class ParameterContexts {
 public:
  ParameterContexts(std::vector<ParameterContext>& contexts, Reading& reading)
      : contexts_(contexts), reading_(reading) {}

  // `parameter_contexts` of the flow.
  void read(const YamlNode& node);
  // Gives the value to all parameters of this name that contexts say themselves; false: none does.
  bool give(const std::string& name, const std::string& value);
  std::vector<std::string> parameter_names() const;
  // All that a group sees that names this context. Complains at `at` when there is none such.
  void add_to(ParameterScope& scope, const std::string& name, Position at);

 private:
  struct Resolved {
    ParameterMap parameters;
    bool is_open = false;
  };

  void read_provider(const YamlNode& node, ParameterContext& context);
  const ParameterContext* find(const std::string& name) const;
  void complain_unknown(const std::string& name, Position at) const;
  std::optional<std::size_t> depth_of(const ParameterContext& context);
  const Resolved* resolve(const ParameterContext& context);
  void add_provided(const ParameterContext& context, Resolved& into);
  static void add(Resolved& into, const Parameter& parameter);

  std::vector<ParameterContext>& contexts_;
  Reading& reading_;
  std::map<std::string_view, const ParameterContext*> by_name_;
  std::map<const ParameterContext*, std::optional<std::size_t>> depths_;
  std::set<const ParameterContext*> inside_;  // whose depth is sought now
  std::map<const ParameterContext*, Resolved> resolved_;
  std::size_t resolved_count_ = 0;  // parameters in all of them
};

}  // namespace runnel
