// The forgetting disk, and its side towards SQLite.

#include "tests/support/forgetful_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <set>

namespace runnel {
namespace {

constexpr std::size_t kSector = 512;

struct PendingWrite {
  std::uint64_t offset;
  std::string bytes;
  bool is_truncation;  // to `offset`
};

// Shared memory of a WAL: lives as long as the power.
struct SharedMemory {
  std::vector<std::unique_ptr<char[]>> regions;
  std::array<int, SQLITE_SHM_NLOCK> shared{};
  std::array<bool, SQLITE_SHM_NLOCK> exclusive{};
};

struct Node {
  std::string now;      // what a reader sees
  std::string durable;  // what is on disk for certain
  std::vector<PendingWrite> pending;
  bool is_name_durable = false;
  bool is_name_lost = false;  // by an fsync of the directory that failed: none brings it there
  SharedMemory memory;
  int shared = 0;  // SQLite's locks on the file
  bool is_reserved = false;
  bool is_pending = false;
  bool is_exclusive = false;
};

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

void apply(std::string& to, const PendingWrite& write, std::size_t size) {
  if (write.is_truncation) {
    to.resize(write.offset, '\0');
    return;
  }
  if (to.size() < write.offset + size) to.resize(write.offset + size, '\0');
  std::memcpy(to.data() + write.offset, write.bytes.data(), size);
}

}  // namespace

struct ForgetfulDisk::State {
  explicit State(std::uint64_t seed) : random(seed) {}

  mutable std::mutex mutex;
  std::mt19937_64 random;
  std::map<std::string, std::shared_ptr<Node>> nodes;
  std::map<std::string, std::shared_ptr<Node>> removed;  // names gone whose directory is not synced
  std::uint64_t syncs = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t cut_at = 0;  // absolute numbers of syncs
  std::uint64_t fail_at = 0;
  std::uint64_t fail_one_in = 0;
  std::array<std::uint64_t, kCalls> failed{};
  std::uint64_t capacity = UINT64_MAX;
  std::function<void()> slow;
  std::map<std::string, std::string> renamed;  // to -> from, whose directory is not synced
  bool is_cut = false;
  std::uint64_t life = 0;  // counts restarts: files of an earlier life are dead
  std::string vfs_name;
  sqlite3_vfs vfs{};

  enum class Synced { kYes, kFailed, kCut };
  enum class Fault { kNone, kFull, kIo };

  Fault fault(Call call) {
    if (fail_one_in == 0 || !chance(fail_one_in)) return Fault::kNone;
    ++failed[static_cast<std::size_t>(call)];
    const bool needs_room = call == Call::kWrite || call == Call::kOpen || call == Call::kRename;
    return needs_room && chance(2) ? Fault::kFull : Fault::kIo;
  }

  std::uint64_t used() const {
    std::uint64_t bytes = 0;
    std::set<const Node*> counted;
    for (const auto& [path, node] : nodes) {
      if (counted.insert(node.get()).second) bytes += node->now.size();
    }
    return bytes;
  }

  // Without the lock.
  void be_slow() const {
    std::function<void()> wait;
    {
      const std::lock_guard lock(mutex);
      wait = slow;
    }
    if (wait) wait();
  }
  // Counts a sync; says what comes of it.
  Synced next_sync() {
    if (is_cut) return Synced::kCut;
    ++syncs;
    if (cut_at != 0 && syncs >= cut_at) {
      power_off();
      return Synced::kCut;
    }
    if (fail_at != 0 && syncs == fail_at) return Synced::kFailed;
    return fault(Call::kSync) == Fault::kNone ? Synced::kYes : Synced::kFailed;
  }

  Synced sync(Node& node) {
    const Synced synced = next_sync();
    if (synced == Synced::kYes) {
      for (const PendingWrite& one : node.pending) apply(node.durable, one, one.bytes.size());
      node.pending.clear();
    } else if (synced == Synced::kFailed) {
      // The kernel marks the pages as clean: what was not written now never will be.
      for (const PendingWrite& write : node.pending) {
        if (chance(2)) apply(node.durable, write, write.bytes.size());
      }
      node.pending.clear();
    }
    return synced;
  }

