// Result<T>: a value, or an error that says what the caller should do and what happened.
//
// The code says what the caller does; the text says what happened: lower case, outermost first,
// with the cure when there is one. A Result is returned or handled, never logged and forgotten:
// dropping one is a compile error.

#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "agent/base/assert.h"

namespace runnel {

enum class Code {
  kInvalid,      // refuse it, or route it to failure; retrying cannot help
  kNotFound,     // it is not there
  kUnavailable,  // back off and try again
  kFull,         // wait until there is room
  kCorrupt,      // stop, keep the file, show red
};

std::string_view name_of(Code code);

class [[nodiscard]] Error {
 public:
  Error(Code code, std::string text) : code_(code), text_(std::move(text)) {}

  Code code() const { return code_; }
  const std::string& text() const { return text_; }

  // The same error seen from further out: `opening flow f.yaml: line 12: …`.
  Error within(std::string_view what) const& { return Error(code_, join(what, text_)); }
  Error within(std::string_view what) && { return Error(code_, join(what, text_)); }

 private:
  static std::string join(std::string_view what, std::string_view text) {
    std::string joined(what);
    joined += ": ";
    joined += text;
    return joined;
  }

  Code code_;
  std::string text_;
};

inline Error invalid(std::string text) { return {Code::kInvalid, std::move(text)}; }
inline Error not_found(std::string text) { return {Code::kNotFound, std::move(text)}; }
inline Error unavailable(std::string text) { return {Code::kUnavailable, std::move(text)}; }
inline Error full(std::string text) { return {Code::kFull, std::move(text)}; }
inline Error corrupt(std::string text) { return {Code::kCorrupt, std::move(text)}; }

struct Ok {};

template <typename T = Ok>
class [[nodiscard]] Result {
 public:
  using Value = T;

  Result() requires std::same_as<T, Ok> : state_(std::in_place_index<0>) {}
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  template <typename U>
  requires(std::convertible_to<U, T> && !std::same_as<std::remove_cvref_t<U>, T> &&
           !std::same_as<std::remove_cvref_t<U>, Error> &&
           !std::same_as<std::remove_cvref_t<U>, Result>) Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & {
    RUNNEL_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    RUNNEL_ASSERT(ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    RUNNEL_ASSERT(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  const Error& error() const& {
    RUNNEL_ASSERT(!ok());
    return *std::get_if<1>(&state_);
  }
  Error&& error() && {
    RUNNEL_ASSERT(!ok());
    return std::move(*std::get_if<1>(&state_));
  }
  Code code() const { return error().code(); }

  T value_or(T fallback) && { return ok() ? std::move(*this).value() : std::move(fallback); }

  // Adds what was being done to the error's text, if this is one.
  Result within(std::string_view what) && {
    return ok() ? std::move(*this) : Result(std::move(*this).error().within(what));
  }

 private:
  std::variant<T, Error> state_;
};

// TRY(expression): leaves the function with the error, if it is one.
// TRY_ASSIGN(name, expression): the same, else `auto name = value`.
#define RUNNEL_CONCAT_(a, b) a##b
#define RUNNEL_CONCAT(a, b) RUNNEL_CONCAT_(a, b)
#define TRY(expression)                                                                            \
  do {                                                                                             \
    if (auto try_result_ = (expression); !try_result_.ok()) return std::move(try_result_).error(); \
  } while (false)
#define TRY_ASSIGN(name, expression)                                \
  auto RUNNEL_CONCAT(try_result_, __LINE__) = (expression);         \
  if (!RUNNEL_CONCAT(try_result_, __LINE__).ok())                   \
    return std::move(RUNNEL_CONCAT(try_result_, __LINE__)).error(); \
  auto name = std::move(RUNNEL_CONCAT(try_result_, __LINE__)).value()

}  // namespace runnel
