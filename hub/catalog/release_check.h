// Checks a flow's text as `runnel-agent check` does, against the manifests of those who shall run
// it.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/model.h"
#include "hub/catalog/manifests.h"
#include "hub/http/message.h"

namespace runnel::hub {

struct ManifestVerdict {
  ManifestUse use;
  std::vector<Complaint> complaints;
};

struct ReleaseCheck {
  std::shared_ptr<const Flow> flow;   // nullptr: the text could not be read at all
  std::vector<Complaint> complaints;  // of the text itself
  std::vector<ManifestVerdict> manifests;

  bool is_valid() const;
};

ReleaseCheck check_release(const std::string& text, const std::vector<ManifestUse>& uses);

// `FlowGraph` and `ManifestCheck` of the REST contract.
Json graph_json(const Flow& flow);
Json json_of(const std::vector<ManifestVerdict>& verdicts);

}  // namespace runnel::hub