  void sync_names(const std::string& directory) {
    for (auto& [path, node] : nodes) {
      if (directory_of(path) == directory && !node->is_name_lost) node->is_name_durable = true;
    }
    std::erase_if(renamed, [&](const auto& one) { return directory_of(one.first) == directory; });
    std::erase_if(removed, [&](const auto& one) { return directory_of(one.first) == directory; });
  }

  bool chance(std::uint64_t in) { return random() % in == 0; }

  void power_off() {
    is_cut = true;
    const std::uint64_t mood = random() % 4;  // nothing, everything, a beginning, anything of it
    for (const auto& [to, from] : renamed) {
      const auto found = nodes.find(to);
      if (found == nodes.end() || !chance(2)) continue;
      nodes[from] = found->second;
      nodes.erase(to);
    }
    renamed.clear();
    for (auto& [path, node] : removed) {
      if (node->is_name_durable && nodes.count(path) == 0 && chance(2)) nodes[path] = node;
    }
    removed.clear();
    for (auto& [path, node] : nodes) {
      const std::size_t beginning =
          node->pending.empty() ? 0
                                : static_cast<std::size_t>(random() % (node->pending.size() + 1));
      for (std::size_t i = 0; i < node->pending.size(); ++i) {
        const bool is_kept = mood == 1 || (mood == 2 && i < beginning) || (mood == 3 && chance(2));
        if (!is_kept) continue;
        const PendingWrite& write = node->pending[i];
        std::size_t size = write.bytes.size();
        if (mood != 1 && size > kSector && chance(3)) {
          size = static_cast<std::size_t>(random() % (size / kSector)) * kSector;
        }
        apply(node->durable, write, size);
      }
      node->pending.clear();
    }
    std::erase_if(nodes, [&](const auto& one) {
      return !one.second->is_name_durable && (mood == 0 || chance(2));
    });
  }

  Fault write(Node& node, std::uint64_t offset, std::string_view bytes) {
    Fault found = fault(Call::kWrite);
    const std::uint64_t end = offset + bytes.size();
    if (found == Fault::kNone && end > node.now.size() && capacity != UINT64_MAX &&
        used() + (end - node.now.size()) > capacity)
      found = Fault::kFull;
    if (found != Fault::kNone) bytes = bytes.substr(0, random() % (bytes.size() + 1));
    PendingWrite one{offset, std::string(bytes), false};
    if (found == Fault::kFull && capacity != UINT64_MAX) return found;
    apply(node.now, one, bytes.size());
    bytes_written += bytes.size();
    node.pending.push_back(std::move(one));
    return found;
  }
};

// ---- the content store's side

namespace {

using State = ForgetfulDisk::State;

Error no_power() { return unavailable("input/output error: the power is off"); }

Error error_of(State::Fault fault) {
  return fault == State::Fault::kFull ? full("no space left on device")
                                      : unavailable("input/output error");
}

class MemoryFile final : public DiskFile {
 public:
  MemoryFile(std::shared_ptr<State> state, std::shared_ptr<Node> node)
      : state_(std::move(state)), node_(std::move(node)), life_(state_->life) {}

  Result<std::size_t> read_at(std::uint64_t offset, char* into, std::size_t size) const override {
    const std::lock_guard lock(state_->mutex);
    if (is_dead()) return no_power();
    if (offset >= node_->now.size()) return std::size_t{0};
    size = std::min(size, node_->now.size() - static_cast<std::size_t>(offset));
    std::memcpy(into, node_->now.data() + offset, size);
    return size;
  }
  Result<> write_at(std::uint64_t offset, std::string_view bytes) override {
    const std::lock_guard lock(state_->mutex);
    if (is_dead()) return no_power();
    const State::Fault fault = state_->write(*node_, offset, bytes);
    return fault == State::Fault::kNone ? Result<>() : Result<>(error_of(fault));
  }
  Result<> sync() override {
    state_->be_slow();
    const std::lock_guard lock(state_->mutex);
    if (is_dead() || state_->sync(*node_) != State::Synced::kYes) return no_power();
    return {};
  }
  Result<std::uint64_t> size() const override {
    const std::lock_guard lock(state_->mutex);
    if (is_dead()) return no_power();
    return std::uint64_t{node_->now.size()};
  }

