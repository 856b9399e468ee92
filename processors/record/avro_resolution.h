// Resolution: how values of one schema, that of who wrote them, are read as values of another.
//
// Avro's specification, "Schema Resolution" and "Aliases"
// (https://avro.apache.org/docs/1.11.1/specification/#schema-resolution): fields are matched by
// name or by an alias of the reader's, those that only the writer has are passed over, those that
// only the reader has get their default; numbers are promoted, string and bytes are each other's;
// a symbol that the reader does not know becomes its enum's default; of the reader's union counts
// the first branch that matches. Named types match by their name without its namespace, but for
// the two records at the top, whose names may differ (as in Apache's library for Java).
//
// What does not fit is an error when such a value is met, not before: of a writer's union only the
// branches that are used must fit.

#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "processors/record/avro_schema.h"
#include "processors/record/record.h"

namespace runnel::avro {

// How a value of the writer's type is read.
struct Step {
  enum class How {
    kSame,    // as the writer's type says
    kFloat,   // an int or long as a float
    kDouble,  // an int or long as a double
    kRecord,  // field by field, as `steps` say; in the places of the reader's
    kEnum,    // by `symbols`
    kArray,   // each item by `steps[0]`
    kMap,     // each value by `steps[0]`
    kUnion,   // each of the writer's branches by its step
    kNever,   // `why`
  };
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

  How how = How::kSame;
  const Type* writer = nullptr;
  const Type* reader = nullptr;
  std::vector<const Step*> steps = {};   // of a field that is passed over: nullptr
  std::vector<std::size_t> places = {};  // of each of the writer's fields
  struct Missing {
    std::size_t place = 0;  // among the reader's fields
    Value value = {};
    std::size_t cost = 0;
  };
  std::vector<Missing> missing = {};             // fields that only the reader has
  std::vector<const std::string*> symbols = {};  // of each of the writer's; nullptr: none
  std::string why = {};
};

// Immutable; any thread.
class Resolution {
 public:
  static constexpr std::size_t kStepsMax = 50'000;

  // kInvalid: the schemas are too large for it.
  static Result<std::shared_ptr<const Resolution>> of(std::shared_ptr<const Schema> writer,
                                                      std::shared_ptr<const Schema> reader);
  const Step& root() const { return *root_; }

 private:
  friend class ResolutionMaker;
  std::shared_ptr<const Schema> writer_;
  std::shared_ptr<const Schema> reader_;
  std::deque<Step> steps_;
  const Step* root_ = nullptr;
};

}  // namespace runnel::avro
