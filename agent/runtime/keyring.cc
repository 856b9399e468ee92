// Reading, making and rotating the keys of a state directory.

#include "agent/runtime/keyring.h"

#include <algorithm>
#include <optional>
#include <set>

#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"
#include "agent/base/ids.h"
#include "agent/base/log.h"
#include "agent/runtime/directory_lock.h"
#include "agent/runtime/key_source.h"
#include "agent/runtime/key_uses.h"
#include "agent/runtime/ledger_reader.h"

namespace runnel {
namespace {

constexpr std::size_t kDataKeysMax = 1000;
constexpr std::size_t kRingBytesMax = 1 << 20;

struct Wrap {
  std::string data;
  std::string master;
  std::string hidden;
};

struct Ring {
  std::string master;
  std::vector<Wrap> wraps;
};

std::string wrap_place(const Wrap& wrap) { return "wrap " + wrap.data + " " + wrap.master; }

std::string line_of(const std::string& words) {
  return words + " " + std::to_string(crc32c(words)) + "\n";
}

std::string text_of(const Ring& ring) {
  std::string out = line_of("runnel-keys 1 " + std::to_string(ring.wraps.size() + 1));
  out += line_of("master " + ring.master);
  for (const Wrap& wrap : ring.wraps)
    out += line_of("wrap " + wrap.data + " " + wrap.master + " " + to_hex(wrap.hidden));
  return out;
}

// What of it is whole; `is_whole`: all.
Ring ring_of(std::string_view text, bool& is_whole) {
  Ring ring;
  std::size_t lines = 0;
  std::int64_t promised = -1;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t space = line.rfind(' ');
    if (space == line.npos ||
        line.substr(space + 1) != std::to_string(crc32c(line.substr(0, space))))
      continue;
    const std::vector<std::string_view> words = split(line.substr(0, space), ' ');
    if (words[0] == "runnel-keys" && words.size() == 3) {
      const Result<std::int64_t> count = parse_int(words[2]);
      if (count.ok() && words[1] == "1") promised = *count;
      continue;
    }
    ++lines;
    if (words[0] == "master" && words.size() == 2) ring.master = words[1];
    if (words[0] != "wrap" || words.size() != 4) continue;
    const Result<std::string> hidden = from_hex(words[3]);
    if (hidden.ok()) ring.wraps.push_back({std::string(words[1]), std::string(words[2]), *hidden});
  }
  is_whole = promised == static_cast<std::int64_t>(lines) && !ring.master.empty();
  return ring;
}

// One state directory's keys, under their lock.
class Keys {
 public:
  static Result<std::unique_ptr<Keys>> open(const KeyringOptions& options) {
    std::unique_ptr<Keys> keys(new Keys(options));
    TRY(keys->disk_.make_directory(options.state_dir));
    TRY(keys->disk_.make_directory(keys->folder_));
    if (options.disk == nullptr) {
      TRY_ASSIGN(lock, DirectoryLock::take(keys->folder_));
      keys->lock_ = std::move(lock);
    }
    return keys;
  }

  // nullopt: there is none. kInvalid: there was one.
  Result<std::optional<Ring>> read_ring() {
    TRY_ASSIGN(first, read(ring_path()));
    TRY_ASSIGN(second, read(ring_path() + ".copy"));
    bool is_whole = false;
    Ring ring = ring_of(first.value_or(""), is_whole);
    if (first && is_whole) return std::optional(ring);
    Ring copy = ring_of(second.value_or(""), is_whole);
    if (second && is_whole) return std::optional(copy);
    if (!first && !second) return std::optional<Ring>();
    // Both are damaged: what stands in either.
    if (ring.master.empty()) ring.master = copy.master;
    for (const Wrap& wrap : copy.wraps) {
      if (std::none_of(ring.wraps.begin(), ring.wraps.end(), [&wrap](const Wrap& known) {
            return known.data == wrap.data && known.master == wrap.master;
          }))
        ring.wraps.push_back(wrap);
    }
    if (ring.master.empty() && !ring.wraps.empty()) ring.master = ring.wraps.back().master;
    if (ring.wraps.empty())
      return invalid("`" + ring_path() + "` and its copy are damaged; put back one that is whole");
    return std::optional(ring);
  }

