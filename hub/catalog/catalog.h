// Catalog: the flows and their versions. A version never changes once it stands.
//
// It owns the table flow_versions. What is said of versions is in memory; their texts are read from
// the store and the last ones are kept.

#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/mutex.h"
#include "agent/base/result.h"
#include "agent/flow/model.h"
#include "hub/store/store.h"

namespace runnel::hub {

struct FlowVersion {
  std::string flow;
  std::int64_t version = 0;
  std::string id;  // what agents call it: UUIDv5 of "name@version"
  std::string author;
  std::string message;
  std::int64_t created_ms = 0;
  std::string sha256;
  std::int64_t size_bytes = 0;
};
using VersionPtr = std::shared_ptr<const FlowVersion>;

// A version's text and what was read from it.
struct FlowText {
  std::string text;
  std::shared_ptr<const Flow> flow;
};
using TextPtr = std::shared_ptr<const FlowText>;

class Catalog {
 public:
  static constexpr std::size_t kMessageMax = 4'000;                // bytes
  static constexpr std::size_t kVersionsMax = 100'000;             // in all
  static constexpr std::size_t kTextsKept = 32;                    // in memory…
  static constexpr std::size_t kTextBytesKept = 64 * 1024 * 1024;  // …and their bytes

  static Result<std::unique_ptr<Catalog>> open(Store& store, const Clock& clock);

  struct Pushed {
    VersionPtr version;  // nullptr: refused, with complaints
    bool is_new = false;
    std::vector<Complaint> complaints;
  };
  // Durable when it returns. The text of the latest version again makes no new one.
  Result<Pushed> push(const std::string& text, const std::string& message,
                      const std::string& author) EXCLUDES(mutex_);

  VersionPtr find(std::string_view flow, std::int64_t version) const;  // nullptr: none
  VersionPtr latest(std::string_view flow) const;
  VersionPtr find_id(std::string_view id) const;
  VersionPtr find_sha256(std::string_view flow, std::string_view sha256) const;
  std::vector<VersionPtr> versions(std::string_view flow) const;  // oldest first
  std::vector<std::string> flows() const;                         // by name
  Result<TextPtr> text(const VersionPtr& version);

 private:
  Catalog(Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  void add(VersionPtr version) REQUIRES(mutex_);
  void keep(const std::string& id, TextPtr text) REQUIRES(texts_mutex_);

  Store& store_;
  const Clock& clock_;
  Mutex push_mutex_;  // one push at a time: version numbers have no gaps
  mutable Mutex mutex_;
  std::map<std::string, std::vector<VersionPtr>, std::less<>> flows_ GUARDED_BY(mutex_);
  std::map<std::string, VersionPtr, std::less<>> by_id_ GUARDED_BY(mutex_);
  Mutex texts_mutex_;
  std::list<std::pair<std::string, TextPtr>> texts_ GUARDED_BY(texts_mutex_);  // last used first
};

// What agents call a version.
std::string version_id(std::string_view flow, std::int64_t version);
std::string ref_text(const FlowVersion& version);  // "name@3"

}  // namespace runnel::hub