 private:
  bool is_dead() const { return state_->is_cut || state_->life != life_; }

  const std::shared_ptr<State> state_;
  const std::shared_ptr<Node> node_;
  const std::uint64_t life_;
};

// ---- SQLite's side

struct VfsFile {
  sqlite3_file base;
  std::shared_ptr<State>* state;
  std::shared_ptr<Node>* node;
  std::uint64_t life;
  char directory[512];
  int lock;
  std::array<bool, SQLITE_SHM_NLOCK> shm_shared;
  std::array<bool, SQLITE_SHM_NLOCK> shm_exclusive;
};

VfsFile& file_of(sqlite3_file* file) { return *reinterpret_cast<VfsFile*>(file); }
State& state_of(VfsFile& file) { return **file.state; }
Node& node_of(VfsFile& file) { return **file.node; }
bool is_dead(VfsFile& file) { return state_of(file).is_cut || state_of(file).life != file.life; }

int file_unlock(sqlite3_file* raw, int level) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  Node& node = node_of(file);
  if (file.lock <= level) return SQLITE_OK;
  if (state_of(file).life == file.life) {
    if (file.lock >= SQLITE_LOCK_RESERVED) node.is_reserved = false;
    if (file.lock >= SQLITE_LOCK_PENDING) node.is_pending = false;
    if (file.lock >= SQLITE_LOCK_EXCLUSIVE) node.is_exclusive = false;
    if (level == SQLITE_LOCK_NONE) --node.shared;
  }
  file.lock = level;
  return SQLITE_OK;
}

int file_close(sqlite3_file* raw) {
  file_unlock(raw, SQLITE_LOCK_NONE);
  VfsFile& file = file_of(raw);
  delete file.node;
  delete file.state;
  return SQLITE_OK;
}

int file_read(sqlite3_file* raw, void* into, int size, sqlite3_int64 offset) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  if (is_dead(file)) return SQLITE_IOERR_READ;
  const std::string& now = node_of(file).now;
  const auto at = static_cast<std::size_t>(offset);
  const auto wanted = static_cast<std::size_t>(size);
  const std::size_t there = at >= now.size() ? 0 : std::min(wanted, now.size() - at);
  if (there != 0) std::memcpy(into, now.data() + at, there);
  if (there == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(into) + there, 0, wanted - there);
  return SQLITE_IOERR_SHORT_READ;
}

int file_write(sqlite3_file* raw, const void* from, int size, sqlite3_int64 offset) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  if (is_dead(file)) return SQLITE_IOERR_WRITE;
  const State::Fault fault =
      state_of(file).write(node_of(file), static_cast<std::uint64_t>(offset),
                           {static_cast<const char*>(from), static_cast<std::size_t>(size)});
  return fault == State::Fault::kNone   ? SQLITE_OK
         : fault == State::Fault::kFull ? SQLITE_FULL
                                        : SQLITE_IOERR_WRITE;
}

int file_truncate(sqlite3_file* raw, sqlite3_int64 size) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  if (is_dead(file)) return SQLITE_IOERR_TRUNCATE;
  if (state_of(file).fault(ForgetfulDisk::Call::kTruncate) != State::Fault::kNone)
    return SQLITE_IOERR_TRUNCATE;
  node_of(file).now.resize(static_cast<std::size_t>(size), '\0');
  node_of(file).pending.push_back({static_cast<std::uint64_t>(size), {}, true});
  return SQLITE_OK;
}

int file_sync(sqlite3_file* raw, int) {
  VfsFile& file = file_of(raw);
  state_of(file).be_slow();
  const std::lock_guard lock(state_of(file).mutex);
  if (is_dead(file) || state_of(file).sync(node_of(file)) != State::Synced::kYes)
    return SQLITE_IOERR_FSYNC;
  // SQLite's own VFS syncs the directory with the first sync of a journal or WAL.
  state_of(file).sync_names(file.directory);
  return SQLITE_OK;
}

