// The door to SQLite.

#include "agent/store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <utility>

namespace runnel {
namespace {

Code code_of(int sqlite_code) {
  switch (sqlite_code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Code::kCorrupt;
    case SQLITE_FULL:
      return Code::kFull;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
    case SQLITE_ERROR:
    case SQLITE_MISUSE:
      return Code::kInvalid;
    default:
      return Code::kUnavailable;
  }
}

// https://www.sqlite.org/uri.html
std::string immutable_uri(std::string_view path) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "file:";
  for (const char one : path) {
    const auto byte = static_cast<unsigned char>(one);
    if (one != '%' && one != '?' && one != '#') {
      out += one;
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out + "?immutable=1";
}

// SQLite would make a file that others may read, and its log like it. One that is there is not even
// opened: closing it would let go of the locks of another connection.
void make_private(const std::string& path) {
  const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made >= 0) ::close(made);
}

// SQLite throws a log away whose database is gone or without a byte, though all of the database may
// still be in it. A page of zeros keeps the log, which says what that page is; if it does not, the
// database is found to be damaged.
void keep_log(const std::string& path) {
  constexpr off_t kLogHeader = 32;
  constexpr off_t kPage = 4096;
  struct stat log {};
  struct stat file {};
  if (::stat((path + "-wal").c_str(), &log) != 0 || !S_ISREG(log.st_mode) ||
      log.st_size <= kLogHeader)
    return;
  const bool is_there = ::stat(path.c_str(), &file) == 0;
  if (is_there && (!S_ISREG(file.st_mode) || file.st_size > 0)) return;
  const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (made < 0) return;
  static_cast<void>(::ftruncate(made, kPage) == 0);  // where it cannot be written, nor can the log
  ::close(made);
}

}  // namespace

Error Database::error(std::string_view what, int code) const {
  std::string text(what);
  if (text.size() > 200) text = text.substr(0, 200) + "…";
  text += ": ";
  text += handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  return Error(code_of(code), std::move(text)).within("database `" + path_ + "`");
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path,
                                                 const DatabaseOptions& options) {
  sqlite3* handle = nullptr;
  const bool is_ours = options.vfs.empty() && !options.is_immutable && !options.is_foreign;
  if (is_ours) keep_log(path);
  if (is_ours && !options.is_read_only) make_private(path);
  const std::string name = options.is_immutable ? immutable_uri(path) : path;
  const int flags =
      (options.is_immutable ? SQLITE_OPEN_URI : 0) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
      (options.is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  const int opened = sqlite3_open_v2(name.c_str(), &handle, flags,
                                     options.vfs.empty() ? nullptr : options.vfs.c_str());
  std::unique_ptr<Database> database(new Database(handle, path));
  if (opened != SQLITE_OK) return database->error("opening", opened);
  sqlite3_busy_timeout(handle, static_cast<int>(options.busy_timeout_ms));
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, options.is_damaged ? 0 : 1, nullptr);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);

