// Salvage: a damaged database is put aside, and what can be read of it is carried over.

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {

// Where a damaged database lies until all that can be read of it is carried over: a repair that was
// interrupted, by a cut of the power too, is found here and taken up again.
std::string Ledger::unfinished_folder() const {
  return options_.directory + "/quarantine/unfinished";
}

bool Ledger::is_repair_unfinished() const {
  return ::access(unfinished_folder().c_str(), F_OK) == 0;
}

Result<> Ledger::put_aside() {
  TRY(real_disk().make_directory(options_.directory + "/quarantine"));
  TRY(real_disk().make_directory(unfinished_folder()));
  const std::string moved = unfinished_folder() + "/ledger.db";
  if (::access(moved.c_str(), F_OK) == 0) return {};  // it goes last
  for (const char* ending : {"-wal", "-shm", ""}) {
    const std::string from = database_path() + ending;
    if (std::rename(from.c_str(), (moved + ending).c_str()) != 0 && errno != ENOENT)
      return unavailable("moving `" + from + "`: " + std::strerror(errno));
  }
  TRY(real_disk().sync_directory(unfinished_folder()));
  return real_disk().sync_directory(options_.directory);
}

// Its name is its time from now on; which one is told.
Result<std::string> Ledger::end_put_aside() {
  const std::string quarantine = options_.directory + "/quarantine";
  const std::string named = quarantine + "/" + iso_time(options_.clock->wall_ms());
  std::string folder = named;
  for (int i = 2; ::access(folder.c_str(), F_OK) == 0; ++i)
    folder = named + "-" + std::to_string(i);
  if (std::rename(unfinished_folder().c_str(), folder.c_str()) != 0)
    return unavailable("moving `" + unfinished_folder() + "`: " + std::strerror(errno));
  TRY(real_disk().sync_directory(quarantine));
  return folder;
}

Result<> Ledger::salvage(const Error& why) {
  log_error("ledger", "the database is damaged; what can be read is carried over",
            {{"reason", why.text()}});
  // Nobody reads before it is done: a row that is not carried over yet would be missing for good.
  Lock paging(paging_mutex_);
  Lock reading(reader_mutex_);
  statements_.reset();
  database_.reset();
  reader_.reset();
  TRY(put_aside());
  TRY(reopen());
  std::uint64_t carried = 0;
  DatabaseOptions damaged = database_options();
  damaged.is_damaged = true;
  Result<std::unique_ptr<Database>> old =
      Database::open(unfinished_folder() + "/ledger.db", damaged);
  if (old.ok()) {
    struct Table {
      const char* name;
      const char* columns;
      int count;
      bool has_rowid;
    };
    // Forward until the first row that cannot be read, then backward until the last such row.
    constexpr std::array<Table, 5> kTables{
        {{"meta", "name, value", 2, false},
         {"queue", "key, id, name, parked_of", 4, true},
         {"state", "processor, name, value", 3, false},
         {"batch", "id, queue, head, effects, body", 5, true},
         {"provenance", "id, bytes_before, body_bytes, last_ms, is_tail, head, body", 7, true}}};
    for (const Table& table : kTables) {
      std::string marks = "?";
      for (int i = 1; i < table.count; ++i) marks += ", ?";
      TRY_ASSIGN(insert, database_->prepare(std::string("INSERT OR IGNORE INTO ") + table.name +
                                            "(" + table.columns + ") VALUES(" + marks + ")"));
      for (const char* order : {" ORDER BY 1", " ORDER BY 1 DESC"}) {
        Result<Statement> select =
            (*old)->prepare(std::string("SELECT ") + table.columns + " FROM " + table.name + order);
        if (!select.ok()) continue;
        bool is_whole = false;
        while (true) {
          const Result<bool> has_row = select->step();
          is_whole = has_row.ok() && !*has_row;
          if (!has_row.ok() || !*has_row) break;
          for (int i = 0; i < table.count; ++i) select->copy_column(i, insert, i + 1);
          const Result<> inserted = insert.run();
          if (inserted.ok()) ++carried;
          // The row may make no sense; but a disk that does not take it is tried again.
          if (!inserted.ok() && inserted.code() != Code::kInvalid) return inserted;
        }
        if (is_whole) break;
      }
    }
  }
  TRY(keep_ids_unique());
  TRY_ASSIGN(reader, Database::open(database_path(), database_options()));
  old = unavailable("closed");
  TRY_ASSIGN(folder, end_put_aside());
  reader_ = std::move(reader);
  is_salvaged_ = true;
  const std::string told = "the ledger's database was damaged (" + why.text() +
                           "); it was put aside into " + folder + ", and " +
                           std::to_string(carried) + " rows were carried over";
  if (salvages_++ == 0 && !writer_.joinable()) repaired_ = told;  // told by who opens it
  log_error("ledger", told);
  return {};
}

}  // namespace runnel
