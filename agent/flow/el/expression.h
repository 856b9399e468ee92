// Expression: NiFi's expression language, compiled once per property and evaluated per FlowFile.
//
// `vehicle/${id:toLower()}/state` is text with expressions inside. What the language knows,
// function by function, is FUNCTIONS.md; its grammar and its escapes are grammar.md. Parameters
// (`#{name}`) are no part of it: whoever reads a flow puts their values in before it compiles the
// text, and turns `##{` into a literal `#{` on the way. Here, `#{` outside `${…}` is plain text,
// and inside, as in NiFi, `#` begins a comment that ends with the line.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/clock.h"
#include "agent/base/result.h"

namespace runnel {

// What is known of a FlowFile beside its attributes; expressions see them as the attributes
// `flowFileId`, `fileSize`, `entryDate`, `lineageStartDate` and `lastQueueDate`, before real ones
// of the same name.
struct FlowFileFacts {
  std::uint64_t id = 0;
  std::uint64_t size = 0;
  std::int64_t entry_ms = 0;
  std::int64_t lineage_start_ms = 0;
  std::int64_t last_queue_ms = 0;
};

// What an expression can see while it is evaluated. The defaults are the machine's own; tests
// override them. Used by one thread at a time.
class Scope {
 public:
  virtual ~Scope() = default;

  // The value of the attribute, or nothing. The view must stay valid until the evaluation ends.
  virtual std::optional<std::string_view> attribute(std::string_view name) const = 0;
  // Calls `visit` with each attribute's name and value, until it returns false. Needed by
  // anyMatchingAttribute and allMatchingAttributes only; without it they see no attribute.
  using Visit = std::function<bool(std::string_view name, std::string_view value)>;
  virtual void each_attribute(const Visit& visit) const;
  // The FlowFile's facts, or nothing where there is no FlowFile.
  virtual std::optional<FlowFileFacts> facts() const { return std::nullopt; }
  // The value that the processor's state holds under `key` (getStateValue), or nothing.
  virtual std::optional<std::string> state(std::string_view key) const;

  virtual Clock& clock() const { return system_clock(); }
  // IANA name of the zone in which dates are read and written when an expression names none; empty
  // for the machine's own.
  virtual std::string_view time_zone() const { return {}; }
  virtual std::string hostname(bool is_qualified) const;
  virtual std::string ip() const;           // of the machine, as text
  virtual std::string thread_name() const;  // of the thread that evaluates
  virtual std::int64_t next_int() const;    // nextInt(): counts up, process-wide
  virtual std::uint64_t random() const;     // random bits, for random() and UUID()
};

// A Scope over nothing: for text that may use now() or hostname(), but has no FlowFile.
const Scope& empty_scope();

// Why a text is no expression: `offset` counts bytes from its begin.
struct ElError {
  std::size_t offset = 0;
  std::string text;
};

// Immutable; cheap to copy; evaluated from any thread at the same time.
class Expression {
 public:
  static constexpr std::size_t kMaxText = 64 * 1024;
  static constexpr std::size_t kMaxNesting = 64;
  static constexpr std::size_t kMaxArguments = 256;
  static constexpr std::size_t kMaxResult = 1024 * 1024;

  struct Program;  // program.h
  const Program& program() const { return *program_; }

  // The empty constant.
  Expression();

  // kInvalid: `column 7: unknown function `toUper`; did you mean `toUpper`?` (columns count from 1,
  // in bytes).
  static Result<Expression> compile(std::string_view text);
  // The same for who places the error himself: nothing, and `error` says why.
  static std::optional<Expression> compile(std::string_view text, ElError& error);
  // Text that is taken as it stands, whatever it holds.
  static Expression literal(std::string text);

  // Whether the text holds no expression; `constant` is then its value (escapes undone), else
  // empty.
  bool is_constant() const;
  std::string_view constant() const;
  // The text it was compiled from.
  std::string_view text() const;
  // The names of the attributes that it reads by a constant name, sorted, each once.
  std::vector<std::string> attributes() const;

  // The whole text with every expression replaced by its value; what is null becomes nothing.
  // kInvalid when a value does not fit a function (a date that is none, a division by zero, a
  // result above kMaxResult). A retry gives the same.
  Result<std::string> evaluate(const Scope& scope) const;
  // The same, behind what `out` holds already; after an error `out` is as before.
  Result<> append_to(std::string& out, const Scope& scope) const;
  // Whether the value is "true", in any case of letters: as NiFi reads a boolean.
  Result<bool> evaluate_bool(const Scope& scope) const;

 private:
  explicit Expression(std::shared_ptr<const Program> program) : program_(std::move(program)) {}

  std::shared_ptr<const Program> program_;
};

// The page of all functions in Markdown, generated from their table: agent/flow/el/FUNCTIONS.md.
std::string functions_reference();
// The names of all functions, sorted.
std::vector<std::string_view> function_names();

}  // namespace runnel
