// doctor: looks at, repairs, exports and imports a state directory that no agent uses.
//
// An export is a file of FlowFiles as NiFi's `flowfile-stream-v3` has them, so that NiFi's
// UnpackContent reads it, too: for each
//   "NiFiFF3", the number of attributes (2 bytes), name and value of each with its size in front (2
//   bytes; FF FF and 4 bytes from 65,535 on), the size of the content (8 bytes), the content;
// numbers big endian. `runnel.connection.id` and `.name` say where it was queued. The last one has
// no content: `runnel.export.count` and `runnel.export.crc32c` (of all bytes before it) say that
// the file is whole.
// FlowFiles that are encrypted in the state directory are so in the export, too (export_stream.h),
// unless it is told to be plain.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "agent/admin/control_client.h"
#include "agent/admin/status_json.h"
#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"
#include "agent/base/log.h"
#include "agent/commands.h"
#include "agent/export_stream.h"
#include "agent/output.h"
#include "agent/runtime/attributes.h"
#include "agent/runtime/directory_lock.h"
#include "agent/runtime/key_source.h"
#include "agent/runtime/keyring.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_reader.h"
#include "agent/runtime/session_core.h"

namespace runnel {
namespace {

constexpr std::string_view kMagic = "NiFiFF3";
constexpr std::string_view kConnectionId = "runnel.connection.id";
constexpr std::string_view kConnectionName = "runnel.connection.name";
constexpr std::string_view kCount = "runnel.export.count";
constexpr std::string_view kSum = "runnel.export.crc32c";
constexpr std::size_t kPart = 256 << 10;
constexpr std::uint64_t kImportedAtOnce = 256;

using StringMap = std::map<std::string, std::string>;

int refused(const Error& error) {
  std::fprintf(stderr, "runnel-agent doctor: %s\n", error.text().c_str());
  return error.code() == Code::kInvalid ? kExitConfiguration : kExitFailed;
}

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
  std::string bytes(kPart, '\0');
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

Result<std::unique_ptr<Ledger>> open_ledger(const std::string& state_dir, Vault vault) {
  LedgerOptions options;
  options.directory = state_dir;
  options.is_driven = true;
  options.vault = std::move(vault);
  return Ledger::open(std::move(options));
}

// What a start does, with what it found.
Result<StatusJson> repair(const DoctorRequest& request) {
  TRY_ASSIGN(vault, vault_of(request.state_dir, request.key));
  TRY_ASSIGN(ledger, open_ledger(request.state_dir, vault));
  TRY(ledger->flush(std::chrono::seconds(60)));
  const LossFigures loss = ledger->loss();
  return StatusJson{{"repaired", ledger->repaired().empty() ? "nothing" : ledger->repaired()},
                    {"queued_count", loss.queued},
                    {"quarantined_count", loss.quarantined}};
}

// ---- the file

void put_number(std::string& out, std::uint64_t number, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(number >> (8 * i));
}

void put_text(std::string& out, std::string_view text) {
  if (text.size() < 0xFFFF) {
    put_number(out, text.size(), 2);
  } else {
    put_number(out, 0xFFFF, 2);
    put_number(out, text.size(), 4);
  }
  out += text;
}

std::string envelope(const StringMap& attributes, std::uint64_t size) {
  std::string out(kMagic);
  put_number(out, attributes.size(), 2);
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
  TRY(put(envelope(
      {{std::string(kCount), std::to_string(count)}, {std::string(kSum), std::to_string(sum)}},
      0)));
  TRY(out.close());
  return StatusJson{{"exported_count", count},
                    {"is_encrypted", !key.empty()},
                    {"unreadable_count", unreadable + counts.unreadable}};
}

// Reads an export from its front.
class ExportReader {
 public:
  ExportReader(const std::string& path, std::unique_ptr<ExportSource> in)
      : in_(std::move(in)), path_(path) {}