int file_size(sqlite3_file* raw, sqlite3_int64* size) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  if (is_dead(file)) return SQLITE_IOERR_FSTAT;
  *size = static_cast<sqlite3_int64>(node_of(file).now.size());
  return SQLITE_OK;
}

int file_lock(sqlite3_file* raw, int level) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  if (is_dead(file)) return SQLITE_IOERR_LOCK;
  Node& node = node_of(file);
  if (file.lock >= level) return SQLITE_OK;
  if (level == SQLITE_LOCK_SHARED) {
    if (node.is_pending || node.is_exclusive) return SQLITE_BUSY;
    ++node.shared;
    file.lock = level;
    return SQLITE_OK;
  }
  if (file.lock < SQLITE_LOCK_RESERVED) {
    if (node.is_reserved) return SQLITE_BUSY;
    node.is_reserved = true;
    file.lock = SQLITE_LOCK_RESERVED;
  }
  if (level == SQLITE_LOCK_RESERVED) return SQLITE_OK;
  node.is_pending = true;
  file.lock = SQLITE_LOCK_PENDING;
  if (node.shared > 1) return SQLITE_BUSY;
  node.is_exclusive = true;
  file.lock = SQLITE_LOCK_EXCLUSIVE;
  return SQLITE_OK;
}

int file_check_reserved(sqlite3_file* raw, int* out) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  *out = node_of(file).is_reserved ? 1 : 0;
  return SQLITE_OK;
}

int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return static_cast<int>(kSector); }
int characteristics(sqlite3_file*) { return 0; }

int shm_map(sqlite3_file* raw, int region, int size, int extend, void volatile** out) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  *out = nullptr;
  if (is_dead(file)) return SQLITE_IOERR_SHMMAP;
  auto& regions = node_of(file).memory.regions;
  const auto wanted = static_cast<std::size_t>(region);
  if (regions.size() <= wanted && extend == 0) return SQLITE_OK;
  while (regions.size() <= wanted)
    regions.push_back(std::make_unique<char[]>(static_cast<std::size_t>(size)));
  *out = regions[wanted].get();
  return SQLITE_OK;
}

int shm_lock(sqlite3_file* raw, int first, int count, int flags) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  if (is_dead(file)) return SQLITE_IOERR_SHMLOCK;
  SharedMemory& memory = node_of(file).memory;
  const bool is_exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  const auto begin = static_cast<std::size_t>(first);
  const std::size_t end = begin + static_cast<std::size_t>(count);
  if ((flags & SQLITE_SHM_LOCK) != 0) {
    for (std::size_t i = begin; i < end; ++i) {
      if (memory.exclusive[i] && !file.shm_exclusive[i]) return SQLITE_BUSY;
      if (is_exclusive && memory.shared[i] - (file.shm_shared[i] ? 1 : 0) > 0) return SQLITE_BUSY;
    }
  }
  for (std::size_t i = begin; i < end; ++i) {
    const bool is_lock = (flags & SQLITE_SHM_LOCK) != 0;
    if (is_exclusive) {
      if (is_lock || file.shm_exclusive[i]) memory.exclusive[i] = is_lock;
      file.shm_exclusive[i] = is_lock;
    } else if (file.shm_shared[i] != is_lock) {
      memory.shared[i] += is_lock ? 1 : -1;
      file.shm_shared[i] = is_lock;
    }
  }
  return SQLITE_OK;
}

