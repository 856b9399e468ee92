// The journal of the line to the hub; what journal.h promises.

#include "agent/uplink/journal.h"

#include <cstdio>

#include "agent/base/log.h"
#include "uplink_migrations.h"

namespace runnel {
namespace {

constexpr std::uint32_t kApplicationId = 0x524E4C55;  // "RNLU"

constexpr std::string_view kFind =
    "SELECT attempts, acknowledgement IS NOT NULL FROM operation WHERE identifier = ?";
constexpr std::string_view kInsert =
    "INSERT INTO operation (identifier, received_at_ms, attempts) VALUES (?, ?, 1)";
constexpr std::string_view kBeginAgain =
    "UPDATE operation SET attempts = attempts + 1 WHERE identifier = ?";
constexpr std::string_view kSendAgain =
    "UPDATE operation SET is_delivered = 0 WHERE identifier = ?";
constexpr std::string_view kEnd =
    "UPDATE operation SET acknowledgement = ?, describes = ?, is_delivered = 0 WHERE identifier = "
    "?";
constexpr std::string_view kWaiting =
    "SELECT number, acknowledgement, describes FROM operation "
    "WHERE is_delivered = 0 AND acknowledgement IS NOT NULL ORDER BY number LIMIT ?";
constexpr std::string_view kDelivered = "UPDATE operation SET is_delivered = 1 WHERE number = ?";
constexpr std::string_view kForget =
    "DELETE FROM operation WHERE number IN (SELECT number FROM operation "
    "ORDER BY is_delivered DESC, number LIMIT max(0, (SELECT count(*) FROM operation) - ?))";
constexpr std::string_view kFact = "SELECT value FROM fact WHERE name = ?";
constexpr std::string_view kSetFact =
    "INSERT INTO fact (name, value) VALUES (?, ?) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value";

c2::UpdateState update_state_of(std::string_view text) {
  for (const auto state :
       {c2::UpdateState::kApplying, c2::UpdateState::kApplied, c2::UpdateState::kFailed})
    if (c2::name_of(state) == text) return state;
  return c2::UpdateState::kNone;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open_whole(const std::string& path) {
  TRY_ASSIGN(database, Database::open(path, {.application_id = kApplicationId, .cache_kib = 64}));
  TRY(database->migrate(uplink_migrations()));
  return std::unique_ptr<Journal>(new Journal(std::move(database)));
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  auto journal = open_whole(path);
  if (journal.ok() || journal.code() != Code::kCorrupt) return journal;
  log_error("uplink", "the journal is damaged; it is set aside and begun anew",
            {{"file", path}, {"reason", journal.error().text()}});
  for (const char* end : {"-wal", "-shm"})
    std::rename((path + end).c_str(), (path + ".damaged" + end).c_str());
  if (std::rename(path.c_str(), (path + ".damaged").c_str()) != 0) return journal;
  return open_whole(path);
}

Result<Journal::Decision> Journal::begin(std::string_view identifier, std::int64_t now_ms) {
  TRY_ASSIGN(find, database_->prepare(kFind));
  TRY_ASSIGN(is_known, find.bind_text(1, identifier).step());
  if (!is_known) {
    TRY(forget_oldest());
    TRY_ASSIGN(insert, database_->prepare(kInsert));
    TRY(insert.bind_text(1, identifier).bind(2, now_ms).run());
    return Decision::kCarryOut;
  }
  const bool is_done = find.integer(1) != 0;
  const bool is_hopeless = find.integer(0) >= kAttemptsMax;
  find.reset();
  if (!is_done && is_hopeless) return Decision::kGivenUp;
  TRY_ASSIGN(again, database_->prepare(is_done ? kSendAgain : kBeginAgain));
  TRY(again.bind_text(1, identifier).run());
  return is_done ? Decision::kDone : Decision::kCarryOut;
}

Result<> Journal::end(const c2::Acknowledgement& acknowledgement, bool describes) {
  const std::string text = c2::to_json(acknowledgement);
  TRY_ASSIGN(end, database_->prepare(kEnd));
  return end.bind_text(1, text)
      .bind(2, std::int64_t{describes ? 1 : 0})
      .bind_text(3, acknowledgement.operation_id)
      .run();
}

Result<std::vector<Journal::Waiting>> Journal::waiting(std::size_t limit) {
  TRY_ASSIGN(select, database_->prepare(kWaiting));
  select.bind(1, static_cast<std::int64_t>(limit));
  std::vector<Waiting> out;
  while (true) {
    TRY_ASSIGN(is_row, select.step());
    if (!is_row) return out;
    out.push_back({.number = select.integer(0),
                   .acknowledgement = std::string(select.text(1)),
                   .describes = select.integer(2) != 0});
  }
}

Result<> Journal::delivered(std::int64_t number) {
  TRY_ASSIGN(update, database_->prepare(kDelivered));
  return update.bind(1, number).run();
}

Result<c2::FlowUpdate> Journal::last_update() {
  c2::FlowUpdate out;
  TRY_ASSIGN(state, fact("update.state"));
  out.state = update_state_of(state);
  TRY_ASSIGN(flow_id, fact("update.flow_id"));
  out.flow_id = std::move(flow_id);
  TRY_ASSIGN(reason, fact("update.reason"));
  out.reason = std::move(reason);
  return out;
}

Result<> Journal::set_last_update(const c2::FlowUpdate& update) {
  TRY_ASSIGN(transaction, Transaction::begin(*database_));
  TRY(set_fact("update.state", c2::name_of(update.state)));
  TRY(set_fact("update.flow_id", update.flow_id));
  TRY(set_fact("update.reason", update.reason));
  return transaction.commit();
}

Result<std::string> Journal::fact(std::string_view name) {
  TRY_ASSIGN(select, database_->prepare(kFact));
  TRY_ASSIGN(is_row, select.bind_text(1, name).step());
  return is_row ? std::string(select.text(0)) : std::string();
}

Result<> Journal::set_fact(std::string_view name, std::string_view value) {
  TRY_ASSIGN(insert, database_->prepare(kSetFact));
  return insert.bind_text(1, name).bind_text(2, value).run();
}

Result<> Journal::forget_oldest() {
  TRY_ASSIGN(forget, database_->prepare(kForget));
  return forget.bind(1, static_cast<std::int64_t>(kOperationsMax - 1)).run();
}

}  // namespace runnel
