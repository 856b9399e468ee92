// DetectDuplicate: tells FlowFiles whose key has been seen before from those that are new.
//
// The key is remembered in the commit that sends the first FlowFile on: what a crash takes back was
// not seen. In the cache stands, as NiFi writes it, the time (ms since the epoch, eight bytes,
// big-endian) and the description.

#include <algorithm>
#include <chrono>
#include <string>

#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/cache/map_cache.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct Seen {
  std::int64_t at_ms = 0;
  std::string description;
};

// What somebody else has put under this key was seen, too: long ago.
Seen seen_of(std::string_view text) {
  if (text.size() < kNumberBytes) return {};
  return {static_cast<std::int64_t>(number_before(text)), std::string(text.substr(kNumberBytes))};
}

// Nothing that is dated ahead has an age.
std::int64_t age_ms(const Seen& seen, Clock& clock) {
  const std::int64_t now_ms = clock.wall_ms();
  return seen.at_ms > now_ms ? 0 : now_ms - std::max<std::int64_t>(seen.at_ms, 0);
}

struct DetectDuplicateConfig {
  Text key{Expression::compile("${hash.value}").value()};
  Text description;
  std::optional<std::chrono::milliseconds> age_off;
  ServiceRef<DistributedMapCacheClient> cache;
  bool does_remember = true;
};

class DetectDuplicate final : public Processor {
 public:
  using Config = DetectDuplicateConfig;
  explicit DetectDuplicate(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    duplicate_ = context.relationship("duplicate");
    non_duplicate_ = context.relationship("non-duplicate");
    failure_ = context.relationship("failure");
    TRY_ASSIGN(cache, context.service(config_.cache));
    cache_ = cache;
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  // What was seen before of the FlowFile's key, if it counts. kInvalid, kFull: the key makes no
  // sense.
  Result<std::optional<Seen>> seen_before(Session& session, FlowFile flowfile);

  const Config config_;
  Context* context_ = nullptr;
  DistributedMapCacheClient* cache_ = nullptr;
  Relationship duplicate_;
  Relationship non_duplicate_;
  Relationship failure_;
};

}  // namespace

ProcessorType detect_duplicate() {
  using C = DetectDuplicateConfig;
  return Describe<DetectDuplicate>(
             "DetectDuplicate",
             "Sends FlowFiles whose key has been seen before to `duplicate`. Keys are remembered "
             "in a cache, in the commit that sends the first FlowFile on.")
      .property("Cache Entry Identifier", &C::key,
                {.doc = "The key; FlowFiles that have the same are duplicates."})
      .property("FlowFile Description", &C::description,
                {.doc = "Kept with the key, and told of its duplicates."})
      .property("Age Off Duration", &C::age_off,
                {.doc = "A key that was first seen so long ago, by the wall clock, counts as new. "
                        "None: it counts as long as the cache holds it.",
                 .min = 1ms})
      .property("Distributed Cache Service", &C::cache,
                {.doc = "Where keys are remembered.", .required = true, .example = "cache"})
      .property("Cache The Entry Identifier", &C::does_remember,
                {.doc = "False: keys are looked up, and remembered by somebody else."})
      .relationship("duplicate", "FlowFiles whose key has been seen before.")
      .relationship("non-duplicate", "FlowFiles whose key is new.")
      .relationship("failure", "FlowFiles without a key, or with one that the cache refuses.")
      .writes("original.flowfile.description",
              "Of a duplicate: the description of the FlowFile that was first.")
      .input(InputRule::kRequired)
      .concurrent();
}

Result<> DetectDuplicate::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<std::optional<Seen>> seen = seen_before(session, flowfile);
  if (!seen.ok()) {
    if (seen.code() != Code::kInvalid && seen.code() != Code::kFull) return seen.error();
    context_->bulletin(BulletinLevel::kWarning, seen.error().text());
    session.transfer(flowfile, failure_);
    return {};
  }
  if (*seen) flowfile.set("original.flowfile.description", (*seen)->description);
  session.transfer(flowfile, *seen ? duplicate_ : non_duplicate_);
  return {};
}

Result<std::optional<Seen>> DetectDuplicate::seen_before(Session& session, FlowFile flowfile) {
  TRY_ASSIGN(key, cache_key(config_.key, flowfile));
  TRY_ASSIGN(description, config_.description.of(flowfile));
  const std::string now =
      behind_number(static_cast<std::uint64_t>(context_->clock().wall_ms()), description);
  std::optional<std::string> known;
  if (config_.does_remember) {
    TRY_ASSIGN(found, cache_->get_and_put_if_absent(session, key, now));
    known = std::move(found);
  } else {
    known = cache_->get(session, key);
  }
  if (!known) return std::optional<Seen>{};
  Seen seen = seen_of(*known);
  if (!config_.age_off || age_ms(seen, context_->clock()) < config_.age_off->count())
    return std::optional<Seen>(std::move(seen));
  if (config_.does_remember) TRY(cache_->put(session, key, now));
  return std::optional<Seen>{};
}

}  // namespace runnel