  Result<> write_ring(const Ring& ring) {
    TRY(replace(ring_path(), text_of(ring)));
    return replace(ring_path() + ".copy", text_of(ring));
  }

  // The configured key, or that of the directory: `wanted` says which of several, where a rotation
  // was interrupted. nullopt: the directory has none.
  Result<std::optional<std::string>> master(const std::string& wanted) {
    if (!options_.source.empty()) {
      TRY_ASSIGN(key, read_master_key(options_.source));
      return std::optional(key);
    }
    std::optional<std::string> any;
    for (const char* ending : {"", ".copy", ".new"}) {
      TRY_ASSIGN(text, read(master_path() + ending));
      if (!text) continue;
      const Result<std::string> key = parse_key(*text);
      if (!key.ok()) continue;
      if (!any || to_hex(data_key_id(*key)) == wanted) any = *key;
      if (to_hex(data_key_id(*key)) == wanted) break;
    }
    return any;
  }

  Result<> write_master(const std::string& key) {
    TRY(replace(master_path(), to_hex(key) + "\n"));
    TRY(replace(master_path() + ".copy", to_hex(key) + "\n"));
    return remove(master_path() + ".new");
  }
  // Beside the old one: the ring decides which is meant.
  Result<> write_new_master(const std::string& key) {
    return replace(master_path() + ".new", to_hex(key) + "\n");
  }

  std::string source() const {
    return options_.source.empty() ? "file:" + master_path() : options_.source;
  }

 private:
  explicit Keys(const KeyringOptions& options)
      : options_(options),
        disk_(options.disk == nullptr ? real_disk() : *options.disk),
        folder_(options.state_dir + "/keys") {}

  std::string ring_path() const { return folder_ + "/ring"; }
  std::string master_path() const { return folder_ + "/master"; }

  Result<std::optional<std::string>> read(const std::string& path) {
    Result<std::unique_ptr<DiskFile>> file = disk_.open(path);
    if (!file.ok() && file.code() == Code::kNotFound) return std::optional<std::string>();
    if (!file.ok()) return file.error();
    TRY_ASSIGN(size, (*file)->size());
    std::string text(std::min<std::size_t>(size, kRingBytesMax), '\0');
    TRY_ASSIGN(got, read_whole_at(**file, 0, text.data(), text.size()));
    text.resize(got);
    return std::optional(text);
  }
  Result<> remove(const std::string& path) {
    if (disk_.identity(path) == 0) return {};
    return disk_.remove(path);
  }
  Result<> replace(const std::string& path, const std::string& text) {
    const std::string fresh = path + ".tmp";
    TRY(remove(fresh));
    {
      TRY_ASSIGN(file, disk_.make(fresh));
      TRY(file->write_at(0, text));
      TRY(file->sync());
    }
    TRY(disk_.rename(fresh, path));
    return disk_.sync_directory(folder_);
  }

