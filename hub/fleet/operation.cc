// Operations and their table.

#include "hub/fleet/operation.h"

namespace runnel::hub {
namespace {

constexpr std::string_view kSave =
    "INSERT OR REPLACE INTO operations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kColumns =
    "SELECT id, agent, operation, operand, target, target_name, state, detail, author, created_ms, "
    "delivered_ms, "
    "finished_ms, expires_ms, class FROM operations ";

Operation operation_of(const Statement& row) {
  Operation operation;
  operation.id = row.text(0);
  operation.agent = row.text(1);
  operation.verb = row.text(2);
  operation.operand = row.text(3);
  operation.target = optional_text(row, 4);
  operation.target_name = optional_text(row, 5);
  operation.state = operation_state_of(row.text(6)).value_or(OperationState::kExpired);
  operation.detail = optional_text(row, 7);
  operation.author = row.text(8);
  operation.created_ms = row.integer(9);
  operation.delivered_ms = optional_integer(row, 10);
  operation.finished_ms = optional_integer(row, 11);
  operation.expires_ms = row.integer(12);
  operation.of_class = optional_text(row, 13);
  return operation;
}

Result<std::vector<Operation>> all_of(Statement& select) {
  std::vector<Operation> operations;
  while (true) {
    TRY_ASSIGN(has_row, select.step());
    if (!has_row) return operations;
    operations.push_back(operation_of(select));
  }
}

}  // namespace

std::string_view name_of(OperationState state) {
  switch (state) {
    case OperationState::kQueued:
      return "queued";
    case OperationState::kDelivered:
      return "delivered";
    case OperationState::kDone:
      return "done";
    case OperationState::kFailed:
      return "failed";
    case OperationState::kExpired:
      return "expired";
    case OperationState::kSuperseded:
      return "superseded";
  }
  return "queued";
}

std::optional<OperationState> operation_state_of(std::string_view name) {
  for (const OperationState state :
       {OperationState::kQueued, OperationState::kDelivered, OperationState::kDone,
        OperationState::kFailed, OperationState::kExpired, OperationState::kSuperseded}) {
    if (name_of(state) == name) return state;
  }
  return std::nullopt;
}

c2::Operation to_c2(const Operation& operation) {
  c2::Operation out;
  out.identifier = operation.id;
  const bool is_once = operation.verb == kRunOnce;
  out.verb = is_once ? c2::Verb::kStart : c2::verb_of(operation.verb);
  if (operation.operand != "agent") out.operand = operation.operand;  // RESTART has none
  if (operation.target && operation.operand == "processor") {
    out.arguments.push_back({.name = "processorId", .value = *operation.target});
    if (is_once) out.arguments.push_back({.name = "runOnce", .value = "true"});
  }
  if (operation.target && operation.operand == "connection") {
    out.arguments.push_back({.name = "c0", .value = *operation.target});
  }
  return out;
}

bool supersedes(const Operation& newer, const Operation& older) {
  const auto is_run = [](const Operation& each) {
    return each.verb == "start" || each.verb == "stop";
  };
  if (newer.operand != older.operand || newer.target != older.target) return false;
  if (newer.verb == kRunOnce) return false;
  return newer.verb == older.verb || (is_run(newer) && is_run(older));
}

Result<> save_operations(Database& database, const std::vector<Operation>& operations) {
  TRY_ASSIGN(save, database.prepare(kSave));
  for (const Operation& each : operations) {
    save.bind_text(1, each.id)
        .bind_text(2, each.agent)
        .bind_text(3, each.verb)
        .bind_text(4, each.operand);
    bind_optional(save, 5, each.target);
    bind_optional(save, 6, each.target_name);
    save.bind_text(7, name_of(each.state));
    bind_optional(save, 8, each.detail);
    save.bind_text(9, each.author).bind(10, each.created_ms);
    bind_optional(save, 11, each.delivered_ms);
    bind_optional(save, 12, each.finished_ms);
    save.bind(13, each.expires_ms);
    TRY(bind_optional(save, 14, each.of_class).run());
  }
  return Ok{};
}

Result<std::vector<Operation>> load_operations(Store& store, const std::string& agent,
                                               std::size_t offset, std::size_t limit,
                                               std::int64_t* total) {
  std::vector<Operation> operations;
  TRY(store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(count, database.prepare("SELECT count(*) FROM operations WHERE agent = ?"));
    TRY_ASSIGN(has_count, count.bind_text(1, agent).step());
    *total = has_count ? count.integer(0) : 0;
    TRY_ASSIGN(select,
               database.prepare(std::string(kColumns) +
                                "WHERE agent = ? ORDER BY created_ms DESC, id LIMIT ? OFFSET ?"));
    select.bind_text(1, agent)
        .bind(2, static_cast<std::int64_t>(limit))
        .bind(3, static_cast<std::int64_t>(offset));
    TRY_ASSIGN(all, all_of(select));
    operations = std::move(all);
    return Ok{};
  }));
  return operations;
}

Result<std::vector<Operation>> load_open_operations(Store& store) {
  std::vector<Operation> operations;
  TRY(store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select,
               database.prepare(std::string(kColumns) +
                                "WHERE state IN ('queued', 'delivered') ORDER BY created_ms"));
    TRY_ASSIGN(all, all_of(select));
    operations = std::move(all);
    return Ok{};
  }));
  return operations;
}

Result<std::vector<Operation>> load_run_orders(Store& store) {
  std::vector<Operation> operations;
  TRY(store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select,
               database.prepare(std::string(kColumns) +
                                "WHERE operand = 'flow' AND operation IN ('start', 'stop') AND "
                                "class IS NULL AND author <> ? ORDER BY created_ms"));
    select.bind_text(1, kHubAuthor);
    TRY_ASSIGN(all, all_of(select));
    operations = std::move(all);
    return Ok{};
  }));
  return operations;
}

Result<> forget_operations(Database& database, std::int64_t created_before_ms) {
  TRY_ASSIGN(
      remove,
      database.prepare(
          "DELETE FROM operations WHERE created_ms < ? AND state NOT IN ('queued', 'delivered')"));
  return remove.bind(1, created_before_ms).run();
}

}  // namespace runnel::hub
