// ForgetfulDisk: a disk in memory that forgets what was not synced, when the power goes.
//
// It serves SQLite as a VFS and the content store as a Disk. Every sync is a point at which the
// power can be cut: just before it takes effect. From then on every call fails, until `restart`;
// what is found then is what had been synced, and, as the seed has it, some of what had not: later
// writes without earlier ones, writes torn at a sector, names that were made or removed but whose
// directory was not synced. Any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/disk.h"

namespace runnel {

class ForgetfulDisk final : public Disk {
 public:
  // Registers itself with SQLite under `vfs_name`, which is unique in the process.
  explicit ForgetfulDisk(std::uint64_t seed);
  ~ForgetfulDisk() override;
  ForgetfulDisk(const ForgetfulDisk&) = delete;
  ForgetfulDisk& operator=(const ForgetfulDisk&) = delete;

  const std::string& vfs_name() const;

  // The power goes at the `sync`-th sync from now on (1: the next one); 0: it stays.
  void cut_at(std::uint64_t sync);
  // The `sync`-th sync from now on fails, and what it should have written is lost from the disk
  // without being lost from memory; 0: none. Later ones work, as Linux has it.
  void fail_at(std::uint64_t sync);
  // From now on one in `n` calls of every kind fails, by chance: with an input/output error, or, of
  // those that need room, for want of it; a write has then been done in part. 0: none.
  enum class Call { kWrite, kSync, kOpen, kRename, kTruncate, kRemove };
  static constexpr std::size_t kCalls = 6;
  void fail_one_in(std::uint64_t n);
  std::uint64_t failed(Call call) const;  // so far
  // Called at the begin of each sync, without any lock: a disk is as slow as this is; nullptr: not.
  void on_sync(std::function<void()> slow);
  // So many bytes fit on it.
  void set_capacity(std::uint64_t bytes);
  // The power goes now.
  void cut();
  bool is_cut() const;
  std::uint64_t syncs() const;
  std::uint64_t bytes_written() const;
  // The power comes back. Everybody who had files open must have closed them.
  void restart();
  // Damages what is on disk: flips bits in `count` places of the file.
  void damage(const std::string& path, std::uint64_t count);
  // What is on disk, to be changed at will; nullptr: nothing of that name. While nobody uses it.
  std::string* bytes_of(const std::string& path);
  bool exists(const std::string& path) const;
  std::vector<std::string> files() const;

  // ---- Disk
  Result<> make_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<std::unique_ptr<DiskFile>> make(const std::string& path) override;
  Result<std::unique_ptr<DiskFile>> open(const std::string& path) override;
  Result<> remove(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> link(const std::string& from, const std::string& to) override;
  std::uint64_t identity(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& directory) override;
  Result<> sync_directory(const std::string& path) override;

  struct State;  // of the files; shared with SQLite's side

 private:
  std::shared_ptr<State> state_;
};

}  // namespace runnel
