// SQLiteLookupService: a value for a key, or for several together, from a table of an SQLite
// database, which is only read.
//
// Somebody else writes the database, in its own mode. What he commits is seen by the next look-up;
// a file that takes the old one's place is opened when it is noticed, which is looked for once a
// second while somebody asks.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/mutex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "agent/store/database.h"
#include "processors/record/json_value.h"
#include "processors/record/lookup.h"
#include "processors/registry.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

constexpr auto kLookAtTable = 1s;
constexpr std::uint32_t kBusyTimeoutMs = 1000;
constexpr std::size_t kNamesMax = 100;

struct SqliteLookupConfig {
  std::string file;
  std::string table;
  std::string key_column;
  std::string value_columns;
};

class SqliteLookup final : public Service, public LookupService {
 public:
  using Config = SqliteLookupConfig;
  SqliteLookup(Config config, std::vector<std::string> keys, std::string sql, bool has_several)
      : config_(std::move(config)),
        keys_(std::move(keys)),
        sql_(std::move(sql)),
        has_several_(has_several) {}
  static Result<std::unique_ptr<SqliteLookup>> make(Config config);

  Result<> start(ServiceContext& context) override EXCLUDES(mutex_);
  void stop() override EXCLUDES(mutex_);
  Result<std::optional<std::string>> find(std::string_view key) override {
    return find_text({std::string(key)});
  }
  Result<std::optional<Value>> find_value(std::string_view key) override {
    return find_row({std::string(key)});
  }
  std::vector<std::string> key_names() const override {
    return keys_.size() > 1 ? keys_ : std::vector<std::string>{};
  }
  Result<std::optional<Value>> find_row(const std::vector<std::string>& keys) override {
    TRY_ASSIGN(text, find_text(keys));
    if (!text) return std::optional<Value>{};
    if (!has_several_) return std::optional<Value>(Value{std::move(*text)});
    TRY_ASSIGN(fields, parse_json(*text));  // by SQLite, and as deep as a row
    return std::optional<Value>(std::move(fields));
  }

 private:
  // By what a file that has taken the place of another is seen.
  using Stamp = std::pair<dev_t, ino_t>;
  struct Opened {
    std::unique_ptr<Database> database;
    Statement select;  // goes first
  };

  Result<std::optional<std::string>> find_text(const std::vector<std::string>& keys)
      EXCLUDES(mutex_);
  Result<Stamp> stamp() const;
  Result<Opened> open() const;
  void look() REQUIRES(mutex_);

  const Config config_;
  const std::vector<std::string> keys_;  // columns
  const std::string sql_;
  const bool has_several_;  // values: they come as a JSON object
  ServiceContext* context_ = nullptr;
  Mutex mutex_;
  Opened opened_ GUARDED_BY(mutex_);
  Stamp stamp_ GUARDED_BY(mutex_){};
  SteadyTime looked_at_ GUARDED_BY(mutex_){};
};

std::string sql_quoted(std::string_view text, char mark) {
  std::string out(1, mark);
  for (const char one : text) out.append(one == mark ? 2 : 1, one);
  return out + mark;
}

// Of the table `t`, since SQLite takes a bare name in quotes that is no column for a text.
std::string column(std::string_view name) { return "t." + sql_quoted(name, '"'); }

// One as it stands; of several, with commas between them, each without blanks around it, once.
Result<std::vector<std::string>> columns_of(const std::string& property, std::string_view text) {
  const std::vector<std::string_view> parts = split(text, ',');
  std::vector<std::string> names;
  for (const std::string_view part : parts) {
    names.emplace_back(parts.size() > 1 ? trimmed(part) : part);
    if (names.back().empty())
      return invalid("property `" + property + "` names a column without a name");
    if (std::find(names.begin(), names.end() - 1, names.back()) != names.end() - 1)
      return invalid("property `" + property + "` names `" + names.back() + "` twice");
  }
  if (names.size() > kNamesMax)
    return invalid("property `" + property + "` names more than " + std::to_string(kNamesMax) +
                   " columns");
  return names;
}

}  // namespace

