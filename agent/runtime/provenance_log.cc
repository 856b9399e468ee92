// Keeps, writes, prunes and searches the blocks of provenance.

#include "agent/runtime/provenance_log.h"

#include <algorithm>

#include "agent/base/log.h"
#include "agent/runtime/compress.h"
#include "agent/runtime/varint.h"

namespace runnel {
namespace {

constexpr std::size_t kHulls = 8;
constexpr std::size_t kTextMax = 2048;
constexpr std::size_t kRemovalsPerWrite = 64;
constexpr std::size_t kRelativesMax = 1000;
constexpr int kGenerationsMax = 64;

// The head of a row: what a block holds, without decoding it. In a tail: only the first number.
//   first_event, then: count, first_ms (zigzag), component bits, kind bits, number of hulls,
//   (first - the last one's last, length) of each
struct Head {
  std::uint64_t first_event = 0;
  std::uint64_t count = 0;
  std::int64_t first_ms = 0;
  std::uint64_t component_bits = 0;
  std::uint64_t kind_bits = 0;
  std::vector<IdRange> hulls;
};

std::string head_of(const ProvenanceEncoder& encoder, std::uint64_t first_event) {
  std::string out;
  put_varint(out, first_event);
  put_varint(out, encoder.count());
  put_varint(out, zigzag(encoder.first_ms()));
  put_varint(out, encoder.component_bits());
  put_varint(out, encoder.kind_bits());
  const std::vector<IdRange> hulls = encoder.hulls(kHulls);
  put_varint(out, hulls.size());
  std::uint64_t last = 0;
  for (const IdRange& hull : hulls) {
    put_varint(out, hull.first - last);
    put_varint(out, hull.last - hull.first);
    last = hull.last;
  }
  return out;
}

std::optional<Head> read_head(std::string_view bytes) {
  Head head;
  std::uint64_t first_ms = 0;
  std::uint64_t hulls = 0;
  if (!take_varint(bytes, head.first_event) || !take_varint(bytes, head.count) ||
      !take_varint(bytes, first_ms) || !take_varint(bytes, head.component_bits) ||
      !take_varint(bytes, head.kind_bits) || !take_varint(bytes, hulls) || hulls > bytes.size()) {
    return std::nullopt;
  }
  head.first_ms = unzigzag(first_ms);
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < hulls; ++i) {
    std::uint64_t gap = 0;
    std::uint64_t length = 0;
    if (!take_varint(bytes, gap) || !take_varint(bytes, length)) return std::nullopt;
    head.hulls.push_back({last + gap, last + gap + length});
    last += gap + length;
  }
  return head;
}

bool overlap(std::span<const IdRange> a, std::span<const IdRange> b) {
  auto left = a.begin();
  auto right = b.begin();
  while (left != a.end() && right != b.end()) {
    if (left->last < right->first) {
      ++left;
    } else if (right->last < left->first) {
      ++right;
    } else {
      return true;
    }
  }
  return false;
}

std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs_of(std::span<const IdRange> ranges) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> pairs;
  for (const IdRange& range : ranges) pairs.emplace_back(range.first, range.last);
  return pairs;
}

std::vector<IdRange> intersection(std::span<const IdRange> a, std::span<const IdRange> b) {
  std::vector<IdRange> both;
  for (const IdRange& left : a) {
    for (const IdRange& right : b) {
      const IdRange common{std::max(left.first, right.first), std::min(left.last, right.last)};
      if (common.first <= common.last) both.push_back(common);
    }
  }
  return both;
}

std::uint64_t count_of(std::span<const IdRange> ranges) {
  std::uint64_t count = 0;
  for (const IdRange& range : ranges) count += range.count();
  return count;
}

// The id that stands as far into `to` as `id` into `from`; both hold equally many.
std::uint64_t counterpart(std::span<const IdRange> from, std::span<const IdRange> to,
                          std::uint64_t id) {
  std::uint64_t rank = 0;
  for (const IdRange& range : from) {
    if (range.contains(id)) {
      rank += id - range.first;
      break;
    }
    rank += range.count();
  }
  for (const IdRange& range : to) {
    if (rank < range.count()) return range.first + rank;
    rank -= range.count();
  }
  return id;
}