void shm_barrier(sqlite3_file* raw) {
  const std::lock_guard lock(state_of(file_of(raw)).mutex);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

int shm_unmap(sqlite3_file* raw, int delete_it) {
  VfsFile& file = file_of(raw);
  const std::lock_guard lock(state_of(file).mutex);
  if (state_of(file).life != file.life) return SQLITE_OK;
  SharedMemory& memory = node_of(file).memory;
  for (std::size_t i = 0; i < SQLITE_SHM_NLOCK; ++i) {
    if (file.shm_shared[i]) --memory.shared[i];
    if (file.shm_exclusive[i]) memory.exclusive[i] = false;
    file.shm_shared[i] = false;
    file.shm_exclusive[i] = false;
  }
  if (delete_it != 0) memory.regions.clear();
  return SQLITE_OK;
}

const sqlite3_io_methods kMethods = {2,
                                     file_close,
                                     file_read,
                                     file_write,
                                     file_truncate,
                                     file_sync,
                                     file_size,
                                     file_lock,
                                     file_unlock,
                                     file_check_reserved,
                                     file_control,
                                     sector_size,
                                     characteristics,
                                     shm_map,
                                     shm_lock,
                                     shm_barrier,
                                     shm_unmap,
                                     nullptr,
                                     nullptr};

std::shared_ptr<State>& shared_state(sqlite3_vfs* vfs) {
  return *static_cast<std::shared_ptr<State>*>(vfs->pAppData);
}

int vfs_open(sqlite3_vfs* vfs, const char* name, sqlite3_file* raw, int flags, int* out_flags) {
  raw->pMethods = nullptr;
  std::shared_ptr<State>& state = shared_state(vfs);
  const std::lock_guard lock(state->mutex);
  if (state->is_cut || state->fault(ForgetfulDisk::Call::kOpen) != State::Fault::kNone)
    return SQLITE_CANTOPEN;
  std::shared_ptr<Node> node;
  if (name == nullptr) {
    node = std::make_shared<Node>();
  } else {
    const auto found = state->nodes.find(name);
    if (found != state->nodes.end()) {
      node = found->second;
    } else if ((flags & SQLITE_OPEN_CREATE) != 0) {
      node = std::make_shared<Node>();
      state->nodes[name] = node;
    } else {
      return SQLITE_CANTOPEN;
    }
  }
  VfsFile& file = *new (raw) VfsFile{};
  file.state = new std::shared_ptr<State>(state);
  file.node = new std::shared_ptr<Node>(node);
  file.life = state->life;
  const std::string directory = name == nullptr ? std::string() : directory_of(name);
  std::strncpy(file.directory, directory.c_str(), sizeof file.directory - 1);
  raw->pMethods = &kMethods;
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs* vfs, const char* name, int sync_directory) {
  State& state = *shared_state(vfs);
  const std::lock_guard lock(state.mutex);
  if (state.is_cut || state.fault(ForgetfulDisk::Call::kRemove) != State::Fault::kNone)
    return SQLITE_IOERR_DELETE;
  const auto found = state.nodes.find(name);
  if (found == state.nodes.end()) return SQLITE_IOERR_DELETE_NOENT;
  state.removed[name] = found->second;
  state.nodes.erase(found);
  if (sync_directory != 0) state.removed.erase(name);
  return SQLITE_OK;
}

int vfs_access(sqlite3_vfs* vfs, const char* name, int, int* out) {
  State& state = *shared_state(vfs);
  const std::lock_guard lock(state.mutex);
  if (state.is_cut) return SQLITE_IOERR_ACCESS;
  const auto found = state.nodes.find(name);
  *out = found != state.nodes.end() ? 1 : 0;
  return SQLITE_OK;
}

int vfs_full_pathname(sqlite3_vfs*, const char* name, int size, char* out) {
  if (std::strlen(name) + 1 > static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::strcpy(out, name);
  return SQLITE_OK;
}

int vfs_randomness(sqlite3_vfs* vfs, int size, char* out) {
  State& state = *shared_state(vfs);
  const std::lock_guard lock(state.mutex);
  for (int i = 0; i < size; ++i) out[i] = static_cast<char>(state.random());
  return size;
}

int vfs_sleep(sqlite3_vfs*, int microseconds) { return microseconds; }

int vfs_time(sqlite3_vfs*, double* out) {
  *out = 2461000.0;
  return SQLITE_OK;
}

int vfs_last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

ForgetfulDisk::ForgetfulDisk(std::uint64_t seed) : state_(std::make_shared<State>(seed)) {
  static std::atomic<unsigned> count{0};
  state_->vfs_name = "forgetful" + std::to_string(++count);
  sqlite3_vfs& vfs = state_->vfs;
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(VfsFile);
  vfs.mxPathname = 512;
  vfs.zName = state_->vfs_name.c_str();
  vfs.pAppData = &state_;
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_full_pathname;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_time;
  vfs.xGetLastError = vfs_last_error;
  sqlite3_vfs_register(&vfs, 0);
}

ForgetfulDisk::~ForgetfulDisk() { sqlite3_vfs_unregister(&state_->vfs); }

const std::string& ForgetfulDisk::vfs_name() const { return state_->vfs_name; }

void ForgetfulDisk::cut_at(std::uint64_t sync) {
  const std::lock_guard lock(state_->mutex);
  state_->cut_at = sync == 0 ? 0 : state_->syncs + sync;
}

void ForgetfulDisk::on_sync(std::function<void()> slow) {
  const std::lock_guard lock(state_->mutex);
  state_->slow = std::move(slow);
}

void ForgetfulDisk::fail_at(std::uint64_t sync) {
  const std::lock_guard lock(state_->mutex);
  state_->fail_at = sync == 0 ? 0 : state_->syncs + sync;
}

void ForgetfulDisk::fail_one_in(std::uint64_t n) {
  const std::lock_guard lock(state_->mutex);
  state_->fail_one_in = n;
}

std::uint64_t ForgetfulDisk::failed(Call call) const {
  const std::lock_guard lock(state_->mutex);
  return state_->failed[static_cast<std::size_t>(call)];
}

void ForgetfulDisk::set_capacity(std::uint64_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->capacity = bytes;
}

std::string* ForgetfulDisk::bytes_of(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->nodes.find(path);
  return found == state_->nodes.end() ? nullptr : &found->second->now;
}

void ForgetfulDisk::cut() {
  const std::lock_guard lock(state_->mutex);
  if (!state_->is_cut) state_->power_off();
}

bool ForgetfulDisk::is_cut() const {
  const std::lock_guard lock(state_->mutex);
  return state_->is_cut;
}

std::uint64_t ForgetfulDisk::syncs() const {
  const std::lock_guard lock(state_->mutex);
  return state_->syncs;
}

std::uint64_t ForgetfulDisk::bytes_written() const {
  const std::lock_guard lock(state_->mutex);
  return state_->bytes_written;
}

void ForgetfulDisk::restart() {
  const std::lock_guard lock(state_->mutex);
  if (!state_->is_cut) state_->power_off();
  state_->is_cut = false;
  state_->cut_at = 0;
  state_->fail_at = 0;
  state_->fail_one_in = 0;
  ++state_->life;
  std::map<std::string, std::shared_ptr<Node>> fresh;
  for (auto& [path, node] : state_->nodes) {
    auto again = std::make_shared<Node>();
    again->durable = node->durable;
    again->now = node->durable;
    again->is_name_durable = true;
    fresh[path] = std::move(again);
  }
  state_->nodes = std::move(fresh);
}

void ForgetfulDisk::damage(const std::string& path, std::uint64_t count) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->nodes.find(path);
  if (found == state_->nodes.end() || found->second->now.empty()) return;
  Node& node = *found->second;
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::size_t>(state_->random() % node.now.size());
    node.now[at] = static_cast<char>(node.now[at] ^ 0x5A);
  }
  node.durable = node.now;
}

