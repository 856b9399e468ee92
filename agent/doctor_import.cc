// doctor import: queues the FlowFiles of an export, once.

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "agent/base/assert.h"
#include "agent/base/bytes.h"
#include "agent/base/crc32c.h"
#include "agent/base/words.h"
#include "agent/commands.h"
#include "agent/doctor_parts.h"
#include "agent/export_stream.h"
#include "agent/runtime/directory_lock.h"
#include "agent/runtime/key_source.h"
#include "agent/runtime/keyring.h"
#include "agent/runtime/session_core.h"

namespace runnel {
namespace {

// What was imported stands in the ledger as this component's state, written with the FlowFiles.
constexpr std::string_view kDoctor = "runnel-agent doctor";
constexpr std::size_t kRememberedImports = 100;
constexpr std::uint64_t kImportedAtOnce = 256;

// Reads an export from its front.
class ExportReader {
 public:
  ExportReader(const std::string& path, std::unique_ptr<ExportSource> in)
      : in_(std::move(in)), path_(path) {}

  Result<StringMap> envelope(std::uint64_t& size) {
    const std::uint32_t before = sum_;
    std::string magic(kFlowFileMagic.size(), '\0');
    TRY(take(magic.data(), magic.size()));
    if (magic != kFlowFileMagic) return damaged();
    TRY_ASSIGN(count, length());
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
  std::uint64_t bytes() const { return bytes_; }

  // The content behind an envelope, part by part.
  template <typename Visit>
  Result<> content(std::uint64_t size, const Visit& visit) {
    std::string part(kExportPart, '\0');
    for (std::uint64_t left = size; left > 0;) {
      const auto some = static_cast<std::size_t>(std::min<std::uint64_t>(left, part.size()));
      TRY(take(part.data(), some));
      TRY(visit(std::string_view(part).substr(0, some)));
      left -= some;
    }
    return {};
  }

 private:
  Result<> take(char* into, std::size_t size) {
    TRY(in_->take(into, size));
    sum_ = crc32c({into, size}, sum_);
    bytes_ += size;
    return {};
  }
  Error damaged() const { return corrupt("`" + path_ + "` is no whole export"); }
  Result<std::uint64_t> number(std::size_t bytes) {
    char at[8];
    TRY(take(at, bytes));
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < bytes; ++i)
      number = number << 8 | static_cast<unsigned char>(at[i]);
    return number;
  }
  Result<std::uint64_t> length() {
    TRY_ASSIGN(length, number(2));
    return length == 0xFFFF ? number(4) : length;
  }
  Result<std::string> text() {
    TRY_ASSIGN(size, length());
    if (size > (64 << 20)) return damaged();
    std::string out(static_cast<std::size_t>(size), '\0');
    TRY(take(out.data(), out.size()));
    return out;
  }

  const std::unique_ptr<ExportSource> in_;
  const std::string path_;
  std::uint32_t sum_ = 0;
  std::uint32_t sum_before_ = 0;
  std::uint64_t bytes_ = 0;
};

struct Export {
  std::string id;
  std::uint64_t count = 0;
};

// To the end; `flowfile` reads the content of each.
Result<Export> read_export(
    const std::string& path, const std::string& key,
    const std::function<Result<>(ExportReader&, const StringMap&, std::uint64_t size)>& flowfile) {
  TRY_ASSIGN(source, ExportSource::open(path, key));
  ExportReader in(path, std::move(source));
  for (std::uint64_t count = 0;; ++count) {
    std::uint64_t size = 0;
    TRY_ASSIGN(attributes, in.envelope(size));
    const auto last = attributes.find(std::string(kExportCount));
    // Whatever was queued says where.
    const bool was_queued = attributes.count(std::string(kConnectionId)) != 0;
    if (last != attributes.end() && size == 0 && !was_queued) {
      const bool is_whole = last->second == std::to_string(count) &&
                            attributes[std::string(kExportSum)] == std::to_string(in.sum_before());
      if (!is_whole) return corrupt("`" + path + "` is not what was exported");
      Export all{attributes[std::string(kExportId)], count};
      // Those of before have none: what they hold tells them apart.
      if (all.id.empty())
        all.id = attributes[std::string(kExportSum)] + "-" + std::to_string(in.bytes());
      return all;
    }
    TRY(flowfile(in, attributes, size));
  }
}

Result<> skip(ExportReader& in, const StringMap&, std::uint64_t size) {
  return in.content(size, [](std::string_view) { return Result<>(); });
}

// Sessions into one connection.
class Importer {
 public:
  Importer(Ledger& ledger, Queue& queue) : ledger_(ledger), queue_(queue) {
    wiring_.processor_id = kDoctor;
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
    TRY(in.content(size, [&writer](std::string_view part) { return writer->write(part); }));
    TRY(writer->finish());
    for (const auto& [name, value] : attributes) {
      if (name != kConnectionId && name != kConnectionName)
        session_->set_attribute(*flowfile.record(), name, value);
    }
    session_->transfer(flowfile, Relationship{0});
    return session_->end_call();
  }
  void set_state(std::string_view name, std::string_view value) {
    session_->begin_call();
    session_->set_state(name, value);
    RUNNEL_ASSERT(session_->end_call().ok());
  }
  void remove_state(std::string_view name) {
    session_->begin_call();
    session_->remove_state(name);
    RUNNEL_ASSERT(session_->end_call().ok());
  }
  void commit() { session_->commit(); }
  Queue& queue() { return queue_; }

 private:
  Ledger& ledger_;
  Queue& queue_;
  Wiring wiring_;
  std::unique_ptr<HandOver> owner_;
  std::unique_ptr<SessionCore> session_;
};

// What the ledger knows of an export: how many FlowFiles of how many came in, and when.
struct Imported {
  std::uint64_t done = 0;
  std::uint64_t count = 0;
  std::int64_t at_ms = 0;

