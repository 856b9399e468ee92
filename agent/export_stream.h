// The bytes of an export, in plain or encrypted.
//
//   encrypted   "RNLEXP1\n", the id of the master key (8 bytes), then parts: the size of what
//   follows
//               (4 bytes, little endian) and what Sealer makes of up to 64 KiB with the master key
//               as its key, bound to the part's number and to whether it is the last
//
// A part that is missing, twice or in another's place is noticed, and so is a missing end.

#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.h"
#include "agent/base/sealer.h"

namespace runnel {

class ExportSink {
 public:
  // `key` empty: in plain.
  ExportSink(std::string path, const std::string& key);
  bool is_open() const { return static_cast<bool>(out_); }
  Result<> write(std::string_view bytes);
  // The last part; all of it is on disk.
  Result<> close();

 private:
  Result<> write_part(std::string_view bytes, bool is_last);
  Result<> put(std::string_view bytes);

  const std::string path_;
  std::ofstream out_;
  std::shared_ptr<const Sealer> sealer_;
  std::string pending_;
  std::uint64_t part_ = 0;
};

class ExportSource {
 public:
  // kInvalid: it is encrypted under another key, or none is given. kUnavailable: it cannot be read.
  static Result<std::unique_ptr<ExportSource>> open(const std::string& path,
                                                    const std::string& key);
  static Result<bool> is_sealed(const std::string& path);
  // All of it, or kCorrupt.
  Result<> take(char* into, std::size_t size);

 private:
  explicit ExportSource(const std::string& path) : path_(path), in_(path, std::ios::binary) {}
  Result<> read_part();
  Error damaged() const { return corrupt("`" + path_ + "` is no whole export"); }

  const std::string path_;
  std::ifstream in_;
  std::shared_ptr<const Sealer> sealer_;
  std::string part_;
  std::size_t taken_ = 0;
  std::uint64_t number_ = 0;
  bool is_last_ = false;
};

}  // namespace runnel
