// What doctor's commands share: how an export lies in its file, and how far a command has got.
//
// An export is a file of FlowFiles as NiFi's `flowfile-stream-v3` has them, so that NiFi's
// UnpackContent reads it, too: for each
//   "NiFiFF3", the number of attributes, name and value of each with its size in front, the size of
//   the content (8 bytes), the content;
// numbers big endian, of 2 bytes where nothing else is said, from 65,535 on FF FF and 4 bytes.
// `runnel.connection.id` and `.name` say where it was queued. The last one, which was not, has no
// content: `runnel.export.count` and `runnel.export.crc32c` (of all bytes before it) say that
// the file is whole, `runnel.export.id` which export it is.
// FlowFiles that are encrypted in the state directory are so in the export, too (export_stream.h),
// unless it is told to be plain.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/admin/status_json.h"
#include "agent/base/result.h"
#include "agent/commands.h"
#include "agent/runtime/ledger.h"

namespace runnel {

inline constexpr std::string_view kFlowFileMagic = "NiFiFF3";
inline constexpr std::string_view kConnectionId = "runnel.connection.id";
inline constexpr std::string_view kConnectionName = "runnel.connection.name";
inline constexpr std::string_view kExportCount = "runnel.export.count";
inline constexpr std::string_view kExportSum = "runnel.export.crc32c";
inline constexpr std::string_view kExportId = "runnel.export.id";
inline constexpr std::size_t kExportPart = 256 << 10;

using StringMap = std::map<std::string, std::string>;

// On standard error, now and then, where people look.
class Progress {
 public:
  explicit Progress(bool is_quiet) : is_quiet_(is_quiet) {}
  void operator()(std::uint64_t done, std::uint64_t all) {
    const auto now = std::chrono::steady_clock::now();
    if (is_quiet_ || now - said_ < std::chrono::seconds(1)) return;
    said_ = now;
    std::fprintf(stderr, "%llu of %llu\n", static_cast<unsigned long long>(done),
                 static_cast<unsigned long long>(all));
  }

 private:
  const bool is_quiet_;
  std::chrono::steady_clock::time_point said_ = std::chrono::steady_clock::now();
};

// `is_thorough`: its whole database is looked at.
Result<std::unique_ptr<Ledger>> open_ledger(const std::string& state_dir, Vault vault,
                                            bool is_thorough = false);

// doctor_import.cc
Result<StatusJson> import_export(const DoctorRequest& request);

}  // namespace runnel
