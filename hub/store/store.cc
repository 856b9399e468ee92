// The hub's database.

#include "hub/store/store.h"

#include <sys/stat.h>

#include <filesystem>

#include "hub_store_migrations.h"

namespace runnel::hub {

Result<std::unique_ptr<Store>> Store::open(const std::string& folder) {
  std::unique_ptr<Store> store(new Store(folder + "/hub.db"));
  {
    Lock lock(store->writer_mutex_);
    TRY_ASSIGN(writer, Database::open(store->path_, {.application_id = kApplicationId,
                                                     .overwrites_deleted = true,
                                                     .cache_kib = 16 * 1024}));
    // Hashes of passwords and tokens are nobody else's business.
    ::chmod(store->path_.c_str(), 0600);
    TRY(writer->migrate(hub_store_migrations()));
    TRY(writer->execute("PRAGMA foreign_keys=ON"));
    store->writer_ = std::move(writer);
  }
  Lock lock(store->readers_mutex_);
  for (std::size_t i = 0; i < kReaders; ++i) {
    TRY_ASSIGN(reader, Database::open(store->path_, {.application_id = kApplicationId,
                                                     .is_read_only = true,
                                                     .cache_kib = 4 * 1024}));
    store->readers_.push_back(std::move(reader));
  }
  return store;
}

Result<> Store::write(const std::function<Result<>(Database&)>& work) {
  Lock lock(writer_mutex_);
  TRY_ASSIGN(transaction, Transaction::begin(*writer_));
  TRY(work(*writer_));
  return transaction.commit();
}

Result<> Store::read(const std::function<Result<>(Database&)>& work) {
  std::unique_ptr<Database> reader;
  {
    Lock lock(readers_mutex_);
    while (readers_.empty()) reader_is_free_.wait(readers_mutex_);
    reader = std::move(readers_.back());
    readers_.pop_back();
  }
  Result<> done = work(*reader);
  {
    Lock lock(readers_mutex_);
    readers_.push_back(std::move(reader));
  }
  reader_is_free_.notify_one();
  return done;
}

std::int64_t Store::file_bytes() const {
  std::int64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path_ + suffix, error);
    if (!error) bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

Statement& bind_optional(Statement& statement, int index, const std::optional<std::string>& text) {
  return text ? statement.bind_text(index, *text) : statement.bind_null(index);
}

Statement& bind_optional(Statement& statement, int index,
                         const std::optional<std::int64_t>& value) {
  return value ? statement.bind(index, *value) : statement.bind_null(index);
}

std::optional<std::string> optional_text(const Statement& statement, int column) {
  if (statement.is_null(column)) return std::nullopt;
  return std::string(statement.text(column));
}

std::optional<std::int64_t> optional_integer(const Statement& statement, int column) {
  if (statement.is_null(column)) return std::nullopt;
  return statement.integer(column);
}

std::string text_of(const Statement& statement, int column) {
  return std::string(statement.text(column));
}

}  // namespace runnel::hub
