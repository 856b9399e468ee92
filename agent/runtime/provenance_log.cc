// Keeps, writes and prunes the blocks of provenance. Searching stands in provenance_search.cc.

#include "agent/runtime/provenance_log.h"

#include <algorithm>

#include "agent/base/log.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/compress.h"
#include "agent/runtime/varint.h"

namespace runnel {
namespace {

constexpr std::size_t kTextMax = 2048;
constexpr std::size_t kRemovalsPerWrite = 64;

}  // namespace

ProvenanceLog::ProvenanceLog(Options options, ProvenanceShelf& shelf, Mutex& commits)
    : options_(std::move(options)), shelf_(shelf), commits_(commits) {
  for (const std::string& name : options_.attributes) marked_bits_ |= Attributes::bit_of(name);
}

Result<std::unique_ptr<ProvenanceLog>> ProvenanceLog::open(Options options, ProvenanceShelf& shelf,
                                                           Mutex& commits) {
  std::unique_ptr<ProvenanceLog> log(new ProvenanceLog(std::move(options), shelf, commits));
  TRY(log->load().within("opening the provenance log"));
  return log;
}

Result<> ProvenanceLog::load() {
  Lock lock(mutex_);
  blocks_.push_back(std::make_unique<Block>());
  Block& open = *blocks_.back();
  std::vector<std::uint64_t> tails;  // newest first
  std::uint64_t event_floor = 0;
  std::uint64_t next_row = next_row_;
  std::uint64_t stored_bytes = 0;
  const Result<> walked = shelf_.each_before(UINT64_MAX, [&](const ProvenanceRow& row) {
    next_row = std::max(next_row, row.id + 1);
    if (row.is_tail) {
      std::string_view head = row.head;
      take_varint(head, open.first_event);
      tails.push_back(row.id);
      return true;
    }
    stored_bytes = row.bytes_before + row.body_bytes;
    if (const auto head = ProvenanceHead::parse(row.head))
      event_floor = head->first_event + head->count;
    return false;
  });
  if (!walked.ok()) {
    if (walked.code() != Code::kCorrupt) return walked;
    // What is damaged is the ledger's to repair, when a write meets it.
    log_error("provenance", "the newest rows cannot be read; going on behind them",
              {{"reason", walked.error().text()}});
    next_row = std::max(next_row, static_cast<std::uint64_t>(options_.opened_ms) << 20);
    event_floor = std::max(event_floor, next_row);
  }
  next_row_ = next_row;
  stored_bytes_ = stored_bytes;
  open.first_event = std::max(open.first_event, event_floor);
  std::string stream;
  bool is_whole = true;
  for (auto id = tails.rbegin(); id != tails.rend(); ++id) {
    const Result<std::string> body = shelf_.body(*id);
    const Result<std::string> bytes =
        body.ok() ? decompress(*body, options_.block_bytes * 2 + (1 << 20)) : body;
    if (!bytes.ok()) {
      log_error("provenance", "a row cannot be read; its events are lost",
                {{"row", *id}, {"reason", bytes.error().text()}});
      is_whole = false;
      break;
    }
    stream += *bytes;
  }
  const Result<> decoded = decode_provenance(
      stream, [&open](const ProvenanceRecord& record) { open.encoder.add(record); });
  open.tail_ids.assign(tails.rbegin(), tails.rend());
  open.written_bytes = open.encoder.bytes().size();
  is_whole = is_whole && decoded.ok() && open.written_bytes == stream.size();
  if (!is_whole && !tails.empty()) {
    // What could be read becomes a full row of its own, in place of the damaged tails.
    open_block();
  }
  return {};
}

void ProvenanceLog::open_block() {
  const Block& full = *blocks_.back();
  sealed_bytes_ += full.encoder.bytes().size();
  auto next = std::make_unique<Block>();
  next->first_event = full.first_event + full.encoder.count();
  blocks_.push_back(std::move(next));
  has_full_block_ = true;
}

void ProvenanceLog::give_up_oldest() {
  Block& oldest = *blocks_.front();
  given_up_ += oldest.encoder.count();
  sealed_bytes_ -= oldest.encoder.bytes().size();
  Block& next = *blocks_[1];
  // Its tails leave the disk together with those of the next block.
  next.tail_ids.insert(next.tail_ids.begin(), oldest.tail_ids.begin(), oldest.tail_ids.end());
  next.doubtful_ids.insert(next.doubtful_ids.end(), oldest.doubtful_ids.begin(),
                           oldest.doubtful_ids.end());
  blocks_.pop_front();
  has_full_block_ = blocks_.size() > 1;
}

void ProvenanceLog::add(std::span<const ProvenanceRecord> records) {
  if (records.empty()) return;
  encode_what_is_gathered();
  Lock lock(mutex_);
  for (const ProvenanceRecord& record : records) encode(record);
}

void ProvenanceLog::encode(const ProvenanceRecord& record) {
  ProvenanceRecord kept = record;
  kept.uri = kept.uri.substr(0, kTextMax);
  kept.details = kept.details.substr(0, kTextMax);
  kept.alternate_id = kept.alternate_id.substr(0, kTextMax);
  ProvenanceEncoder& encoder = blocks_.back()->encoder;
  encoder.add(kept);
  if (encoder.count() < options_.block_events && encoder.bytes().size() < options_.block_bytes)
    return;
  open_block();
  if (sealed_bytes_ > options_.unwritten_bytes_max && taken_blocks_ == 0 && blocks_.size() > 2)
    give_up_oldest();
}

// ---- what sessions tell of few FlowFiles

void ProvenanceLog::gather(std::span<const ProvenanceRecord> records) {
  if (!std::all_of(records.begin(), records.end(), ProvenanceGathered::takes)) return add(records);
  Lock lock(commits_);
  gather(records, {});
}

void ProvenanceLog::gather(std::span<const ProvenanceRecord> records, std::span<Seat> seats) {
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (records[i].flowfiles.empty()) continue;
    Seat nobodys;
    Seat& seat = seats.empty() ? nobodys : seats[i];
    if (gathered_.join(records[i], seat)) continue;
    if (gathered_.is_full()) encode_gathered();
    gathered_.add(records[i], seat);
  }
}