  const KeyringOptions options_;
  Disk& disk_;
  const std::string folder_;
  std::unique_ptr<DirectoryLock> lock_;
};

std::string id_of(const std::string& key) { return to_hex(data_key_id(key)); }

Wrap wrapped(const std::string& key, const std::string& master) {
  Wrap wrap{id_of(key), id_of(master), {}};
  wrap.hidden = Sealer::make({master})->seal(key, wrap_place(wrap));
  return wrap;
}

// The data keys, in their order, as this master key opens them.
Result<std::vector<std::string>> unwrapped(const Ring& ring, const std::string& master,
                                           const Keys& keys, const std::string& state_dir) {
  const std::string id = id_of(master);
  const auto sealer = Sealer::make({master});
  std::vector<std::string> names;
  std::vector<std::string> data_keys;
  for (const Wrap& wrap : ring.wraps) {
    if (std::find(names.begin(), names.end(), wrap.data) == names.end()) names.push_back(wrap.data);
    if (wrap.master != id) continue;
    const Result<std::string> key = sealer->open(wrap.hidden, wrap_place(wrap));
    if (key.ok() && key->size() == kCipherKeyBytes) data_keys.push_back(*key);
  }
  if (data_keys.size() == names.size()) return data_keys;
  return invalid(
      "the state directory `" + state_dir + "` is encrypted under master key " + ring.master +
      ", but `" + keys.source() + "` holds key " + id +
      "; nothing was changed. Give the right key (`encryption_key`, `--key`), or turn to this "
      "one while the other is there: `runnel-agent key rotate --new-key SOURCE`");
}

// Without keys, nothing may lie there that needs them.
Result<> check_nothing_sealed(const KeyringOptions& options) {
  if (options.disk != nullptr) return {};
  const Result<bool> sealed = LedgerReader::holds_sealed(options.state_dir);
  // A damaged database is salvaged; its encrypted bodies are left alone without their key.
  if (!sealed.ok() || !*sealed) return {};
  return invalid("`" + options.state_dir +
                 "` holds encrypted FlowFiles, but `keys/ring` is gone; put it back from where the "
                 "directory was copied. Nothing was changed");
}

Result<Ring> make_ring(Keys& keys, const KeyringOptions& options) {
  TRY(check_nothing_sealed(options));
  TRY_ASSIGN(known, keys.master({}));
  std::string master = known.value_or("");
  if (!known) {
    master = random_bytes(kCipherKeyBytes);
    TRY(keys.write_master(master));
  }
  const Ring ring{id_of(master), {wrapped(random_bytes(kCipherKeyBytes), master)}};
  TRY(keys.write_ring(ring));
  return ring;
}

struct Opened {
  Ring ring;
  std::string master;
  std::vector<std::string> data_keys;
};

Result<Opened> opened(Keys& keys, const KeyringOptions& options, bool makes) {
  TRY_ASSIGN(found, keys.read_ring());
  if (!found && !makes) return not_found("`" + options.state_dir + "` has no keys");
  Opened out;
  if (found) {
    out.ring = *found;
  } else {
    TRY_ASSIGN(made, make_ring(keys, options));
    out.ring = made;
  }
  TRY_ASSIGN(master, keys.master(out.ring.master));
  if (!master) {
    return invalid("the state directory `" + options.state_dir +
                   "` is encrypted under master key " + out.ring.master + ", but `" +
                   keys.source() +
                   "` is not there; nothing was changed. Give the right key (`encryption_key`, "
                   "`--key`)");
  }
  out.master = *master;
  TRY_ASSIGN(data_keys, unwrapped(out.ring, out.master, keys, options.state_dir));
  out.data_keys = std::move(data_keys);
  return out;
}

KeyStatus status_of(const Opened& one, const Keys& keys) {
  KeyStatus status{id_of(one.master), keys.source(), {}, false};
  for (const std::string& key : one.data_keys) status.data_keys.push_back(id_of(key));
  status.is_rotation_unfinished =
      one.ring.master != status.master ||
      std::any_of(one.ring.wraps.begin(), one.ring.wraps.end(),
                  [&status](const Wrap& wrap) { return wrap.master != status.master; });
  return status;
}

// The last step of a rotation: the key that opens the ring now is the only one that does.
Result<> finish_rotation(Keys& keys, const KeyringOptions& options, Opened& one) {
  if (!status_of(one, keys).is_rotation_unfinished) return {};
  if (id_of(one.master) != one.ring.master) {
    log_warn("keys", "opened by an older master key; the ring is meant for another",
             {{"key", id_of(one.master)}, {"meant", one.ring.master}});
    return {};
  }
  if (options.source.empty()) TRY(keys.write_master(one.master));
  std::erase_if(one.ring.wraps,
                [&one](const Wrap& wrap) { return wrap.master != one.ring.master; });
  return keys.write_ring(one.ring);
}

}  // namespace