// CLONE and FORK of n parents into n children are pairs, in order.
bool are_pairs(const ProvenanceRecord& record) {
  const std::uint64_t parents = count_of(record.parents);
  return parents > 1 && record.kind != ProvenanceKind::kJoin &&
         parents == count_of(record.flowfiles);
}

}  // namespace

Result<std::unique_ptr<ProvenanceLog>> ProvenanceLog::open(Options options,
                                                           ProvenanceShelf& shelf) {
  std::unique_ptr<ProvenanceLog> log(new ProvenanceLog(options, shelf));
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
  TRY(shelf_.each_before(UINT64_MAX, [&](const ProvenanceRow& row) {
    next_row = std::max(next_row, row.id + 1);
    if (row.is_tail) {
      std::string_view head = row.head;
      take_varint(head, open.first_event);
      tails.push_back(row.id);
      return true;
    }
    stored_bytes = row.bytes_before + row.body_bytes;
    if (const auto head = read_head(row.head)) event_floor = head->first_event + head->count;
    return false;
  }));
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
}

void ProvenanceLog::give_up_oldest() {
  Block& oldest = *blocks_.front();
  given_up_ += oldest.encoder.count();
  sealed_bytes_ -= oldest.encoder.bytes().size();
  Block& next = *blocks_[1];
  // Its tails leave the disk together with those of the next block.
  next.tail_ids.insert(next.tail_ids.begin(), oldest.tail_ids.begin(), oldest.tail_ids.end());
  blocks_.pop_front();
}

void ProvenanceLog::add(const ProvenanceRecord& record) {
  ProvenanceRecord bounded = record;
  bounded.uri = bounded.uri.substr(0, kTextMax);
  bounded.details = bounded.details.substr(0, kTextMax);
  Lock lock(mutex_);
  ProvenanceEncoder& encoder = blocks_.back()->encoder;
  encoder.add(bounded);
  if (encoder.count() < options_.block_events && encoder.bytes().size() < options_.block_bytes) {
    return;
  }
  open_block();
  if (sealed_bytes_ > options_.unwritten_bytes_max && taken_blocks_ == 0 && blocks_.size() > 2) {
    give_up_oldest();
  }
}

bool ProvenanceLog::wants_write() const {
  Lock lock(mutex_);
  return blocks_.size() > 1;
}

bool ProvenanceLog::has_unwritten() const {
  Lock lock(mutex_);
  return blocks_.size() > 1 ||
         blocks_.back()->written_bytes < blocks_.back()->encoder.bytes().size();
}

ProvenanceWrite ProvenanceLog::take(std::int64_t now_ms) {
  ProvenanceWrite write;
  std::vector<const Block*> full;  // not changed by anybody until `written` or `failed`
  std::string tail;
  ProvenanceRow tail_row;
  std::uint64_t bytes_before = 0;
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
    bytes_before = stored_bytes_;
    oldest_after_ = oldest_;
  }
  for (const Block* block : full) {
    ProvenanceRow row;
    row.id = block->row_id;
    row.bytes_before = bytes_before;
    row.body = compress(block->encoder.bytes());
    row.body_bytes = row.body.size();
    row.last_ms = block->encoder.last_ms();
    row.head = head_of(block->encoder, block->first_event);
    bytes_before += row.body_bytes;
    for (const std::uint64_t id : block->tail_ids) write.remove.push_back({id, id});
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
  for (std::size_t i = 0; i < kRemovalsPerWrite; ++i) {
    if (!oldest_after_) {
      TRY_ASSIGN(first, shelf_.first_from(0));
      oldest_after_ = std::move(first);
    }
    if (!oldest_after_ || oldest_after_->is_tail) {
      oldest_after_.reset();  // looked for again next time
      return {};
    }
    const bool is_too_much = taken_stored_bytes_ - oldest_after_->bytes_before > options_.bytes_max;
    if (!is_too_much && oldest_after_->last_ms >= now_ms - options_.age_max_ms) return {};
    write.remove.push_back({oldest_after_->id, oldest_after_->id});
    TRY_ASSIGN(next, shelf_.first_from(oldest_after_->id + 1));
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
  if (taken_tail_ != 0) {
    blocks_.front()->tail_ids.push_back(taken_tail_);
    blocks_.front()->written_bytes += taken_bytes_;
  }
  taken_tail_ = 0;
  stored_bytes_ = taken_stored_bytes_;
  oldest_ = std::move(oldest_after_);
}

void ProvenanceLog::failed() {
  Lock lock(mutex_);
  taken_blocks_ = 0;
  taken_tail_ = 0;
}

ProvenanceLog::Snapshot ProvenanceLog::snapshot() const {
  Snapshot snapshot;
  Lock lock(mutex_);
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    snapshot.streams.push_back({(*block)->first_event, (*block)->encoder.bytes()});
    if ((*block)->row_id != 0) snapshot.row_ids.push_back((*block)->row_id);
  }
  snapshot.rows_before = next_row_;
  return snapshot;
}

