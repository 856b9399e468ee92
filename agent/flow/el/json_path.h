// JsonPath: Jayway's JSON paths (`$.a.b[0]['c'][*]..d[?(@.x > 1)]`), compiled once, applied to JSON
// text.
//
// The language: `$` the document; `.name`, `['name']`, `['a','b']`; `[0]`, `[-1]`, `[0,2]`,
// `[1:3]`, `[-2:]`, `[::2]`;
// `*`; `..name`, `..*`, `..[…]`; filters `[?(…)]` with `@`, `==` `!=` `<` `<=` `>` `>=` `=~` `in`
// `nin` `&&` `||` `!`, literals and paths; and at the end `.length()`, `.min()`, `.max()`,
// `.avg()`, `.sum()`, `.keys()`, `.size()`.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace runnel {

// Text that was read as JSON once, for several paths. Immutable; any thread.
class JsonDocument {
 public:
  static constexpr std::size_t kMaxText = 64 * 1024 * 1024;
  static constexpr std::size_t kMaxDepth = 512;
  static constexpr std::size_t kMaxNodes = 1'000'000;  // values; each takes some hundred bytes

  // kInvalid with the byte offset when `text` is no JSON, or deeper, longer or of more values than
  // the bounds.
  static Result<JsonDocument> parse(std::string_view text);

  struct Tree;
  explicit JsonDocument(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}
  const Tree& tree() const { return *tree_; }

 private:
  std::shared_ptr<const Tree> tree_;
};

enum class JsonKind { kNull, kBoolean, kNumber, kString, kArray, kObject };

// What a path found. `text` is the JSON text; of a string (kString) its value without quotes and
// escapes.
struct JsonMatch {
  JsonKind kind = JsonKind::kNull;
  std::string text;

  bool is_scalar() const { return kind != JsonKind::kArray && kind != JsonKind::kObject; }
};

// Immutable; cheap to copy; any thread.
class JsonPath {
 public:
  static constexpr std::size_t kMaxText = 64 * 1024;
  static constexpr std::size_t kMaxMatches = 100'000;
  static constexpr std::size_t kMaxVisits = 10'000'000;  // nodes looked at by one find()

  // kInvalid with the 1-based column and the cure.
  static Result<JsonPath> compile(std::string_view text);

  // Whether the path can name one node only (no wildcard, filter, slice, union or `..`).
  bool is_definite() const;
  std::string_view text() const;

  // All that matches, in the order of the document. Nothing found is an empty vector. kInvalid
  // above the bounds.
  Result<std::vector<JsonMatch>> find(const JsonDocument& document) const;
  // As Jayway's read(): a definite path gives its node (kNotFound when there is none), any other an
  // array of all that matched.
  Result<JsonMatch> read(const JsonDocument& document) const;

  // The document as compact text after the change at each node that the path names. `value` is JSON
  // text when `is_json`, else a string. `set` replaces what is there, and nothing where nothing is;
  // `add` appends to arrays; `put` sets `key` in objects; `remove` takes the nodes out.
  struct Value {
    std::string_view text;
    bool is_json = false;
  };
  Result<std::string> set(const JsonDocument& document, Value value) const;
  Result<std::string> add(const JsonDocument& document, Value value) const;
  Result<std::string> put(const JsonDocument& document, std::string_view key, Value value) const;
  Result<std::string> remove(const JsonDocument& document) const;

  struct Steps;

 private:
  explicit JsonPath(std::shared_ptr<const Steps> steps) : steps_(std::move(steps)) {}

  std::shared_ptr<const Steps> steps_;
};

}  // namespace runnel
