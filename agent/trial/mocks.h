// What stands in the place of sources and sinks in a flow test.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/base/mutex.h"
#include "agent/sdk/processor.h"
#include "agent/trial/compare.h"
#include "agent/trial/test_file.h"

namespace runnel {

// Where mocks put what reached them. Any thread.
class Collector {
 public:
  void add(SeenFlowFile seen) EXCLUDES(mutex_);
  std::vector<SeenFlowFile> take() EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::vector<SeenFlowFile> all_ GUARDED_BY(mutex_);
};

struct MockGiven {
  GivenFlowFile flowfile;
  std::string relationship;  // of the source, where it goes
};

// Makes what is given, each at its time; `given` outlives it.
std::unique_ptr<Processor> mock_source(std::vector<MockGiven> given);
// Keeps what reaches it under the name `at`, and answers; without a mock it drops. Both outlive it.
std::unique_ptr<Processor> mock_sink(std::string at, const Mock* mock, Collector& collector);

}  // namespace runnel
