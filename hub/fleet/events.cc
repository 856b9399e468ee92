// The fleet's events.

#include "hub/fleet/events.h"

#include <algorithm>

#include "agent/base/bytes.h"

namespace runnel::hub {
namespace {

constexpr std::string_view kInsert =
    "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kSelectBefore =
    "SELECT id, time_ms, kind, severity, actor, agent, class, flow, version, message FROM events "
    "WHERE id < ?1 AND id > ?2 ORDER BY id DESC";
// What one query may look at on disk: a filter that fits nothing must not read everything.
constexpr std::size_t kRowsReadMax = 100'000;

bool fits(const std::vector<std::string>& wanted, const std::optional<std::string>& value) {
  return wanted.empty() ||
         (value && std::find(wanted.begin(), wanted.end(), *value) != wanted.end());
}

bool fits(const EventQuery& query, const FleetEvent& event) {
  return fits(query.kinds, event.kind) && fits(query.severities, event.severity) &&
         fits(query.agents, event.agent) && fits(query.classes, event.agent_class) &&
         fits(query.flows, event.flow) &&
         (query.text.empty() ||
          to_lower(event.message).find(to_lower(query.text)) != std::string::npos);
}

FleetEvent event_of(const Statement& row) {
  return {row.integer(0),        row.integer(1),        text_of(row, 2),
          text_of(row, 3),       optional_text(row, 4), optional_text(row, 5),
          optional_text(row, 6), optional_text(row, 7), optional_integer(row, 8),
          text_of(row, 9)};
}

}  // namespace

Result<std::unique_ptr<Events>> Events::open(Store& store, const Clock& clock) {
  std::unique_ptr<Events> events(new Events(store, clock));
  TRY(store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectBefore));
    select.bind(1, INT64_MAX).bind(2, std::int64_t{0});
    Lock lock(events->mutex_);
    while (events->kept_.size() < kKept) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) break;
      events->kept_.push_front(event_of(select));
    }
    if (!events->kept_.empty()) events->next_id_ = events->kept_.back().id + 1;
    return Ok{};
  }));
  return events;
}

void Events::add(FleetEvent event) {
  if (event.time_ms == 0) event.time_ms = clock_.wall_ms();
  if (event.message.size() > kMessageMax) event.message.resize(kMessageMax);
  event.message = to_utf8(event.message);
  Lock lock(mutex_);
  event.id = next_id_++;
  kept_.push_back(event);
  if (kept_.size() > kKept) kept_.pop_front();
  unsaved_.push_back(std::move(event));
  if (unsaved_.size() > kUnsavedMax) unsaved_.pop_front();
}

Result<std::vector<FleetEvent>> Events::find(const EventQuery& query) {
  std::vector<FleetEvent> found;
  std::int64_t oldest = INT64_MAX;
  {
    Lock lock(mutex_);
    for (auto event = kept_.rbegin(); event != kept_.rend(); ++event) {
      oldest = event->id;
      if (query.before > 0 && event->id >= query.before) continue;
      if (event->id <= query.since || found.size() >= query.limit) return found;
      if (fits(query, *event)) found.push_back(*event);
    }
    if (kept_.size() < kKept && oldest <= 1) return found;
  }
  if (found.size() >= query.limit) return found;
  if (query.before > 0) oldest = std::min(oldest, query.before);
  TRY(store_.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectBefore));
    select.bind(1, oldest).bind(2, query.since);
    for (std::size_t rows = 0; rows < kRowsReadMax && found.size() < query.limit; ++rows) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) break;
      FleetEvent event = event_of(select);
      if (fits(query, event)) found.push_back(std::move(event));
    }
    return Ok{};
  }));
  return found;
}

Result<> Events::flush() {
  std::deque<FleetEvent> unsaved;
  {
    Lock lock(mutex_);
    unsaved.swap(unsaved_);
  }
  if (unsaved.empty()) return Ok{};
  const Result<> written = store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(insert, database.prepare(kInsert));
    for (const FleetEvent& event : unsaved) {
      insert.bind(1, event.id)
          .bind(2, event.time_ms)
          .bind_text(3, event.kind)
          .bind_text(4, event.severity);
      bind_optional(insert, 5, event.actor);
      bind_optional(insert, 6, event.agent);
      bind_optional(insert, 7, event.agent_class);
      bind_optional(insert, 8, event.flow);
      bind_optional(insert, 9, event.version);
      TRY(insert.bind_text(10, event.message).run());
    }
    TRY_ASSIGN(remove, database.prepare(
                           "DELETE FROM events WHERE id <= ?1 OR (time_ms < ?2 AND id <= ?3)"));
    const std::int64_t newest = unsaved.back().id;
    return remove.bind(1, newest - kStored)
        .bind(2, clock_.wall_ms() - kStoredMs)
        .bind(3, newest - 1000)
        .run();
  });
  if (!written.ok()) {
    Lock lock(mutex_);
    unsaved_.insert(unsaved_.begin(), unsaved.begin(), unsaved.end());
    while (unsaved_.size() > kUnsavedMax) unsaved_.pop_front();
  }
  return written;
}

}  // namespace runnel::hub
