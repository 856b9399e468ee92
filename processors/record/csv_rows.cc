// Cutting CSV into rows and cells.

#include "processors/record/csv_rows.h"

#include <cmath>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

bool is_plain_integer(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Digits, a point, digits; and perhaps an exponent.
bool is_plain_decimal(std::string_view text) {
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    std::string_view power = text.substr(exponent + 1);
    if (power.starts_with('-') || power.starts_with('+')) power.remove_prefix(1);
    if (power.empty() || power.find_first_not_of("0123456789") != std::string_view::npos)
      return false;
    text = text.substr(0, exponent);
    if (is_plain_integer(text)) return true;
  }
  const std::size_t point = text.find('.');
  if (point == std::string_view::npos) return false;
  const std::string_view rest = text.substr(point + 1);
  return is_plain_integer(text.substr(0, point)) && !rest.empty() &&
         rest.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Result<> CsvRows::take_size(std::size_t& size) const {
  if (++size <= manner_.row_size_max) return {};
  return invalid("the CSV in line " + std::to_string(row_line_) +
                 ": a row is larger than `Maximum Record Size`");
}

// The quote that begins it has been read; `size` is that of its row.
Result<> CsvRows::read_quoted(Cell& cell, std::size_t& size) {
  cell.is_quoted = true;
  while (true) {
    TRY_ASSIGN(byte, source_.next());
    if (!byte) {
      return invalid("the CSV in line " + std::to_string(row_line_) + ": a quote has no end");
    }
    if (*byte == '\n') ++line_;
    if (*byte == manner_.quote) {
      TRY_ASSIGN(after, source_.next());
      if (!after) return {};
      if (*after != manner_.quote) {
        source_.unread();
        return {};
      }
    }
    TRY(take_size(size));
    cell.text += *byte;
  }
}

Result<std::optional<std::vector<CsvRows::Cell>>> CsvRows::next() {
  std::vector<Cell> row(1);
  std::size_t size = 0;
  bool is_any = false;
  row_line_ = line_;
  const auto settle = [&](Cell& cell) {
    if (!cell.is_quoted && manner_.trims) cell.text = std::string(trimmed(cell.text));
  };
  while (true) {
    TRY_ASSIGN(byte, source_.next());
    if (byte && *byte == '\r') {
      // With the line feed behind it, or by itself, as NiFi's readers take it.
      TRY_ASSIGN(after, source_.next());
      if (after && *after != '\n') source_.unread();
    }
    if (!byte || *byte == '\n' || *byte == '\r') {
      if (byte) ++line_;
      settle(row.back());
      const bool is_empty = row.size() == 1 && row[0].text.empty() && !row[0].is_quoted;
      if (!is_empty) return std::optional(std::move(row));
      if (!byte) return std::optional<std::vector<Cell>>{};
      row.assign(1, {});
      size = 0;
      is_any = false;
      row_line_ = line_;
      continue;
    }
    TRY(take_size(size));
    Cell& cell = row.back();
    if (*byte == manner_.separator) {
      settle(cell);
      if (row.size() == kColumnsMax) {
        return invalid("the CSV in line " + std::to_string(row_line_) + ": a row has more than " +
                       std::to_string(kColumnsMax) + " fields");
      }
      row.emplace_back();
      is_any = false;
    } else if (*byte == manner_.quote && (!is_any || is_behind_mark(cell))) {
      cell.text.clear();
      TRY(read_quoted(cell, size));
      is_any = true;
    } else if (cell.is_quoted) {
      if (*byte != ' ') {  // blanks may follow the quote
        return invalid("the CSV in line " + std::to_string(row_line_) +
                       ": text behind the end of a quote");
      }
    } else {
      if (*byte != ' ' || !manner_.trims) is_any = true;
      cell.text += *byte;
    }
  }
}

Result<std::optional<std::vector<CsvRows::Cell>>> CsvRows::header() {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  TRY_ASSIGN(row, next());
  if (row && row->front().text.starts_with(kByteOrderMark))
    row->front().text.erase(0, kByteOrderMark.size());
  return row;
}

Result<char> csv_character(std::string_view property, std::string_view text) {
  if (text == "\\t") return '\t';
  if (text.size() == 1 && text[0] != '\n' && text[0] != '\r') return text[0];
  return invalid("property `" + std::string(property) + "`: `" + std::string(text) +
                 "` is not one character");
}

Value csv_value(const std::string& text) {
  if (text == "true") return Value{true};
  if (text == "false") return Value{false};
  if (is_plain_integer(text)) {
    if (const auto number = parse_int(text)) return Value{static_cast<std::int64_t>(*number)};
    return Value{BigInteger{text}};
  }
  if (is_plain_decimal(text)) {
    const auto number = parse_double(text);
    if (number && std::isfinite(*number)) return Value{*number};
  }
  return Value{text};
}

}  // namespace runnel
