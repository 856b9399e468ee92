// RecordExpression: a value that is made of a record, by NiFi's RecordPath language: a path, or a
// function of paths, texts and functions.
//
//   /plate
//   concat(/line, '-', substringBefore(/stop, ' '))
//
//   concat(a, b, …)            the texts of all, one behind the other; what is null adds nothing
//   coalesce(a, b, …)          the first that is there and not null
//   substringBefore(a, 'x')    what stands before the first `x`; without an `x`, all
//   substringAfter(a, 'x')     what stands behind it; without an `x`, all
//   toUpperCase(a)  toLowerCase(a)  trim(a)  toString(a)
//
// A text stands in '…' or "…"; its quote twice is that quote. Functions of one value make one of
// each that their path names; what is null, a list or a record makes none.
//
// https://nifi.apache.org/docs/nifi-docs/html/record-path-guide.html#functions

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "processors/record/record_path.h"

namespace runnel {

class RecordExpression {
 public:
  static constexpr std::size_t kDepthMax = 16;       // functions in each other
  static constexpr std::size_t kPartsMax = 64;       // functions, paths and texts in all
  static constexpr std::size_t kTextMax = 64 << 10;  // bytes of what a function makes

  // kInvalid: it is none; the text says where.
  static Result<RecordExpression> compile(std::string_view text);

  // What it stands for in `root`: of a path, all that it names. kInvalid: longer than kTextMax.
  Result<std::vector<Value>> evaluate(Value& root) const;
  // None: it has functions.
  const RecordPath* path() const;

 private:
  enum class Kind {
    kPath,
    kText,
    kConcat,
    kCoalesce,
    kSubstringBefore,
    kSubstringAfter,
    kToUpperCase,
    kToLowerCase,
    kTrim,
    kToString,
  };
  struct Part {
    Kind kind = Kind::kPath;
    RecordPath path = {};
    std::string text = {};
    std::vector<Part> arguments = {};
  };
  friend class RecordExpressionParser;

  static Result<std::vector<Value>> evaluate(const Part& part, Value& root);
  static Result<std::vector<Value>> concat(const Part& part, Value& root);
  static Result<std::vector<Value>> coalesce(const Part& part, Value& root);
  static Result<std::vector<Value>> each_text(const Part& part, Value& root);

  Part part_;
};

}  // namespace runnel
