// MergeContent: packs FlowFiles into bins and makes one FlowFile of each bin.
//
// FlowFiles in a bin are held, not committed: they count as queued and are queued again after a
// crash. A bin that is complete, or older than `Max Bin Age`, is merged in one session: the bundle,
// its parts to `original`, all or nothing.

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/file/directory.h"
#include "processors/registry.h"

namespace runnel {

enum class MergeStrategy { kBinPacking, kDefragment };
enum class DelimiterStrategy { kFilename, kText };
enum class AttributeStrategy { kCommon, kAllUnique };
enum class MergeFormat { kBinaryConcatenation };

template <>
struct EnumNames<MergeStrategy> {
  static constexpr std::array<std::pair<MergeStrategy, std::string_view>, 2> names{
      {{MergeStrategy::kDefragment, "Defragment"},
       {MergeStrategy::kBinPacking, "Bin-Packing Algorithm"}}};
};
template <>
struct EnumNames<DelimiterStrategy> {
  static constexpr std::array<std::pair<DelimiterStrategy, std::string_view>, 2> names{
      {{DelimiterStrategy::kFilename, "Filename"}, {DelimiterStrategy::kText, "Text"}}};
};
template <>
struct EnumNames<AttributeStrategy> {
  static constexpr std::array<std::pair<AttributeStrategy, std::string_view>, 2> names{
      {{AttributeStrategy::kCommon, "Keep Only Common Attributes"},
       {AttributeStrategy::kAllUnique, "Keep All Unique Attributes"}}};
};
template <>
struct EnumNames<MergeFormat> {
  static constexpr std::array<std::pair<MergeFormat, std::string_view>, 1> names{
      {{MergeFormat::kBinaryConcatenation, "Binary Concatenation"}}};
};

namespace {

using namespace std::chrono_literals;

struct MergeContentConfig {
  MergeStrategy merge_strategy = MergeStrategy::kBinPacking;
  MergeFormat merge_format = MergeFormat::kBinaryConcatenation;
  std::uint32_t entries_min = 1;
  std::optional<std::uint32_t> entries_max;
  Size group_size_min{0};
  std::optional<Size> group_size_max;
  std::optional<std::chrono::milliseconds> bin_age_max;
  std::uint32_t bin_count_max = 100;
  std::optional<std::string> correlation_attribute;
  DelimiterStrategy delimiter_strategy = DelimiterStrategy::kFilename;
  std::optional<std::string> header;
  std::optional<std::string> footer;
  std::optional<std::string> demarcator;
  AttributeStrategy attribute_strategy = AttributeStrategy::kCommon;
  std::uint32_t batch_size = 1;
};

class MergeContent final : public Processor {
 public:
  using Config = MergeContentConfig;
  static Result<std::unique_ptr<MergeContent>> make(Config config);
  explicit MergeContent(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;
  void stop() override {
    bins_.clear();  // gives back what they hold
    ready_.clear();
  }

 private:
  struct Part {
    Handed handed;
    std::uint64_t index;  // of a fragment
  };
  struct Bin {
    std::string group;
    SteadyTime began{};
    std::vector<Part> parts;
    std::uint64_t bytes = 0;
    // Of a defragmentation.
    std::optional<std::uint64_t> expected;
    std::unordered_set<std::uint64_t> indexes;
    bool do_disagree = false;  // about how many they are
    std::string reason;        // attribute merge.reason

    bool is_whole() const { return !do_disagree && expected && parts.size() == *expected; }
  };

  void add(Session& session, FlowFile flowfile);
  Bin& bin_for(const std::string& group, std::uint64_t bytes, std::uint64_t index);
  bool is_full(const Bin& bin) const;
  bool is_ripe(const Bin& bin) const;
  void retire(std::deque<Bin>::iterator bin, std::string_view reason);
  void retire_old();
  void retire_ripe();
  Result<> merge(Session& session, Bin bin);
  void unite_attributes(FlowFile merged, const std::vector<FlowFile>& parts) const;

  const Config config_;
  Context* context_ = nullptr;
  Relationship merged_;
  Relationship original_;
  Relationship failure_;
  std::string header_;
  std::string footer_;
  std::string demarcator_;
  std::deque<Bin> bins_;   // oldest first
  std::deque<Bin> ready_;  // to be merged
};

constexpr std::uint32_t kEntriesMax = 10'000;  // of a bin without a limit of its own
constexpr std::size_t kTextFileMax = 1 << 20;

Result<std::string> text_of(const std::optional<std::string>& given, DelimiterStrategy strategy) {
  if (!given) return std::string();
  if (strategy == DelimiterStrategy::kText) return *given;
  TRY_ASSIGN(file, OpenFile::open(*given, O_RDONLY));
  std::string text(kTextFileMax + 1, '\0');
  TRY_ASSIGN(got, file.read_at(0, text.data(), text.size()));
  if (got > kTextFileMax) return invalid("`" + *given + "` is larger than 1 MB");
  text.resize(got);
  return text;
}

std::string attribute_of(FlowFile flowfile, std::string_view name) {
  return std::string(flowfile.attribute(name).value_or(std::string_view{}));
}

}  // namespace

ProcessorType merge_content() {
  using C = MergeContentConfig;
  return Describe<MergeContent>(
             "MergeContent",
             "Packs FlowFiles into bins and makes one FlowFile of each bin. MiNiFi's "
             "`Keep Path` is not there: archives (tar, zip) are not made.")
      .property("Merge Strategy", &C::merge_strategy,
                {.doc = "`Bin-Packing Algorithm`: whatever comes, within the limits. `Defragment`: "
                        "the pieces of one FlowFile, by the "
                        "`fragment.*` attributes, in their order; one that comes twice waits for "
                        "others of its own."})
      .property("Merge Format", &C::merge_format, {.doc = "How contents are put together."})
      .property(
          "Minimum Number of Entries", &C::entries_min,
          {.doc = "A bin is merged when it has so many (and `Minimum Group Size`).", .min = 1})
      .property("Maximum Number of Entries", &C::entries_max,
                {.doc = "A bin never gets more. Empty: 10,000.", .min = 1, .max = 1'000'000})
      .property("Minimum Group Size", &C::group_size_min, {.doc = "A bin with fewer bytes waits."})
      .property("Maximum Group Size", &C::group_size_max,
                {.doc = "A FlowFile with which a bin would have more bytes goes into the next."})
      .property("Max Bin Age", &C::bin_age_max,
                {.doc = "A bin of this age is merged as it is.", .min = 1ms})
      .property(
          "Maximum number of Bins", &C::bin_count_max,
          {.doc =
               "When another bin is needed and there are so many, the oldest is merged as it is.",
           .min = 1,
           .max = 10'000})
      .property("Correlation Attribute Name", &C::correlation_attribute,
                {.doc = "Only FlowFiles with the same value of this attribute share a bin."})
      .property("Delimiter Strategy", &C::delimiter_strategy,
                {.doc = "Whether header, footer and demarcator are texts or names of files."})
      .property("Header File", &C::header, {.doc = "What comes first."})
      .property("Footer File", &C::footer, {.doc = "What comes last."})
      .property("Demarcator File", &C::demarcator, {.doc = "What comes between two FlowFiles."})
      .property("Batch Size", &C::batch_size,
                {.doc = "FlowFiles put into bins before looking which bins have their minimum: "
                        "more make larger bundles when many are queued.",
                 .min = 1,
                 .max = 10'000})
      .property("Attribute Strategy", &C::attribute_strategy,
                {.doc = "Which attributes the merged FlowFile gets: those that all have alike, or "
                        "all about whose value none disagrees."})
      .relationship("merged", "The merged FlowFiles.")
      .relationship("original", "The FlowFiles that went into them.")
      .relationship(
          "failure",
          "Pieces that cannot be put together: one is missing, they disagree about their number, "
          "or the attributes are no numbers.")
      .writes("merge.count", "How many FlowFiles went into it.")
      .writes("merge.bin.age", "How old the bin was, ms.")
      .writes("merge.reason", "Why it was merged just then.");
}

Result<std::unique_ptr<MergeContent>> MergeContent::make(Config config) {
  if (config.entries_max.value_or(kEntriesMax) < config.entries_min) {
    return invalid("`Maximum Number of Entries` is below `Minimum Number of Entries`");
  }
  if (config.group_size_max && config.group_size_max->bytes < config.group_size_min.bytes) {
    return invalid("`Maximum Group Size` is below `Minimum Group Size`");
  }
  return std::make_unique<MergeContent>(std::move(config));
}

Result<> MergeContent::start(Context& context) {
  context_ = &context;
  merged_ = context.relationship("merged");
  original_ = context.relationship("original");
  failure_ = context.relationship("failure");
  TRY_ASSIGN(header, text_of(config_.header, config_.delimiter_strategy).within("`Header File`"));
  TRY_ASSIGN(footer, text_of(config_.footer, config_.delimiter_strategy).within("`Footer File`"));
  TRY_ASSIGN(demarcator,
             text_of(config_.demarcator, config_.delimiter_strategy).within("`Demarcator File`"));
  header_ = std::move(header);
  footer_ = std::move(footer);
  demarcator_ = std::move(demarcator);
  return {};
}

Result<> MergeContent::on_trigger(Session& session) {
  retire_old();
  for (std::uint32_t i = 0; ready_.empty() && i < config_.batch_size; ++i) {
    const FlowFile flowfile = session.get();
    if (!flowfile) break;
    add(session, flowfile);
  }
  if (ready_.empty()) retire_ripe();
  while (!ready_.empty()) {
    Bin bin = std::move(ready_.front());
    ready_.pop_front();
    TRY(merge(session, std::move(bin)));
  }
  return {};
}

void MergeContent::add(Session& session, FlowFile flowfile) {
  std::string group =
      config_.correlation_attribute ? attribute_of(flowfile, *config_.correlation_attribute) : "";
  std::uint64_t index = 0;
  std::optional<std::uint64_t> expected;
  if (config_.merge_strategy == MergeStrategy::kDefragment) {
    group = attribute_of(flowfile, "fragment.identifier");
    const Result<std::int64_t> at = parse_int(attribute_of(flowfile, "fragment.index"));
    const std::string count_text = attribute_of(flowfile, "fragment.count");
    const Result<std::int64_t> count = count_text.empty() ? std::int64_t{0} : parse_int(count_text);
    if (group.empty() || !at.ok() || *at < 0 || !count.ok() || *count < 0 || *count > 1'000'000) {
      context_->bulletin(
          BulletinLevel::kError,
          "FlowFile " + flowfile.uuid() +
              " has no usable `fragment.identifier`, `fragment.index` and `fragment.count`");
      session.penalize(flowfile);
      session.transfer(flowfile, failure_);
      return;
    }
    index = static_cast<std::uint64_t>(*at);
    if (*count > 0) expected = static_cast<std::uint64_t>(*count);
  }
  const std::uint64_t size = flowfile.size();
  Bin& bin = bin_for(group, size, index);
  bin.do_disagree = expected && bin.expected.value_or(*expected) != *expected;
  if (expected) bin.expected = expected;
  if (config_.merge_strategy == MergeStrategy::kDefragment) bin.indexes.insert(index);
  bin.parts.push_back({session.hand_over(flowfile), index});
  bin.bytes += size;
  if (bin.expected && bin.parts.size() > *bin.expected) bin.do_disagree = true;
  if (is_full(bin)) {
    const auto at =
        std::find_if(bins_.begin(), bins_.end(), [&](const Bin& one) { return &one == &bin; });
    retire(at, config_.merge_strategy == MergeStrategy::kDefragment ? "all fragments are there"
                                                                    : "the bin is full");
  }
}

MergeContent::Bin& MergeContent::bin_for(const std::string& group, std::uint64_t bytes,
                                         std::uint64_t index) {
  for (auto bin = bins_.begin(); bin != bins_.end(); ++bin) {
    if (bin->group != group) continue;
    if (config_.merge_strategy == MergeStrategy::kDefragment) {
      if (!bin->indexes.contains(index)) return *bin;
      continue;  // one that comes twice goes into another bin, as in NiFi
    }
    const bool fits =
        !config_.group_size_max || bin->bytes + bytes <= config_.group_size_max->bytes;
    if (fits) return *bin;
    retire(bin, "the next FlowFile would exceed the group size");
    break;
  }
  if (bins_.size() >= config_.bin_count_max) retire(bins_.begin(), "there were too many bins");
  bins_.push_back(Bin{.group = group,
                      .began = context_->clock().steady(),
                      .parts = {},
                      .expected = {},
                      .indexes = {},
                      .reason = {}});
  if (config_.bin_age_max && bins_.size() == 1) {
    context_->wake_at(bins_.back().began + *config_.bin_age_max);
  }
  return bins_.back();
}

// Nothing more fits in.
bool MergeContent::is_full(const Bin& bin) const {
  if (config_.merge_strategy == MergeStrategy::kDefragment) {
    return bin.do_disagree || bin.is_whole();
  }
  if (bin.parts.size() >= config_.entries_max.value_or(kEntriesMax)) return true;
  return config_.group_size_max && bin.bytes >= config_.group_size_max->bytes;
}

// It has its minimum.
bool MergeContent::is_ripe(const Bin& bin) const {
  return config_.merge_strategy == MergeStrategy::kBinPacking && !bin.parts.empty() &&
         bin.parts.size() >= config_.entries_min && bin.bytes >= config_.group_size_min.bytes;
}

void MergeContent::retire_ripe() {
  for (std::size_t i = 0; i < bins_.size();) {
    if (is_ripe(bins_[i])) {
      retire(bins_.begin() + static_cast<std::ptrdiff_t>(i), "the bin has its minimum");
    } else {
      ++i;
    }
  }
}

void MergeContent::retire(std::deque<Bin>::iterator bin, std::string_view reason) {
  bin->reason = reason;
  ready_.push_back(std::move(*bin));
  bins_.erase(bin);
}

void MergeContent::retire_old() {
  if (!config_.bin_age_max) return;
  const SteadyTime now = context_->clock().steady();
  while (!bins_.empty() && now - bins_.front().began >= *config_.bin_age_max) {
    retire(bins_.begin(), "the bin reached its age");
  }
  if (!bins_.empty()) context_->wake_at(bins_.front().began + *config_.bin_age_max);
}

Result<> MergeContent::merge(Session& session, Bin bin) {
  if (config_.merge_strategy == MergeStrategy::kDefragment) {
    std::sort(bin.parts.begin(), bin.parts.end(),
              [](const Part& a, const Part& b) { return a.index < b.index; });
  }
  std::vector<FlowFile> parts;
  parts.reserve(bin.parts.size());
  for (Part& part : bin.parts) parts.push_back(session.take_back(std::move(part.handed)));
  if (config_.merge_strategy == MergeStrategy::kDefragment && !bin.is_whole()) {
    const std::string missing = "are missing: " + std::to_string(parts.size()) + " of " +
                                (bin.expected ? std::to_string(*bin.expected) : "?") + "; " +
                                bin.reason;
    context_->bulletin(
        BulletinLevel::kError,
        "fragments of `" + bin.group + "` " +
            (bin.do_disagree ? "cannot be put together: they disagree about `fragment.count`"
                             : missing));
    for (const FlowFile& part : parts) session.transfer(part, failure_);
    return {};
  }
  FlowFile merged = session.merge(parts, {header_, demarcator_, footer_});
  if (config_.attribute_strategy == AttributeStrategy::kAllUnique) unite_attributes(merged, parts);
  const auto age =
      std::chrono::duration_cast<std::chrono::milliseconds>(context_->clock().steady() - bin.began);
  if (config_.merge_strategy == MergeStrategy::kDefragment) {
    const auto name = parts.front().attribute("segment.original.filename");
    if (name) merged.set("filename", std::string(*name));
  }
  merged.set("merge.count", std::to_string(parts.size()));
  merged.set("merge.bin.age", std::to_string(age.count()));
  merged.set("merge.reason", bin.reason);
  session.transfer(merged, merged_);
  for (const FlowFile& part : parts) session.transfer(part, original_);
  return {};
}

void MergeContent::unite_attributes(FlowFile merged, const std::vector<FlowFile>& parts) const {
  std::map<std::string, std::optional<std::string>> united;  // nothing: they disagree
  for (const FlowFile& part : parts) {
    part.each_attribute([&](std::string_view name, std::string_view value) {
      const auto [known, is_new] = united.try_emplace(std::string(name), std::string(value));
      if (!is_new && known->second != value) known->second.reset();
    });
  }
  for (const auto& [name, value] : united) {
    if (value && name != "uuid" && name != "filename") merged.set(name, *value);
  }
}

}  // namespace runnel
