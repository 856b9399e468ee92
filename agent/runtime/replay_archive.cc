// Keeps, writes and finds FlowFiles that have ended.

#include "agent/runtime/replay_archive.h"

#include <algorithm>
#include <charconv>

#include "agent/base/log.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/batch_codec.h"
#include "agent/runtime/varint.h"

namespace runnel {
namespace {

constexpr std::string_view kMagic = "RNAB";
constexpr std::size_t kFrameBytes = 56;
constexpr std::uint64_t kFileBytesMin = 1 << 20;
constexpr std::uint64_t kFileBytesMax = 16 << 20;
constexpr std::uint64_t kFilesOfBound = 8;  // so the oldest eighth goes at once
constexpr std::uint32_t kBlockBytesMax = 64 << 20;
constexpr std::string_view kSuffix = ".arc";

std::uint64_t hash_of(std::string_view bytes, std::uint64_t hash = 0xcbf29ce484222325U) {
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

template <typename Number>
void put_fixed(std::string& out, Number number) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out += static_cast<char>((static_cast<std::uint64_t>(number) >> (8 * i)) & 0xFF);
  }
}

template <typename Number>
Number take_fixed(std::string_view& from) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(from[i])) << (8 * i);
  }
  from.remove_prefix(sizeof(Number));
  return static_cast<Number>(number);
}

std::string place_in_archive(std::int64_t first_ms, std::uint64_t smallest_id) {
  return place_of("archive", static_cast<std::uint64_t>(first_ms), smallest_id);
}

std::size_t weight_of(const ReplayArchive::Ended& one) {
  return one.record.size + (one.record.attributes ? one.record.attributes->memory_bytes() : 0) +
         128;
}

// All of it, or an error.
Result<std::string> read_whole(const DiskFile& file, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  TRY_ASSIGN(there, read_whole_at(file, offset, bytes.data(), size));
  if (there < size) return corrupt("the file ends early");
  return bytes;
}

// Content that lies in segment files is read: the archive outlives them.
Result<FlowRecord> with_content_in_memory(const FlowRecord& record) {
  FlowRecord out = record;
  out.offset = 0;
  if (record.content == nullptr || record.size == 0) {
    out.content = nullptr;
    return out;
  }
  if (record.content->is_in_memory()) {
    out.content = Content::of_bytes(record.content->bytes().substr(record.offset, record.size));
    return out;
  }
  std::string bytes(record.size, '\0');
  std::uint64_t done = 0;
  while (done < record.size) {
    TRY_ASSIGN(got, record.content->read_at(record.offset + done, bytes.data() + done,
                                            record.size - done));
    if (got == 0) return corrupt("content ends early");
    done += got;
  }
  out.content = Content::of_bytes(bytes);
  return out;
}

}  // namespace

// ---- frames

std::string ReplayArchive::Frame::text(bool with_checksum) const {
  std::string out(kMagic);
  put_fixed(out, head_bytes);
  put_fixed(out, body_bytes);
  put_fixed(out, count);
  put_fixed(out, first_ms);
  put_fixed(out, last_ms);
  put_fixed(out, smallest_id);
  put_fixed(out, largest_id);
  if (with_checksum) put_fixed(out, checksum);
  return out;
}

std::optional<ReplayArchive::Frame> ReplayArchive::Frame::parse(std::string_view bytes) {
  if (bytes.size() < kFrameBytes || !bytes.starts_with(kMagic)) return std::nullopt;
  bytes.remove_prefix(kMagic.size());
  Frame frame;
  frame.head_bytes = take_fixed<std::uint32_t>(bytes);
  frame.body_bytes = take_fixed<std::uint32_t>(bytes);
  frame.count = take_fixed<std::uint32_t>(bytes);
  frame.first_ms = take_fixed<std::int64_t>(bytes);
  frame.last_ms = take_fixed<std::int64_t>(bytes);
  frame.smallest_id = take_fixed<std::uint64_t>(bytes);
  frame.largest_id = take_fixed<std::uint64_t>(bytes);
  frame.checksum = take_fixed<std::uint64_t>(bytes);
  if (frame.head_bytes > kBlockBytesMax || frame.body_bytes > kBlockBytesMax) return std::nullopt;
  return frame;
}

