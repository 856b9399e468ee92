// LedgerReader: what lies in a state directory, row by row, without changing it. While an agent
// uses the directory: what it had written when this was opened, of connections from which nothing
// is taken.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/runtime/batch_codec.h"
#include "agent/runtime/content.h"
#include "agent/store/database.h"

namespace runnel {

class LedgerReader {
 public:
  // kNotFound: there is no database. kCorrupt: its heads cannot be read; repair it first.
  // FlowFiles that are encrypted need the vault's keys; kInvalid without the right one.
  static Result<std::unique_ptr<LedgerReader>> open(const std::string& directory, Vault vault = {});
  ~LedgerReader();

  struct Connection {
    std::string id;
    std::string name;
  };
  // `record`'s references are the reader's.
  using Visit = std::function<Result<>(const Connection&, const FlowRecord& record)>;
  // After each row: how many of how many.
  using Progress = std::function<void(std::uint64_t done, std::uint64_t all)>;
  struct Counts {
    std::uint64_t flowfiles = 0;
    std::uint64_t unreadable = 0;  // in rows that are damaged
    std::uint64_t damaged_rows = 0;
  };
  // All that are queued, or those of the connection with the id `only`, in the order in which they
  // were written. An error of `visit` ends it.
  Result<Counts> each(const Visit& visit, const Progress& progress, const std::string& only = {});

  // SQLite's own check of the whole file; kCorrupt with what it found.
  Result<> check_database() { return database_->check(); }
  // Whether anything of a FlowFile lies there encrypted.
  static Result<bool> holds_sealed(const std::string& directory);
  // The names of the data keys under which rows of it lie encrypted (8 bytes each).
  static Result<std::vector<std::string>> data_keys(const std::string& directory);
  // Who the agent of this directory is, without writing there: also of a disk that is full or
  // read-only. kNotFound: it has never been opened.
  static Result<std::string> agent_id(const std::string& directory);
  // Of all segment files with sums.
  Result<SegmentCheck> check_segments();

 private:
  struct Row {
    std::uint64_t count = 0;
    std::uint64_t queue = 0;
    std::vector<bool> done;
  };
  LedgerReader(std::string directory, std::unique_ptr<Database> database,
               std::unique_ptr<SegmentStore> segments, Vault vault);
  Result<> load();

  const std::string directory_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<SegmentStore> segments_;
  const Vault vault_;
  std::uint64_t sealed_from_ = UINT64_MAX;
  std::map<std::uint64_t, Connection> connections_;
  std::map<std::uint64_t, Row> rows_;
};

}  // namespace runnel
