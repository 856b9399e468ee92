// What of the ledger's folder others read and write through it: the shelf of provenance, and the
// durable map.

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/runtime/ledger.h"
#include "agent/runtime/ledger_parts.h"

namespace runnel {
namespace {

constexpr std::uint32_t kDurableApplication = 0x524E4C44;

constexpr std::array<Migration, 1> kDurableSchema{
    {{1, "0001_durable",
      "CREATE TABLE durable(owner TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY "
      "KEY(owner, key)) STRICT, WITHOUT ROWID;"}}};

}  // namespace

// ---- the shelf of provenance

namespace {

ProvenanceRow row_of(const Statement& select) {
  ProvenanceRow row;
  row.id = static_cast<std::uint64_t>(select.integer(0));
  row.bytes_before = static_cast<std::uint64_t>(select.integer(1));
  row.body_bytes = static_cast<std::uint64_t>(select.integer(2));
  row.last_ms = select.integer(3);
  row.is_tail = select.integer(4) != 0;
  row.head = select.text(5);
  return row;
}

constexpr std::string_view kFirstRow =
    "SELECT id, bytes_before, body_bytes, last_ms, is_tail, head FROM provenance WHERE id >= ? "
    "ORDER BY id LIMIT 1";
constexpr std::string_view kRowsBefore =
    "SELECT id, bytes_before, body_bytes, last_ms, is_tail, head FROM provenance WHERE id < ? "
    "ORDER BY id DESC";

}  // namespace

Result<std::optional<ProvenanceRow>> Ledger::Shelf::first_from(std::uint64_t from) {
  Lock lock(ledger_.reader_mutex_);
  TRY_ASSIGN(select, ledger_.prepare_read(kFirstRow));
  select.bind(1, static_cast<std::int64_t>(from));
  TRY_ASSIGN(has_row, select.step());
  if (!has_row) return std::optional<ProvenanceRow>();
  return std::optional<ProvenanceRow>(row_of(select));
}

Result<> Ledger::Shelf::each_before(std::uint64_t before,
                                    const std::function<bool(const ProvenanceRow&)>& visit) {
  // Rows are fetched one by one, so that `visit` may ask for bodies.
  std::uint64_t below = std::min<std::uint64_t>(before, INT64_MAX);
  while (true) {
    std::optional<ProvenanceRow> row;
    {
      Lock lock(ledger_.reader_mutex_);
      TRY_ASSIGN(select, ledger_.prepare_read(kRowsBefore));
      select.bind(1, static_cast<std::int64_t>(below));
      TRY_ASSIGN(has_row, select.step());
      if (has_row) row = row_of(select);
    }
    if (!row || !visit(*row)) return {};
    below = row->id;
  }
}

Result<std::string> Ledger::Shelf::body(std::uint64_t id) {
  Lock lock(ledger_.reader_mutex_);
  TRY_ASSIGN(select, ledger_.prepare_read("SELECT body FROM provenance WHERE id = ?"));
  select.bind(1, static_cast<std::int64_t>(id));
  TRY_ASSIGN(has_row, select.step());
  if (!has_row) return not_found("provenance row " + std::to_string(id) + " is gone");
  std::string room;
  TRY_ASSIGN(body, ledger_.options_.vault.from_disk(select.text(0), provenance_place(id), room));
  return room.empty() ? std::string(body) : std::move(room);
}

// ---- the durable map

class Ledger::Map final : public DurableMap {
 public:
  Map(Ledger& ledger, std::string owner) : ledger_(ledger), owner_(std::move(owner)) {}

  Result<> put(std::string_view key, std::string_view bytes) override {
    Lock lock(ledger_.durable_mutex_);
    TRY_ASSIGN(put, prepare("INSERT INTO durable(owner, key, value) VALUES(?, ?, ?) ON CONFLICT DO "
                            "UPDATE SET value = excluded.value"));
    return put.bind_text(1, owner_).bind_text(2, key).bind_blob(3, bytes).run();
  }
  Result<std::optional<std::string>> find(std::string_view key) override {
    Lock lock(ledger_.durable_mutex_);
    TRY_ASSIGN(select, prepare("SELECT value FROM durable WHERE owner = ? AND key = ?"));
    select.bind_text(1, owner_).bind_text(2, key);
    TRY_ASSIGN(has_row, select.step());
    return has_row ? std::optional<std::string>(select.text(0)) : std::nullopt;
  }
  Result<> remove(std::string_view key) override {
    Lock lock(ledger_.durable_mutex_);
    TRY_ASSIGN(remove, prepare("DELETE FROM durable WHERE owner = ? AND key = ?"));
    return remove.bind_text(1, owner_).bind_text(2, key).run();
  }

 private:
  Result<Statement> prepare(std::string_view sql) REQUIRES(ledger_.durable_mutex_) {
    TRY_ASSIGN(database, ledger_.durable_database());
    return database->prepare(sql);
  }

  Ledger& ledger_;
  const std::string owner_;
};

std::string Ledger::durable_path() const { return options_.directory + "/durable.db"; }

Result<Database*> Ledger::durable_database() {
  if (!durable_) {
    TRY_ASSIGN(database, Database::open(durable_path(), {.application_id = kDurableApplication,
                                                         .cache_kib = 128,
                                                         .vfs = options_.vfs}));
    TRY(database->migrate(kDurableSchema));
    durable_ = std::move(database);
  }
  return durable_.get();
}

std::set<std::string> Ledger::durable_owners() {
  std::set<std::string> owners;
  Lock lock(durable_mutex_);
  if (!durable_ && disk().identity(durable_path()) == 0) return owners;
  const auto read = [&]() REQUIRES(durable_mutex_) -> Result<> {
    TRY_ASSIGN(database, durable_database());
    TRY_ASSIGN(select, database->prepare("SELECT DISTINCT owner FROM durable"));
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) return {};
      owners.emplace(select.text(0));
    }
  };
  if (const Result<> done = read(); !done.ok())
    log_warn("ledger", "durable.db cannot be read", {{"reason", done.error().text()}});
  return owners;
}

void Ledger::forget_durable(const std::vector<std::string>& owners) {
  Lock lock(durable_mutex_);
  if (owners.empty() || !durable_) return;
  const auto forget = [&]() REQUIRES(durable_mutex_) -> Result<> {
    TRY_ASSIGN(remove, durable_->prepare("DELETE FROM durable WHERE owner = ?"));
    for (const std::string& owner : owners) TRY(remove.bind_text(1, owner).run());
    return {};
  };
  if (const Result<> done = forget(); !done.ok())
    log_warn("ledger", "durable.db keeps what nobody needs", {{"reason", done.error().text()}});
}

std::unique_ptr<DurableMap> Ledger::durable(const std::string& owner) {
  return std::make_unique<Map>(*this, owner);
}

}  // namespace runnel
