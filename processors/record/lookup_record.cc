// LookupRecord: looks values of records up, and puts what is found into them.
//
// Records are streamed, each to the FlowFile of its relationship. Where the writer must know all
// fields beforehand (CSV), the content is read and looked up twice.

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/record/lookup.h"
#include "processors/record/record.h"
#include "processors/record/record_expression.h"
#include "processors/record/record_path.h"
#include "processors/registry.h"

namespace runnel {

enum class LookupRouting { kSuccess, kMatched };
enum class LookupContents { kEntire, kFields };
enum class LookupUpdate { kProperty, kReplace };

template <>
struct EnumNames<LookupRouting> {
  static constexpr std::array<std::pair<LookupRouting, std::string_view>, 2> names{
      {{LookupRouting::kSuccess, "route-to-success"},
       {LookupRouting::kMatched, "route-to-matched-unmatched"}}};
};
template <>
struct EnumNames<LookupContents> {
  static constexpr std::array<std::pair<LookupContents, std::string_view>, 2> names{
      {{LookupContents::kEntire, "insert-entire-record"},
       {LookupContents::kFields, "record-fields"}}};
};
template <>
struct EnumNames<LookupUpdate> {
  static constexpr std::array<std::pair<LookupUpdate, std::string_view>, 2> names{
      {{LookupUpdate::kProperty, "use-property"},
       {LookupUpdate::kReplace, "replace-existing-values"}}};
};

namespace {

struct LookupRecordConfig {
  ServiceRef<RecordReaderFactory> reader;
  ServiceRef<RecordSetWriterFactory> writer;
  ServiceRef<LookupService> lookup;
  RecordPath root;
  std::optional<RecordPath> result;
  LookupRouting routing = LookupRouting::kSuccess;
  LookupContents contents = LookupContents::kEntire;
  LookupUpdate update = LookupUpdate::kProperty;
  DynamicProperties keys;
};

class LookupRecord final : public Processor {
 public:
  using Config = LookupRecordConfig;
  struct Key {
    std::string name;
    RecordExpression value;
  };
  LookupRecord(Config config, std::vector<Key> keys)
      : config_(std::move(config)), keys_(std::move(keys)) {}
  static Result<std::unique_ptr<LookupRecord>> make(Config config);

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;

 private:
  // The records that go one way.
  struct Way {
    std::vector<std::string> columns;
    FlowFile flowfile;
    std::unique_ptr<ContentWriter> content;
    std::unique_ptr<RecordWriter> writer;
    std::uint64_t count = 0;
  };
  enum { kMatchedWay, kUnmatchedWay, kWays };
  using Ways = std::array<Way, kWays>;

  Result<> convert(Session& session, FlowFile original, Ways& ways);
  Result<> find_columns(Session& session, FlowFile original, Ways& ways);
  Result<> open(Session& session, FlowFile original, Way& way);
  // By which way it goes; what is found is in it then.
  Result<std::size_t> look_up(Record& record);
  Result<> order_keys();
  // One for each key; none: they are not all there, each once.
  Result<std::optional<std::vector<std::string>>> keys_of(Value& root) const;
  Result<bool> insert_result(Value& root);
  Result<bool> replace_values(Value& root);
  Result<std::optional<Value>> found_for(const Value& key);

