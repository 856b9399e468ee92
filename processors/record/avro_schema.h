// Avro's schemas: what a text of JSON says of types, with all names resolved.
//
// https://avro.apache.org/docs/1.11.1/specification/. `doc`, `order` and logical types are passed
// over: a value of a logical type is read and written as the type that carries it.

#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "processors/record/record.h"

namespace runnel::avro {

enum class Kind {
  kNull,
  kBoolean,
  kInt,
  kLong,
  kFloat,
  kDouble,
  kBytes,
  kString,
  kRecord,
  kEnum,
  kFixed,
  kArray,
  kMap,
  kUnion,
};

struct Type;

struct MemberField {
  std::string name;
  const Type* type = nullptr;
  std::optional<Value> default_value;
  std::vector<std::string> aliases = {};
};

struct Type {
  Kind kind = Kind::kNull;
  std::string name = {};                   // of a record, enum or fixed: with its namespace
  std::vector<MemberField> fields = {};    // of a record
  std::vector<std::string> aliases = {};   // of a record, enum or fixed
  std::vector<std::string> symbols = {};   // of an enum
  std::string default_symbol = {};         // of an enum; empty: none
  std::vector<const Type*> branches = {};  // of a union; of an array or map: the one of its items
  std::size_t size = 0;                    // of a fixed
};

struct SchemaLimits {
  static constexpr std::size_t kText = 1 << 20;
  static constexpr std::size_t kTypes = 10'000;
  static constexpr std::size_t kDepth = 64;
  static constexpr std::size_t kFixed = 1 << 20;  // bytes of one
};

// Immutable; any thread.
class Schema {
 public:
  // kInvalid: it is no schema; the text says where in it.
  static Result<std::shared_ptr<const Schema>> parse(std::string_view json);

  const Type& root() const { return *root_; }
  const std::string& text() const { return text_; }

 private:
  friend class SchemaParser;
  std::deque<Type> types_;
  const Type* root_ = nullptr;
  std::string text_;
};

std::string_view name_of(Kind kind);

}  // namespace runnel::avro
