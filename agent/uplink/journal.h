// Journal: which operations of the hub were carried out, and which acknowledgements it has not
// taken yet. On disk (`uplink.db` in the state directory), so that an operation is carried out once
// however often it comes, also over restarts.
//
// One thread. A journal that cannot be read is set aside (`uplink.db.damaged`) and begun anew: a
// damaged memory of the hub must not keep the agent from its work.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/c2/messages.h"
#include "agent/store/database.h"

namespace runnel {

class Journal {
 public:
  // Operations remembered; the oldest delivered ones are forgotten first.
  static constexpr std::size_t kOperationsMax = 1'000;
  // An operation that did not end so many times, because the agent did, is given up.
  static constexpr int kAttemptsMax = 3;

  // Carries out the operation, or does not: it has been.
  enum class Decision {
    kCarryOut,
    kDone,     // its acknowledgement waits to be sent again
    kGivenUp,  // it was begun kAttemptsMax times and never ended: acknowledge that
  };

  struct Waiting {
    std::int64_t number = 0;
    std::string acknowledgement = {};  // JSON
    bool describes = false;            // to be sent with a whole heartbeat and the manifest
  };

  static Result<std::unique_ptr<Journal>> open(const std::string& path);

  // On disk when it returns.
  Result<Decision> begin(std::string_view identifier, std::int64_t now_ms);
  // The end of an operation that was begun; on disk when it returns.
  Result<> end(const c2::Acknowledgement& acknowledgement, bool describes);

  // In the order of the operations.
  Result<std::vector<Waiting>> waiting(std::size_t limit);
  Result<> delivered(std::int64_t number);

  // What became of the flow that the hub sent last.
  Result<c2::FlowUpdate> last_update();
  Result<> set_last_update(const c2::FlowUpdate& update);

 private:
  explicit Journal(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  static Result<std::unique_ptr<Journal>> open_whole(const std::string& path);
  Result<std::string> fact(std::string_view name);
  Result<> set_fact(std::string_view name, std::string_view value);
  Result<> forget_oldest();

  std::unique_ptr<Database> database_;
};

}  // namespace runnel