bool ForgetfulDisk::exists(const std::string& path) const {
  const std::lock_guard lock(state_->mutex);
  return state_->nodes.count(path) != 0;
}

std::vector<std::string> ForgetfulDisk::files() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> paths;
  for (const auto& [path, node] : state_->nodes) paths.push_back(path);
  return paths;
}

Result<> ForgetfulDisk::make_directory(const std::string&) { return {}; }

Result<std::vector<std::string>> ForgetfulDisk::list(const std::string& directory) {
  const std::lock_guard lock(state_->mutex);
  if (state_->is_cut) return no_power();
  std::vector<std::string> names;
  for (const auto& [path, node] : state_->nodes) {
    if (directory_of(path) == directory) names.push_back(path.substr(directory.size() + 1));
  }
  return names;
}

Result<std::unique_ptr<DiskFile>> ForgetfulDisk::make(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  if (state_->is_cut) return no_power();
  if (const auto fault = state_->fault(Call::kOpen); fault != State::Fault::kNone)
    return error_of(fault);
  if (state_->nodes.count(path) != 0) return unavailable("`" + path + "` is there already");
  auto node = std::make_shared<Node>();
  state_->nodes[path] = node;
  return std::unique_ptr<DiskFile>(std::make_unique<MemoryFile>(state_, std::move(node)));
}

