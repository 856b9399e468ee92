// ProducerPool: one librdkafka producer for all who send by equal settings.
//
// Each user keeps its own window, its own order and its own reports; what it shares is the client:
// connections, threads, memory. A message's cookie says whose it is, by the user's number in the
// upper bits.
//
// A user that ends waits for its own messages and leaves those of others alone. What the cluster
// has not answered by then is reported to it as undelivered. librdkafka cannot take back single
// messages: while the client still delivers for others, those may arrive after all, so twice once
// they are sent again; if it delivers nothing (the cluster is away), the client is emptied and
// ended, and the others, whose messages come back too, open another.

#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "agent/base/mutex.h"
#include "processors/kafka/client.h"

namespace runnel::kafka {

class ProducerPool {
 public:
  static constexpr std::uint64_t kCookieMax = (std::uint64_t{1} << 40) - 1;

  // As Producer::open, with cookies up to kCookieMax. The client is there already if another user
  // has opened it with the same settings. When it is of no further use, every user gets a fatal
  // Trouble (without a text, where another user ended it), and sends nothing more by it. Any
  // thread; what it returns is one thread's, as any Producer.
  Result<std::unique_ptr<Producer>> open(const Settings& settings, Producer::OnReports on_reports,
                                         OnTrouble on_trouble) EXCLUDES(mutex_);

  // Clients that are open.
  std::size_t size() const EXCLUDES(mutex_);

  class Line;  // a client and its users

 private:
  mutable Mutex mutex_;
  std::map<Settings, std::weak_ptr<Line>> lines_ GUARDED_BY(mutex_);
};

}  // namespace runnel::kafka
