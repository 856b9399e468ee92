// Any bytes as a row of the ledger's batches: head, effects and body, plain and compressed.
//
// What is refused is kCorrupt. What is accepted is written and read again, and its contents can be
// read, or say why not. The first two bytes are the count of FlowFiles that the head promised (up
// to 4,095: a row has no more).

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/attributes.h"
#include "agent/runtime/batch_codec.h"
#include "agent/runtime/content.h"
#include "tests/support/forgetful_vfs.h"

namespace {

using runnel::Code;
using runnel::FlowRecord;
using runnel::Result;

void must(bool holds) {
  if (!holds) std::abort();
}

// A content store with the segment files 1 and 2, as a start finds it.
class Store {
 public:
  Store() : disk_(1), store_(runnel::SegmentStore::open("content", disk_).value()) {
    for (const char* name : {"content/1.seg", "content/2.seg"}) {
      must(disk_.make(name).value()->write_at(0, std::string(5000, 'x')).ok());
    }
    for (const std::uint64_t number : {1U, 2U}) held_.push_back(store_->find(number).value());
  }
  runnel::SegmentStore& segments() { return *store_; }

 private:
  runnel::ForgetfulDisk disk_;
  std::unique_ptr<runnel::SegmentStore> store_;
  std::vector<std::shared_ptr<runnel::SegmentFile>> held_;  // else they go with the last reader
};

template <typename Row>
void check_row(std::string_view bytes) {
  const Result<Row> read = Row::parse(bytes);
  if (!read.ok()) return must(read.code() == Code::kCorrupt);
  const std::string text = read->text();
  const Result<Row> again = Row::parse(text);
  must(again.ok() && again->text() == text);
}

// What can be read of a content: its bytes, or "!" where it ends early.
std::string bytes_of(const FlowRecord& record) {
  constexpr std::size_t kMost = 16 << 10;
  std::string bytes(std::min<std::uint64_t>(record.size, kMost), '\0');
  if (record.content == nullptr) return bytes;
  const Result<std::size_t> got =
      runnel::reader_of(record.content, record.offset, record.size)->read(bytes);
  if (got.ok()) {
    must(*got == bytes.size());
    return bytes;
  }
  must(got.code() == Code::kCorrupt);
  return "!";
}

bool are_alike(const FlowRecord& a, const FlowRecord& b) {
  const std::string_view attributes = a.attributes == nullptr ? "" : a.attributes->packed();
  return a.id == b.id && a.entry_ms == b.entry_ms && a.lineage_lead_ms == b.lineage_lead_ms &&
         a.size == b.size &&
         attributes == (b.attributes == nullptr ? "" : b.attributes->packed()) &&
         bytes_of(a) == bytes_of(b);
}

void release_all(const std::vector<FlowRecord>& records) {
  for (const FlowRecord& record : records) runnel::release(record);
}

void check_body(const std::string& body, std::uint64_t count, runnel::SegmentStore& segments) {
  const Result<std::vector<FlowRecord>> read = runnel::unpack_body(body, count, segments);
  if (!read.ok()) return must(read.code() == Code::kCorrupt);
  must(read->size() == count);
  const Result<std::vector<FlowRecord>> again =
      runnel::unpack_body(runnel::pack_body(*read), count, segments);
  must(again.ok() && again->size() == count);
  for (std::size_t i = 0; i < count; ++i) must(are_alike((*read)[i], (*again)[i]));
  release_all(*read);
  release_all(*again);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Store store;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check_row<runnel::BatchHead>(bytes);
  check_row<runnel::BatchEffects>(bytes);
  if (size < 2) return 0;
  const std::uint64_t count = data[0] | (std::uint64_t{data[1]} & 0x0F) << 8;
  const std::string body(bytes.substr(2));
  check_body(std::string(1, '\0') + body, count, store.segments());
  check_body("\1" + body, count, store.segments());
  return 0;
}