Result<std::unique_ptr<DiskFile>> ForgetfulDisk::open(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  if (state_->is_cut) return no_power();
  if (const auto fault = state_->fault(Call::kOpen); fault != State::Fault::kNone)
    return error_of(State::Fault::kIo);
  const auto found = state_->nodes.find(path);
  if (found == state_->nodes.end()) return not_found("`" + path + "` is not there");
  return std::unique_ptr<DiskFile>(std::make_unique<MemoryFile>(state_, found->second));
}

Result<> ForgetfulDisk::remove(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  if (state_->is_cut) return no_power();
  if (const auto fault = state_->fault(Call::kRemove); fault != State::Fault::kNone)
    return error_of(fault);
  const auto found = state_->nodes.find(path);
  if (found == state_->nodes.end()) return not_found("`" + path + "` is not there");
  state_->removed[path] = found->second;
  state_->nodes.erase(found);
  return {};
}

Result<> ForgetfulDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->mutex);
  if (state_->is_cut) return no_power();
  if (const auto fault = state_->fault(Call::kRename); fault != State::Fault::kNone)
    return error_of(fault);
  const auto found = state_->nodes.find(from);
  if (found == state_->nodes.end()) {
    // A directory: what lies in it goes along. At once for good: only salvage does so, at its end.
    std::map<std::string, std::shared_ptr<Node>> moved;
    for (const auto& [path, node] : state_->nodes) {
      if (path.starts_with(from + "/")) moved[to + path.substr(from.size())] = node;
    }
    if (moved.empty()) return not_found("`" + from + "` is not there");
    std::erase_if(state_->nodes,
                  [&](const auto& one) { return one.first.starts_with(from + "/"); });
    state_->nodes.merge(moved);
    return {};
  }
  const std::shared_ptr<Node> node = found->second;
  state_->nodes.erase(found);
  state_->nodes[to] = node;
  node->is_name_lost = false;
  state_->renamed[to] = from;
  return {};
}

// At once for good, and one file however many names it has.
Result<> ForgetfulDisk::link(const std::string& from, const std::string& to) {
  const std::lock_guard lock(state_->mutex);
  if (state_->is_cut) return no_power();
  if (const auto fault = state_->fault(Call::kRename); fault != State::Fault::kNone)
    return error_of(fault);
  const auto found = state_->nodes.find(from);
  if (found == state_->nodes.end()) return not_found("`" + from + "` is not there");
  state_->nodes[to] = found->second;
  return {};
}

std::uint64_t ForgetfulDisk::identity(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->nodes.find(path);
  // A directory is what lies in it.
  for (const auto& [file, node] : state_->nodes) {
    if (file.starts_with(path + "/")) return 1;
  }
  return found == state_->nodes.end() ? 0 : reinterpret_cast<std::uintptr_t>(found->second.get());
}

Result<std::uint64_t> ForgetfulDisk::free_bytes(const std::string&) {
  const std::lock_guard lock(state_->mutex);
  if (state_->capacity == UINT64_MAX) return std::uint64_t{1} << 40;
  return state_->capacity - std::min(state_->capacity, state_->used());
}

Result<> ForgetfulDisk::sync_directory(const std::string& path) {
  const std::lock_guard lock(state_->mutex);
  const State::Synced synced = state_->next_sync();
  if (synced == State::Synced::kFailed) {
    for (auto& [name, node] : state_->nodes) {
      if (directory_of(name) == path && !node->is_name_durable && state_->chance(2))
        node->is_name_lost = true;
    }
  }
  if (synced != State::Synced::kYes) return no_power();
  state_->sync_names(path);
  return {};
}

}  // namespace runnel
