// RecordPath: where in a record a value is, by NiFi's language, as far as it names places.
//
//   /field/inner        a field of a record, by its name
//   /'any name'         the same with any characters in it; `''` is a quote
//   /list[0]            an item of a list; from its end: -1 is the last one
//   /list[*]            each item
//   /*                  each field
//   /map['key']         a field by its name, too
//   /                   the record itself
//
// Functions, predicates and descendants (`//`) are refused.
//
// https://nifi.apache.org/docs/nifi-docs/html/record-path-guide.html

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/sdk/describe.h"
#include "processors/record/record.h"

namespace runnel {

class RecordPath {
 public:
  static constexpr std::size_t kStepsMax = 64;

  RecordPath() = default;  // `/`
  // kInvalid: it is none; the text says where.
  static Result<RecordPath> compile(std::string_view text);

  // All places in `of` that it names and that are there. They hold until `of` is changed otherwise
  // than through them.
  std::vector<Value*> select(Value& of) const;
  // The same; fields that are not there are made, with null, in records that are; what is null on
  // the way becomes a record. Items of lists are not made.
  std::vector<Value*> make(Value& of) const;
  const std::string& text() const { return text_; }

 private:
  struct Step {
    enum class Kind { kField, kItem, kAllItems, kAllFields } kind = Kind::kField;
    std::string name = {};
    std::int64_t index = 0;
  };

  std::vector<Value*> walk(Value& of, bool makes) const;
  static void follow(const Step& step, Value& from, bool makes, std::vector<Value*>& into);

  std::string text_ = "/";
  std::vector<Step> steps_;
};

template <>
struct PropertyTraits<RecordPath> {
  static constexpr PropertyKind kKind = PropertyKind::kText;
  static Result<RecordPath> parse(std::string_view text) { return RecordPath::compile(text); }
  static std::string text(const RecordPath& value) { return value.text(); }
};

}  // namespace runnel
