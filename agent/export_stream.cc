// Writing and reading an export's bytes; export_stream.h says how they lie.

#include "agent/export_stream.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/runtime/vault.h"

namespace runnel {
namespace {

constexpr std::string_view kExportMagic = "RNLEXP1\n";
constexpr std::size_t kIdBytes = 8;
constexpr std::size_t kPartBytes = 64 << 10;

std::string place_of_part(std::uint64_t number, bool is_last) {
  return place_of("export", number, is_last ? 1 : 0);
}

// A new one is for its owner alone: it holds what was queued.
const std::string& made(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file >= 0) ::close(file);
  return path;
}

bool is_synced(const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return errno == ENXIO;  // a pipe, and nobody reads it any more
  // What is no file on a disk knows no such thing.
  const bool is_there = ::fsync(file) == 0 || errno == EINVAL || errno == EROFS;
  ::close(file);
  return is_there;
}

}  // namespace

ExportSink::ExportSink(std::string path, const std::string& key)
    : path_(std::move(path)), out_(made(path_), std::ios::binary | std::ios::trunc) {
  if (key.empty()) return;
  sealer_ = Sealer::make({key});
  out_ << kExportMagic << data_key_id(key);
}

Result<> ExportSink::put(std::string_view bytes) {
  out_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return out_ ? Result<>() : Result<>(full("writing `" + path_ + "` failed"));
}

Result<> ExportSink::write_part(std::string_view bytes, bool is_last) {
  const std::string sealed = sealer_->seal(bytes, place_of_part(part_++, is_last));
  std::string size;
  for (int i = 0; i < 4; ++i) size += static_cast<char>(sealed.size() >> (8 * i));
  TRY(put(size));
  return put(sealed);
}

Result<> ExportSink::write(std::string_view bytes) {
  if (sealer_ == nullptr) return put(bytes);
  pending_ += bytes;
  std::size_t done = 0;
  // The last part is whatever is left, so one that is full waits for more to come.
  for (; pending_.size() - done > kPartBytes; done += kPartBytes)
    TRY(write_part(std::string_view(pending_).substr(done, kPartBytes), false));
  pending_.erase(0, done);
  return {};
}

Result<> ExportSink::close() {
  if (sealer_ != nullptr) TRY(write_part(pending_, true));
  out_.close();
  return out_ && is_synced(path_) ? Result<>() : Result<>(full("writing `" + path_ + "` failed"));
}

Result<bool> ExportSource::is_sealed(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return unavailable("`" + path + "` cannot be read");
  std::string start(kExportMagic.size(), '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  return start == kExportMagic;
}

Result<std::unique_ptr<ExportSource>> ExportSource::open(const std::string& path,
                                                         const std::string& key) {
  TRY_ASSIGN(sealed, is_sealed(path));
  std::unique_ptr<ExportSource> source(new ExportSource(path));
  if (!sealed) return source;
  std::string head(kExportMagic.size() + kIdBytes, '\0');
  source->in_.read(head.data(), static_cast<std::streamsize>(head.size()));
  if (!source->in_) return source->damaged();
  const std::string id = head.substr(kExportMagic.size());
  if (key.empty() || data_key_id(key) != id) {
    return invalid("`" + path + "` is encrypted under master key " + to_hex(id) + ", but " +
                   (key.empty() ? std::string("no key is given")
                                : "the key that is given is " + to_hex(data_key_id(key))) +
                   "; name that of the device that it is from: `--export-key SOURCE`");
  }
  source->sealer_ = Sealer::make({key});
  return source;
}

Result<> ExportSource::read_part() {
  if (is_last_) return damaged();
  std::array<char, 4> size_bytes{};
  in_.read(size_bytes.data(), size_bytes.size());
  if (!in_) return damaged();
  std::size_t size = 0;
  for (std::size_t i = 0; i < size_bytes.size(); ++i)
    size |= std::size_t{static_cast<unsigned char>(size_bytes[i])} << (8 * i);
  if (size < Sealer::kExtraBytes || size > kPartBytes + Sealer::kExtraBytes) return damaged();
  std::string sealed(size, '\0');
  in_.read(sealed.data(), static_cast<std::streamsize>(size));
  if (!in_) return damaged();
  is_last_ = in_.peek() == std::ifstream::traits_type::eof();
  TRY_ASSIGN(part, sealer_->open(sealed, place_of_part(number_++, is_last_)).within(path_));
  part_ = std::move(part);
  taken_ = 0;
  return {};
}

Result<> ExportSource::take(char* into, std::size_t size) {
  if (sealer_ == nullptr) {
    in_.read(into, static_cast<std::streamsize>(size));
    return in_ ? Result<>() : Result<>(damaged());
  }
  while (size > 0) {
    if (taken_ == part_.size()) TRY(read_part());
    const std::size_t some = std::min(size, part_.size() - taken_);
    if (some == 0) return damaged();
    std::memcpy(into, part_.data() + taken_, some);
    taken_ += some;
    into += some;
    size -= some;
  }
  return {};
}

}  // namespace runnel
