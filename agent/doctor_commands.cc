// doctor: looks at, repairs, exports and imports a state directory that no agent uses.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "agent/admin/control_client.h"
#include "agent/admin/status_json.h"
#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"
#include "agent/base/ids.h"
#include "agent/base/log.h"
#include "agent/base/words.h"
#include "agent/commands.h"
#include "agent/doctor_parts.h"
#include "agent/export_stream.h"
#include "agent/output.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/directory_lock.h"
#include "agent/runtime/keyring.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_reader.h"

namespace runnel {
namespace {

int refused(const Error& error) {
  std::fprintf(stderr, "runnel-agent doctor: %s\n", error.text().c_str());
  return error.code() == Code::kInvalid ? kExitConfiguration : kExitFailed;
}

int answer(const StatusJson& said, bool as_json) {
  if (as_json) {
    std::printf("%s\n", said.dump().c_str());
    return kExitGood;
  }
  for (const auto& [name, value] : said.items())
    std::printf("%s: %s\n", name.c_str(),
                value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  return kExitGood;
}

// Whether the content can be read to its end; `part` gets it in parts.
Result<> each_part(const FlowRecord& record,
                   const std::function<Result<>(std::string_view)>& part) {
  if (record.size == 0) return {};
  const auto reader = reader_of(record.content, record.offset, record.size);
  std::string bytes(kExportPart, '\0');
  while (true) {
    TRY_ASSIGN(got, reader->read(bytes));
    if (got == 0) return {};
    TRY(part(std::string_view(bytes).substr(0, got)));
  }
}

Result<> nothing(std::string_view) { return {}; }

Result<StatusJson> check(const DoctorRequest& request) {
  TRY_ASSIGN(vault, vault_of(request.state_dir, request.key));
  TRY_ASSIGN(reader, LedgerReader::open(request.state_dir, vault));
  Progress progress(request.as_json);
  std::uint64_t unreadable_contents = 0;
  TRY_ASSIGN(counts,
             reader->each(
                 [&](const LedgerReader::Connection&, const FlowRecord& record) -> Result<> {
                   const Result<> read = each_part(record, nothing);
                   if (!read.ok() && read.code() != Code::kCorrupt) return read;
                   if (!read.ok()) ++unreadable_contents;
                   return {};
                 },
                 std::ref(progress)));
  TRY_ASSIGN(segments, reader->check_segments());
  const Result<> database = reader->check_database();
  if (!database.ok() && database.code() != Code::kCorrupt) return database.error();
  const bool is_sound = database.ok() && counts.damaged_rows == 0 && unreadable_contents == 0;
  return StatusJson{{"is_sound", is_sound},
                    {"database", database.ok() ? "ok" : database.error().text()},
                    {"queued_count", counts.flowfiles + counts.unreadable},
                    {"unreadable_count", counts.unreadable + unreadable_contents},
                    {"damaged_rows", counts.damaged_rows},
                    {"content_blocks", segments.blocks},
                    {"damaged_content_blocks", segments.damaged}};
}

// What a start does, with what it found; and then what the agent does with what cannot be read when
// its turn comes.
Result<StatusJson> repair(const DoctorRequest& request) {
  TRY_ASSIGN(vault, vault_of(request.state_dir, request.key));
  std::string repaired;
  {
    TRY_ASSIGN(ledger, open_ledger(request.state_dir, vault, true));
    TRY(ledger->flush(std::chrono::seconds(60)));
    repaired = ledger->repaired();
  }
  std::set<std::uint64_t> lost;
  Progress progress(request.as_json);
  std::uint64_t damaged_rows = 0;
  {
    TRY_ASSIGN(reader, LedgerReader::open(request.state_dir, vault));
    const auto note = [&lost](const LedgerReader::Connection&,
                              const FlowRecord& record) -> Result<> {
      const Result<> read = each_part(record, nothing);
      if (read.ok() || read.code() != Code::kCorrupt) return read;
      lost.insert(record.id);
      return {};
    };
    TRY_ASSIGN(counts, reader->each(note, std::ref(progress)));
    damaged_rows = counts.damaged_rows;
  }
  TRY_ASSIGN(ledger, open_ledger(request.state_dir, vault));
  if (!lost.empty() || damaged_rows != 0) {
    const std::uint64_t before = ledger->loss().quarantined;
    TRY(ledger->quarantine_lost(
        [&lost](const FlowRecord& record) { return lost.contains(record.id); }));
    repaired += (repaired.empty() ? "" : "; ") +
                counted(ledger->loss().quarantined - before, "FlowFile") +
                " that could not be read: counted as quarantined";
  }
  TRY(ledger->flush(std::chrono::seconds(60)));
  const LossFigures loss = ledger->loss();
  return StatusJson{{"repaired", repaired.empty() ? "nothing" : repaired},
                    {"queued_count", loss.queued},
                    {"quarantined_count", loss.quarantined}};
}

// ---- the file

void put_number(std::string& out, std::uint64_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(number >> (8 * i));
}

void put_length(std::string& out, std::size_t length) {
  if (length < 0xFFFF) return put_number(out, length, 2);
  put_number(out, 0xFFFF, 2);
  put_number(out, length, 4);
}

void put_text(std::string& out, std::string_view text) {
  put_length(out, text.size());
  out += text;
}

std::string envelope(const StringMap& attributes, std::uint64_t size) {
  std::string out(kFlowFileMagic);
  put_length(out, attributes.size());
  for (const auto& [name, value] : attributes) {
    put_text(out, name);
    put_text(out, value);
  }
  put_number(out, size, 8);
  return out;
}

// `only`: the id of a connection; empty: all.
Result<StatusJson> export_queued(const DoctorRequest& request, const std::string& only) {
  TRY_ASSIGN(vault, vault_of(request.state_dir, request.key));
  std::string key;
  if (vault.seals && !request.is_plain) {
    TRY_ASSIGN(master, master_key({.state_dir = request.state_dir, .source = request.key}));
    key = std::move(master);
  }
  TRY_ASSIGN(reader, LedgerReader::open(request.state_dir, vault));
  ExportSink out(request.file, key);
  if (!out.is_open()) return unavailable("`" + request.file + "` cannot be written");
  std::uint32_t sum = 0;
  std::uint64_t count = 0;
  std::uint64_t unreadable = 0;
  const auto put = [&](std::string_view bytes) -> Result<> {
    sum = crc32c(bytes, sum);
    return out.write(bytes);
  };
  Progress progress(request.as_json);
  const auto visit = [&](const LedgerReader::Connection& connection,
                         const FlowRecord& record) -> Result<> {
    // What cannot be read to its end is left out as a whole.
    const Result<> readable = each_part(record, nothing);
    if (!readable.ok() && readable.code() != Code::kCorrupt) return readable;
    if (!readable.ok()) {
      ++unreadable;
      return {};
    }
    StringMap attributes;
    if (record.attributes != nullptr) {
      record.attributes->each([&attributes](std::string_view name, std::string_view value) {
        attributes.emplace(name, value);
      });
    }
    attributes[std::string(kConnectionId)] = connection.id;
    attributes[std::string(kConnectionName)] = connection.name;
    TRY(put(envelope(attributes, record.size)));
    TRY(each_part(record, put));
    ++count;
    return {};
  };
  TRY_ASSIGN(counts, reader->each(visit, std::ref(progress), only));
  TRY(put(envelope({{std::string(kExportCount), std::to_string(count)},
                    {std::string(kExportSum), std::to_string(sum)},
                    {std::string(kExportId), random_uuid().text()}},
                   0)));
  TRY(out.close());
  return StatusJson{{"exported_count", count},
                    {"is_encrypted", !key.empty()},
                    {"unreadable_count", unreadable + counts.unreadable}};
}

}  // namespace

Result<std::unique_ptr<Ledger>> open_ledger(const std::string& state_dir, Vault vault,
                                            bool is_thorough) {
  LedgerOptions options;
  options.directory = state_dir;
  options.is_driven = true;
  options.is_thorough = is_thorough;
  options.vault = std::move(vault);
  return Ledger::open(std::move(options));
}

int doctor_command(const DoctorRequest& request) {
  if (request.as_json) set_log_json(true);
  const auto run = [&request]() -> Result<StatusJson> {
    if (request.what == "import") return import_export(request);
    if (!std::filesystem::exists(request.state_dir))
      return not_found("there is no state directory `" + request.state_dir + "`");
    TRY_ASSIGN(lock, DirectoryLock::take(request.state_dir));
    return request.what == "check"    ? check(request)
           : request.what == "repair" ? repair(request)
                                      : export_queued(request, {});
  };
  const Result<StatusJson> done = run();
  if (!done.ok()) {
    if (done.code() == Code::kCorrupt && request.what != "import")
      return refused(Error(
          done.code(), done.error().text() + "; `doctor repair` carries over what can be read"));
    return refused(done.error());
  }
  const int code = answer(*done, request.as_json);
  const auto sound = done->find("is_sound");
  return code == kExitGood && sound != done->end() && !sound->get<bool>() ? kExitFailed : code;
}

// The agent may run: nothing is taken from what is parked, and a flush has all of it on disk.
int parked_export_command(const Inspection& where, const std::string& parked,
                          const DoctorRequest& request) {
  const auto run = [&]() -> Result<StatusJson> {
    constexpr std::uint64_t kFlushMs = 60'000;
    TRY_ASSIGN(client, ControlClient::connect(where.state_dir));
    const auto count_of = [&client, &parked]() -> Result<std::uint64_t> {
      TRY_ASSIGN(status, client.ask({{"command", "status"}}));
      for (const StatusJson& each : status["connections"]) {
        if (each["is_parked"].get<bool>() && each["id"] == parked)
          return each["count"].get<std::uint64_t>();
      }
      return not_found("nothing is parked under the id `" + parked + "`");
    };
    TRY_ASSIGN(count, count_of());
    TRY(client.ask({{"command", "flush"}, {"within_ms", kFlushMs}}));
    TRY_ASSIGN(said, export_queued({.what = {},
                                    .state_dir = where.state_dir,
                                    .file = request.file,
                                    .key = request.key,
                                    .is_plain = request.is_plain},
                                   parked));
    const auto unreadable = said["unreadable_count"].get<std::uint64_t>();
    // What somebody attached or purged before it was read looks the same as what is damaged.
    const bool is_there = unreadable == 0 || count_of().value_or(0) == count;
    if (!is_there || said["exported_count"].get<std::uint64_t>() + unreadable != count)
      return unavailable("what is parked has changed meanwhile; `" + request.file +
                         "` has not all of it: export it again");
    return said;
  };
  const Result<StatusJson> done = run();
  return done.ok() ? answer(*done, where.as_json) : failed(done.error());
}

}  // namespace runnel
