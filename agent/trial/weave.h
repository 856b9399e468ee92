// Weave: a copy of a flow in which processors are replaced by others, and others are added to look
// on or to put FlowFiles in. What stands between them is the flow as it is.

#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/model.h"
#include "agent/sdk/describe.h"

namespace runnel {

class Weave {
 public:
  using Make = std::function<std::unique_ptr<Processor>()>;

  // The flow has passed its checks against these types.
  Weave(Flow flow, std::span<const ProcessorType> types)
      : flow_(std::move(flow)), types_(types.begin(), types.end()) {}

  const Flow& flow() const { return flow_; }
  const std::vector<ProcessorType>& types() const { return types_; }

  // By path; nullptr: there is none. Good until the next change.
  ProcessorNode* find(std::string_view path);
  std::vector<std::string> paths() const;  // of all processors of the flow as it was given
  const ComponentSpec& spec_of(const ProcessorNode& node) const;
  bool has_relationship(const ProcessorNode& node, std::string_view relationship) const;
  // Whether it makes FlowFiles by itself: nothing leads to it, and nothing has to.
  bool is_source(const ProcessorNode& node) const;
  // Whether nothing leads from it.
  bool is_sink(const ProcessorNode& node) const;

  // The processor has the relationships of the one in whose place it stands, and no properties; it
  // has one task and runs when there is something to do, whatever the flow says.
  void replace(std::string_view path, InputRule input, Make make);
  // What is sent to the relationship goes to the new processor, too; the id of the connection that
  // brings it. Penalized FlowFiles wait there as anywhere.
  std::string watch(std::string_view path, std::string_view relationship, Make make);
  // What the new processor sends to its relationship `success` is queued for the one at `path`; its
  // own path.
  std::string feed(std::string_view path, Make make);
  // It never runs.
  void hold(std::string_view path);

 private:
  ProcessGroup& group_of(std::string_view id);
  ProcessorNode added(const std::string& name, const ProcessGroup& group, InputRule input,
                      std::vector<RelationshipSpec> relationships, Make make);
  std::string fresh_name(const std::string& name);

  Flow flow_;
  std::vector<ProcessorType> types_;
  std::set<std::string> added_;  // paths
};

}  // namespace runnel
