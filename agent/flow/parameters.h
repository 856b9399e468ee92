// Parameters: puts the values of `#{name}` into the text of properties.
//
// `##{` is a literal `#{`; of a longer row of `#`, each pair is one literal `#`, as NiFi has it.
// Values are put in as they stand, once: what looks like a parameter within a value is text. Where
// an expression has its subject or an argument, and nothing but the parameter stands there, it is a
// value: `literal("…")`, or text in quotes.

#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/model.h"

namespace runnel {

using ParameterMap = std::map<std::string, Parameter, std::less<>>;

// What is known in one group: its own parameters, those of its context, then those of the groups
// around it.
class ParameterScope {
 public:
  explicit ParameterScope(const ParameterScope* outer = nullptr) : outer_(outer) {}

  // The pointers must stay valid as long as the scope is used.
  void add(const Parameter& parameter) { own_[parameter.name] = &parameter; }
  void set_context(const ParameterMap& context) { context_ = &context; }
  const Parameter* find(std::string_view name) const;  // nullptr: unknown
  // There may be others, from a provider that cannot be asked here.
  void set_open() { is_open_ = true; }
  bool is_open() const { return is_open_ || (outer_ != nullptr && outer_->is_open()); }
  std::vector<std::string> names() const;  // sorted
  std::size_t count() const;               // hidden ones included

 private:
  const ParameterScope* outer_;
  const ParameterMap* context_ = nullptr;
  bool is_open_ = false;
  std::map<std::string, const Parameter*, std::less<>> own_;
};

struct PutIn {
  struct Problem {
    std::size_t offset = 0;  // in the written text
    std::string text;
  };
  std::string value;
  bool is_sensitive = false;
  bool is_open = false;                     // some value is not known here
  std::vector<PropertySource::Span> spans;  // of the value
  std::set<std::string> secrets;            // values of sensitive parameters in it
  std::vector<Problem> problems;            // the first few
};

// `spans` are those of the written text; without `explains` problems have no texts, which cost a
// look at all names. A parameter without a value puts in nothing, and is no
// problem here: it was complained of where it is declared.
PutIn put_in(std::string_view written, const std::vector<PropertySource::Span>& spans,
             const ParameterScope& scope, std::size_t at_most, bool explains = true);

}  // namespace runnel