void ProvenanceLog::encode_gathered() {
  if (gathered_.is_empty()) return;
  Lock lock(mutex_);
  for (std::size_t i = 0; i < gathered_.count(); ++i) encode(gathered_.record(i));
  gathered_.clear();
}

void ProvenanceLog::encode_what_is_gathered() {
  Lock lock(commits_);
  encode_gathered();
}

bool ProvenanceLog::has_unwritten() const {
  Lock lock(mutex_);
  return blocks_.size() > 1 || !gathered_.is_empty() ||
         blocks_.back()->written_bytes < blocks_.back()->encoder.bytes().size();
}

ProvenanceWrite ProvenanceLog::take(std::int64_t now_ms) {
  ProvenanceWrite write;
  std::vector<const Block*> full;  // not changed by anybody until `written` or `failed`
  std::string tail;
  ProvenanceRow tail_row;
  std::uint64_t bytes_before = 0;
  encode_what_is_gathered();
  {
    Lock lock(mutex_);
    taken_blocks_ = blocks_.size() - 1;
    for (std::size_t i = 0; i < taken_blocks_; ++i) {
      if (blocks_[i]->row_id == 0) blocks_[i]->row_id = next_row_++;
      full.push_back(blocks_[i].get());
    }
    const Block& open = *blocks_.back();
    tail = open.encoder.bytes().substr(open.written_bytes);
    taken_bytes_ = tail.size();
    taken_tail_ = tail.empty() ? 0 : next_row_++;
    tail_row.id = taken_tail_;
    tail_row.last_ms = open.encoder.last_ms();
    put_varint(tail_row.head, open.first_event);
    for (const std::uint64_t id : open.doubtful_ids) write.remove.push_back({id, id});
    bytes_before = stored_bytes_;
    oldest_after_ = oldest_;
  }
  for (const Block* block : full) {
    ProvenanceRow row;
    row.id = block->row_id;
    row.bytes_before = bytes_before;
    row.body = compress(block->encoder.bytes());
    row.last_ms = block->encoder.last_ms();
    row.head = ProvenanceHead::of(block->encoder, block->first_event).text();
    row.body_bytes = row.body.size() + row.head.size();
    bytes_before += row.body_bytes;
    for (const std::uint64_t id : block->tail_ids) write.remove.push_back({id, id});
    for (const std::uint64_t id : block->doubtful_ids) write.remove.push_back({id, id});
    write.insert.push_back(std::move(row));
  }
  if (!tail.empty()) {
    tail_row.is_tail = true;
    tail_row.bytes_before = bytes_before;
    tail_row.body = compress(tail);
    tail_row.body_bytes = tail_row.body.size();
    write.insert.push_back(std::move(tail_row));
  }
  taken_stored_bytes_ = bytes_before;
  const Result<> planned = plan_removal(write, now_ms);
  if (!planned.ok()) {
    log_warn("provenance", "the oldest rows cannot be found; they stay",
             {{"reason", planned.error().text()}});
  }
  return write;
}

