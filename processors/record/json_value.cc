// Building values as a JSON parser goes.

#include "processors/record/json_value.h"

#include <nlohmann/json.hpp>
#include <unordered_map>

namespace runnel {
namespace {

using JsonInOrder = nlohmann::ordered_json;

// Builds a Value as the parser goes. Bounded in depth by who cuts the records.
class ValueBuilder final : public nlohmann::json_sax<JsonInOrder> {
 public:
  bool null() override { return put(Value{}); }
  bool boolean(bool flag) override { return put(Value{flag}); }
  bool number_integer(number_integer_t number) override {
    return put(Value{static_cast<std::int64_t>(number)});
  }
  bool number_unsigned(number_unsigned_t number) override {
    if (std::in_range<std::int64_t>(number)) return put(Value{static_cast<std::int64_t>(number)});
    return put(Value{BigInteger{std::to_string(number)}});
  }
  bool number_float(number_float_t number, const string_t& text) override {
    if (text.find_first_of(".eE") == std::string::npos) return put(Value{BigInteger{text}});
    return put(Value{number});
  }
  bool string(string_t& text) override { return put(Value{std::move(text)}); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return begin(Value{Value::Fields{}}); }
  bool key(string_t& name) override {
    keys_.back() = std::move(name);
    return true;
  }
  bool end_object() override {
    drop_duplicates(std::get<Value::Fields>(open_.back().held));
    return end();
  }
  bool start_array(std::size_t) override { return begin(Value{Value::List{}}); }
  bool end_array() override { return end(); }
  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    problem_ = error.what();
    return false;
  }

  Value take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

 private:
  bool put(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (auto* list = std::get_if<Value::List>(&open_.back().held)) {
      list->push_back(std::move(value));
    } else {
      std::get<Value::Fields>(open_.back().held)
          .push_back({std::move(keys_.back()), std::move(value)});
    }
    return true;
  }
  bool begin(Value value) {
    open_.push_back(std::move(value));
    keys_.emplace_back();
    return true;
  }
  bool end() {
    Value done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return put(std::move(done));
  }
  // The last of several fields with one name counts, at the place of the first, as in NiFi. A name
  // is searched for in the few before it; in an object of many, by its hash.
  static void drop_duplicates(Value::Fields& fields) {
    std::unordered_map<std::string_view, std::size_t> places;
    const bool is_small = fields.size() <= kFewFields;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      std::size_t place = kept;
      if (is_small) {
        for (place = 0; place < kept && fields[place].name != fields[i].name;) ++place;
      } else if (const auto known = places.find(fields[i].name); known != places.end()) {
        place = known->second;
      }
      if (place < kept) {
        fields[place].value = std::move(fields[i].value);
        continue;
      }
      if (kept != i) fields[kept] = std::move(fields[i]);
      if (!is_small) places.emplace(fields[kept].name, kept);
      ++kept;
    }
    fields.resize(kept);
  }

  static constexpr std::size_t kFewFields = 16;
  Value root_;
  std::vector<Value> open_;
  std::vector<std::string> keys_;
  std::string problem_;
};

}  // namespace

Result<Value> parse_json(std::string_view text) {
  ValueBuilder builder;
  if (!JsonInOrder::sax_parse(text, &builder)) return invalid(builder.problem());
  return builder.take();
}

}  // namespace runnel
