// The bench's session and context.

#include "tests/support/processor_bench.h"

#include <algorithm>
#include <list>
#include <optional>

#include "agent/base/assert.h"
#include "agent/flow/check.h"
#include "agent/sdk/flow_record.h"
#include "processors/registry.h"

namespace runnel {
namespace {

struct Item : FlowRecord {
  std::map<std::string, std::string, std::less<>> attributes_by_name;
  std::string bytes;
  std::string destination;  // where the session sent it; empty: not yet
  bool is_dropped = false;
  bool is_penalized = false;
  bool is_handed = false;
  bool is_input = false;
  std::optional<std::pair<std::map<std::string, std::string, std::less<>>, std::string>> before;
};

Item& item_of(const FlowFile& flowfile) { return static_cast<Item&>(*flowfile.record()); }

class MemoryReader final : public ContentReader {
 public:
  explicit MemoryReader(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<std::size_t> read(std::span<char> into) override {
    const std::size_t count = bytes_.copy(into.data(), into.size(), next_);
    next_ += count;
    return count;
  }

 private:
  const std::string bytes_;
  std::size_t next_ = 0;
};

class MemoryWriter final : public ContentWriter {
 public:
  explicit MemoryWriter(Item& item) : item_(item) {}
  Result<> write(std::string_view bytes) override {
    bytes_ += bytes;
    return {};
  }
  Result<> finish() override {
    item_.bytes = std::move(bytes_);
    item_.size = item_.bytes.size();
    return {};
  }

 private:
  Item& item_;
  std::string bytes_;
};

}  // namespace

class ProcessorBench::Room final : public Context, public Session, public Handed::Owner {
 public:
  Room(ComponentSpec spec, PropertyValues values, std::set<std::string> left_out)
      : left_out_(std::move(left_out)) {
    for (RelationshipSpec& one : relationships_of(spec, values)) names_.push_back(one.name);
  }

  // ---- Context
  const std::string& name() const override { return name_; }
  const std::string& path() const override { return name_; }
  const std::string& id() const override { return name_; }
  const std::string& agent_id() const override { return name_; }
  Relationship relationship(std::string_view name) const override {
    const auto found = std::find(names_.begin(), names_.end(), name);
    RUNNEL_ASSERT(found != names_.end());
    if (left_out_.contains(*found)) return {};
    return {static_cast<std::uint16_t>(found - names_.begin())};
  }
  bool is_connected(Relationship relationship) const override {
    return static_cast<bool>(relationship);
  }
  void wake() override {}
  void wake_at(SteadyTime) override {}
  bool is_blocked() const override { return false; }
  void bulletin(BulletinLevel, std::string_view text) override { bulletins.emplace_back(text); }
  std::unique_ptr<Intake> open_intake(IntakeOptions) override { return nullptr; }
  void urge() override {}
  DurableMap& durable() override {
    RUNNEL_ASSERT(!"the bench keeps nothing durable");
    return *static_cast<DurableMap*>(nullptr);
  }
  Clock& clock() override { return time; }

