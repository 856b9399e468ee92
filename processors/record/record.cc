// What all readers and writers of records have in common.

#include "processors/record/record.h"

#include <fmt/core.h>

#include <cmath>
#include <set>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

// The shortest text that reads back as the same number, recognizable as one that is no integer.
std::string number_text(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
  std::string out = fmt::format("{}", number);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

void break_line(std::string& out, int indent, int level) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<std::size_t>(indent * level), ' ');
}

struct JsonAppender {
  std::string& out;
  const bool leaves_out_nulls;
  const int indent;
  const int level;

  void operator()(Value::Null) const { out += "null"; }
  void operator()(bool flag) const { out += flag ? "true" : "false"; }
  void operator()(std::int64_t number) const { out += std::to_string(number); }
  // What JSON has no number for is a text there, as in NiFi.
  void operator()(double number) const {
    const std::string text = number_text(number);
    out += std::isfinite(number) ? text : json_quoted(text);
  }
  void operator()(const BigInteger& number) const { out += number.digits; }
  void operator()(const std::string& text) const { out += json_quoted(text); }
  void operator()(const Value::List& list) const {
    out += '[';
    bool is_first = true;
    for (const Value& one : list) {
      if (!is_first) out += ',';
      is_first = false;
      break_line(out, indent, level + 1);
      append_json(out, one, leaves_out_nulls, indent, level + 1);
    }
    if (!is_first) break_line(out, indent, level);
    out += ']';
  }
  void operator()(const Value::Fields& fields) const {
    out += '{';
    bool is_first = true;
    for (const Field& one : fields) {
      if (leaves_out_nulls && one.value.is_null()) continue;
      if (!is_first) out += ',';
      is_first = false;
      break_line(out, indent, level + 1);
      out += json_quoted(one.name);
      out += indent < 0 ? ":" : " : ";
      append_json(out, one.value, leaves_out_nulls, indent, level + 1);
    }
    if (!is_first) break_line(out, indent, level);
    out += '}';
  }
};

}  // namespace

Result<> ByteSource::fill() {
  TRY_ASSIGN(count, content_.read({buffer_.get(), kBuffer}));
  at_ = 0;
  end_ = count;
  return {};
}

Result<> ByteSink::flush() {
  TRY(content_.write(buffer_));
  buffer_.clear();
  return {};
}

Result<RecordSurvey> survey(RecordReader& reader, bool wants_columns) {
  RecordSurvey out;
  std::set<std::string> seen;
  while (true) {
    TRY_ASSIGN(record, reader.next());
    if (!record) break;
    ++out.count;
    if (!wants_columns) continue;
    for (const Field& field : record->fields) {
      if (!seen.insert(field.name).second) continue;
      if (seen.size() > kColumnsMax) {
        return invalid("the records have more than " + std::to_string(kColumnsMax) + " fields");
      }
      out.columns.push_back(field.name);
    }
  }
  return out;
}

void append_json(std::string& out, const Value& value, bool leaves_out_nulls, int indent,
                 int level) {
  std::visit(JsonAppender{out, leaves_out_nulls, indent, level}, value.held);
}

void append_json(std::string& out, const Record& record, bool leaves_out_nulls, int indent) {
  JsonAppender{out, leaves_out_nulls, indent, 0}(record.fields);
}

const Value* find_from(std::size_t& next, std::string_view name, const Value::Fields& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t at = (next + i) % fields.size();
    if (fields[at].name != name) continue;
    next = at + 1;
    return &fields[at].value;
  }
  return nullptr;
}

std::string text_of(const Value& value) {
  if (value.is_null()) return {};
  if (const auto* text = std::get_if<std::string>(&value.held)) return *text;
  if (const auto* number = std::get_if<double>(&value.held)) return number_text(*number);
  std::string out;
  append_json(out, value, false, -1, 0);
  return out;
}

Result<> fail_records(Context& context, Session& session, FlowFile flowfile, const Error& error,
                      Relationship failure) {
  if (error.code() != Code::kInvalid) return error;
  context.bulletin(BulletinLevel::kWarning, error.text());
  flowfile.set("record.error.message", error.text());
  session.transfer(flowfile, failure);
  return {};
}

}  // namespace runnel
