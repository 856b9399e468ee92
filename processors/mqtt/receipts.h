// Receipts: the QoS 2 messages that are ours and that the broker has not let go of yet.
//
// MQTT's "method B" (MQTT 5.0 figure 4.3): a message is taken when its PUBLISH comes; its
// identifier is kept until its PUBREL, so that the message is not taken twice. PUBREC leaves when
// the FlowFile is safe. The identifier is a state of the processor, committed with the FlowFile: a
// crash finds both or none. PUBCOMP leaves when it is gone from disk: after that the broker may
// give the identifier to another message.
//
// Identifiers belong to the broker's session. When it has none of ours any more, they mean nothing:
// the state's names begin with a tag that changes with the session, and what has another tag is
// swept. The tag itself is a durable value, on disk before a message of the new session is taken.
//
//     durable   mqtt.session          TAG HASH    hash of the broker's URI and the client id
//     state     qos2/TAG/IDENTIFIER   (empty)
//
// The gate's thread, the processor's and the ledger's call it.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/sdk/context.h"
#include "agent/sdk/session.h"

namespace runnel::mqtt {

class Receipts : public std::enable_shared_from_this<Receipts> {
 public:
  // `session_name`: what the broker knows our session by.
  Receipts(DurableMap& durable, std::string_view session_name);

  // ---- the processor's; in on_trigger
  // What an earlier life has kept. Before anything else; again when the session rolled back.
  // `then` is called when all of it is certain to be on disk (at once when there is none), on the
  // ledger's thread. Errors of the durable map.
  Result<> load(Session& session, std::function<void()> then);
  // Takes the identifiers that the broker has released out of the state. `then` is called with
  // those whose PUBCOMP may leave, when that is on disk. False: there was nothing to do.
  bool forget(Session& session, std::function<void(const std::vector<std::uint16_t>&)> then);

  // ---- the gate's
  // A connection begins: what the last one did not deliver comes again.
  void begin();
  // CONNACK. On failure no message may be taken.
  Result<> connected(bool is_session_present);
  // A PUBLISH of QoS 2. None: a new one, to be delivered. Else the number at which its PUBREC may
  // leave, 0: at once.
  std::optional<std::uint64_t> find(std::uint16_t id);
  // It has been delivered as `number`; the state to be committed with its FlowFile.
  std::pair<std::string, std::string> delivered(std::uint16_t id, std::uint64_t number);
  // Its PUBREC is about to leave.
  void acknowledged(std::uint16_t id);
  // PUBREL. True: PUBCOMP waits for `forget`. False: not ours, or forgotten before. kCorrupt: we
  // have not acknowledged it.
  Result<bool> released(std::uint16_t id);

  // ---- the ledger's
  // What was delivered up to this number is safe.
  void safe_through(std::uint64_t number);

 private:
  struct Entry {
    bool is_delivered = false;
    std::uint64_t number = 0;      // of the delivery; 0: safe
    bool is_acknowledged = false;  // PUBREC has left, in this life or an earlier one
    bool is_released = false;      // PUBREL has come
    bool is_leaving = false;       // a session takes it out of the state
    bool is_awaited = false;       // this connection's broker waits for PUBCOMP
  };
  class Leaving;

  Result<> renew() REQUIRES(mutex_);
  std::string key_of(std::uint16_t id) const REQUIRES(mutex_);
  std::vector<std::uint16_t> gone(const std::vector<std::uint16_t>& ids);
  void stay(const std::vector<std::uint16_t>& ids);

  DurableMap& durable_;
  const std::string session_hash_;

  mutable Mutex mutex_;
  std::string tag_ GUARDED_BY(mutex_);
  bool must_sweep_ GUARDED_BY(mutex_) = false;  // the state may have entries of other sessions
  std::map<std::uint16_t, Entry> entries_ GUARDED_BY(mutex_);
  std::vector<std::uint16_t> released_ GUARDED_BY(mutex_);  // to be taken out of the state
};

}  // namespace runnel::mqtt