  const Config config_;
  std::vector<Key> keys_;  // in the order of the service, if it has several
  Context* context_ = nullptr;
  RecordReaderFactory* reader_ = nullptr;
  RecordSetWriterFactory* writer_ = nullptr;
  LookupService* lookup_ = nullptr;
  Relationship success_;
  Relationship matched_;
  Relationship unmatched_;
  Relationship failure_;
};

}  // namespace

ProcessorType lookup_record() {
  using C = LookupRecordConfig;
  return Describe<LookupRecord>("LookupRecord",
                                "Looks a value of each record up, and puts what is found into the "
                                "record.")
      .property("Record Reader", &C::reader,
                {.doc = "The service that reads.", .required = true, .example = "from-json"})
      .property("Record Writer", &C::writer,
                {.doc = "The service that writes.", .required = true, .example = "to-json"})
      .property("Lookup Service", &C::lookup,
                {.doc = "The service that has the values.", .required = true, .example = "depots"})
      .property("Root Record Path", &C::root,
                {.doc = "The records inside each record to which all other paths belong: "
                        "`/stops[*]`. Empty: each record itself."})
      .property("Result RecordPath", &C::result,
                {.doc = "Where what is found is put; fields that are not there are made. Empty: "
                        "nowhere, records are only routed."})
      .property("Routing Strategy", &C::routing,
                {.doc = "`route-to-success`: all records go to `success`, found or not. "
                        "`route-to-matched-unmatched`: those for which something was found (at "
                        "`Root Record Path` for each record inside) go to `matched`, the others to "
                        "`unmatched`, each in a FlowFile of their own."})
      .property("Record Result Contents", &C::contents,
                {.doc = "Of a service that has several values for a key: whether the record of "
                        "them is put at `Result RecordPath`, or its fields are added to the record "
                        "that is there."})
      .property("Record Update Strategy", &C::update,
                {.doc = "`use-property`: the property of the key says what is looked up, `Result "
                        "RecordPath` where the result goes; for a service that takes several keys "
                        "together, a property of each key's name. `replace-existing-values`: each "
                        "property is a path whose value is looked up and replaced by what is "
                        "found; `Result RecordPath` is passed over."})
      .dynamic_properties(
          &C::keys, {.name = "key",
                     .doc = "The path of the value to look up: `/vehicle/plate`. Several values "
                            "at one key, or none, count as not found. Paths name fields and items, "
                            "without predicates; with `use-property` they may stand in "
                            "`concat`, `coalesce`, `substringBefore`, `substringAfter`, "
                            "`toUpperCase`, `toLowerCase`, `trim` and `toString`: "
                            "`toUpperCase(substringBefore(/trip, '-'))`."})
      .optional_relationship("success", "With `route-to-success`, which needs it: all records.")
      .optional_relationship("matched",
                             "With `route-to-matched-unmatched`, which needs it: records for which "
                             "something was found.")
      .optional_relationship("unmatched",
                             "With `route-to-matched-unmatched`, which needs it: the others.")
      .relationship("failure", "FlowFiles that could not be read, as they came.")
      .writes("record.count", "How many records it has.")
      .writes("mime.type", "The format's.")
      .writes("record.error.message", "On `failure`: why.")
      .concurrent();
}

Result<std::unique_ptr<LookupRecord>> LookupRecord::make(Config config) {
  std::vector<Key> keys;
  for (const auto& [name, text] : config.keys) {
    TRY_ASSIGN(value, RecordExpression::compile(text).within("property `" + name + "`"));
    if (value.path() == nullptr && config.update == LookupUpdate::kReplace)
      return invalid("property `" + name + "`: with `replace-existing-values` it is a path; what " +
                     "a function makes cannot be replaced");
    if (value.path() != nullptr && value.path()->text() == "/")
      return invalid("the record itself is no key: the path `/`");
    keys.push_back({name, std::move(value)});
  }
  if (keys.empty())
    return invalid("a property with the path of the key is missing, such as `key`: `/plate`");
  const bool has_result = config.result && config.update == LookupUpdate::kProperty;
  if (has_result && config.result->text() == "/" && config.contents == LookupContents::kEntire)
    return invalid("property `Result RecordPath`: `/` takes `record-fields` only");
  return std::make_unique<LookupRecord>(std::move(config), std::move(keys));
}

Result<> LookupRecord::start(Context& context) {
  context_ = &context;
  success_ = context.relationship("success");
  matched_ = context.relationship("matched");
  unmatched_ = context.relationship("unmatched");
  failure_ = context.relationship("failure");
  const bool is_connected =
      config_.routing == LookupRouting::kSuccess ? bool{success_} : matched_ && unmatched_;
  if (!is_connected) {
    return invalid(config_.routing == LookupRouting::kSuccess
                       ? "with `route-to-success` the relationship `success` must be connected or "
                         "terminated"
                       : "with `route-to-matched-unmatched` the relationships `matched` and "
                         "`unmatched` must be connected or terminated");
  }
  TRY_ASSIGN(reader, context.service(config_.reader));
  TRY_ASSIGN(writer, context.service(config_.writer));
  TRY_ASSIGN(lookup, context.service(config_.lookup));
  reader_ = reader;
  writer_ = writer;
  lookup_ = lookup;
  return order_keys();
}

Result<> LookupRecord::order_keys() {
  const std::vector<std::string> names = lookup_->key_names();
  if (config_.update == LookupUpdate::kReplace) {
    if (!names.empty())
      return invalid(
          "the service takes several keys together: with `replace-existing-values` "
          "each value is looked up by itself");
    return {};
  }
  if (names.empty()) {
    if (keys_.size() == 1) return {};
    return invalid("there are " + std::to_string(keys_.size()) +
                   " properties for the key; the service has one (`replace-existing-values` takes "
                   "several)");
  }
  std::vector<Key> ordered;
  for (const std::string& name : names) {
    const auto found =
        std::find_if(keys_.begin(), keys_.end(), [&](const Key& one) { return one.name == name; });
    if (found == keys_.end())
      return invalid("a property `" + name + "` with the path of that key is missing");
    ordered.push_back(*found);
  }
  for (const Key& one : keys_) {
    if (std::find(names.begin(), names.end(), one.name) == names.end())
      return invalid("property `" + one.name + "`: the service has no such key");
  }
  keys_ = std::move(ordered);
  return {};
}

Result<> LookupRecord::on_trigger(Session& session) {
  FlowFile original = session.get();
  if (!original) return {};
  Ways ways;
  const Result<> converted = convert(session, original, ways);
  if (!converted.ok()) {
    if (converted.code() != Code::kInvalid) return converted.error();
    for (Way& way : ways) {
      way.writer.reset();
      way.content.reset();
      if (way.flowfile) session.drop(way.flowfile);
    }
    return fail_records(*context_, session, original, converted.error(), failure_);
  }
  const bool is_routed = config_.routing == LookupRouting::kMatched;
  for (std::size_t i = 0; i < kWays; ++i) {
    Way& way = ways[i];
    if (!way.flowfile) continue;
    way.flowfile.set("record.count", std::to_string(way.count));
    way.flowfile.set("mime.type", writer_->mime_type());
    session.transfer(way.flowfile, !is_routed         ? success_
                                   : i == kMatchedWay ? matched_
                                                      : unmatched_);
  }
  session.drop(original);
  return {};
}

Result<> LookupRecord::convert(Session& session, FlowFile original, Ways& ways) {
  if (writer_->needs_columns()) TRY(find_columns(session, original, ways));
  TRY_ASSIGN(content, session.reader(original));
  TRY_ASSIGN(reader, reader_->open(*content));
  while (true) {
    TRY_ASSIGN(record, reader->next());
    if (!record) break;
    TRY_ASSIGN(at, look_up(*record));
    Way& way = ways[at];
    if (!way.flowfile) TRY(open(session, original, way));
    TRY(way.writer->write(*record));
    ++way.count;
  }
  // Without records there is one FlowFile all the same.
  if (!ways[kMatchedWay].flowfile && !ways[kUnmatchedWay].flowfile)
    TRY(open(session, original, ways[kUnmatchedWay]));
  for (Way& way : ways) {
    if (!way.flowfile) continue;
    TRY(way.writer->finish());
    TRY(way.content->finish());
  }
  return {};
}

Result<> LookupRecord::find_columns(Session& session, FlowFile original, Ways& ways) {
  TRY_ASSIGN(content, session.reader(original));
  TRY_ASSIGN(reader, reader_->open(*content));
  std::array<std::set<std::string>, kWays> seen;
  while (true) {
    TRY_ASSIGN(record, reader->next());
    if (!record) return {};
    TRY_ASSIGN(at, look_up(*record));
    for (const Field& field : record->fields) {
      if (!seen[at].insert(field.name).second) continue;
      if (seen[at].size() > kColumnsMax)
        return invalid("the records have more than " + std::to_string(kColumnsMax) + " fields");
      ways[at].columns.push_back(field.name);
    }
  }
}

Result<> LookupRecord::open(Session& session, FlowFile original, Way& way) {
  way.flowfile = session.create(original);
  TRY_ASSIGN(content, session.writer(way.flowfile));
  way.content = std::move(content);
  TRY_ASSIGN(writer, writer_->open(*way.content, way.columns));
  way.writer = std::move(writer);
  return {};
}

Result<std::size_t> LookupRecord::look_up(Record& record) {
  Value whole{std::move(record.fields)};
  const std::vector<Value*> roots = config_.root.select(whole);
  bool is_found = !roots.empty();
  for (Value* const root : roots) {
    TRY_ASSIGN(one, config_.update == LookupUpdate::kReplace ? replace_values(*root)
                                                             : insert_result(*root));
    is_found = is_found && one;
  }
  record.fields = std::move(std::get<Value::Fields>(whole.held));
  const bool is_one_way = config_.routing == LookupRouting::kSuccess;
  return std::size_t{is_found || is_one_way ? kMatchedWay : kUnmatchedWay};
}

Result<std::optional<Value>> LookupRecord::found_for(const Value& key) {
  if (!key.is_scalar()) return std::optional<Value>{};
  return lookup_->find_value(text_of(key));
}

Result<std::optional<std::vector<std::string>>> LookupRecord::keys_of(Value& root) const {
  using Keys = std::optional<std::vector<std::string>>;
  std::vector<std::string> out;
  for (const Key& key : keys_) {
    TRY_ASSIGN(values, key.value.evaluate(root));
    std::erase_if(values, [](const Value& one) { return one.is_null(); });
    if (values.size() != 1) return Keys{};  // which is meant?
    if (!values[0].is_scalar()) return Keys{};
    out.push_back(text_of(values[0]));
  }
  return Keys(std::move(out));
}

Result<bool> LookupRecord::insert_result(Value& root) {
  TRY_ASSIGN(keys, keys_of(root));
  if (!keys) return false;
  TRY_ASSIGN(found, lookup_->find_row(*keys));
  if (!found) return false;
  if (!config_.result) return true;
  const auto* const fields = std::get_if<Value::Fields>(&found->held);
  for (Value* const place : config_.result->make(root)) {
    if (fields == nullptr && place == &root)
      return invalid("the service has single values; they have no place at `/`");
    if (fields == nullptr || config_.contents == LookupContents::kEntire) {
      *place = *found;
      continue;
    }
    if (!std::holds_alternative<Value::Fields>(place->held)) *place = Value{Value::Fields{}};
    for (const Field& field : *fields) {
      bool is_there = false;
      for (Field& own : std::get<Value::Fields>(place->held)) {
        if (own.name != field.name) continue;
        own.value = field.value;
        is_there = true;
      }
      if (!is_there) std::get<Value::Fields>(place->held).push_back(field);
    }
  }
  return true;
}

Result<bool> LookupRecord::replace_values(Value& root) {
  bool is_found = false;
  for (const Key& key : keys_) {
    for (Value* const place : key.value.path()->select(root)) {
      TRY_ASSIGN(found, found_for(*place));
      if (!found) continue;
      *place = std::move(*found);
      is_found = true;
    }
  }
  return is_found;
}

}  // namespace runnel
