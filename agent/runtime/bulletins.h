// BulletinBoard: what components tell the operator: a bounded ring for each, rate-limited.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/log.h"
#include "agent/base/mutex.h"
#include "agent/runtime/status.h"

namespace runnel {

// Whether a component keeps a bulletin of this level, by its `bulletin_level`.
bool is_told(BulletinLevel level, LogLevel least);

class BulletinBoard {
 public:
  static constexpr std::size_t kKeptPerComponent = 20;
  static constexpr std::size_t kComponentsMax = 2000;
  static constexpr std::size_t kTextMax = 2000;
  static constexpr std::string_view kMask = "***";
  // Of one component; more are counted and left out.
  static constexpr std::uint32_t kBurst = 10;
  static constexpr std::chrono::seconds kWindow{10};

  explicit BulletinBoard(Clock& clock) : clock_(clock) {}

  // Who speaks; `id` empty: the engine.
  struct Source {
    std::string id;
    std::string path;
    std::string type;
    std::string group_id;
  };
  // These texts are shown by no bulletin from now on, nor by what `masked` gives. Those of less
  // than four bytes stand in too much else to be hidden.
  void hide(std::vector<std::string> secrets);
  std::string masked(std::string_view text) const;
  // Any thread. Also written to the log.
  void post(const Source& source, BulletinLevel level, std::string_view text);
  // Those with a larger id, oldest first.
  std::vector<Bulletin> since(std::uint64_t id) const;

 private:
  struct Ring {
    std::deque<Bulletin> kept;
    SteadyTime window_began{};
    std::uint32_t spoken = 0;
    std::uint32_t left_out = 0;
  };

  Clock& clock_;
  mutable Mutex mutex_;
  std::map<std::string, Ring, std::less<>> rings_ GUARDED_BY(mutex_);
  std::uint64_t last_id_ GUARDED_BY(mutex_) = 0;
  std::vector<std::string> secrets_ GUARDED_BY(mutex_);  // the longest first
};

}  // namespace runnel