Result<> ProvenanceLog::plan_removal(ProvenanceWrite& write, std::int64_t now_ms) {
  // Rows that cannot be read would never go. The write is made to touch them: it fails, and the
  // ledger repairs its database.
  const auto first_from = [&](std::uint64_t id) {
    Result<std::optional<ProvenanceRow>> first = shelf_.first_from(id);
    if (!first.ok() && first.code() == Code::kCorrupt) write.remove.push_back({id, id});
    return first;
  };
  for (std::size_t i = 0; i < kRemovalsPerWrite; ++i) {
    if (!oldest_after_) {
      TRY_ASSIGN(first, first_from(0));
      oldest_after_ = std::move(first);
    }
    if (!oldest_after_ || oldest_after_->is_tail) {
      oldest_after_.reset();  // looked for again next time
      return {};
    }
    const bool is_too_much = taken_stored_bytes_ - oldest_after_->bytes_before > options_.bytes_max;
    if (!is_too_much && oldest_after_->last_ms >= now_ms - options_.age_max_ms) return {};
    write.remove.push_back({oldest_after_->id, oldest_after_->id});
    TRY_ASSIGN(next, first_from(oldest_after_->id + 1));
    oldest_after_ = std::move(next);
    if (!oldest_after_) return {};
  }
  return {};
}

void ProvenanceLog::written() {
  Lock lock(mutex_);
  for (; taken_blocks_ > 0; --taken_blocks_) {
    sealed_bytes_ -= blocks_.front()->encoder.bytes().size();
    blocks_.pop_front();
  }
  has_full_block_ = blocks_.size() > 1;
  if (taken_tail_ != 0) {
    blocks_.front()->tail_ids.push_back(taken_tail_);
    blocks_.front()->written_bytes += taken_bytes_;
  }
  blocks_.front()->doubtful_ids.clear();
  taken_tail_ = 0;
  stored_bytes_ = taken_stored_bytes_;
  oldest_ = std::move(oldest_after_);
}

void ProvenanceLog::failed() {
  Lock lock(mutex_);
  if (taken_tail_ != 0) blocks_[taken_blocks_]->doubtful_ids.push_back(taken_tail_);
  taken_blocks_ = 0;
  taken_tail_ = 0;
}

std::uint64_t ProvenanceLog::stored_bytes() const {
  Lock lock(mutex_);
  return stored_bytes_ - (oldest_ ? oldest_->bytes_before : 0);
}

std::uint64_t ProvenanceLog::given_up_events() const {
  Lock lock(mutex_);
  return given_up_;
}

}  // namespace runnel