  std::string text() const {
    return std::to_string(done) + " " + std::to_string(count) + " " + std::to_string(at_ms);
  }
  static Imported parse(std::string_view text) {
    const auto words = split(text, ' ');
    if (words.size() != 3) return {};
    const auto number = [&words](std::size_t i) { return parse_int(words[i]).value_or(0); };
    return {static_cast<std::uint64_t>(number(0)), static_cast<std::uint64_t>(number(1)),
            number(2)};
  }
};

// One export into a ledger. What came in and how far that is are one write, so that an import that
// was interrupted goes on where it stood.
class Import {
 public:
  Import(Ledger& ledger, Export what) : ledger_(ledger), what_(std::move(what)) {}

  // kInvalid: it was imported.
  Result<> begin(bool is_again) {
    std::multimap<std::int64_t, std::string> known;
    {
      Lock lock(ledger_.mutex());
      ledger_.each_state(std::string(kDoctor), [&known](std::string_view id, std::string_view at) {
        known.emplace(Imported::parse(at).at_ms, id);
      });
      if (const auto before = ledger_.state(std::string(kDoctor), what_.id))
        before_ = Imported::parse(*before);
    }
    if (before_.done == before_.count && before_.count != 0 && !is_again)
      return invalid("this export was imported at " + iso_time(before_.at_ms) + ": its " +
                     counted(before_.count, "FlowFile") + " would be queued twice; " +
                     "`--again` does so");
    if (is_again) before_ = {};
    for (const auto& [at, id] : known) {
      if (known.size() - forgotten_.size() < kRememberedImports) break;
      if (id != what_.id) forgotten_.push_back(id);
    }
    return {};
  }
  // Of this export are there already, from an import that was interrupted.
  std::uint64_t done_before() const { return before_.done; }

  Result<> add(ExportReader& in, const StringMap& attributes, std::uint64_t size) {
    if (++done_ <= before_.done) return skip(in, attributes, size);
    const auto id = attributes.find(std::string(kConnectionId));
    const auto name = attributes.find(std::string(kConnectionName));
    const std::string connection = id == attributes.end() ? "imported" : id->second;
    std::unique_ptr<Importer>& importer = importers_[connection];
    if (!importer) {
      TRY_ASSIGN(queue,
                 ledger_.attach({.id = connection,
                                 .name = name == attributes.end() ? connection : name->second,
                                 .count_max = 0,
                                 .bytes_max = 0}));
      importer = std::make_unique<Importer>(ledger_, *queue);
    }
    last_ = importer.get();
    TRY(importer->add(in, attributes, size));
    return done_ % kImportedAtOnce == 0 ? commit() : Result<>();
  }
  Result<> end() {
    TRY(commit());
    for (const auto& [connection, importer] : importers_)
      ledger_.park(importer->queue(), "imported");
    return ledger_.flush(std::chrono::seconds(60));
  }
  std::size_t connections() const { return importers_.size(); }

 private:
  Result<> commit() {
    if (last_ == nullptr) return {};
    const Imported now{done_, what_.count, ledger_.wall_ms()};
    last_->set_state(what_.id, now.text());
    for (const std::string& id : std::exchange(forgotten_, {})) last_->remove_state(id);
    for (const auto& [connection, importer] : importers_) importer->commit();
    return ledger_.flush(std::chrono::seconds(60));
  }

  Ledger& ledger_;
  const Export what_;
  Imported before_;
  std::vector<std::string> forgotten_;
  std::map<std::string, std::unique_ptr<Importer>> importers_;
  Importer* last_ = nullptr;
  std::uint64_t done_ = 0;
};

// Of a device that is set up with the same key: where none is named, its own. Empty: it is plain.
Result<std::string> key_of_export(const DoctorRequest& request) {
  TRY_ASSIGN(is_sealed, ExportSource::is_sealed(request.file));
  if (!is_sealed) return std::string();
  if (!request.export_key.empty()) return read_master_key(request.export_key);
  if (!request.key.empty()) return read_master_key(request.key);
  const KeyringOptions own{.state_dir = request.state_dir};
  if (!has_keyring(own))
    return invalid(
        "`" + request.file + "` is encrypted, and `" + request.state_dir +
        "` has no key; name that of the export: `--export-key SOURCE`, or `--key SOURCE` if it is "
        "to be the directory's, too");
  return master_key(own);
}

}  // namespace

// First whether it is whole: half of an export is not brought in, and leaves no directory behind.
Result<StatusJson> import_export(const DoctorRequest& request) {
  TRY_ASSIGN(key, key_of_export(request));
  TRY_ASSIGN(what, read_export(request.file, key, skip));
  TRY_ASSIGN(lock, DirectoryLock::take(request.state_dir));
  TRY_ASSIGN(vault, vault_of(request.state_dir, request.key));
  if (!key.empty()) {
    vault.seals = true;
    if (vault.sealer == nullptr) {
      TRY_ASSIGN(own, open_keyring({.state_dir = request.state_dir}));
      vault.sealer = std::move(own);
    }
  }
  TRY_ASSIGN(ledger, open_ledger(request.state_dir, vault));
  Import import(*ledger, what);
  TRY(import.begin(request.is_again));
  Progress progress(request.as_json);
  std::uint64_t done = 0;
  const auto add = [&](ExportReader& in, const StringMap& attributes,
                       std::uint64_t size) -> Result<> {
    progress(++done, what.count);
    return import.add(in, attributes, size);
  };
  TRY(read_export(request.file, key, add));
  TRY(import.end());
  return StatusJson{{"imported_count", what.count - import.done_before()},
                    {"connections", import.connections()}};
}

}  // namespace runnel
