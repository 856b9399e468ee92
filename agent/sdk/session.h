// Session: one unit of work of one processor; all of it is committed, or none.
//
// A session takes FlowFiles from the processor's input connections, creates, changes and transfers
// them. The runtime commits it when `on_trigger` returned well, and rolls back what the last call
// did when it returned an error. Content is shared by slices: clone, split and merge copy no bytes.
// One thread.
//
// Every FlowFile that was taken or made must have been transferred, dropped or handed over when
// `on_trigger` returns.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/base/result.h"
#include "agent/sdk/flowfile.h"

namespace runnel {

// One of a processor's relationships; looked up by name in `start` (Context::relationship).
struct Relationship {
  std::uint16_t index = 0xFFFF;

  // False: an optional relationship that the flow left out. Nothing may be sent there.
  explicit operator bool() const { return index != 0xFFFF; }
};

// Reads content from front to back, whatever its size. It may outlive its session, with a FlowFile
// that is handed over, and may then be used by another thread.
class ContentReader {
 public:
  virtual ~ContentReader() = default;
  // Fills as much of `into` as there is; 0 at the end. kCorrupt when the stored bytes cannot be
  // read.
  virtual Result<std::size_t> read(std::span<char> into) = 0;
  // Back to the front.
  virtual void rewind() = 0;
};

// Writes content from front to back, whatever its size; large content goes to disk as it comes.
class ContentWriter {
 public:
  virtual ~ContentWriter() = default;
  // kFull when the disk quota is reached.
  virtual Result<> write(std::string_view bytes) = 0;
  // After this the FlowFile has the new content. A writer destroyed unfinished leaves the old
  // content.
  virtual Result<> finish() = 0;
};

// Content that grows before any session knows of it: a body that a client library's thread receives
// bit by bit (Context::open_draft). Large content goes to disk as it comes, so that a draft holds
// at most 256 KiB in memory. One thread at a time. Destroyed unused, it is forgotten.
class ContentDraft {
 public:
  virtual ~ContentDraft() = default;
  // Not after Session::write. kFull when the disk has no room.
  virtual Result<> write(std::string_view bytes) = 0;
  virtual std::uint64_t size() const = 0;
};

// A FlowFile that outlives its trigger: handed to a client library, or kept in a bin. It counts as
// queued, keeps its place in its connection, and is queued again after a crash. Movable; any
// thread. Destroyed undecided: given back.
class Handed {
 public:
  Handed() = default;
  Handed(Handed&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), slot_(other.slot_) {}
  Handed& operator=(Handed&& other) noexcept {
    if (this != &other) {
      reset();
      owner_ = std::exchange(other.owner_, nullptr);
      slot_ = other.slot_;
    }
    return *this;
  }
  ~Handed() { reset(); }

  explicit operator bool() const { return owner_ != nullptr; }

  // Commits it: transfers it to `to` (with attributes set on the way), or drops it where `to` is
  // auto-terminated. Never blocks on the disk.
  void transfer(Relationship to,
                std::initializer_list<std::pair<std::string_view, std::string_view>> set = {}) &&;
  // Puts it back where it was, to be taken again first; penalized ones wait for the penalty period.
  void give_back(bool is_penalized = false) &&;
  // Transfers many at once, which costs little more than one. All are of one processor; `all` is
  // empty then.
  static void transfer_all(std::vector<Handed>& all, Relationship to);

  // What stands behind it; the runtime implements it. Any thread.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void transfer(std::span<const std::uint64_t> slots, Relationship to,
                          std::span<const std::pair<std::string_view, std::string_view>> set) = 0;
    virtual void give_back(std::uint64_t slot, bool is_penalized) = 0;
  };
  Handed(Owner* owner, std::uint64_t slot) : owner_(owner), slot_(slot) {}
  Owner* owner() const { return owner_; }
  std::uint64_t slot() const { return slot_; }
  // A client library that carries one number for each message can carry the slot: release it here,
  // and make a Handed of it again when the answer comes. All of one processor have one owner.
  std::uint64_t release() {
    owner_ = nullptr;
    return slot_;
  }

 private:
  void reset();

  Owner* owner_ = nullptr;
  std::uint64_t slot_ = 0;
};

using Ticket = std::uint64_t;  // counts from 1, in the order of arrival (Intake)

enum class ProvenanceKind : std::uint8_t {
  kCreate,
  kReceive,
  kFetch,
  kSend,
  kUpload,
  kDownload,
  kDrop,
  kExpire,
  kFork,
  kJoin,
  kClone,
  kContentModified,
  kAttributesModified,
  kRoute,
  kReplay,
  kUnknown,
  // Their numbers are stored: new ones come last.
  kAddInfo,
  kRemoteInvocation,
};

struct MergeText {
  std::string_view header;
  std::string_view demarcator;
  std::string_view footer;
};

class Session {
 public:
  virtual ~Session() = default;

  // ---- taking and making
  // The next FlowFile from the input connections, or none.
  virtual FlowFile get() = 0;
  // A new FlowFile without content; `uuid`, `filename` and `path` attributes are set.
  virtual FlowFile create() = 0;
  // A new FlowFile with the parent's attributes, without content (FORK).
  virtual FlowFile create(FlowFile parent) = 0;
  // A copy that shares the content, or a slice of it (CLONE; a slice: FORK). The slice must lie
  // within.
  virtual FlowFile clone(FlowFile original) = 0;
  virtual FlowFile clone(FlowFile original, std::uint64_t offset, std::uint64_t size) = 0;
  // A new FlowFile whose content is theirs, one after the other; attributes that all have alike are
  // kept (JOIN).
  virtual FlowFile merge(std::span<const FlowFile> parts, MergeText text) = 0;

