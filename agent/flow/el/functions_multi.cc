// Several attributes at once: the rest of the chain runs for each of them.

#include <array>
#include <memory>

#include "agent/base/assert.h"
#include "agent/flow/el/program.h"
#include "agent/flow/el/regex.h"

namespace runnel::el {
namespace {

enum class Source { kNames, kPatterns, kPieces };

struct Multi {
  std::string_view name;
  Source source;
  bool is_all;
};
constexpr std::array<Multi, 6> kMultis{{{"anyAttribute", Source::kNames, false},
                                        {"allAttributes", Source::kNames, true},
                                        {"anyMatchingAttribute", Source::kPatterns, false},
                                        {"allMatchingAttributes", Source::kPatterns, true},
                                        {"anyDelineatedValue", Source::kPieces, false},
                                        {"allDelineatedValues", Source::kPieces, true}}};

Result<std::shared_ptr<const void>> prepare_patterns(Function::Constants arguments) {
  auto patterns = std::make_shared<std::vector<Regex>>();
  for (const std::optional<Value>& argument : arguments) {
    if (!argument) return std::shared_ptr<const void>();
    TRY_ASSIGN(regex, Regex::compile(argument->text));
    patterns->push_back(std::move(regex));
  }
  return std::shared_ptr<const void>(std::move(patterns));
}

// What becomes of the values one after the other.
class Fold {
 public:
  Fold(const Node& node, Context& context, bool is_all)
      : context_(context), is_all_(is_all), chain_(*node.subject) {
    is_join_ = chain_.function->name == "join";
    if (is_join_) {
      Call call(chain_, context_, null_value());
      delimiter_ = call.text(0).value_or("");
    }
  }

  // Returns false when no further value can change the outcome.
  bool add(const Value& value) {
    ++values_;
    context_.current = value;
    if (!chain_.function->is_reducer) {
      last_ = to_boolean(evaluate(chain_, context_)).value_or(false);
      return !context_.has_failed() && last_ == is_all_;
    }
    const Value result = evaluate(*chain_.subject, context_);
    if (is_join_) {
      if (values_ > 1) joined_ += delimiter_;
      append_text(joined_, result, context_);
      if (joined_.size() > Expression::kMaxResult) {
        context_.fail("the joined text is above the limit of " +
                      std::to_string(Expression::kMaxResult) + " bytes");
      }
    } else if (!result.is_null() && !(result.type == Type::kBoolean && !result.boolean)) {
      ++count_;
    }
    return !context_.has_failed();
  }

  Value result() {
    // As NiFi: where there is no value at all, the chain looks at null, once.
    if (values_ == 0) add(null_value());
    if (!chain_.function->is_reducer) return boolean_value(last_);
    return is_join_ ? text_value(context_.hold(std::move(joined_))) : number_value(count_);
  }

