// FlowFile: attributes and content under way, as the author of a processor holds it.
//
// A FlowFile is a small handle, passed by value, valid until its session commits or rolls back.
// What it names is a FlowRecord, which the runtime keeps in queues and in the ledger.

#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace runnel {

class Session;
struct FlowRecord;

class FlowFile {
 public:
  FlowFile() = default;
  FlowFile(FlowRecord* record, Session* session) : record_(record), session_(session) {}

  // False: there was none.
  explicit operator bool() const { return record_ != nullptr; }

  // Sequential within this agent; never reused.
  std::uint64_t id() const;
  // Made from the agent's instance id and `id`; leads back to it.
  std::string uuid() const;
  // Content, in bytes.
  std::uint64_t size() const;
  // Wall time, ms since the epoch: when it, and when its oldest ancestor, entered this agent.
  std::int64_t entry_ms() const;
  std::int64_t lineage_start_ms() const;

  // The attribute's value, or nothing. The view holds until this FlowFile is changed or its session
  // ends.
  std::optional<std::string_view> attribute(std::string_view name) const;
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  // In the order of names.
  void each_attribute(
      const std::function<void(std::string_view name, std::string_view value)>& visit) const;

  FlowRecord* record() const { return record_; }

 private:
  FlowRecord* record_ = nullptr;
  Session* session_ = nullptr;
};

}  // namespace runnel
