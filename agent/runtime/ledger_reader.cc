// Reading a ledger without running it.

#include "agent/runtime/ledger_reader.h"

#include <algorithm>

#include "agent/base/bytes.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {
namespace {

// One that is gone may still be in its log (`Database::open`).
bool is_there(const std::string& database) {
  return real_disk().identity(database) != 0 || real_disk().identity(database + "-wal") != 0;
}

}  // namespace

LedgerReader::LedgerReader(std::string directory, std::unique_ptr<Database> database,
                           std::unique_ptr<SegmentStore> segments, Vault vault)
    : directory_(std::move(directory)),
      database_(std::move(database)),
      segments_(std::move(segments)),
      vault_(std::move(vault)) {}

LedgerReader::~LedgerReader() = default;

Result<std::unique_ptr<LedgerReader>> LedgerReader::open(const std::string& directory,
                                                         Vault vault) {
  const std::string path = directory + "/ledger.db";
  if (!is_there(path)) return not_found("`" + path + "` is not there");
  TRY_ASSIGN(database, Database::open(path, {.application_id = kLedgerApplication}));
  TRY_ASSIGN(version, database->schema_version());
  if (version == 0) return corrupt("`" + path + "` is empty");
  TRY_ASSIGN(segments, SegmentStore::open(directory + "/content", real_disk(), 0, vault));
  segments->keep_found();
  std::unique_ptr<LedgerReader> reader(
      new LedgerReader(directory, std::move(database), std::move(segments), std::move(vault)));
  TRY(reader->load());
  return reader;
}

Result<> LedgerReader::load() {
  TRY_ASSIGN(find, database_->prepare("SELECT value FROM meta WHERE name = 'sealed_from'"));
  TRY_ASSIGN(has_seal, find.step());
  if (has_seal) {
    TRY_ASSIGN(number, parse_int(find.text(0)));
    sealed_from_ = static_cast<std::uint64_t>(number);
  }
  TRY_ASSIGN(queues, database_->prepare("SELECT key, id, name FROM queue"));
  while (true) {
    TRY_ASSIGN(has_row, queues.step());
    if (!has_row) break;
    connections_[static_cast<std::uint64_t>(queues.integer(0))] = {std::string(queues.text(1)),
                                                                   std::string(queues.text(2))};
  }
  std::map<std::uint64_t, BatchEffects> effects;
  TRY_ASSIGN(select, database_->prepare("SELECT id, queue, head, effects FROM batch ORDER BY id"));
  while (true) {
    TRY_ASSIGN(has_row, select.step());
    if (!has_row) break;
    const auto id = static_cast<std::uint64_t>(select.integer(0));
    const auto queue = static_cast<std::uint64_t>(select.integer(1));
    TRY_ASSIGN(head,
               BatchHead::unseal(select.text(2), id, queue, select.text(3), id < sealed_from_));
    rows_[id] = {head.count, queue, std::vector<bool>(head.count, false)};
    if (select.text(3).empty()) continue;
    TRY_ASSIGN(parsed, BatchEffects::parse(select.text(3)));
    effects.emplace(id, std::move(parsed));
  }
  for (const auto& [id, one] : effects) {
    for (const BatchEffects::Row& effect : one.rows) {
      const auto target = rows_.find(effect.row);
      if (target == rows_.end()) continue;
      for (const PositionRange& range : effect.done) {
        for (std::uint64_t i = range.first;
             i < range.first + range.count && i < target->second.count; ++i)
          target->second.done[i] = true;
      }
    }
  }
  return {};
}

