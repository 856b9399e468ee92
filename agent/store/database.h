// Database: SQLite behind one door. One connection; one thread at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace runnel {

struct DatabaseOptions {
  // To read what can be read: also of a file that is shorter than its head says. Nothing is set up.
  bool is_damaged = false;
  std::uint32_t application_id = 0;  // a database of another one is refused
  bool is_read_only = false;
  // It lies where nothing can be written, not even beside it: only what was checkpointed is seen.
  bool is_immutable = false;
  // Somebody else's, of whatever application, and in its own mode. Only to be read.
  bool is_foreign = false;
  bool overwrites_deleted =
      false;  // PRAGMA secure_delete: pages of deleted rows are filled with zeros
  bool checkpoints_itself = true;  // false: somebody calls `checkpoint`
  std::uint32_t cache_kib = 1024;
  std::uint32_t busy_timeout_ms = 5000;
  std::string vfs = {};  // of SQLite; empty: the default
};

// One numbered step of a schema. Forward only; a shipped one is never edited.
struct Migration {
  int number;
  std::string_view name;
  std::string_view sql;
};

enum class CheckpointMode { kPassive, kRestart, kTruncate };

class Statement;

class Database {
 public:
  // Opens or makes it, in WAL mode with synchronous=FULL. kCorrupt: it is no database, or damaged.
  // kInvalid: it belongs to another application.
  static Result<std::unique_ptr<Database>> open(const std::string& path,
                                                const DatabaseOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Brings the schema up to the last migration, each in a transaction of its own. kInvalid: it was
  // written by a newer version.
  Result<> migrate(std::span<const Migration> migrations);
  Result<int> schema_version();

  // Runs one or more statements without results.
  Result<> execute(std::string_view sql);
  Result<Statement> prepare(std::string_view sql);
  std::int64_t last_rowid() const;
  std::int64_t changes() const;

  struct CheckpointResult {
    bool is_complete = false;  // everything in the WAL is in the database, and (kRestart,
                               // kTruncate) the WAL begins anew
    std::int64_t wal_pages = 0;
    std::int64_t written_pages = 0;
  };
  // kRestart and kTruncate wait for readers up to the busy timeout. Being busy is no error:
  // is_complete is false.
  Result<CheckpointResult> checkpoint(CheckpointMode mode);
  // PRAGMA quick_check; kCorrupt with what it found.
  Result<> check();
  // A consistent copy, while others read and write.
  Result<> back_up_to(const std::string& path);
  // Pages that this connection has written, into the WAL for the most part.
  std::int64_t pages_written() const;
  // Bytes of pages that hold something, of the whole file.
  Result<std::uint64_t> used_bytes();
  const std::string& path() const { return path_; }

 private:
  friend class Statement;
  Database(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  Error error(std::string_view what, int code) const;

  sqlite3* handle_;
  std::string path_;
};

// A prepared statement: bind from 1 on, step, read columns from 0 on, reset.
class Statement {
 public:
  Statement() = default;
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // The views must stay valid until the next reset.
  Statement& bind(int index, std::int64_t value);
  Statement& bind(int index, double value);
  Statement& bind_text(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);
  Statement& bind_null(int index);

  // True: there is a row to read. False: done; the statement is reset.
  Result<bool> step();
  // Steps to the end, for statements without rows of interest, and resets.
  Result<> run();
  void reset();

  std::int64_t integer(int column) const;
  double real(int column) const;
  // Text or blob; valid until the next step or reset.
  std::string_view text(int column) const;
  bool is_null(int column) const;
  // Binds the column, whatever its type, to a parameter of another statement, which must be run
  // before the next step of this one.
  void copy_column(int column, Statement& into, int index) const;

 private:
  friend class Database;
  Statement(Database* database, sqlite3_stmt* handle) : database_(database), handle_(handle) {}
  void note(int code) {
    if (code != 0 && bind_error_ == 0) bind_error_ = code;
  }

  Database* database_ = nullptr;
  sqlite3_stmt* handle_ = nullptr;
  int bind_error_ = 0;
};

// Rolls back unless committed.
class Transaction {
 public:
  // `BEGIN IMMEDIATE`.
  static Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  Result<> commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace runnel
