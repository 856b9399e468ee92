// The names of the error codes, as logs and JSON show them.

#include "agent/base/result.h"

namespace runnel {

std::string_view name_of(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid";
    case Code::kNotFound:
      return "not_found";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kFull:
      return "full";
    case Code::kCorrupt:
      return "corrupt";
  }
  return "unknown";
}

}  // namespace runnel