  // ---- Session
  FlowFile get() override {
    for (Item& item : items_) {
      if (!item.is_input || item.is_handed || taken_.contains(&item)) continue;
      if (item.is_penalized) continue;
      taken_.insert(&item);
      item.before = {item.attributes_by_name, item.bytes};
      return {&item, this};
    }
    return {};
  }
  FlowFile create() override {
    Item& item = make();
    item.attributes_by_name["filename"] = uuid(item);
    item.attributes_by_name["path"] = "./";
    return {&item, this};
  }
  FlowFile create(FlowFile parent) override {
    FlowFile child = create();
    for (const auto& [key, value] : item_of(parent).attributes_by_name) {
      if (key != "uuid") item_of(child).attributes_by_name[key] = value;
    }
    return child;
  }
  FlowFile clone(FlowFile original) override { return clone(original, 0, original.size()); }
  FlowFile clone(FlowFile original, std::uint64_t offset, std::uint64_t size) override {
    RUNNEL_ASSERT(offset + size <= original.size());
    FlowFile copy = create(original);
    set_bytes(item_of(copy), item_of(original).bytes.substr(offset, size));
    return copy;
  }
  FlowFile merge(std::span<const FlowFile> parts, MergeText text) override {
    FlowFile merged = create();
    std::string bytes(text.header);
    auto& common = item_of(merged).attributes_by_name;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Item& part = item_of(parts[i]);
      if (i == 0) {
        for (const auto& [key, value] : part.attributes_by_name) common.emplace(key, value);
      } else {
        bytes += text.demarcator;
      }
      bytes += part.bytes;
      std::erase_if(common, [&](const auto& one) {
        const auto found = part.attributes_by_name.find(one.first);
        const bool is_core = one.first == "filename" || one.first == "path";
        return !is_core && (found == part.attributes_by_name.end() || found->second != one.second);
      });
    }
    bytes += text.footer;
    set_bytes(item_of(merged), std::move(bytes));
    return merged;
  }
  Result<std::string_view> content(FlowFile of, std::size_t at_most) override {
    if (of.size() > at_most) return full("content is larger than asked for");
    return std::string_view(item_of(of).bytes);
  }
  Result<std::unique_ptr<ContentReader>> reader(FlowFile of) override {
    return std::unique_ptr<ContentReader>(std::make_unique<MemoryReader>(item_of(of).bytes));
  }
  Result<> write(FlowFile to, std::string_view bytes) override {
    set_bytes(item_of(to), std::string(bytes));
    return {};
  }
  Result<std::unique_ptr<ContentWriter>> writer(FlowFile to) override {
    return std::unique_ptr<ContentWriter>(std::make_unique<MemoryWriter>(item_of(to)));
  }
  void transfer(FlowFile what, Relationship to) override {
    RUNNEL_ASSERT(static_cast<bool>(to));
    item_of(what).destination = names_[to.index];
  }
  void drop(FlowFile what) override { item_of(what).is_dropped = true; }
  void penalize(FlowFile what) override { item_of(what).is_penalized = true; }
  Handed hand_over(FlowFile what) override {
    item_of(what).is_handed = true;
    slots_[++last_slot_] = &item_of(what);
    return {this, last_slot_};
  }
  FlowFile take_back(Handed handed) override {
    Item* item = slots_.at(handed.release());
    item->is_handed = false;
    taken_.insert(item);
    item->before = {item->attributes_by_name, item->bytes};
    return {item, this};
  }
  void event(FlowFile, ProvenanceKind, std::string_view, std::string_view) override {}
  std::optional<std::string> state(std::string_view key) override {
    const auto found = kept_state.find(key);
    return found == kept_state.end() ? std::nullopt : std::optional(found->second);
  }
  void set_state(std::string_view key, std::string_view value) override {
    kept_state[std::string(key)] = value;
  }
  void remove_state(std::string_view key) override { kept_state.erase(std::string(key)); }
  void each_state(const std::function<void(std::string_view, std::string_view)>& visit) override {
    for (const auto& [key, value] : kept_state) visit(key, value);
  }
  void when_safe(std::function<void()> then) override { when_safe_.push_back(std::move(then)); }
  void yield() override { has_yielded = true; }
  std::optional<std::string_view> attribute(const FlowRecord& record,
                                            std::string_view name) const override {
    const auto& all = static_cast<const Item&>(record).attributes_by_name;
    const auto found = all.find(name);
    return found == all.end() ? std::nullopt : std::optional<std::string_view>(found->second);
  }
  void set_attribute(FlowRecord& record, std::string_view name, std::string_view value) override {
    static_cast<Item&>(record).attributes_by_name[std::string(name)] = value;
  }
  void remove_attribute(FlowRecord& record, std::string_view name) override {
    static_cast<Item&>(record).attributes_by_name.erase(std::string(name));
  }
  void each_attribute(
      const FlowRecord& record,
      const std::function<void(std::string_view, std::string_view)>& visit) const override {
    for (const auto& [key, value] : static_cast<const Item&>(record).attributes_by_name) {
      visit(key, value);
    }
  }
  std::string uuid(const FlowRecord& record) const override {
    return "uuid-" + std::to_string(record.id);
  }

  // ---- Handed::Owner
  void transfer(std::uint64_t slot, Relationship to,
                std::span<const std::pair<std::string_view, std::string_view>> set) override {
    Item& item = *slots_.at(slot);
    for (const auto& [key, value] : set) item.attributes_by_name[std::string(key)] = value;
    item.is_handed = false;
    item.destination = names_[to.index];
    deliver(item);
    forget();
  }
  void give_back(std::uint64_t slot, bool is_penalized) override {
    Item& item = *slots_.at(slot);
    item.is_handed = false;
    item.is_penalized = is_penalized;
    taken_.erase(&item);  // where it was taken in this very session
  }

  // ---- the test's side
  Result<> trigger() {
    const auto state_before = kept_state;
    const Result<> done = processor->on_trigger(*this);
    if (done.ok()) {
      commit();
    } else {
      kept_state = state_before;
      roll_back();
    }
    taken_.clear();
    made_.clear();
    when_safe_.clear();
    forget();
    return done;
  }

  Item& put(std::string content, std::map<std::string, std::string, std::less<>> attributes) {
    Item& item = items_.emplace_back();
    item.id = ++last_id_;
    item.entry_ms = time.wall_ms();
    item.is_input = true;
    item.attributes_by_name = std::move(attributes);
    set_bytes(item, std::move(content));
    return item;
  }

