// The ends of a flow that runs as a filter: a source that reads a file descriptor, a sink that
// writes one. Both hold no more than a few blocks in memory, whatever goes through.

#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "agent/base/mutex.h"
#include "agent/sdk/processor.h"

namespace runnel {

// What one end tells whoever waits for the whole. Any thread.
class StdioNews {
 public:
  // The source: everything was read, and became so many FlowFiles.
  void at_end(std::uint64_t made) EXCLUDES(mutex_);
  // It cannot go on; the first one counts. `error` is errno, or 0.
  void broken(std::string trouble, int error) EXCLUDES(mutex_);

  struct State {
    bool is_at_end = false;
    std::uint64_t made = 0;
    std::string trouble;  // empty: none
    int error = 0;
  };
  State state() const EXCLUDES(mutex_);
  // Returns at the end, when it is broken, or after `timeout`.
  void wait(std::chrono::milliseconds timeout) const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  mutable CondVar changed_;
  State state_ GUARDED_BY(mutex_);
};

struct StdinOptions {
  int fd = 0;             // not closed
  bool is_lines = false;  // a FlowFile for each line, without its end; else one for everything
  std::string relationship;
  std::map<std::string, std::string, std::less<>> attributes = {};  // of each FlowFile
};
std::unique_ptr<Processor> stdin_source(StdinOptions options, std::shared_ptr<StdioNews> news);

// Writes the contents of what reaches it, each followed by the separator, and drops it.
std::unique_ptr<Processor> stdout_sink(int fd, std::string separator,
                                       std::shared_ptr<StdioNews> news);

}  // namespace runnel
