// Keyring: the data keys of a state directory, each wrapped by a master key.
//
//   keys/ring        lines, each with the CRC-32C of what stands before its last space:
//                      runnel-keys 1 LINES SUM       how many lines follow
//                      master ID SUM                 the master key that opens it from now on
//                      wrap DATA MASTER HEX SUM      data key DATA under master key MASTER: what
//                                                    Sealer makes of it with MASTER as its key
//                    The last DATA seals; the others open what was sealed before.
//   keys/ring.copy   the same again, written after it: one damaged file costs nothing
//   keys/master      the master key where none is configured (key_source.h), made at the first
//   start keys/master.copy the same again keys/lock        who holds it may change these
//
// A ring is replaced as a whole: written beside, synced, renamed. Rotation to another master key
// first writes a ring that both open, then (the state directory's own key only) replaces the key;
// the next opening with the new key forgets the old. So whatever a crash leaves opens with the key
// that is there. The running agent reads the ring at its start only.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/runtime/disk.h"
#include "agent/runtime/vault.h"

namespace runnel {

struct KeyringOptions {
  std::string state_dir;
  std::string source = {};  // of the master key; empty: the state directory's own
  Disk* disk = nullptr;     // nullptr: the machine's
  // A rotation stays unfinished: whoever looks on is not the agent, which may start with the old
  // key.
  bool only_opens = false;
};

struct KeyStatus {
  std::string master;                   // id of the key that opens the ring
  std::string source;                   // where it is
  std::vector<std::string> data_keys;   // ids; the last one seals
  bool is_rotation_unfinished = false;  // an older master key opens the ring, too
};

// The sealer of the state directory; makes keys where there are none yet. kInvalid: the key that is
// given does not open this directory, or the keys of what lies there encrypted are gone; nothing
// was changed. kUnavailable, kFull: the disk cannot be used now.
Result<std::shared_ptr<const Sealer>> open_keyring(const KeyringOptions& options);
// The key that opens it, for exports.
Result<std::string> master_key(const KeyringOptions& options);
bool has_keyring(const KeyringOptions& options);
Result<KeyStatus> keyring_status(const KeyringOptions& options);
// Forgets the old data keys that nothing in the state directory names any more (key_uses.h); how
// many. The last one stays, and that of `sealer`. Only by who holds the state directory and writes
// nothing there meanwhile: an agent that runs since before a rotation seals with a key that is not
// the last.
Result<std::size_t> forget_unused_keys(const KeyringOptions& options, const Sealer& sealer);
// From the next start on a new data key seals, and the master key of `new_source` opens the ring.
// Empty: the configured key stays; the state directory's own is replaced.
Result<KeyStatus> rotate_keys(const KeyringOptions& options, const std::string& new_source);

}  // namespace runnel