Result<> ProvenanceLog::search_stream(Sought& sought, std::uint64_t first_event,
                                      std::string_view bytes, const Found& found) {
  std::uint64_t event_id = first_event;
  return decode_provenance(bytes, [&](const ProvenanceRecord& record) {
    const std::uint64_t id = event_id++;
    if (record.at_ms < sought.from_ms || record.at_ms > sought.to_ms) return;
    if ((sought.kind_bits & (1U << static_cast<unsigned>(record.kind))) == 0) return;
    if (!sought.components.empty() && std::find(sought.components.begin(), sought.components.end(),
                                                record.component) == sought.components.end()) {
      return;
    }
    if (sought.is_by_id && !overlap(record.flowfiles, sought.ids.ranges()) &&
        !overlap(record.parents, sought.ids.ranges())) {
      return;
    }
    found(id, record);
  });
}

// From the newest block to the oldest, until `goes_on` says no.
Result<> ProvenanceLog::search(Sought& sought, const Found& found,
                               const std::function<bool()>& goes_on) const {
  const Snapshot now = snapshot();
  for (const Snapshot::Stream& stream : now.streams) {
    TRY(search_stream(sought, stream.first_event, stream.bytes, found));
    if (!goes_on()) return {};
  }
  Result<> outcome;
  const Result<> walked = shelf_.each_before(now.rows_before, [&](const ProvenanceRow& row) {
    if (row.is_tail) return true;
    if (std::find(now.row_ids.begin(), now.row_ids.end(), row.id) != now.row_ids.end()) return true;
    const std::optional<Head> head = read_head(row.head);
    if (!head || row.last_ms < sought.from_ms || head->first_ms > sought.to_ms) return true;
    if ((head->component_bits & sought.component_bits) == 0) return true;
    if ((head->kind_bits & sought.kind_bits) == 0) return true;
    if (sought.is_by_id && !overlap(head->hulls, sought.ids.ranges())) return true;
    ++decoded_;
    const Result<std::string> body = shelf_.body(row.id);
    const Result<std::string> bytes =
        body.ok() ? decompress(*body, options_.block_bytes * 2 + (1 << 20)) : body;
    if (bytes.ok()) {
      outcome = search_stream(sought, head->first_event, *bytes, found);
    } else if (bytes.code() != Code::kNotFound) {  // not found: pruned meanwhile
      outcome = bytes.error();
    }
    return outcome.ok() && goes_on();
  });
  TRY(walked);
  return outcome;
}