  std::size_t queued() const {
    return static_cast<std::size_t>(
        std::count_if(items_.begin(), items_.end(),
                      [](const Item& one) { return one.is_input && !one.is_handed; }));
  }

  std::unique_ptr<Processor> processor;
  ManualClock time;
  std::vector<std::string> bulletins;
  std::map<std::string, std::string, std::less<>> kept_state;
  std::map<std::string, std::vector<BenchFlowFile>, std::less<>> out;
  std::size_t dropped = 0;
  bool has_yielded = false;

 private:
  static void set_bytes(Item& item, std::string bytes) {
    item.bytes = std::move(bytes);
    item.size = item.bytes.size();
  }
  Item& make() {
    Item& item = items_.emplace_back();
    item.id = ++last_id_;
    item.entry_ms = time.wall_ms();
    made_.insert(&item);
    return item;
  }
  void deliver(Item& item) {
    out[item.destination].push_back({item.bytes, item.attributes_by_name, item.is_penalized});
    item.is_dropped = true;
  }
  void commit() {
    for (Item& item : items_) {
      if (!taken_.contains(&item) && !made_.contains(&item)) continue;
      // What the runtime promises to find at the end of each trigger.
      RUNNEL_ASSERT(item.is_dropped || item.is_handed || !item.destination.empty());
      if (item.is_handed) {
        item.is_input = true;
      } else if (item.is_dropped) {
        ++dropped;
      } else {
        deliver(item);
      }
    }
    for (const auto& then : when_safe_) then();
  }
  void roll_back() {
    for (Item& item : items_) {
      if (made_.contains(&item)) item.is_dropped = true;
      if (!taken_.contains(&item) || !item.before) continue;
      item.attributes_by_name = std::move(item.before->first);
      set_bytes(item, std::move(item.before->second));
      item.destination.clear();
      item.is_dropped = item.is_handed = false;
    }
  }
  void forget() {
    std::erase_if(slots_, [](const auto& one) { return one.second->is_dropped; });
    items_.remove_if([](const Item& one) { return one.is_dropped; });
  }

  const std::string name_ = "bench";
  const std::set<std::string> left_out_;
  std::vector<std::string> names_;
  std::list<Item> items_;
  std::set<const Item*> taken_;
  std::set<const Item*> made_;
  std::map<std::uint64_t, Item*> slots_;
  std::uint64_t last_slot_ = 0;
  std::uint64_t last_id_ = 0;
  std::vector<std::function<void()>> when_safe_;
};

std::string BenchFlowFile::at(std::string_view name) const {
  const auto found = attributes.find(name);
  return found == attributes.end() ? "(none)" : found->second;
}

ProcessorBench::ProcessorBench(std::unique_ptr<Room> room) : room_(std::move(room)) {}

ProcessorBench::~ProcessorBench() {
  if (room_->processor) room_->processor->stop();
  room_->processor.reset();
}

Result<std::unique_ptr<ProcessorBench>> ProcessorBench::open(std::string_view type,
                                                             PropertyValues values,
                                                             std::set<std::string> left_out) {
  const ProcessorType* found = find_processor_type(type);
  if (found == nullptr) return not_found("there is no " + std::string(type));
  for (const PropertyComplaint& one : check_values(found->spec, values)) return invalid(one.text);
  auto room = std::make_unique<Room>(found->spec, values, std::move(left_out));
  TRY_ASSIGN(processor, found->make(values));
  room->processor = std::move(processor);
  std::unique_ptr<ProcessorBench> bench(new ProcessorBench(std::move(room)));
  TRY(bench->room_->processor->start(*bench->room_));
  return bench;
}

void ProcessorBench::put(std::string content,
                         std::map<std::string, std::string, std::less<>> attributes) {
  room_->put(std::move(content), std::move(attributes));
}

Result<> ProcessorBench::trigger() { return room_->trigger(); }

Result<> ProcessorBench::run() {
  for (std::size_t before = queued() + 1; queued() > 0 && queued() < before;) {
    before = queued();
    TRY(trigger());
  }
  return {};
}

std::vector<BenchFlowFile> ProcessorBench::take(std::string_view relationship) {
  const auto found = room_->out.find(relationship);
  if (found == room_->out.end()) return {};
  std::vector<BenchFlowFile> all = std::move(found->second);
  room_->out.erase(found);
  return all;
}

std::size_t ProcessorBench::queued() const { return room_->queued(); }
std::size_t ProcessorBench::dropped() const { return room_->dropped; }
const std::vector<std::string>& ProcessorBench::bulletins() const { return room_->bulletins; }
std::map<std::string, std::string, std::less<>>& ProcessorBench::state() {
  return room_->kept_state;
}
ManualClock& ProcessorBench::clock() { return room_->time; }
bool ProcessorBench::has_yielded() const { return room_->has_yielded; }

}  // namespace runnel
