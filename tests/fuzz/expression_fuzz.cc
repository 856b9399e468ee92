// Any text as an expression, as a JSON path, as a regular expression and as a date pattern.
//
// The first line is the expression, the rest the value of the attribute `a`.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/flow/el/expression.h"
#include "agent/flow/el/json_path.h"
#include "agent/flow/el/regex.h"
#include "agent/flow/el/time_format.h"

namespace {

class FuzzScope final : public runnel::Scope {
 public:
  explicit FuzzScope(std::string_view value) : value_(value) {}
  std::optional<std::string_view> attribute(std::string_view name) const override {
    return name == "missing" ? std::nullopt : std::optional(value_);
  }
  void each_attribute(const Visit& visit) const override {
    if (visit("a", value_)) visit("b", "1,2,3");
  }
  std::string_view time_zone() const override { return "Europe/Berlin"; }
  std::string hostname(bool /*is_qualified*/) const override { return "host"; }
  std::string ip() const override { return "127.0.0.1"; }
  std::uint64_t random() const override { return 42; }

 private:
  std::string_view value_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view text = input.substr(0, input.find('\n'));
  const std::string_view value = input.substr(std::min(text.size() + 1, input.size()));

  runnel::ElError error;
  if (const auto expression = runnel::Expression::compile(text, error)) {
    const FuzzScope scope(value);
    (void)expression->evaluate(scope);
    (void)expression->evaluate_bool(scope);
    (void)expression->attributes();
  } else if (error.text.empty() || error.offset > text.size()) {
    __builtin_trap();  // each refusal says why, and where inside of the text
  }
  if (const auto path = runnel::JsonPath::compile(text); path.ok()) {
    if (const auto document = runnel::JsonDocument::parse(value); document.ok()) {
      (void)path->find(*document);
      (void)path->read(*document);
      (void)path->set(*document, {"1", true});
      (void)path->add(*document, {"x", false});
      (void)path->put(*document, "k", {"x", false});
      (void)path->remove(*document);
    }
  }
  if (const auto format = runnel::el::TimeFormat::compile(text); format.ok()) {
    const auto zone = runnel::el::TimeZone::find("America/New_York");
    const auto moment = format->parse(value, *zone);
    if (moment.ok()) (void)format->format(*moment, *zone);
  }
  return 0;
}