// The FlowFile, its ancestors and its descendants.
Result<IdSet> ProvenanceLog::with_relatives(std::uint64_t flowfile) const {
  IdSet all(flowfile);
  // Ancestors' other children and descendants' other parents are no relatives: two walks.
  for (const bool is_up : {true, false}) {
    IdSet edge(flowfile);
    std::vector<std::uint64_t> seen{flowfile};
    for (int generation = 0; generation < kGenerationsMax && !edge.is_empty(); ++generation) {
      Sought sought;
      sought.is_by_id = true;
      sought.ids = edge;
      sought.component_bits = UINT64_MAX;
      sought.kind_bits = (1U << static_cast<unsigned>(ProvenanceKind::kClone)) |
                         (1U << static_cast<unsigned>(ProvenanceKind::kFork)) |
                         (1U << static_cast<unsigned>(ProvenanceKind::kJoin));
      sought.to_ms = INT64_MAX;
      IdSet next;
      const auto meet = [&](std::uint64_t id) {
        if (seen.size() >= kRelativesMax) return;
        if (std::find(seen.begin(), seen.end(), id) != seen.end()) return;
        seen.push_back(id);
        next.add(id);
        all.add(id);
      };
      const auto found = [&](std::uint64_t, const ProvenanceRecord& record) {
        const std::span<const IdRange> from = is_up ? record.flowfiles : record.parents;
        const std::span<const IdRange> to = is_up ? record.parents : record.flowfiles;
        if (to.empty()) return;
        for (const IdRange& range : intersection(edge.ranges(), from)) {
          for (std::uint64_t id = range.first; id <= range.last; ++id) {
            if (are_pairs(record)) {
              meet(counterpart(from, to, id));
              continue;
            }
            for (const IdRange& kin : to) {
              for (std::uint64_t one = kin.first; one <= kin.last; ++one) {
                if (seen.size() >= kRelativesMax) return;
                meet(one);
              }
            }
          }
        }
      };
      TRY(search(sought, found, [&seen] { return seen.size() < kRelativesMax; }));
      edge = next;
    }
  }
  return all;
}

Result<std::vector<ProvenanceEvent>> ProvenanceLog::query(
    const ProvenanceQuery& query, const std::vector<std::string>& component_ids) const {
  Sought sought;
  sought.from_ms = query.from_ms;
  sought.to_ms = query.to_ms;
  sought.kind_bits = query.kind ? 1U << static_cast<unsigned>(*query.kind) : UINT32_MAX;
  sought.components = component_ids;
  sought.component_bits = component_ids.empty() ? UINT64_MAX : 0;
  for (const std::string& id : component_ids) {
    sought.component_bits |= ProvenanceEncoder::component_bit(id);
  }
  if (query.flowfile) {
    sought.is_by_id = true;
    if (query.with_lineage) {
      TRY_ASSIGN(ids, with_relatives(*query.flowfile));
      sought.ids = std::move(ids);
    } else {
      sought.ids = IdSet(*query.flowfile);
    }
  }
  std::vector<ProvenanceEvent> events;
  std::size_t settled = 0;
  const auto found = [&](std::uint64_t id, const ProvenanceRecord& record) {
    ProvenanceEvent event;
    event.id = id;
    event.at_ms = record.at_ms;
    event.kind = record.kind;
    event.component_id = std::string(record.component);
    std::vector<IdRange> own;
    if (sought.is_by_id) own = intersection(record.flowfiles, sought.ids.ranges());
    event.flowfiles = pairs_of(own.empty() ? record.flowfiles : own);
    event.count = count_of(own.empty() ? record.flowfiles : own);
    event.parents = pairs_of(record.parents);
    event.relationship = std::string(record.relationship);
    event.uri = std::string(record.uri);
    event.details = std::string(record.details);
    events.push_back(std::move(event));
    // Within a block the newest come last: only they are wanted.
    if (events.size() - settled > 2 * query.limit + 64) {
      events.erase(events.begin() + static_cast<std::ptrdiff_t>(settled),
                   events.end() - static_cast<std::ptrdiff_t>(query.limit));
    }
  };
  const auto goes_on = [&] {
    std::reverse(events.begin() + static_cast<std::ptrdiff_t>(settled), events.end());
    if (events.size() > query.limit) events.resize(query.limit);
    settled = events.size();
    return events.size() < query.limit;
  };
  TRY(search(sought, found, goes_on));
  return events;
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