 private:
  Context& context_;
  const bool is_all_;
  const Node& chain_;
  bool is_join_ = false;
  std::string_view delimiter_;
  std::size_t values_ = 0;
  bool last_ = false;
  std::int64_t count_ = 0;
  std::string joined_;
};

void add_named(Call& call, Fold& fold) {
  for (std::size_t i = 0; i < call.count(); ++i) {
    const auto name = call.text(i);
    const auto value = name ? call.scope().attribute(*name) : std::nullopt;
    if (!fold.add(value ? text_value(*value) : null_value())) return;
  }
}

void add_matching(Call& call, Fold& fold) {
  std::vector<Regex> own;
  const auto* patterns = call.prepared<std::vector<Regex>>();
  if (patterns == nullptr) {
    for (std::size_t i = 0; i < call.count(); ++i) {
      auto regex = Regex::compile(call.text(i).value_or(""));
      if (!regex.ok()) {
        call.fail(regex.error().text());
        return;
      }
      own.push_back(std::move(regex).value());
    }
    patterns = &own;
  }
  call.scope().each_attribute([&](std::string_view name, std::string_view value) {
    for (const Regex& pattern : *patterns) {
      if (pattern.matches(name)) return fold.add(text_value(value));
    }
    return true;
  });
}

// String.split: empty pieces at the end do not count, unless the whole text is empty.
void add_pieces(Call& call, Fold& fold) {
  const auto text = call.text(0);
  const auto delimiter = call.text(1);
  if (!text) return;
  if (!delimiter || delimiter->empty()) {
    call.fail("the delimiter is empty");
    return;
  }
  if (text->empty()) {
    fold.add(text_value(*text));
    return;
  }
  const auto each_piece = [&](auto use) {
    for (std::size_t at = 0; at != std::string_view::npos;) {
      const std::size_t end = text->find(*delimiter, at);
      const bool is_last = end == std::string_view::npos;
      if (!use(text->substr(at, is_last ? end : end - at))) return;
      at = is_last ? end : end + delimiter->size();
    }
  };
  std::size_t pieces = 0;
  std::size_t wanted = 0;
  each_piece([&](std::string_view piece) {
    ++pieces;
    if (!piece.empty()) wanted = pieces;
    return true;
  });
  pieces = 0;
  each_piece(
      [&](std::string_view piece) { return pieces++ < wanted && fold.add(text_value(piece)); });
}

// Outside of a multi-attribute function there is one value.
Value join(Call& call) { return text_value(call.subject_text().value_or("")); }
Value count(Call& call) {
  const bool counts =
      !call.subject.is_null() && !(call.subject.type == Type::kBoolean && !call.subject.boolean);
  return number_value(counts ? 1 : 0);
}
// The parser makes a kMulti node of each multi-attribute function, so that this is never called.
Value no_call(Call& call) { return call.fail("needs a condition behind it"); }

constexpr auto kMulti = SubjectRule::kMulti;
constexpr std::size_t kMany = Expression::kMaxArguments;
constexpr std::array<Function, 8> kMultiFunctions{{
    {"anyAttribute", kMulti, 1, kMany, "name, …", Type::kBoolean,
     "Whether the rest of the expression is true for at least one of the named attributes.",
     no_call},
    {"allAttributes", kMulti, 1, kMany, "name, …", Type::kBoolean,
     "Whether the rest of the expression is true for each of the named attributes; or what `count` "
     "or `join` make of them.",
     no_call},
    {"anyMatchingAttribute", kMulti, 1, kMany, "regex, …", Type::kBoolean,
     "As `anyAttribute`, for all attributes whose name matches one of the regular expressions.",
     no_call, prepare_patterns},
    {"allMatchingAttributes", kMulti, 1, kMany, "regex, …", Type::kBoolean,
     "As `allAttributes`, for all attributes whose name matches one of the regular expressions.",
     no_call, prepare_patterns},
    {"anyDelineatedValue", kMulti, 2, 2, "text, delimiter", Type::kBoolean,
     "As `anyAttribute`, for the pieces of the text between the delimiters.", no_call},
    {"allDelineatedValues", kMulti, 2, 2, "text, delimiter", Type::kBoolean,
     "As `allAttributes`, for the pieces of the text between the delimiters.", no_call},
    {"join", SubjectRule::kNeeds, 1, 1, "delimiter", Type::kString,
     "All values behind one of the `all…` functions in one text, with the delimiter between them.",
     join, nullptr, true},
    {"count", SubjectRule::kNeeds, 0, 0, "", Type::kNumber,
     "How many values behind one of the `all…` functions are neither null nor false.", count,
     nullptr, true},
}};

}  // namespace

std::span<const Function> multi_functions() { return kMultiFunctions; }

Value evaluate_multi(const Node& node, Context& context) {
  const Multi* multi = nullptr;
  for (const Multi& known : kMultis) {
    if (known.name == node.function->name) multi = &known;
  }
  RUNNEL_ASSERT(multi != nullptr);  // the parser comes here for these only
  const Value outer = context.current;
  Call call(node, context, null_value());
  Fold fold(node, context, multi->is_all);
  switch (multi->source) {
    case Source::kNames:
      add_named(call, fold);
      break;
    case Source::kPatterns:
      add_matching(call, fold);
      break;
    case Source::kPieces:
      add_pieces(call, fold);
      break;
  }
  const Value result = context.has_failed() ? null_value() : fold.result();
  context.current = outer;
  return context.has_failed() ? null_value() : result;
}

}  // namespace runnel::el
