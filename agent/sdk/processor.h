// Processor: what an author writes. One object is never entered by two threads.

#pragma once

#include "agent/base/result.h"
#include "agent/sdk/context.h"
#include "agent/sdk/session.h"

namespace runnel {

class Processor {
 public:
  virtual ~Processor() = default;

  // Looks up relationships, opens connections. `context` lives until after `stop`. On an error the
  // runtime calls `stop`, tells the operator, and, for kUnavailable, tries again with back-off.
  // Must not block for long: connect in the background where the library can.
  virtual Result<> start(Context& context) {
    static_cast<void>(context);
    return {};
  }

  // Does one piece of work: usually one FlowFile. The runtime calls it again, in the same session,
  // while it took or made something and the slice is not used up. An error rolls back what this
  // call did; the runtime tells the operator and backs off.
  virtual Result<> on_trigger(Session& session) = 0;

  // Ends what `start` began; gives back or drops what was handed over. Harmless without `start`.
  virtual void stop() {}
};

}  // namespace runnel