bool ReplayArchive::Frame::may_hold(const Sought& sought) const {
  if (last_ms < sought.from_ms || first_ms > sought.to_ms) return false;
  return !sought.flowfile || (smallest_id <= *sought.flowfile && *sought.flowfile <= largest_id);
}

// ---- opening and closing

ReplayArchive::ReplayArchive(Options options, SegmentStore& segments, Clock& clock)
    : options_(std::move(options)),
      segments_(segments),
      clock_(clock),
      disk_(options_.disk ? *options_.disk : real_disk()) {}

Result<std::unique_ptr<ReplayArchive>> ReplayArchive::open(Options options, SegmentStore& segments,
                                                           Clock& clock) {
  std::unique_ptr<ReplayArchive> archive(new ReplayArchive(std::move(options), segments, clock));
  TRY(archive->load().within("opening the replay archive"));
  if (!archive->options_.is_driven) {
    archive->writer_ = std::thread([raw = archive.get()] { raw->write_loop(); });
  }
  return archive;
}

ReplayArchive::~ReplayArchive() {
  if (writer_.joinable()) {
    {
      Lock lock(mutex_);
      is_closing_ = true;
      wake_.notify_all();
    }
    writer_.join();
  }
  flush();
}

std::string ReplayArchive::path_of(std::uint64_t number) const {
  return directory() + "/" + std::to_string(number) + std::string(kSuffix);
}

Result<> ReplayArchive::load() {
  TRY(disk_.make_directory(directory()));
  TRY_ASSIGN(names, disk_.list(directory()));
  std::vector<std::uint64_t> numbers;
  for (const std::string& name : names) {
    std::uint64_t number = 0;
    const char* const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data(), end, number);
    if (error == std::errc() && std::string_view(rest, end) == kSuffix) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  for (const std::uint64_t number : numbers) {
    Result<File> file = load_file(number);
    if (!file.ok()) {
      put_aside(number, file.error());
      continue;
    }
    Lock lock(mutex_);
    bytes_ += file->bytes;
    files_.emplace(number, std::move(file).value());
  }
  {
    Lock writing(writing_);
    next_number_ = first_own_number_ = numbers.empty() ? 1 : numbers.back() + 1;
  }
  remove_old();
  return {};
}

// Frames only: bodies are checked when they are read. What stands before a damaged frame is good: a
// crash leaves half a block at the end of its newest file.
Result<ReplayArchive::File> ReplayArchive::load_file(std::uint64_t number) {
  TRY_ASSIGN(opened, disk_.open(path_of(number)));
  File out;
  out.file = std::move(opened);
  TRY_ASSIGN(size, out.file->size());
  while (out.bytes < size) {
    const std::uint64_t left = size - out.bytes;
    std::optional<Frame> frame;
    if (left >= kFrameBytes) {
      TRY_ASSIGN(bytes, read_whole(*out.file, out.bytes, kFrameBytes));
      frame = Frame::parse(bytes);
    }
    const std::uint64_t whole =
        frame ? kFrameBytes + frame->head_bytes + std::uint64_t{frame->body_bytes} : 0;
    if (!frame || whole > left) {
      if (out.blocks.empty()) return corrupt("its first block is damaged");
      log_warn("archive", "the end of a file cannot be read",
               {{"file", path_of(number)}, {"from_byte", out.bytes}});
      return out;
    }
    out.blocks.push_back({out.bytes, *frame});
    out.bytes += whole;
  }
  return out;
}

