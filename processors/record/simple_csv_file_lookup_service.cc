// SimpleCsvFileLookupService: a value for a key from two columns of a CSV file.
//
// The table is held in memory. When the file has changed, which is looked at once a second while
// somebody asks, it is read anew; a file that is then gone or malformed is told of, and the old
// table goes on.

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <tuple>

#include "agent/base/mutex.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/service.h"
#include "processors/record/csv_rows.h"
#include "processors/record/lookup.h"
#include "processors/registry.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct SimpleCsvFileLookupConfig {
  std::string file;
  std::string key_column;
  std::string value_column;
  std::string separator = ",";
  bool ignores_duplicates = true;
  std::uint32_t entries_max = 1'000'000;
};

constexpr auto kLook = 1s;

class FileContent final : public ContentReader {
 public:
  explicit FileContent(const std::string& path) : stream_(path, std::ios::binary) {}
  bool is_open() const { return stream_.is_open(); }
  Result<std::size_t> read(std::span<char> into) override {
    stream_.read(into.data(), static_cast<std::streamsize>(into.size()));
    if (stream_.bad()) return unavailable("the file cannot be read");
    return static_cast<std::size_t>(stream_.gcount());
  }
  void rewind() override {
    stream_.clear();
    stream_.seekg(0);
  }

 private:
  std::ifstream stream_;
};

class SimpleCsvFileLookup final : public Service, public LookupService {
 public:
  using Config = SimpleCsvFileLookupConfig;
  SimpleCsvFileLookup(Config config, char separator)
      : config_(std::move(config)), separator_(separator) {}
  static Result<std::unique_ptr<SimpleCsvFileLookup>> make(Config config) {
    TRY_ASSIGN(separator, csv_character("Value Separator", config.separator));
    return std::make_unique<SimpleCsvFileLookup>(std::move(config), separator);
  }

  Result<> start(ServiceContext& context) override;
  Result<std::optional<std::string>> find(std::string_view key) override EXCLUDES(mutex_);

 private:
  using Table = std::map<std::string, std::string, std::less<>>;
  // By what a change of the file is seen.
  using Stamp = std::tuple<dev_t, ino_t, off_t, time_t, long>;

  Result<Stamp> stamp() const;
  Result<std::shared_ptr<const Table>> read() const;
  void look() REQUIRES(mutex_);

  const Config config_;
  const char separator_;
  ServiceContext* context_ = nullptr;
  Mutex mutex_;
  std::shared_ptr<const Table> table_ GUARDED_BY(mutex_);
  Stamp stamp_ GUARDED_BY(mutex_){};
  SteadyTime looked_at_ GUARDED_BY(mutex_){};
};

}  // namespace

ServiceType simple_csv_file_lookup_service() {
  using C = SimpleCsvFileLookupConfig;
  return DescribeService<SimpleCsvFileLookup>(
             "SimpleCsvFileLookupService",
             "Finds values by their keys in a CSV file whose first row names the columns. The file "
             "is held in memory, and read anew when it has changed.")
      .property("CSV File", &C::file,
                {.doc = "The file.", .required = true, .example = "/etc/v.csv"})
      .property("Lookup Key Column", &C::key_column,
                {.doc = "The column of the keys.", .required = true, .example = "plate"})
      .property("Lookup Value Column", &C::value_column,
                {.doc = "The column of the values.", .required = true, .example = "depot"})
      .property("Value Separator", &C::separator,
                {.doc = "The character between fields; `\\t` is a tab."})
      .property("Ignore Duplicates", &C::ignores_duplicates,
                {.doc = "Of rows with the same key the first counts; else such a file is refused."})
      .property("Maximum Entries", &C::entries_max,
                {.doc = "A file with more keys is refused.", .min = 1, .max = 10'000'000})
      .provides<LookupService>();
}

Result<SimpleCsvFileLookup::Stamp> SimpleCsvFileLookup::stamp() const {
  struct stat facts {};
  if (::stat(config_.file.c_str(), &facts) != 0) {
    return unavailable("`" + config_.file + "`: " + std::strerror(errno));
  }
  return Stamp{facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim.tv_sec,
               facts.st_mtim.tv_nsec};
}

Result<std::shared_ptr<const SimpleCsvFileLookup::Table>> SimpleCsvFileLookup::read() const {
  FileContent content(config_.file);
  if (!content.is_open()) return unavailable("`" + config_.file + "` cannot be opened");
  CsvRows rows(content, {.separator = separator_});
  TRY_ASSIGN(header, rows.header());
  if (!header) return invalid("`" + config_.file + "` has no rows");
  const auto column = [&](const std::string& name) {
    const auto found = std::find_if(header->begin(), header->end(),
                                    [&](const CsvRows::Cell& cell) { return cell.text == name; });
    return static_cast<std::size_t>(found - header->begin());
  };
  const std::size_t key = column(config_.key_column);
  const std::size_t value = column(config_.value_column);
  for (const auto& [at, name] :
       {std::pair(key, config_.key_column), std::pair(value, config_.value_column)}) {
    if (at == header->size()) return invalid("`" + config_.file + "` has no column `" + name + "`");
  }
  auto table = std::make_shared<Table>();
  while (true) {
    TRY_ASSIGN(row, rows.next());
    if (!row) return std::shared_ptr<const Table>(std::move(table));
    if (row->size() <= std::max(key, value)) continue;
    const bool is_new = table->emplace((*row)[key].text, (*row)[value].text).second;
    if (!is_new && !config_.ignores_duplicates) {
      return invalid("`" + config_.file + "`, line " + std::to_string(rows.line()) + ": the key `" +
                     (*row)[key].text + "` is there already");
    }
    if (table->size() > config_.entries_max) {
      return invalid("`" + config_.file + "` has more than " + std::to_string(config_.entries_max) +
                     " keys (`Maximum Entries`)");
    }
  }
}

Result<> SimpleCsvFileLookup::start(ServiceContext& context) {
  context_ = &context;
  TRY_ASSIGN(now, stamp());
  TRY_ASSIGN(table, read());
  Lock lock(mutex_);
  stamp_ = now;
  table_ = std::move(table);
  looked_at_ = context.clock().steady();
  return {};
}

void SimpleCsvFileLookup::look() {
  const SteadyTime now = context_->clock().steady();
  if (now - looked_at_ < kLook) return;
  looked_at_ = now;
  const Result<Stamp> seen = stamp();
  if (seen.ok() && *seen == stamp_) return;
  Result<std::shared_ptr<const Table>> table = seen.ok() ? read() : seen.error();
  if (table.ok()) {
    table_ = std::move(*table);
    stamp_ = *seen;
    return;
  }
  context_->bulletin(BulletinLevel::kWarning,
                     table.error().text() + "; going on with what it was before");
  if (seen.ok()) stamp_ = *seen;  // said once
}

Result<std::optional<std::string>> SimpleCsvFileLookup::find(std::string_view key) {
  std::shared_ptr<const Table> table;
  {
    Lock lock(mutex_);
    look();
    table = table_;
  }
  const auto found = table->find(key);
  if (found == table->end()) return std::optional<std::string>{};
  return std::optional<std::string>(found->second);
}

}  // namespace runnel