  if (options.is_damaged) {
    // SQLite's mode for recovery.
    TRY(database->execute("PRAGMA writable_schema=ON"));
    return database;
  }
  if (options.is_foreign) {
    // That it is a database shows when it is read.
    TRY(database->schema_version());
    TRY(database->execute("PRAGMA query_only=ON"));
    TRY(database->execute("PRAGMA cache_size=-" + std::to_string(options.cache_kib)));
    return database;
  }
  TRY_ASSIGN(find_id, database->prepare("PRAGMA application_id"));
  TRY_ASSIGN(has_id, find_id.step());
  const std::int64_t id = has_id ? find_id.integer(0) : 0;
  find_id.reset();
  TRY_ASSIGN(version, database->schema_version());
  const bool is_new = version == 0 && id == 0;
  if (!is_new && id != options.application_id) {
    return invalid("database `" + path + "` belongs to another application (application_id " +
                   std::to_string(id) + ")");
  }
  if (!options.is_read_only) {
    TRY(database->execute("PRAGMA journal_mode=WAL"));
    TRY(database->execute("PRAGMA synchronous=FULL"));
    if (is_new)
      TRY(database->execute("PRAGMA application_id=" + std::to_string(options.application_id)));
  }
  TRY(database->execute(options.overwrites_deleted ? "PRAGMA secure_delete=ON"
                                                   : "PRAGMA secure_delete=OFF"));
  TRY(database->execute("PRAGMA foreign_keys=ON"));
  TRY(database->execute("PRAGMA temp_store=MEMORY"));
  TRY(database->execute("PRAGMA cache_size=-" + std::to_string(options.cache_kib)));
  if (!options.checkpoints_itself) TRY(database->execute("PRAGMA wal_autocheckpoint=0"));
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Result<int> Database::schema_version() {
  TRY_ASSIGN(statement, prepare("PRAGMA user_version"));
  TRY_ASSIGN(has_row, statement.step());
  return has_row ? static_cast<int>(statement.integer(0)) : 0;
}

Result<> Database::migrate(std::span<const Migration> migrations) {
  TRY_ASSIGN(version, schema_version());
  const int newest = migrations.empty() ? 0 : migrations.back().number;
  if (version > newest) {
    return invalid("database `" + path_ + "` was written by a newer version (schema " +
                   std::to_string(version) + ", this program knows " + std::to_string(newest) +
                   "): install that version again");
  }
  for (const Migration& migration : migrations) {
    if (migration.number <= version) continue;
    TRY_ASSIGN(transaction, Transaction::begin(*this));
    // Another process may have been quicker.
    TRY_ASSIGN(now, schema_version());
    if (now >= migration.number) continue;
    TRY(execute(migration.sql).within("migration " + std::string(migration.name)));
    TRY(execute("PRAGMA user_version=" + std::to_string(migration.number)));
    TRY(transaction.commit());
  }
  return {};
}

Result<> Database::execute(std::string_view sql) {
  const std::string text(sql);
  const int code = sqlite3_exec(handle_, text.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(sql, code);
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return error(sql, code);
  return Statement(this, statement);
}

std::int64_t Database::last_rowid() const { return sqlite3_last_insert_rowid(handle_); }
std::int64_t Database::changes() const { return sqlite3_changes64(handle_); }

Result<Database::CheckpointResult> Database::checkpoint(CheckpointMode mode) {
  int log = 0;
  int written = 0;
  const int how = mode == CheckpointMode::kPassive   ? SQLITE_CHECKPOINT_PASSIVE
                  : mode == CheckpointMode::kRestart ? SQLITE_CHECKPOINT_RESTART
                                                     : SQLITE_CHECKPOINT_TRUNCATE;
  const int code = sqlite3_wal_checkpoint_v2(handle_, nullptr, how, &log, &written);
  if (code != SQLITE_OK && (code & 0xFF) != SQLITE_BUSY) return error("checkpoint", code);
  return CheckpointResult{code == SQLITE_OK && log == written, log, written};
}

std::int64_t Database::pages_written() const {
  int current = 0;
  int highest = 0;
  sqlite3_db_status(handle_, SQLITE_DBSTATUS_CACHE_WRITE, &current, &highest, 0);
  return current;
}

Result<std::uint64_t> Database::used_bytes() {
  TRY_ASSIGN(statement, prepare("SELECT (page_count - freelist_count) * page_size FROM "
                                "pragma_page_count, pragma_freelist_count, pragma_page_size"));
  TRY_ASSIGN(has_row, statement.step());
  return has_row ? static_cast<std::uint64_t>(statement.integer(0)) : 0;
}

Result<> Database::check() {
  TRY_ASSIGN(statement, prepare("PRAGMA quick_check(10)"));
  std::string found;
  while (true) {
    TRY_ASSIGN(has_row, statement.step());
    if (!has_row) break;
    if (statement.text(0) != "ok")
      found += (found.empty() ? "" : "; ") + std::string(statement.text(0));
  }
  if (!found.empty()) return corrupt("database `" + path_ + "`: " + found);
  return {};
}

Result<> Database::back_up_to(const std::string& path) {
  sqlite3* target = nullptr;
  int code =
      sqlite3_open_v2(path.c_str(), &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  if (code == SQLITE_OK) {
    sqlite3_backup* backup = sqlite3_backup_init(target, "main", handle_, "main");
    code = backup == nullptr ? sqlite3_errcode(target) : sqlite3_backup_step(backup, -1);
    if (backup != nullptr) sqlite3_backup_finish(backup);
    if (code == SQLITE_DONE) code = SQLITE_OK;
  }
  std::string why = sqlite3_errmsg(target);
  sqlite3_close_v2(target);
  if (code != SQLITE_OK) return Error(code_of(code), "backing up to `" + path + "`: " + why);
  return {};
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      handle_(std::exchange(other.handle_, nullptr)),
      bind_error_(other.bind_error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(handle_);
    database_ = other.database_;
    handle_ = std::exchange(other.handle_, nullptr);
    bind_error_ = other.bind_error_;
  }
  return *this;
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bind(int index, std::int64_t value) {
  note(sqlite3_bind_int64(handle_, index, value));
  return *this;
}

Statement& Statement::bind(int index, double value) {
  note(sqlite3_bind_double(handle_, index, value));
  return *this;
}

Statement& Statement::bind_text(int index, std::string_view text) {
  note(sqlite3_bind_text64(handle_, index, text.data() == nullptr ? "" : text.data(), text.size(),
                           SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  note(sqlite3_bind_blob64(handle_, index, bytes.data() == nullptr ? "" : bytes.data(),
                           bytes.size(), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_null(int index) {
  note(sqlite3_bind_null(handle_, index));
  return *this;
}

Result<bool> Statement::step() {
  if (bind_error_ != 0) {
    const int code = std::exchange(bind_error_, 0);
    return database_->error("binding to " + std::string(sqlite3_sql(handle_)), code);
  }
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  Error failed = database_->error(sqlite3_sql(handle_), code);
  reset();
  return failed;
}

Result<> Statement::run() {
  while (true) {
    TRY_ASSIGN(has_row, step());
    if (!has_row) return {};
  }
}

void Statement::reset() {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
  bind_error_ = 0;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }
double Statement::real(int column) const { return sqlite3_column_double(handle_, column); }
bool Statement::is_null(int column) const {
  return sqlite3_column_type(handle_, column) == SQLITE_NULL;
}

void Statement::copy_column(int column, Statement& into, int index) const {
  into.note(sqlite3_bind_value(into.handle_, index, sqlite3_column_value(handle_, column)));
}

std::string_view Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(handle_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(handle_, column));
  return bytes == nullptr ? std::string_view{}
                          : std::string_view(static_cast<const char*>(bytes), size);
}

Result<Transaction> Transaction::begin(Database& database) {
  TRY(database.execute("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  const Result<> rolled_back = database_->execute("ROLLBACK");
  static_cast<void>(rolled_back);  // SQLite has rolled back by itself already
}

Result<> Transaction::commit() {
  TRY(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace runnel