void ReplayArchive::put_aside(std::uint64_t number, const Error& why) {
  ++files_put_aside_;
  const std::string folder = options_.state_dir + "/quarantine";
  const std::string to = folder + "/archive-" + std::to_string(clock_.wall_ms()) + "-" +
                         std::to_string(number) + std::string(kSuffix);
  const Result<> made = disk_.make_directory(folder);
  const bool is_moved = made.ok() && std::rename(path_of(number).c_str(), to.c_str()) == 0;
  log_error("archive", "a file cannot be read; its FlowFiles cannot be replayed",
            {{"file", path_of(number)},
             {"moved_to", is_moved ? to : std::string("nowhere")},
             {"reason", why.text()}});
}

// ---- keeping

bool ReplayArchive::is_due() const {
  return pending_bytes_ >= kBlockBytes ||
         (!pending_.empty() && clock_.wall_ms() - pending_.front().at_ms >= kBlockAgeMs);
}

void ReplayArchive::keep(std::vector<Ended>& ended) {
  std::vector<FlowRecord> let_go;
  bool is_due_now = false;
  {
    Lock lock(mutex_);
    for (Ended& one : ended) {
      if (one.record.size > kContentMax) {
        ++too_large_;
        let_go.push_back(one.record);
        continue;
      }
      pending_bytes_ += weight_of(one);
      pending_.push_back(std::move(one));
    }
    while (pending_bytes_ > kUnwrittenMax) {
      pending_bytes_ -= weight_of(pending_.front());
      let_go.push_back(pending_.front().record);
      pending_.pop_front();
      ++given_up_;
    }
    is_due_now = is_due();
    if (is_due_now && !options_.is_driven) wake_.notify_all();
  }
  ended.clear();
  for (const FlowRecord& record : let_go) release(record);
  if (is_due_now && options_.is_driven) write_pending();
}

void ReplayArchive::write_loop() {
  pthread_setname_np(pthread_self(), "archive");
  while (true) {
    {
      Lock lock(mutex_);
      while (!is_closing_ && !is_due()) {
        if (pending_.empty()) {
          wake_.wait(mutex_);
        } else {
          wake_.wait_until(
              mutex_, std::chrono::steady_clock::now() + std::chrono::milliseconds(kBlockAgeMs));
        }
      }
      if (is_closing_) return;
    }
    write_pending();
  }
}

void ReplayArchive::flush() { write_pending(); }

// Everything that is pending, a block at a time. What cannot be written is given up.
void ReplayArchive::write_pending() {
  Lock writing(writing_);
  while (true) {
    std::vector<Ended> block;
    {
      // They stay visible until they are in a file.
      Lock lock(mutex_);
      std::size_t bytes = 0;
      for (const Ended& one : pending_) {
        if (!block.empty() && bytes + weight_of(one) > 2 * kBlockBytes) break;
        bytes += weight_of(one);
        retain(one.record);
        block.push_back(one);
      }
    }
    if (block.empty()) return;
    const Result<> written = write_block(block);
    std::vector<FlowRecord> let_go;
    {
      Lock lock(mutex_);
      // The oldest of them may have been given up meanwhile.
      std::size_t taken = 0;
      for (const Ended& one : block) {
        let_go.push_back(one.record);
        if (pending_.empty() || pending_.front().record.id != one.record.id) continue;
        pending_bytes_ -= weight_of(pending_.front());
        let_go.push_back(pending_.front().record);
        pending_.pop_front();
        ++taken;
      }
      if (!written.ok()) given_up_ += taken;
    }
    for (const FlowRecord& record : let_go) release(record);
    if (!written.ok()) {
      log_warn("archive", "a block could not be written; its FlowFiles cannot be replayed",
               {{"reason", written.error().text()}});
    }
    remove_old();
  }
}

