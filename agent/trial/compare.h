// What came out of a flow beside what a test expects of it: a complaint for each difference, at the
// place in the test file that is not met.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/status.h"
#include "agent/trial/test_file.h"

namespace runnel {

struct SeenFlowFile {
  std::string at;  // as ExpectedFlowFile::place
  std::string content;
  std::map<std::string, std::string, std::less<>> attributes;
};

// `seen` in the order in which they came.
void compare_flowfiles(const FlowTest& test, std::vector<SeenFlowFile> seen, Complaints& wrong);
void compare_provenance(const FlowTest& test, const std::vector<ProvenanceEvent>& events,
                        Complaints& wrong);
// Bulletins that nobody expects are none's fault.
void compare_bulletins(const FlowTest& test, const std::vector<Bulletin>& bulletins,
                       Complaints& wrong);

// A value in a complaint: in backquotes, on one line, not endless.
std::string shown_value(std::string_view value);

}  // namespace runnel
