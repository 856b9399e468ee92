// The flows and their versions.

#include "hub/catalog/catalog.h"

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/base/ids.h"
#include "agent/base/name.h"
#include "agent/flow/yaml_reader.h"

namespace runnel::hub {
namespace {

// Of our own making; it must never change, or agents would fetch what they have.
constexpr std::string_view kVersionSpace = "6f1d0c8e-53b5-4a59-9d57-3f0d6e5a8b21";

constexpr std::string_view kSelectAll =
    "SELECT flow, version, id, author, message, created_ms, sha256, length(CAST(text AS BLOB)) "
    "FROM flow_versions ORDER BY flow, version";
constexpr std::string_view kInsert = "INSERT INTO flow_versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kSelectText = "SELECT text FROM flow_versions WHERE id = ?";

}  // namespace

std::string version_id(std::string_view flow, std::int64_t version) {
  static const Uuid space = *parse_uuid(kVersionSpace);
  return named_uuid(space, std::string(flow) + "@" + std::to_string(version)).text();
}

std::string ref_text(const FlowVersion& version) {
  return version.flow + "@" + std::to_string(version.version);
}

Result<std::unique_ptr<Catalog>> Catalog::open(Store& store, const Clock& clock) {
  std::unique_ptr<Catalog> catalog(new Catalog(store, clock));
  TRY(store.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectAll));
    Lock lock(catalog->mutex_);
    while (true) {
      TRY_ASSIGN(has_row, select.step());
      if (!has_row) return Ok{};
      catalog->add(std::make_shared<FlowVersion>(FlowVersion{
          text_of(select, 0), select.integer(1), text_of(select, 2), text_of(select, 3),
          text_of(select, 4), select.integer(5), text_of(select, 6), select.integer(7)}));
    }
  }));
  return catalog;
}

void Catalog::add(VersionPtr version) {
  by_id_[version->id] = version;
  flows_[version->flow].push_back(std::move(version));
}

Result<Catalog::Pushed> Catalog::push(const std::string& text, const std::string& message,
                                      const std::string& author) {
  if (message.size() > kMessageMax) return invalid("the message is too long");
  if (!is_utf8(text)) return invalid("the text is not UTF-8");
  FlowReading reading = read_yaml(text, {.file = "flow.yaml", .parameters = {}});
  Pushed pushed;
  if (!reading.ok()) {
    pushed.complaints = std::move(reading.complaints);
    return pushed;
  }
  const std::string& name = reading.flow->name;
  if (!is_good_name(name)) {
    return invalid("a flow's name in the catalog is " + std::string(kGoodName) + ", not `" + name +
                   "`");
  }
  const std::string sha256 = sha256_hex(text);

  Lock pushing(push_mutex_);
  const VersionPtr before = latest(name);
  if (before != nullptr && before->sha256 == sha256) {
    pushed.version = before;
    return pushed;
  }
  {
    Lock lock(mutex_);
    if (by_id_.size() >= kVersionsMax) return full("the catalog holds as many versions as it may");
  }
  const std::int64_t number = before == nullptr ? 1 : before->version + 1;
  auto version = std::make_shared<FlowVersion>(
      FlowVersion{name, number, version_id(name, number), author, message, clock_.wall_ms(), sha256,
                  static_cast<std::int64_t>(text.size())});
  TRY(store_.write([&](Database& database) -> Result<> {
    TRY_ASSIGN(insert, database.prepare(kInsert));
    return insert.bind_text(1, version->flow)
        .bind(2, version->version)
        .bind_text(3, version->id)
        .bind_text(4, version->author)
        .bind_text(5, version->message)
        .bind(6, version->created_ms)
        .bind_text(7, version->sha256)
        .bind_text(8, text)
        .run();
  }));
  {
    Lock lock(texts_mutex_);
    keep(version->id, std::make_shared<FlowText>(FlowText{text, reading.flow}));
  }
  Lock lock(mutex_);
  add(version);
  pushed.version = version;
  pushed.is_new = true;
  return pushed;
}

VersionPtr Catalog::find(std::string_view flow, std::int64_t version) const {
  Lock lock(mutex_);
  const auto found = flows_.find(flow);
  if (found == flows_.end() || version < 1) return nullptr;
  const auto index = static_cast<std::size_t>(version - 1);
  return index < found->second.size() ? found->second[index] : nullptr;
}

VersionPtr Catalog::latest(std::string_view flow) const {
  Lock lock(mutex_);
  const auto found = flows_.find(flow);
  return found == flows_.end() ? nullptr : found->second.back();
}

VersionPtr Catalog::find_id(std::string_view id) const {
  Lock lock(mutex_);
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

VersionPtr Catalog::find_sha256(std::string_view flow, std::string_view sha256) const {
  Lock lock(mutex_);
  const auto found = flows_.find(flow);
  if (found == flows_.end()) return nullptr;
  for (auto version = found->second.rbegin(); version != found->second.rend(); ++version) {
    if ((*version)->sha256 == sha256) return *version;
  }
  return nullptr;
}

std::vector<VersionPtr> Catalog::versions(std::string_view flow) const {
  Lock lock(mutex_);
  const auto found = flows_.find(flow);
  return found == flows_.end() ? std::vector<VersionPtr>() : found->second;
}

std::vector<std::string> Catalog::flows() const {
  Lock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, versions] : flows_) names.push_back(name);
  return names;
}

void Catalog::keep(const std::string& id, TextPtr text) {
  texts_.emplace_front(id, std::move(text));
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (auto each = texts_.begin(); each != texts_.end(); ++each) {
    bytes += each->second->text.size();
    if (++count > 1 && (count > kTextsKept || bytes > kTextBytesKept)) {
      texts_.erase(each, texts_.end());
      return;
    }
  }
}

Result<TextPtr> Catalog::text(const VersionPtr& version) {
  {
    Lock lock(texts_mutex_);
    for (auto each = texts_.begin(); each != texts_.end(); ++each) {
      if (each->first != version->id) continue;
      texts_.splice(texts_.begin(), texts_, each);
      return texts_.front().second;
    }
  }
  auto text = std::make_shared<FlowText>();
  TRY(store_.read([&](Database& database) -> Result<> {
    TRY_ASSIGN(select, database.prepare(kSelectText));
    TRY_ASSIGN(has_row, select.bind_text(1, version->id).step());
    if (!has_row) return not_found("the text of " + ref_text(*version) + " is gone");
    text->text = select.text(0);
    return Ok{};
  }));
  text->flow = read_yaml(text->text, {.file = "flow.yaml", .parameters = {}}).flow;
  Lock lock(texts_mutex_);
  keep(version->id, text);
  return TextPtr(text);
}

}  // namespace runnel::hub