  Result<StringMap> envelope(std::uint64_t& size) {
    const std::uint32_t before = sum_;
    std::string magic(kMagic.size(), '\0');
    TRY(take(magic.data(), magic.size()));
    if (magic != kMagic) return damaged();
    TRY_ASSIGN(count, number(2));
    StringMap attributes;
    for (std::uint64_t i = 0; i < count; ++i) {
      TRY_ASSIGN(name, text());
      TRY_ASSIGN(value, text());
      attributes.emplace(std::move(name), std::move(value));
    }
    TRY_ASSIGN(content, number(8));
    size = content;
    sum_before_ = before;
    return attributes;
  }
  // Of all before the envelope that was read last.
  std::uint32_t sum_before() const { return sum_before_; }

  Result<> take(char* into, std::size_t size) {
    TRY(in_->take(into, size));
    sum_ = crc32c({into, size}, sum_);
    return {};
  }

 private:
  Error damaged() const { return corrupt("`" + path_ + "` is no whole export"); }
  Result<std::uint64_t> number(std::size_t bytes) {
    char at[8];
    TRY(take(at, bytes));
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      number = number << 8 | static_cast<unsigned char>(at[i]);
    return number;
  }
  Result<std::string> text() {
    TRY_ASSIGN(size, number(2));
    if (size == 0xFFFF) {
      TRY_ASSIGN(large, number(4));
      size = large;
    }
    if (size > (64 << 20)) return damaged();
    std::string out(static_cast<std::size_t>(size), '\0');
    TRY(take(out.data(), out.size()));
    return out;
  }

  const std::unique_ptr<ExportSource> in_;
  const std::string path_;
  std::uint32_t sum_ = 0;
  std::uint32_t sum_before_ = 0;
};

// To the end; `flowfile` reads the content of each.
Result<std::uint64_t> read_export(
    const std::string& path, const std::string& key,
    const std::function<Result<>(ExportReader&, const StringMap&, std::uint64_t size)>& flowfile) {
  TRY_ASSIGN(source, ExportSource::open(path, key));
  ExportReader in(path, std::move(source));
  for (std::uint64_t count = 0;; ++count) {
    std::uint64_t size = 0;
    TRY_ASSIGN(attributes, in.envelope(size));
    const auto last = attributes.find(std::string(kCount));
    if (last != attributes.end() && size == 0) {
      const bool is_whole = last->second == std::to_string(count) &&
                            attributes[std::string(kSum)] == std::to_string(in.sum_before());
      if (!is_whole) return corrupt("`" + path + "` is not what was exported");
      return count;
    }
    TRY(flowfile(in, attributes, size));
  }
}

Result<> skip(ExportReader& in, const StringMap&, std::uint64_t size) {
  std::string part(kPart, '\0');
  for (std::uint64_t left = size; left > 0;) {
    const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(left, part.size()));
    TRY(in.take(part.data(), some));
    left -= some;
  }
  return {};
}

// Sessions into one connection.
class Importer {
 public:
  Importer(Ledger& ledger, Queue& queue) : ledger_(ledger), queue_(queue) {
    wiring_.processor_id = "doctor";
    wiring_.outlets = {{"success", {&queue}}};
    wiring_.line = ledger.open_line();
    owner_ = std::make_unique<HandOver>(ledger, wiring_);
    session_ = std::make_unique<SessionCore>(ledger, wiring_, *owner_);
  }
  ~Importer() {
    session_.reset();
    ledger_.close_line(wiring_.line);
  }

  Result<> add(ExportReader& in, const StringMap& attributes, std::uint64_t size) {
    session_->begin_call();
    const FlowFile flowfile = session_->create();
    TRY_ASSIGN(writer, session_->writer(flowfile));
    std::string part(kPart, '\0');
    for (std::uint64_t left = size; left > 0;) {
      const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(left, part.size()));
      TRY(in.take(part.data(), some));
      TRY(writer->write(std::string_view(part).substr(0, some)));
      left -= some;
    }
    TRY(writer->finish());
    for (const auto& [name, value] : attributes) {
      if (name != kConnectionId && name != kConnectionName)
        session_->set_attribute(*flowfile.record(), name, value);
    }
    session_->transfer(flowfile, Relationship{0});
    TRY(session_->end_call());
    if (++uncommitted_ < kImportedAtOnce) return {};
    return commit();
  }
  Result<> commit() {
    uncommitted_ = 0;
    session_->commit();
    return ledger_.flush(std::chrono::seconds(60));
  }
  Queue& queue() { return queue_; }

