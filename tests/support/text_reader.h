// TextReader: a content that is a text.

#pragma once

#include <string>
#include <string_view>

#include "agent/sdk/session.h"

namespace runnel::test {

class TextReader : public ContentReader {
 public:
  explicit TextReader(std::string_view text) : text_(text) {}
  Result<std::size_t> read(std::span<char> into) override {
    const std::size_t got = text_.copy(into.data(), into.size(), at_);
    at_ += got;
    return got;
  }
  void rewind() override { at_ = 0; }

 private:
  const std::string text_;
  std::size_t at_ = 0;
};

}  // namespace runnel::test
