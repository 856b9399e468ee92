// The native YAML reader: parameter contexts, whom they inherit, and what a group sees of them.

#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
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
    std::map<std::string, Parameter, std::less<>> parameters;
    bool is_open = false;
  };

  void read_provider(const YamlNode& node, ParameterContext& context);
  const ParameterContext* find(const std::string& name) const;
  void complain_unknown(const std::string& name, Position at) const;
  const Resolved* resolve(const ParameterContext& context);
  void add_provided(const ParameterContext& context, Resolved& into);
  static void add(Resolved& into, const Parameter& parameter);

  std::vector<ParameterContext>& contexts_;
  Reading& reading_;
  std::map<const ParameterContext*, Resolved> resolved_;
  std::set<const ParameterContext*> inside_;
};

}  // namespace runnel