bool has_keyring(const KeyringOptions& options) {
  Disk& disk = options.disk == nullptr ? real_disk() : *options.disk;
  return disk.identity(options.state_dir + "/keys/ring") != 0 ||
         disk.identity(options.state_dir + "/keys/ring.copy") != 0;
}

namespace {

// Or they cannot be looked at.
Error no_keys(const KeyringOptions& options) {
  Disk& disk = options.disk == nullptr ? real_disk() : *options.disk;
  const auto seen = disk.list(options.state_dir + "/keys");
  if (!seen.ok() && seen.code() != Code::kNotFound) return seen.error();
  return not_found("`" + options.state_dir + "` has no keys");
}

}  // namespace

Result<std::shared_ptr<const Sealer>> open_keyring(const KeyringOptions& options) {
  TRY_ASSIGN(keys, Keys::open(options));
  TRY_ASSIGN(one, opened(*keys, options, true));
  if (!options.only_opens) TRY(finish_rotation(*keys, options, one));
  auto sealer = Sealer::make(one.data_keys);
  for (std::string& key : one.data_keys) wipe(key);
  wipe(one.master);
  return sealer;
}

Result<std::string> master_key(const KeyringOptions& options) {
  TRY_ASSIGN(keys, Keys::open(options));
  TRY_ASSIGN(one, opened(*keys, options, true));
  return one.master;
}

Result<KeyStatus> keyring_status(const KeyringOptions& options) {
  if (!has_keyring(options)) return no_keys(options);
  TRY_ASSIGN(keys, Keys::open(options));
  TRY_ASSIGN(one, opened(*keys, options, false));
  return status_of(one, *keys);
}

Result<std::size_t> forget_unused_keys(const KeyringOptions& options, const Sealer& sealer) {
  if (!has_keyring(options)) return std::size_t{0};
  TRY_ASSIGN(keys, Keys::open(options));
  TRY_ASSIGN(found, keys->read_ring());
  if (!found || found->wraps.empty()) return std::size_t{0};
  Ring ring = *found;
  std::set<std::string> old;
  for (const Wrap& wrap : ring.wraps) old.insert(wrap.data);
  old.erase(ring.wraps.back().data);
  old.erase(to_hex(sealer.data_key()));
  if (old.empty()) return std::size_t{0};
  TRY_ASSIGN(used, data_keys_in_use(options.state_dir, old));
  std::erase_if(old, [&used = used](const std::string& name) { return used.contains(name); });
  if (old.empty()) return std::size_t{0};
  std::erase_if(ring.wraps, [&old](const Wrap& wrap) { return old.contains(wrap.data); });
  TRY(keys->write_ring(ring));
  return old.size();
}

Result<KeyStatus> rotate_keys(const KeyringOptions& options, const std::string& new_source) {
  if (!has_keyring(options)) return no_keys(options);
  TRY_ASSIGN(keys, Keys::open(options));
  TRY_ASSIGN(one, opened(*keys, options, false));
  TRY(finish_rotation(*keys, options, one));
  if (one.data_keys.size() >= kDataKeysMax)
    return full("the ring holds " + std::to_string(kDataKeysMax) +
                " data keys, and no more; the next start of the agent forgets those that nothing "
                "on disk needs");
  const bool is_own = options.source.empty() && new_source.empty();
  std::string master = one.master;
  if (is_own) {
    master = random_bytes(kCipherKeyBytes);
    TRY(keys->write_new_master(master));
  } else if (!new_source.empty()) {
    TRY_ASSIGN(given, read_master_key(new_source));
    master = given;
  }
  one.data_keys.push_back(random_bytes(kCipherKeyBytes));
  Ring ring{id_of(master), {}};
  for (const std::string& key : one.data_keys) {
    if (master != one.master) ring.wraps.push_back(wrapped(key, one.master));
    ring.wraps.push_back(wrapped(key, master));
  }
  TRY(keys->write_ring(ring));
  one.ring = std::move(ring);
  if (is_own) {
    one.master = master;
    TRY(finish_rotation(*keys, options, one));
  }
  return status_of(one, *keys);
}

}  // namespace runnel
