// What the ledger's files share: a write under way, the statements, the shelf of provenance, the
// durable map.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/batch_codec.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/provenance_log.h"

namespace runnel {

inline constexpr std::uint32_t kLedgerApplication = 0x524E4C31;  // "RNL1"

inline std::string batch_place(std::uint64_t row, std::uint64_t queue) {
  return place_of("batch", row, queue);
}
inline std::string provenance_place(std::uint64_t row) { return place_of("provenance", row); }

// One transaction. Made by a cut under the mutex; the writer owns it until it is on disk.
struct Ledger::Write {
  struct Row {
    std::uint64_t id = 0;
    std::uint64_t queue = 0;
    BatchHead head;
    std::vector<FlowRecord> records;  // with references of their own
    std::string body;                 // once packed
  };

  ~Write();

  std::uint64_t cut = 0;
  EpochNumber epoch = 0;
  std::vector<Row> rows;  // the last one carries the effects
  BatchEffects effects;
  std::vector<std::uint64_t> removed;
  std::vector<StateChange> state;
  std::vector<QueueRow> queues;
  // Segment files of writes that failed and in whose place this one is: a power cut may bring them
  // back, with the files that they name.
  std::map<std::uint64_t, std::shared_ptr<SegmentFile>> named_before;
  bool is_packed = false;
};

struct Ledger::Statements {
  Statement insert_batch;
  Statement delete_batch;
  Statement put_queue;
  Statement put_state;
  Statement delete_state;
  Statement insert_provenance;
  Statement delete_provenance;

  static Result<std::unique_ptr<Statements>> prepare(Database& database);
};

class Ledger::Shelf final : public ProvenanceShelf {
 public:
  explicit Shelf(Ledger& ledger) : ledger_(ledger) {}

  Result<std::optional<ProvenanceRow>> first_from(std::uint64_t from) override;
  Result<> each_before(std::uint64_t before,
                       const std::function<bool(const ProvenanceRow&)>& visit) override;
  Result<std::string> body(std::uint64_t id) override;

 private:
  Ledger& ledger_;
};

}  // namespace runnel
