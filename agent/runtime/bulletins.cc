// Keeps, limits and lists bulletins.

#include "agent/runtime/bulletins.h"

#include <algorithm>
#include <utility>

#include "agent/base/bytes.h"
#include "agent/base/log.h"

namespace runnel {
namespace {

LogLevel log_level_of(BulletinLevel level) {
  switch (level) {
    case BulletinLevel::kDebug:
      return LogLevel::kDebug;
    case BulletinLevel::kInfo:
      return LogLevel::kInfo;
    case BulletinLevel::kWarning:
      return LogLevel::kWarn;
    case BulletinLevel::kError:
      return LogLevel::kError;
  }
  return LogLevel::kInfo;
}

}  // namespace

bool is_told(BulletinLevel level, LogLevel least) {
  switch (least) {
    case LogLevel::kDebug:
      return true;
    case LogLevel::kInfo:
      return level >= BulletinLevel::kInfo;
    case LogLevel::kWarn:
      return level >= BulletinLevel::kWarning;
    case LogLevel::kError:
      return level >= BulletinLevel::kError;
    case LogLevel::kOff:
      break;
  }
  return false;
}

void BulletinBoard::hide(std::vector<std::string> secrets) {
  std::erase_if(secrets, [](const std::string& one) { return one.size() < 4; });
  std::sort(secrets.begin(), secrets.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() > b.size() : a < b;
  });
  secrets.erase(std::unique(secrets.begin(), secrets.end()), secrets.end());
  Lock lock(mutex_);
  secrets_ = std::move(secrets);
}

std::string BulletinBoard::masked(std::string_view text) const {
  Lock lock(mutex_);
  std::string out(text);
  for (const std::string& secret : secrets_) {
    for (std::size_t at = out.find(secret); at != std::string::npos; at = out.find(secret, at)) {
      out.replace(at, secret.size(), kMask);
      at += kMask.size();
    }
  }
  return out;
}

void BulletinBoard::post(const Source& source, BulletinLevel level, std::string_view text) {
  const std::string shown = masked(text);
  Bulletin bulletin;
  {
    Lock lock(mutex_);
    if (rings_.size() >= kComponentsMax && !rings_.contains(source.id)) return;
    Ring& ring = rings_[source.id];
    const SteadyTime now = clock_.steady();
    if (ring.spoken == 0 || now - ring.window_began >= kWindow) {
      ring.window_began = now;
      ring.spoken = 0;
    }
    if (ring.spoken >= kBurst) {
      ++ring.left_out;
      return;
    }
    ++ring.spoken;
    bulletin.id = ++last_id_;
    bulletin.at_ms = clock_.wall_ms();
    bulletin.level = level;
    bulletin.component_id = source.id;
    bulletin.component = source.path;
    bulletin.type = source.type;
    bulletin.group_id = source.group_id;
    bulletin.text = to_utf8(std::string_view(shown).substr(0, kTextMax));
    bulletin.left_out = std::exchange(ring.left_out, 0);
    ring.kept.push_back(bulletin);
    if (ring.kept.size() > kKeptPerComponent) ring.kept.pop_front();
  }
  log_line(log_level_of(level), source.path.empty() ? "engine" : source.path, bulletin.text);
}

std::vector<Bulletin> BulletinBoard::since(std::uint64_t id) const {
  std::vector<Bulletin> found;
  {
    Lock lock(mutex_);
    for (const auto& [component, ring] : rings_) {
      for (const Bulletin& bulletin : ring.kept) {
        if (bulletin.id > id) found.push_back(bulletin);
      }
    }
  }
  std::sort(found.begin(), found.end(),
            [](const Bulletin& a, const Bulletin& b) { return a.id < b.id; });
  return found;
}

}  // namespace runnel