  // ---- content
  // The whole content at once; kFull when it is larger than `at_most` bytes: read it by `reader`.
  // The view holds until `on_trigger` returns: what was read from disk is freed then.
  virtual Result<std::string_view> content(FlowFile of, std::size_t at_most) = 0;
  virtual Result<std::unique_ptr<ContentReader>> reader(FlowFile of) = 0;
  // The same from byte `from` on, which lies within: for what goes on in another session (`keep`).
  // Not counted as read again.
  virtual Result<std::unique_ptr<ContentReader>> reader(FlowFile of, std::uint64_t from) = 0;
  // Replaces the content.
  virtual Result<> write(FlowFile to, std::string_view bytes) = 0;
  virtual Result<std::unique_ptr<ContentWriter>> writer(FlowFile to) = 0;
  // Replaces the content by what was drafted. The draft ends, but can be written to other
  // FlowFiles, or again after a rollback; no bytes are copied.
  virtual Result<> write(FlowFile to, ContentDraft& draft) = 0;

  // ---- sending on
  virtual void transfer(FlowFile what, Relationship to) = 0;
  virtual void drop(FlowFile what) = 0;
  // More comes of it than one session should hold in memory: it stays in its connection as it was,
  // to be taken next, and what else this call does is committed before it is. How far it has got
  // belongs into the processor's state, which is then on disk no earlier and no later than what was
  // made. REQUIRES: it came from a connection.
  virtual void keep(FlowFile what) = 0;
  // It will not be taken by the next processor before the penalty period of this one is over.
  virtual void penalize(FlowFile what) = 0;
  // `sent_to` is where it goes: its SEND event, told when it is transferred.
  virtual Handed hand_over(FlowFile what, std::string_view sent_to = {}) = 0;
  // Brings a handed-over FlowFile of this processor into this session.
  virtual FlowFile take_back(Handed handed) = 0;

  // ---- provenance: what the runtime cannot know by itself
  // `uri` is where it came from or went to (RECEIVE, FETCH, SEND, UPLOAD, DOWNLOAD,
  // REMOTE_INVOCATION); `details` is for people; `alternate_id` is the name that another system has
  // for this FlowFile (RECEIVE, ADDINFO). CREATE, FORK, JOIN, CLONE, CONTENT_MODIFIED,
  // ATTRIBUTES_MODIFIED, ROUTE, DROP and EXPIRE are told by the runtime.
  virtual void event(FlowFile of, ProvenanceKind kind, std::string_view uri,
                     std::string_view details = {}, std::string_view alternate_id = {}) = 0;

  // ---- the processor's state: committed in the same transaction as the FlowFiles
  virtual std::optional<std::string> state(std::string_view key) = 0;
  virtual void set_state(std::string_view key, std::string_view value) = 0;
  virtual void remove_state(std::string_view key) = 0;
  virtual void each_state(
      const std::function<void(std::string_view key, std::string_view value)>& visit) = 0;

  // ---- the state of a service, which several processors share; `service` is its id. Committed in
  // the same transaction as the FlowFiles, as the processor's own. What other sessions have not
  // committed yet is not seen: a service that must know it lets one session at a time change its
  // state, until `when_ended` (LocalMapCache does).
  virtual std::optional<std::string> shared_state(std::string_view service,
                                                  std::string_view key) = 0;
  virtual void set_shared_state(std::string_view service, std::string_view key,
                                std::string_view value) = 0;
  virtual void remove_shared_state(std::string_view service, std::string_view key) = 0;
  // Calls `then` when what this call does was committed (true), or has been rolled back (false; the
  // last one first). On the session's thread; must not block.
  virtual void when_ended(std::function<void(bool is_committed)> then) = 0;

  // ---- outward acknowledgement
  // Calls `then` once all that this session put into connections, changed or moved is safe:
  // fsynced, or finished by its receivers. (For a session with inputs, too: what it changed is safe
  // when that change is, however long ago the FlowFile itself was written. FetchFile deletes its
  // file by this.) In the order of this processor's commits, on the ledger's notifier thread: must
  // not block. Destroyed uncalled when the session rolls back, and never called after `stop` has
  // returned.
  virtual void when_safe(std::function<void()> then) = 0;
  // As `when_safe`, but fsynced: also where all that was made has been finished before. For changes
  // of state that an acknowledgement stands for.
  virtual void when_stored(std::function<void()> then) = 0;

  // Do not trigger this processor for its yield period. Also in force when the session rolls back.
  virtual void yield() = 0;

  // ---- what stands behind a FlowFile; called by FlowFile alone
  virtual std::optional<std::string_view> attribute(const FlowRecord& record,
                                                    std::string_view name) const = 0;
  virtual void set_attribute(FlowRecord& record, std::string_view name, std::string_view value) = 0;
  virtual void remove_attribute(FlowRecord& record, std::string_view name) = 0;
  virtual void each_attribute(
      const FlowRecord& record,
      const std::function<void(std::string_view, std::string_view)>& visit) const = 0;
  virtual std::string uuid(const FlowRecord& record) const = 0;
};

}  // namespace runnel
