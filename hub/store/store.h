// Store: the hub's SQLite database. One writer, a few readers beside it.
//
// Writers call `write`: one transaction, durable when it returns. What comes with heartbeats is
// never written one by one; its rooms collect it and write batches from the flusher's thread.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/store/database.h"

namespace runnel::hub {

class Store {
 public:
  static constexpr std::uint32_t kApplicationId = 0x524e'4c48;  // "RNLH"

  // Opens or makes `folder`/hub.db. kInvalid when a newer hub wrote it.
  static Result<std::unique_ptr<Store>> open(const std::string& folder);

  // Runs `work` in one transaction; its error rolls everything back. Any thread.
  Result<> write(const std::function<Result<>(Database&)>& work) EXCLUDES(writer_mutex_);
  // Runs `work` on a connection that only reads. Any thread; waits when all are taken.
  Result<> read(const std::function<Result<>(Database&)>& work) EXCLUDES(readers_mutex_);

  // Of the database and its WAL.
  std::int64_t file_bytes() const;

 private:
  static constexpr std::size_t kReaders = 4;
  explicit Store(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  Mutex writer_mutex_;
  std::unique_ptr<Database> writer_ GUARDED_BY(writer_mutex_);
  Mutex readers_mutex_;
  CondVar reader_is_free_;
  std::vector<std::unique_ptr<Database>> readers_ GUARDED_BY(readers_mutex_);
};

// Column helpers.
Statement& bind_optional(Statement& statement, int index, const std::optional<std::string>& text);
Statement& bind_optional(Statement& statement, int index, const std::optional<std::int64_t>& value);
std::optional<std::string> optional_text(const Statement& statement, int column);
std::optional<std::int64_t> optional_integer(const Statement& statement, int column);
std::string text_of(const Statement& statement, int column);

}  // namespace runnel::hub
