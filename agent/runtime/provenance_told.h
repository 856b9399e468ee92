// ProvenanceTold: what one session has to tell, gathered so that FlowFiles that it treats alike
// make one event. One thread; used again and again.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/provenance_codec.h"

namespace runnel {

class ProvenanceTold {
 public:
  // `child` came of `parent` (FORK, CLONE), or has it as a part (JOIN).
  void kin(std::uint32_t call, ProvenanceKind kind, std::uint64_t child, std::uint64_t parent);
  void event(std::uint32_t call, ProvenanceKind kind, std::uint64_t flowfile,
             std::string_view uri = {}, std::string_view details = {},
             std::string_view alternate_id = {});
  // The receiver of a SEND that `call` told of this FlowFile; it is not told here then.
  std::optional<std::string> take_send(std::uint32_t call, std::uint64_t flowfile);
  // The call, which is the last that told of anything, is rolled back.
  void undo(std::uint32_t call);
  void clear() {
    if (!is_empty()) all_.clear();
  }
  bool is_empty() const { return all_.empty(); }

  // All of it, of all calls; what several calls told alike is one record. The records are views of
  // this object, until it is changed.
  void put_into(std::vector<ProvenanceRecord>& records, std::int64_t at_ms,
                std::string_view component);

 private:
  struct One {
    std::uint32_t call = 0;      // the last that told of it
    bool is_of_earlier = false;  // calls told of it, too; then it was `before`
    IdSet::Mark before;
    ProvenanceKind kind = ProvenanceKind::kUnknown;
    IdSet flowfiles;
    IdSet parents;
    // Readers of a FORK or CLONE of n parents into n children pair them in the order of ids; so
    // that order is how they must have been told.
    std::uint64_t children_count = 0;
    std::uint64_t parents_count = 0;
    std::uint64_t last_child = 0;
    std::uint64_t last_parent = 0;
    std::string uri;
    std::string details;
    std::string alternate_id;
  };
  bool add_to_earlier(std::uint32_t call, ProvenanceKind kind, std::uint64_t flowfile,
                      std::string_view uri, std::string_view details,
                      std::string_view alternate_id);
  static bool is_alike(const One& a, const One& b);
  static bool take_kin(One& into, std::uint64_t child, std::uint64_t parent);
  static bool merge(One& into, One& one);

  std::vector<One> all_;
};

}  // namespace runnel