Result<> ReplayArchive::write_block(const std::vector<Ended>& ended) {
  Frame frame;
  frame.first_ms = INT64_MAX;
  frame.last_ms = INT64_MIN;
  frame.smallest_id = UINT64_MAX;
  std::map<std::string_view, std::uint64_t> queues;
  std::string names;
  std::string rows;
  std::vector<FlowRecord> records;
  std::int64_t before = 0;
  for (const Ended& one : ended) {
    Result<FlowRecord> record = with_content_in_memory(one.record);
    if (!record.ok()) continue;  // its segment is damaged: it is nothing to replay
    records.push_back(*record);
    const auto [queue, is_new] = queues.emplace(one.queue_id, queues.size());
    if (is_new) {
      put_varint(names, one.queue_id.size());
      names += one.queue_id;
    }
    put_varint(rows, queue->second);
    put_varint(rows, zigzag(one.at_ms - before));
    before = one.at_ms;
    frame.first_ms = std::min(frame.first_ms, one.at_ms);
    frame.last_ms = std::max(frame.last_ms, one.at_ms);
    frame.smallest_id = std::min(frame.smallest_id, one.record.id);
    frame.largest_id = std::max(frame.largest_id, one.record.id);
  }
  if (records.empty()) return {};
  std::string head;
  put_varint(head, queues.size());
  head += names + rows;
  const std::string body = options_.vault.to_disk(
      pack_body(records), place_in_archive(frame.first_ms, frame.smallest_id));
  for (const FlowRecord& record : records) {
    if (record.content != nullptr) record.content->release();
  }
  frame.count = static_cast<std::uint32_t>(records.size());
  frame.head_bytes = static_cast<std::uint32_t>(head.size());
  frame.body_bytes = static_cast<std::uint32_t>(body.size());
  frame.checksum = hash_of(body, hash_of(head, hash_of(frame.text(false))));
  const std::string bytes = frame.text(true) + head + body;
  const std::uint64_t file_bytes_max =
      std::clamp(options_.bytes_max / kFilesOfBound, kFileBytesMin, kFileBytesMax);
  // A file of an earlier life is not written on: nobody knows what its end is.
  std::uint64_t number = next_number_ - 1;
  // Files go as a whole: none is written for longer than an eighth of the age.
  const std::int64_t young_ms =
      clock_.wall_ms() - options_.age_max_ms / static_cast<std::int64_t>(kFilesOfBound);
  std::shared_ptr<DiskFile> file;
  std::uint64_t offset = 0;
  {
    Lock lock(mutex_);
    const auto current = files_.find(number);
    if (number >= first_own_number_ && current != files_.end() &&
        current->second.bytes < file_bytes_max &&
        current->second.blocks.front().frame.first_ms > young_ms) {
      file = current->second.file;
      offset = current->second.bytes;
    }
  }
  if (!file) {
    number = next_number_;
    TRY_ASSIGN(made, disk_.make(path_of(number)));
    file = std::move(made);
    ++next_number_;
  }
  // What a failed write leaves behind is written over by the next one.
  TRY(file->write_at(offset, bytes));
  Lock lock(mutex_);
  File& into = files_[number];
  into.file = file;
  into.blocks.push_back({offset, frame});
  into.bytes = offset + bytes.size();
  bytes_ += bytes.size();
  return {};
}

void ReplayArchive::remove_old() {
  const std::int64_t oldest = clock_.wall_ms() - options_.age_max_ms;
  std::vector<std::uint64_t> gone;
  {
    Lock lock(mutex_);
    while (!files_.empty()) {
      const auto& [number, file] = *files_.begin();
      const bool is_too_old = file.blocks.empty() || file.blocks.back().frame.last_ms < oldest;
      if (bytes_ <= options_.bytes_max && !is_too_old) break;
      bytes_ -= file.bytes;
      gone.push_back(number);
      files_.erase(files_.begin());
    }
  }
  for (const std::uint64_t number : gone) {
    const Result<> removed = disk_.remove(path_of(number));
    if (!removed.ok())
      log_warn("archive", "an old file cannot be removed", {{"reason", removed.error().text()}});
  }
}

