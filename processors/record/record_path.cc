// Reading paths, and following them.

#include "processors/record/record_path.h"

#include <algorithm>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

Error bad_path(std::string_view text, std::size_t at, std::string_view what) {
  return invalid("the record path `" + std::string(text) + "`, at character " +
                 std::to_string(at + 1) + ": " + std::string(what));
}

// A quoted name from `at`, which is behind its first quote; `at` is behind the last one then.
std::optional<std::string> quoted_name(std::string_view text, std::size_t& at) {
  std::string out;
  while (at < text.size()) {
    const char one = text[at++];
    if (one != '\'') {
      out += one;
    } else if (at < text.size() && text[at] == '\'') {
      out += text[at++];
    } else {
      return out;
    }
  }
  return std::nullopt;
}

}  // namespace

Result<RecordPath> RecordPath::compile(std::string_view text) {
  RecordPath path;
  path.text_ = text;
  if (!text.starts_with('/')) return bad_path(text, 0, "a path begins with `/`");
  if (text == "/") return path;
  std::size_t at = 0;
  while (at < text.size()) {
    if (path.steps_.size() >= kStepsMax) return bad_path(text, at, "it is too long");
    Step step;
    const bool is_bracket = text[at] == '[';
    if (!is_bracket && text[at] != '/') return bad_path(text, at, "`/` or `[` belongs here");
    ++at;
    if (at < text.size() && text[at] == '\'') {
      const std::size_t began = at++;
      auto name = quoted_name(text, at);
      if (!name) return bad_path(text, began, "the quote does not end");
      step.name = std::move(*name);
    } else {
      const std::string_view rest = text.substr(at);
      const std::size_t size = std::min(rest.find_first_of(is_bracket ? "]" : "/["), rest.size());
      const std::string_view word = rest.substr(0, size);
      if (word.empty()) return bad_path(text, at, "a name is missing (`//` is not known)");
      if (!is_bracket && word.find_first_of("()'\".]") != word.npos)
        return bad_path(text, at, "there are no functions; a name with such characters is quoted");
      step.name = word;
      if (word == "*") {
        step.kind = is_bracket ? Step::Kind::kAllItems : Step::Kind::kAllFields;
      } else if (is_bracket) {
        const Result<std::int64_t> index = parse_int(word);
        if (!index.ok())
          return bad_path(text, at, "in brackets stands a number, `*` or a quoted name");
        step.kind = Step::Kind::kItem;
        step.index = *index;
      }
      at += size;
    }
    if (is_bracket) {
      if (at >= text.size() || text[at] != ']') return bad_path(text, at, "`]` is missing");
      ++at;
    }
    path.steps_.push_back(std::move(step));
  }
  return path;
}

std::vector<Value*> RecordPath::select(Value& of) const { return walk(of, false); }

std::vector<Value*> RecordPath::make(Value& of) const { return walk(of, true); }

std::vector<Value*> RecordPath::walk(Value& of, bool makes) const {
  std::vector<Value*> places{&of};
  for (const Step& step : steps_) {
    std::vector<Value*> next;
    for (Value* const place : places) follow(step, *place, makes, next);
    places = std::move(next);
  }
  return places;
}

void RecordPath::follow(const Step& step, Value& from, bool makes, std::vector<Value*>& into) {
  if (makes && from.is_null() && step.kind == Step::Kind::kField) from = Value{Value::Fields{}};
  if (auto* const list = std::get_if<Value::List>(&from.held)) {
    if (step.kind == Step::Kind::kAllItems || step.kind == Step::Kind::kAllFields) {
      for (Value& one : *list) into.push_back(&one);
    } else if (step.kind == Step::Kind::kItem) {
      const auto size = static_cast<std::int64_t>(list->size());
      const std::int64_t at = step.index < 0 ? size + step.index : step.index;
      if (at >= 0 && at < size) into.push_back(&(*list)[static_cast<std::size_t>(at)]);
    }
    return;
  }
  auto* const fields = std::get_if<Value::Fields>(&from.held);
  if (fields == nullptr || step.kind == Step::Kind::kItem) return;
  if (step.kind != Step::Kind::kField) {
    for (Field& one : *fields) into.push_back(&one.value);
    return;
  }
  const auto found = std::find_if(fields->begin(), fields->end(),
                                  [&step](const Field& one) { return one.name == step.name; });
  if (found != fields->end()) {
    into.push_back(&found->value);
  } else if (makes) {
    into.push_back(&fields->emplace_back(Field{step.name, {}}).value);
  }
}

}  // namespace runnel
