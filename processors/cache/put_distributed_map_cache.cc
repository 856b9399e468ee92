// PutDistributedMapCache: puts each FlowFile's content into a cache, under a key of its attributes.

#include <string>

#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/cache/map_cache.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

enum class UpdateStrategy { kReplace, kKeepOriginal };

}  // namespace

template <>
struct EnumNames<UpdateStrategy> {
  static constexpr std::array<std::pair<UpdateStrategy, std::string_view>, 2> names{
      {{UpdateStrategy::kReplace, "replace"}, {UpdateStrategy::kKeepOriginal, "keeporiginal"}}};
};

namespace {

struct PutDistributedMapCacheConfig {
  Text key;
  ServiceRef<DistributedMapCacheClient> cache;
  UpdateStrategy strategy = UpdateStrategy::kReplace;
  Size entry_size_max{1 << 20};
};

class PutDistributedMapCache final : public Processor {
 public:
  using Config = PutDistributedMapCacheConfig;
  explicit PutDistributedMapCache(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    failure_ = context.relationship("failure");
    TRY_ASSIGN(cache, context.service(config_.cache));
    cache_ = cache;
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  // Whether the content was put. kInvalid, kFull: it cannot be.
  Result<bool> put(Session& session, FlowFile flowfile);

  const Config config_;
  Context* context_ = nullptr;
  DistributedMapCacheClient* cache_ = nullptr;
  Relationship success_;
  Relationship failure_;
};

}  // namespace

ProcessorType put_distributed_map_cache() {
  using C = PutDistributedMapCacheConfig;
  return Describe<PutDistributedMapCache>("PutDistributedMapCache",
                                          "Puts the content of FlowFiles into a cache.")
      .property("Cache Entry Identifier", &C::key,
                {.doc = "The key. A FlowFile for which it is empty goes to `failure`.",
                 .required = true,
                 .example = "${vehicle}"})
      .property("Distributed Cache Service", &C::cache,
                {.doc = "The cache.", .required = true, .example = "cache"})
      .property("Cache Update Strategy", &C::strategy,
                {.doc = "When the key is there: `replace` its value, or keep it (`keeporiginal`) "
                        "and send the FlowFile to `failure`."})
      .property("Max Cache Entry Size", &C::entry_size_max,
                {.doc = "A FlowFile with more content goes to `failure`.",
                 .min = Size{1},
                 .max = Size{64 << 20}})
      .relationship("success", "FlowFiles whose content was put.")
      .relationship("failure",
                    "FlowFiles whose content was not put: without a key, without content, too "
                    "large, or their key was there and is kept.")
      .writes("cached", "`true` when the content was put, `false` when the key was there and kept.")
      .input(InputRule::kRequired);
}

Result<> PutDistributedMapCache::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<bool> is_put = put(session, flowfile);
  if (!is_put.ok()) {
    if (is_put.code() != Code::kInvalid && is_put.code() != Code::kFull) return is_put.error();
    context_->bulletin(BulletinLevel::kWarning, is_put.error().text());
    session.transfer(flowfile, failure_);
    return {};
  }
  flowfile.set("cached", *is_put ? "true" : "false");
  session.transfer(flowfile, *is_put ? success_ : failure_);
  return {};
}

Result<bool> PutDistributedMapCache::put(Session& session, FlowFile flowfile) {
  TRY_ASSIGN(key, cache_key(config_.key, flowfile));
  if (flowfile.size() == 0) return invalid("there is no content to be put under `" + key + "`");
  TRY_ASSIGN(content, session.content(flowfile, config_.entry_size_max.bytes));
  if (config_.strategy == UpdateStrategy::kReplace) {
    TRY(cache_->put(session, key, content));
    return true;
  }
  TRY_ASSIGN(known, cache_->get_and_put_if_absent(session, key, content));
  return !known.has_value();
}

}  // namespace runnel