// ---- finding

Result<std::vector<ReplayArchive::Ended>> ReplayArchive::read_block(const DiskFile& file,
                                                                    const Block& block) const {
  const Frame& frame = block.frame;
  const std::size_t size = frame.head_bytes + std::size_t{frame.body_bytes};
  TRY_ASSIGN(bytes, read_whole(file, block.offset + kFrameBytes, size));
  if (hash_of(bytes, hash_of(frame.text(false))) != frame.checksum) {
    return corrupt("a block's checksum is wrong");
  }
  std::string_view head = std::string_view(bytes).substr(0, frame.head_bytes);
  std::vector<std::string> queues;
  std::uint64_t queue_count = 0;
  const auto broken = [] { return corrupt("a block's head is damaged"); };
  if (!take_varint(head, queue_count) || queue_count > head.size()) return broken();
  for (std::uint64_t i = 0; i < queue_count; ++i) {
    std::uint64_t length = 0;
    if (!take_varint(head, length) || length > head.size()) return broken();
    queues.emplace_back(head.substr(0, length));
    head.remove_prefix(length);
  }
  std::vector<Ended> ended;
  std::int64_t at_ms = 0;
  for (std::uint32_t i = 0; i < frame.count; ++i) {
    std::uint64_t queue = 0;
    std::uint64_t step = 0;
    if (!take_varint(head, queue) || !take_varint(head, step) || queue >= queues.size())
      return broken();
    at_ms += unzigzag(step);
    ended.push_back({queues[queue], at_ms, {}});
  }
  std::string room;
  TRY_ASSIGN(body,
             options_.vault.from_disk(std::string_view(bytes).substr(frame.head_bytes),
                                      place_in_archive(frame.first_ms, frame.smallest_id), room));
  TRY_ASSIGN(records, unpack_body(body, frame.count, segments_));
  for (std::size_t i = 0; i < ended.size(); ++i) ended[i].record = records[i];
  return ended;
}

std::uint64_t ReplayArchive::each(const Sought& sought,
                                  const std::function<bool(Ended)>& visit) const {
  struct Place {
    std::shared_ptr<DiskFile> file;
    Block block;
  };
  std::vector<Place> places;
  std::vector<Ended> pending;
  const auto matches = [&sought](const Ended& one) {
    return one.at_ms >= sought.from_ms && one.at_ms <= sought.to_ms &&
           (!sought.flowfile || *sought.flowfile == one.record.id);
  };
  {
    Lock lock(mutex_);
    for (const auto& [number, file] : files_) {
      for (const Block& block : file.blocks) {
        if (block.frame.may_hold(sought)) places.push_back({file.file, block});
      }
    }
    for (const Ended& one : pending_) {
      if (!matches(one)) continue;
      retain(one.record);
      pending.push_back(one);
    }
  }
  bool goes_on = true;
  const auto give = [&](std::vector<Ended>& all) {
    for (Ended& one : all) {
      if (goes_on && matches(one)) {
        goes_on = visit(std::move(one));
      } else {
        release(one.record);
      }
    }
  };
  std::uint64_t damaged = 0;
  for (const Place& place : places) {
    if (!goes_on) break;
    Result<std::vector<Ended>> block = read_block(*place.file, place.block);
    if (block.ok()) {
      give(*block);
      continue;
    }
    ++damaged;
    log_warn("archive", "a block cannot be read; its FlowFiles cannot be replayed",
             {{"reason", block.error().text()}});
  }
  give(pending);
  return damaged;
}

std::uint64_t ReplayArchive::bytes() const {
  Lock lock(mutex_);
  return bytes_;
}

std::uint64_t ReplayArchive::given_up_count() const {
  Lock lock(mutex_);
  return given_up_;
}

std::uint64_t ReplayArchive::too_large_count() const {
  Lock lock(mutex_);
  return too_large_;
}

}  // namespace runnel