ServiceType sqlite_lookup_service() {
  using C = SqliteLookupConfig;
  return DescribeService<SqliteLookup>(
             "SQLiteLookupService",
             "Finds values by their keys in a table of an SQLite database, which is only read; "
             "others may write it meanwhile.")
      .property("Database File", &C::file,
                {.doc = "The file.", .required = true, .example = "/var/lib/fleet/fleet.db"})
      .property("Table Name", &C::table,
                {.doc = "The table or view.", .required = true, .example = "vehicle"})
      .property("Lookup Key Column", &C::key_column,
                {.doc = "The column of the keys; it should have an index. Of several rows with the "
                        "same key one is taken. Several, with commas between them: the columns of "
                        "keys that are looked up together, as LookupRecord does by a property for "
                        "each.",
                 .required = true,
                 .example = "plate"})
      .property("Lookup Value Column", &C::value_columns,
                {.doc = "The column of the values. Several, with commas between them: the value is "
                        "a JSON object of them.",
                 .required = true,
                 .example = "depot"})
      .provides<LookupService>();
}

Result<std::unique_ptr<SqliteLookup>> SqliteLookup::make(Config config) {
  TRY_ASSIGN(names, columns_of("Lookup Value Column", config.value_columns));
  TRY_ASSIGN(keys, columns_of("Lookup Key Column", config.key_column));
  std::string members;
  for (const std::string& name : names)
    members += (members.empty() ? "" : ", ") + sql_quoted(name, '\'') + ", " + column(name);
  const std::string value =
      names.size() == 1 ? column(names.front()) : "json_object(" + members + ")";
  std::string condition;
  for (std::size_t i = 0; i < keys.size(); ++i)
    condition += (i == 0 ? "" : " AND ") + column(keys[i]) + " = ?" + std::to_string(i + 1);
  std::string sql = "SELECT " + value + " FROM " + sql_quoted(config.table, '"') + " AS t WHERE " +
                    condition + " LIMIT 1";
  return std::make_unique<SqliteLookup>(std::move(config), std::move(keys), std::move(sql),
                                        names.size() > 1);
}

Result<SqliteLookup::Stamp> SqliteLookup::stamp() const {
  struct stat facts {};
  if (::stat(config_.file.c_str(), &facts) != 0)
    return unavailable("`" + config_.file + "`: " + std::strerror(errno));
  return Stamp{facts.st_dev, facts.st_ino};
}

Result<SqliteLookup::Opened> SqliteLookup::open() const {
  DatabaseOptions options;
  options.is_read_only = true;
  options.is_foreign = true;
  options.busy_timeout_ms = kBusyTimeoutMs;
  Opened opened;
  TRY_ASSIGN(database, Database::open(config_.file, options));
  opened.database = std::move(database);
  TRY_ASSIGN(select, opened.database->prepare(sql_));
  opened.select = std::move(select);
  return opened;
}

Result<> SqliteLookup::start(ServiceContext& context) {
  context_ = &context;
  TRY_ASSIGN(now, stamp());
  TRY_ASSIGN(opened, open());
  TRY_ASSIGN(plan, opened.database->prepare("EXPLAIN QUERY PLAN " + sql_));
  TRY_ASSIGN(has_row, plan.step());
  if (has_row && plan.text(3).starts_with("SCAN")) {
    context.bulletin(BulletinLevel::kWarning,
                     "`" + config_.file + "`: the key column `" + config_.key_column +
                         "` has no index: each look-up reads the whole table");
  }
  Lock lock(mutex_);
  opened_ = std::move(opened);
  stamp_ = now;
  looked_at_ = context.clock().steady();
  return {};
}

void SqliteLookup::stop() {
  Lock lock(mutex_);
  opened_.select = Statement();
  opened_.database.reset();
}

void SqliteLookup::look() {
  const SteadyTime now = context_->clock().steady();
  if (now - looked_at_ < kLookAtTable) return;
  looked_at_ = now;
  const Result<Stamp> seen = stamp();
  if (seen.ok() && *seen == stamp_) return;
  Result<Opened> opened = seen.ok() ? open() : seen.error();
  if (opened.ok()) {
    opened_.select = Statement();
    opened_ = std::move(*opened);
    stamp_ = *seen;
    return;
  }
  context_->bulletin(BulletinLevel::kWarning,
                     opened.error().text() + "; going on with what it was before");
}

Result<std::optional<std::string>> SqliteLookup::find_text(const std::vector<std::string>& keys) {
  Lock lock(mutex_);
  look();
  for (std::size_t i = 0; i < keys_.size(); ++i)
    opened_.select.bind_text(static_cast<int>(i + 1), keys.at(i));
  TRY_ASSIGN(has_row, opened_.select.step());
  if (!has_row) return std::optional<std::string>{};
  std::string value(opened_.select.text(0));
  opened_.select.reset();
  return std::optional<std::string>(std::move(value));
}

}  // namespace runnel
