// The names of states, levels and provenance kinds, as people see them.

#include "agent/runtime/status.h"

#include <array>

namespace runnel {
namespace {

constexpr std::array<std::string_view, 18> kProvenanceNames{"CREATE",
                                                            "RECEIVE",
                                                            "FETCH",
                                                            "SEND",
                                                            "UPLOAD",
                                                            "DOWNLOAD",
                                                            "DROP",
                                                            "EXPIRE",
                                                            "FORK",
                                                            "JOIN",
                                                            "CLONE",
                                                            "CONTENT_MODIFIED",
                                                            "ATTRIBUTES_MODIFIED",
                                                            "ROUTE",
                                                            "REPLAY",
                                                            "UNKNOWN",
                                                            "ADDINFO",
                                                            "REMOTE_INVOCATION"};

}  // namespace

std::string_view name_of(RunState state) {
  switch (state) {
    case RunState::kStopped:
      return "stopped";
    case RunState::kStarting:
      return "starting";
    case RunState::kRunning:
      return "running";
    case RunState::kBackingOff:
      return "backing off";
    case RunState::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string_view name_of(ServiceState state) {
  switch (state) {
    case ServiceState::kDisabled:
      return "disabled";
    case ServiceState::kEnabled:
      return "enabled";
    case ServiceState::kRunning:
      return "running";
    case ServiceState::kFailed:
      return "failed";
  }
  return "enabled";
}

std::string_view name_of(BulletinLevel level) {
  switch (level) {
    case BulletinLevel::kDebug:
      return "debug";
    case BulletinLevel::kInfo:
      return "info";
    case BulletinLevel::kWarning:
      return "warning";
    case BulletinLevel::kError:
      return "error";
  }
  return "unknown";
}

std::string_view name_of(FlowState state) {
  switch (state) {
    case FlowState::kNone:
      return "none";
    case FlowState::kRunning:
      return "running";
    case FlowState::kStopped:
      return "stopped";
  }
  return "unknown";
}

std::string_view name_of(ProvenanceKind kind) {
  return kProvenanceNames[static_cast<std::size_t>(kind)];
}

std::optional<ProvenanceKind> provenance_kind(std::string_view name) {
  for (std::size_t i = 0; i < kProvenanceNames.size(); ++i) {
    if (kProvenanceNames[i] == name) return static_cast<ProvenanceKind>(i);
  }
  return std::nullopt;
}

}  // namespace runnel
