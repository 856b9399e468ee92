// CsvRows: the rows of a CSV text (RFC 4180): quoted fields, doubled quotes, line breaks within
// quotes, lines that end in LF, CRLF or CR.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "processors/record/record.h"

namespace runnel {

struct CsvManner {
  char separator = ',';
  char quote = '"';
  bool trims = true;  // blanks around fields that are not quoted
  std::size_t row_size_max = 4 << 20;
};

class CsvRows {
 public:
  struct Cell {
    std::string text;
    bool is_quoted = false;
  };

  // Where the next row begins, or empty lines before it.
  struct Place {
    std::uint64_t offset = 0;
    std::uint64_t line = 1;  // counts from 1
  };

  CsvRows(ContentReader& content, CsvManner manner) : CsvRows(content, manner, Place{}) {}
  // `at`: where `content` stands.
  CsvRows(ContentReader& content, CsvManner manner, Place at)
      : source_(content, at.offset), manner_(manner), line_(at.line) {}
  // The next row that is not empty, or none at the end. kInvalid: a quote without its end, or a row
  // that is too large or has more than kColumnsMax cells.
  Result<std::optional<std::vector<Cell>>> next();
  // The same of the first one, which names the columns: a byte order mark is no part of it.
  Result<std::optional<std::vector<Cell>>> header();
  // Of the row given last; counts from 1.
  std::uint64_t line() const { return row_line_; }
  Place place() const { return {source_.offset(), line_}; }

 private:
  Result<> read_quoted(Cell& cell, std::size_t& size);
  Result<> take_size(std::size_t& size) const;
  // Whether all that stands before the byte just read is a byte order mark.
  bool is_behind_mark(const Cell& cell) const {
    return source_.offset() == 4 && cell.text == "\xEF\xBB\xBF";
  }

  ByteSource source_;
  const CsvManner manner_;
  std::uint64_t line_;
  std::uint64_t row_line_ = 0;
};

// One character of a property: itself, or `\t`.
Result<char> csv_character(std::string_view property, std::string_view text);

// A cell as a value: an integer, a decimal or `true`/`false` where the text is exactly how that is
// written (`007` and `+5` are text), else text. Quoted cells are text.
Value csv_value(const std::string& text);

}  // namespace runnel
