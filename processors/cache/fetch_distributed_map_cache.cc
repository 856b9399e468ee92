// FetchDistributedMapCache: what a cache has for a FlowFile's key, as its content or as attributes.

#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/cache/map_cache.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {
namespace {

struct FetchDistributedMapCacheConfig {
  Text key{Expression::compile("${hash.value}").value()};
  ServiceRef<DistributedMapCacheClient> cache;
  std::optional<Text> attribute;
  std::uint32_t attribute_length_max = 256;
};

class FetchDistributedMapCache final : public Processor {
 public:
  using Config = FetchDistributedMapCacheConfig;
  explicit FetchDistributedMapCache(Config config) : config_(std::move(config)) {}

  Result<> start(Context& context) override {
    context_ = &context;
    success_ = context.relationship("success");
    not_found_ = context.relationship("not-found");
    failure_ = context.relationship("failure");
    TRY_ASSIGN(cache, context.service(config_.cache));
    cache_ = cache;
    return {};
  }
  Result<> on_trigger(Session& session) override;

 private:
  // Whether everything was found. kInvalid: the FlowFile's keys make no sense.
  Result<bool> fetch(Session& session, FlowFile flowfile);

  const Config config_;
  Context* context_ = nullptr;
  DistributedMapCacheClient* cache_ = nullptr;
  Relationship success_;
  Relationship not_found_;
  Relationship failure_;
};

// At most so many bytes, and no character cut in two.
std::string_view cut(std::string_view text, std::size_t at_most) {
  if (text.size() <= at_most) return text;
  while (at_most > 0 && (static_cast<unsigned char>(text[at_most]) & 0xC0) == 0x80) --at_most;
  return text.substr(0, at_most);
}

}  // namespace

ProcessorType fetch_distributed_map_cache() {
  using C = FetchDistributedMapCacheConfig;
  return Describe<FetchDistributedMapCache>(
             "FetchDistributedMapCache",
             "Looks up keys in a cache: what is found becomes the content, or attributes.")
      .property("Cache Entry Identifier", &C::key,
                {.doc = "The key; with `Put Cache Value In Attribute` also several, with commas "
                        "between them."})
      .property("Distributed Cache Service", &C::cache,
                {.doc = "The cache.", .required = true, .example = "cache"})
      .property("Put Cache Value In Attribute", &C::attribute,
                {.doc = "The attribute that gets the value, in the place of the content. With "
                        "several keys each has an attribute of its own, by this name, a dot and "
                        "the key."})
      .property("Max Length To Put In Attribute", &C::attribute_length_max,
                {.doc = "Bytes of the value, which is text in UTF-8; what is longer is cut.",
                 .max = 1 << 20})
      .relationship("success", "FlowFiles for which everything was found.")
      .relationship("not-found", "FlowFiles for which a key was not in the cache.")
      .relationship("failure",
                    "FlowFiles without a key or a name for the attribute, or with several keys and "
                    "no attribute.")
      .input(InputRule::kRequired)
      .concurrent();
}

Result<> FetchDistributedMapCache::on_trigger(Session& session) {
  FlowFile flowfile = session.get();
  if (!flowfile) return {};
  const Result<bool> is_found = fetch(session, flowfile);
  if (!is_found.ok()) {
    if (is_found.code() != Code::kInvalid) return is_found.error();
    context_->bulletin(BulletinLevel::kWarning, is_found.error().text());
    session.transfer(flowfile, failure_);
    return {};
  }
  session.transfer(flowfile, *is_found ? success_ : not_found_);
  return {};
}

Result<bool> FetchDistributedMapCache::fetch(Session& session, FlowFile flowfile) {
  TRY_ASSIGN(identifier, cache_key(config_.key, flowfile));
  if (!config_.attribute) {
    if (identifier.find(',') != std::string::npos)
      return invalid("several keys need `Put Cache Value In Attribute`");
    const std::optional<std::string> value = cache_->get(session, identifier);
    if (!value) return false;
    TRY(session.write(flowfile, *value));
    return true;
  }
  TRY_ASSIGN(attribute, config_.attribute->of(flowfile));
  if (attribute.empty()) return invalid("`Put Cache Value In Attribute` is empty for a FlowFile");
  const std::vector<std::string_view> keys = split(identifier, ',');
  std::vector<std::pair<std::string, std::string>> found;
  for (const std::string_view one : keys) {
    const std::string_view key = keys.size() == 1 ? one : trimmed(one);
    const std::optional<std::string> value = cache_->get(session, key);
    if (!value) return false;
    const std::string name = keys.size() == 1 ? attribute : attribute + "." + std::string(key);
    found.emplace_back(name, cut(*value, config_.attribute_length_max));
  }
  for (const auto& [name, value] : found) flowfile.set(name, value);
  return true;
}

}  // namespace runnel
