// Disk: the few things that the ledger and its content store ask of a file system, beside what
// SQLite does by itself, so that tests can own one that forgets what was not synced.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

// Any thread; one writer at a time.
class DiskFile {
 public:
  virtual ~DiskFile() = default;
  // At most `size` bytes, at least one; 0 at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const = 0;
  // All of them. kFull: no room.
  virtual Result<> write_at(std::uint64_t offset, std::string_view bytes) = 0;
  // What was written is on disk when this returns. After an error nothing is known of it: never
  // rely on a second try.
  virtual Result<> sync() = 0;
  virtual Result<std::uint64_t> size() const = 0;
};

// As `read_at`, but fewer than `size` bytes only at the end of the file.
Result<std::size_t> read_whole_at(const DiskFile& file, std::uint64_t offset, char* into,
                                  std::size_t size);

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<> make_directory(const std::string& path) = 0;  // no error when it is there
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names
  // A new, empty file; its name is on disk after the next `sync_directory`.
  virtual Result<std::unique_ptr<DiskFile>> make(const std::string& path) = 0;
  virtual Result<std::unique_ptr<DiskFile>> open(const std::string& path) = 0;  // kNotFound
  virtual Result<> remove(const std::string& path) = 0;
  // In place of what is there under the new name. kNotFound: there is nothing under the old one.
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;
  // A second name for the same file. kUnavailable: this file system knows no such thing.
  virtual Result<> link(const std::string& from, const std::string& to) = 0;
  // Which file or directory it is, whatever its name; 0: nothing is there.
  virtual std::uint64_t identity(const std::string& path) = 0;
  // What may still be written to the file system of that directory.
  virtual Result<std::uint64_t> free_bytes(const std::string& directory) = 0;
  virtual Result<> sync_directory(const std::string& path) = 0;
};

// The machine's own.
Disk& real_disk();

}  // namespace runnel