Result<LedgerReader::Counts> LedgerReader::each(const Visit& visit, const Progress& progress,
                                                const std::string& only) {
  Counts counts;
  std::uint64_t seen = 0;
  TRY_ASSIGN(select, database_->prepare("SELECT body FROM batch WHERE id = ?"));
  for (const auto& [id, row] : rows_) {
    progress(++seen, rows_.size());
    const auto left =
        static_cast<std::uint64_t>(std::count(row.done.begin(), row.done.end(), false));
    const auto known = connections_.find(row.queue);
    const std::string unknown = "salvaged-" + std::to_string(row.queue);
    const Connection connection =
        known == connections_.end() ? Connection{unknown, unknown} : known->second;
    if (left == 0 || (!only.empty() && connection.id != only)) continue;
    select.bind(1, static_cast<std::int64_t>(id));
    const Result<bool> has_row = select.step();
    Result<std::vector<FlowRecord>> records = corrupt("the row cannot be read");
    if (has_row.ok() && *has_row) {
      std::string room;
      const Result<std::string_view> body =
          vault_.from_disk(select.text(0), batch_place(id, row.queue), room);
      records = body.ok() ? unpack_body(*body, row.count, *segments_, id >= sealed_from_)
                          : Result<std::vector<FlowRecord>>(body.error());
    }
    select.reset();
    if (!records.ok()) {
      if (records.code() != Code::kCorrupt) return records.error();
      ++counts.damaged_rows;
      counts.unreadable += left;
      continue;
    }
    Result<> visited;
    for (std::size_t i = 0; visited.ok() && i < records->size(); ++i) {
      if (row.done[i]) continue;
      visited = visit(connection, (*records)[i]);
      ++counts.flowfiles;
    }
    for (const FlowRecord& record : *records) release(record);
    TRY(visited);
  }
  return counts;
}

Result<std::vector<std::string>> LedgerReader::data_keys(const std::string& directory) {
  const std::string path = directory + "/ledger.db";
  std::vector<std::string> names;
  if (!is_there(path)) return names;
  TRY_ASSIGN(database, Database::open(path, {.application_id = kLedgerApplication}));
  for (const char* table : {"batch", "provenance"}) {
    // Behind a sealed body's first byte and its sum (vault.h).
    TRY_ASSIGN(select, database->prepare("SELECT DISTINCT substr(body, 6, 8) FROM " +
                                         std::string(table) + " WHERE substr(body, 1, 1) = x'04'"));
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) break;
      names.emplace_back(select.text(0));
    }
  }
  return names;
}

Result<std::string> LedgerReader::agent_id(const std::string& directory) {
  const std::string path = directory + "/ledger.db";
  if (!is_there(path)) return not_found("`" + path + "` is not there");
  const auto read = [&path](bool is_immutable) -> Result<std::string> {
    TRY_ASSIGN(database, Database::open(path, {.application_id = kLedgerApplication,
                                               .is_read_only = true,
                                               .is_immutable = is_immutable}));
    TRY_ASSIGN(select, database->prepare("SELECT value FROM meta WHERE name = 'instance'"));
    TRY_ASSIGN(has_row, select.step());
    if (!has_row) return not_found("`" + path + "` does not say who its agent is");
    return std::string(select.text(0));
  };
  // The log beside it needs a file of its own to be read, which a disk may not take.
  Result<std::string> id = read(false);
  return id.ok() ? id : read(true);
}

Result<bool> LedgerReader::holds_sealed(const std::string& directory) {
  if (real_disk().identity(directory + "/content") != 0) {
    TRY_ASSIGN(names, real_disk().list(directory + "/content"));
    if (std::any_of(names.begin(), names.end(),
                    [](const std::string& name) { return name.ends_with(".enc"); }))
      return true;
  }
  const std::string path = directory + "/ledger.db";
  if (!is_there(path)) return false;
  TRY_ASSIGN(database, Database::open(path, {.application_id = kLedgerApplication}));
  for (const char* table : {"batch", "provenance"}) {
    Result<Statement> select = database->prepare("SELECT 1 FROM " + std::string(table) +
                                                 " WHERE substr(body, 1, 1) = x'04' LIMIT 1");
    if (!select.ok()) continue;  // not yet made
    TRY_ASSIGN(has_row, select->step());
    if (has_row) return true;
  }
  return false;
}

Result<SegmentCheck> LedgerReader::check_segments() {
  SegmentCheck all;
  TRY_ASSIGN(names, real_disk().list(directory_ + "/content"));
  for (const std::string& name : names) {
    if (!name.ends_with(".blk") && !name.ends_with(".enc")) continue;
    TRY_ASSIGN(number, parse_int(name.substr(0, name.size() - 4)));
    TRY_ASSIGN(one, check_segment(real_disk(), directory_ + "/content/" + name,
                                  static_cast<std::uint64_t>(number)));
    all.blocks += one.blocks;
    all.damaged += one.damaged;
  }
  return all;
}

}  // namespace runnel
