// Mask: keeps what is secret out of what is shown of tapped FlowFiles, before it leaves the agent.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "agent/admin/status_json.h"
#include "agent/base/result.h"
#include "agent/flow/el/json_path.h"
#include "agent/runtime/status.h"

namespace runnel {

class Mask {
 public:
  // Names of attributes, and JSON paths into the content. kInvalid: a path is none.
  static Result<Mask> make(const std::vector<std::string>& attributes,
                           const std::vector<std::string>& paths);

  // As flowfile_json, with `***` in the place of what is masked. Where paths are given, a content
  // that is neither JSON nor lines of JSON, or is not whole, is masked altogether: what cannot be
  // looked through is not shown.
  StatusJson shown(const PeekedFlowFile& flowfile) const;

 private:
  Result<std::string> masked(std::string_view json) const;
  std::string masked_content(const PeekedFlowFile& flowfile) const;

  std::set<std::string, std::less<>> attributes_;
  std::vector<JsonPath> paths_;
};

}  // namespace runnel