 private:
  Ledger& ledger_;
  Queue& queue_;
  Wiring wiring_;
  std::unique_ptr<HandOver> owner_;
  std::unique_ptr<SessionCore> session_;
  std::uint64_t uncommitted_ = 0;
};

Result<StatusJson> import_all(const DoctorRequest& request) {
  // First whether it is whole: half of an export is not brought in.
  TRY_ASSIGN(is_sealed, ExportSource::is_sealed(request.file));
  std::string key;
  if (is_sealed) {
    // Of a device that is set up with the same key: where none is named, its own.
    Result<std::string> master = request.key.empty() ? master_key({.state_dir = request.state_dir})
                                                     : read_master_key(request.key);
    TRY(master);
    key = std::move(*master);
  }
  TRY_ASSIGN(count, read_export(request.file, key, skip));
  TRY_ASSIGN(vault, vault_of(request.state_dir, request.key));
  vault.seals = vault.seals || is_sealed;
  TRY_ASSIGN(ledger, open_ledger(request.state_dir, vault));
  std::map<std::string, std::unique_ptr<Importer>> importers;
  Progress progress(request.as_json);
  std::uint64_t done = 0;
  const auto add = [&](ExportReader& in, const StringMap& attributes,
                       std::uint64_t size) -> Result<> {
    const auto id = attributes.find(std::string(kConnectionId));
    const auto name = attributes.find(std::string(kConnectionName));
    const std::string connection = id == attributes.end() ? "imported" : id->second;
    std::unique_ptr<Importer>& importer = importers[connection];
    if (!importer) {
      TRY_ASSIGN(queue,
                 ledger->attach({.id = connection,
                                 .name = name == attributes.end() ? connection : name->second,
                                 .count_max = 0,
                                 .bytes_max = 0}));
      importer = std::make_unique<Importer>(*ledger, *queue);
    }
    progress(++done, count);
    return importer->add(in, attributes, size);
  };
  TRY(read_export(request.file, key, add));
  for (const auto& [connection, importer] : importers) {
    TRY(importer->commit());
    ledger->park(importer->queue(), "imported");
  }
  TRY(ledger->flush(std::chrono::seconds(60)));
  return StatusJson{{"imported_count", count}, {"connections", importers.size()}};
}

}  // namespace

int doctor_command(const DoctorRequest& request) {
  const auto lock = DirectoryLock::take(request.state_dir);
  if (!lock.ok()) return refused(lock.error());
  if (request.as_json) set_log_json(true);
  const Result<StatusJson> done = request.what == "check"    ? check(request)
                                  : request.what == "repair" ? repair(request)
                                  : request.what == "export" ? export_queued(request, {})
                                                             : import_all(request);
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
    TRY_ASSIGN(status, client.ask({{"command", "status"}}));
    const auto& all = status["connections"];
    const auto one = std::find_if(all.begin(), all.end(), [&parked](const StatusJson& each) {
      return each["is_parked"].get<bool>() && each["id"] == parked;
    });
    if (one == all.end()) return not_found("nothing is parked under the id `" + parked + "`");
    TRY(client.ask({{"command", "flush"}, {"within_ms", kFlushMs}}));
    TRY_ASSIGN(said, export_queued({.what = {},
                                    .state_dir = where.state_dir,
                                    .file = request.file,
                                    .key = request.key,
                                    .is_plain = request.is_plain},
                                   parked));
    const auto exported =
        said["exported_count"].get<std::uint64_t>() + said["unreadable_count"].get<std::uint64_t>();
    if (exported != (*one)["count"].get<std::uint64_t>())
      return unavailable("what is parked has changed meanwhile; `" + request.file +
                         "` has not all of it: export it again");
    return said;
  };
  const Result<StatusJson> done = run();
  return done.ok() ? answer(*done, where.as_json) : failed(done.error());
}

}  // namespace runnel
