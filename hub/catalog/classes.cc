// Desired states of classes.

#include "hub/catalog/classes.h"

namespace runnel::hub {
namespace {

constexpr std::string_view kSelectAll =
    "SELECT name, created_ms, flow, version, author, deployed_ms, run_state, run_asked_ms, "
    "run_author FROM classes";
constexpr std::string_view kSave =
    "INSERT OR REPLACE INTO classes (name, created_ms, flow, version, author, deployed_ms, "
    "run_state, run_asked_ms, run_author) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kInsertDeployment =
    "INSERT INTO deployments (class, flow, version, author, deployed_ms) VALUES (?, ?, ?, ?, ?)";

}  // namespace

std::string_view name_of(WantedRun::State state) {
  switch (state) {
    case WantedRun::State::kUnset:
      return "unset";
    case WantedRun::State::kRunning:
      return "running";
    case WantedRun::State::kStopped:
      return "stopped";
  }
  return "unset";
}

WantedRun::State run_state_of(std::string_view name) {
  if (name == "running") return WantedRun::State::kRunning;
  return name == "stopped" ? WantedRun::State::kStopped : WantedRun::State::kUnset;
}

Result<std::unique_ptr<Classes>> Classes::open(Store& store, const Catalog& catalog,
                                               const Clock& clock) {
  std::unique_ptr<Classes> classes(new Classes(store, clock));
  TRY(store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectAll));
    Lock lock(classes->mutex_);
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) return Ok{};
      auto state = std::make_shared<ClassState>();
      state->name = select.text(0);
      state->created_ms = select.integer(1);
      if (!select.is_null(2)) state->desired = catalog.find(select.text(2), select.integer(3));
      state->author = select.text(4);
      state->deployed_ms = select.integer(5);
      state->run = {run_state_of(select.text(6)), select.integer(7), text_of(select, 8)};
      classes->classes_[state->name] = std::move(state);
    }
  }));
  return classes;
}

ClassPtr Classes::find(std::string_view name) const {
  Lock lock(mutex_);
  const auto found = classes_.find(name);
  return found == classes_.end() ? nullptr : found->second;
}

std::vector<ClassPtr> Classes::all() const {
  Lock lock(mutex_);
  std::vector<ClassPtr> all;
  for (const auto& [name, state] : classes_) all.push_back(state);
  return all;
}

ClassPtr Classes::find_or_make(const std::string& name) {
  Lock lock(mutex_);
  ClassPtr& state = classes_[name];
  if (state == nullptr) {
    if (classes_.size() > kMax) {
      classes_.erase(name);
      return nullptr;
    }
    auto made = std::make_shared<ClassState>();
    made->name = name;
    made->created_ms = clock_.wall_ms();
    state = std::move(made);
    unsaved_.push_back(name);
  }
  return state;
}

Result<> Classes::save(Database& database, const ClassState& state) {
  TRY_ASSIGN(save, database.prepare(kSave));
  save.bind_text(1, state.name).bind(2, state.created_ms).bind_text(7, name_of(state.run.state));
  if (state.desired == nullptr) {
    save.bind_null(3).bind_null(4).bind_null(5).bind_null(6);
  } else {
    save.bind_text(3, state.desired->flow)
        .bind(4, state.desired->version)
        .bind_text(5, state.author)
        .bind(6, state.deployed_ms);
  }
  if (state.run.state == WantedRun::State::kUnset) {
    save.bind_null(8).bind_null(9);
  } else {
    save.bind(8, state.run.asked_ms).bind_text(9, state.run.author);
  }
  return save.run();
}

Result<ClassPtr> Classes::deploy(const std::string& name, const VersionPtr& version,
                                 const std::string& author) {
  Lock changing(change_mutex_);
  const ClassPtr before = find_or_make(name);
  if (before == nullptr) return full("there are as many classes as there may be");
  auto state = std::make_shared<ClassState>(*before);
  state->desired = version;
  state->author = author;
  state->deployed_ms = clock_.wall_ms();
  const Result<> saved = store_.write([&](Database& database) -> Result<> {
    TRY(save(database, *state));
    TRY_ASSIGN(insert, database.prepare(kInsertDeployment));
    return insert.bind_text(1, name)
        .bind_text(2, version->flow)
        .bind(3, version->version)
        .bind_text(4, author)
        .bind(5, state->deployed_ms)
        .run();
  });
  if (!saved.ok()) return saved.error();
  Lock lock(mutex_);
  classes_[name] = state;
  return ClassPtr(state);
}

Result<> Classes::run(const std::string& name, const WantedRun& run,
                      const std::function<Result<>(Database&)>& also) {
  Lock changing(change_mutex_);
  const ClassPtr before = find(name);
  if (before == nullptr) return not_found("there is no class `" + name + "`");
  auto state = std::make_shared<ClassState>(*before);
  state->run = run;
  const Result<> saved = store_.write([&](Database& database) -> Result<> {
    TRY(save(database, *state));
    return also(database);
  });
  if (!saved.ok()) return saved;
  Lock lock(mutex_);
  classes_[name] = state;
  return Ok{};
}

Result<> Classes::flush() {
  Lock changing(change_mutex_);
  std::vector<ClassPtr> unsaved;
  {
    Lock lock(mutex_);
    for (const std::string& name : unsaved_) unsaved.push_back(classes_[name]);
    unsaved_.clear();
  }
  if (unsaved.empty()) return Ok{};
  const Result<> written = store_.write([&](Database& database) -> Result<> {
    for (const ClassPtr& state : unsaved) TRY(save(database, *state));
    return Ok{};
  });
  if (!written.ok()) {
    Lock lock(mutex_);
    for (const ClassPtr& state : unsaved) unsaved_.push_back(state->name);
  }
  return written;
}

}  // namespace runnel::hub
