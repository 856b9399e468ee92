// Any bytes as a packed block of attributes, and as changes of one.
//
// The changes are held against a map.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>

#include "agent/runtime/attributes.h"

namespace {

using Model = std::map<std::string, std::string, std::less<>>;

void must(bool holds) {
  if (!holds) std::abort();
}

void check(const runnel::Attributes* attributes, const Model& model) {
  if (attributes == nullptr) return must(model.empty());
  Model left = model;
  attributes->each([&](std::string_view name, std::string_view value) {
    const auto expected = left.find(name);
    must(expected != left.end() && expected->second == value);
    must(attributes->find(name) == value);
    left.erase(expected);
  });
  must(left.empty());
}

void read_packed(std::string_view bytes) {
  if (!runnel::Attributes::is_well_formed(bytes)) return;
  runnel::Attributes* const attributes = runnel::Attributes::copy_of(bytes);
  Model model;
  attributes->each([&](std::string_view name, std::string_view value) {
    must(model.emplace(name, value).second);
  });
  check(attributes, model);
  must(attributes->packed() == bytes);
  attributes->release();
}

std::string_view take(std::string_view& from, std::size_t size) {
  const std::string_view taken = from.substr(0, size);
  from.remove_prefix(taken.size());
  return taken;
}

// A byte says what is done: remove, set, or share (so that the next change must copy).
void change(std::string_view bytes) {
  runnel::Attributes* attributes = nullptr;
  runnel::Attributes* shared = nullptr;
  Model model;
  Model shared_model;
  while (!bytes.empty()) {
    const auto what = static_cast<unsigned char>(take(bytes, 1)[0]);
    const std::string_view name = take(bytes, what / 3U % 4U);
    if (what % 3U == 0) {
      attributes = runnel::Attributes::without(attributes, name);
      if (const auto found = model.find(name); found != model.end()) model.erase(found);
    } else if (what % 3U == 1) {
      const std::string_view value = take(bytes, what / 12U);
      attributes = runnel::Attributes::with(attributes, name, value);
      model.insert_or_assign(std::string(name), std::string(value));
    } else if (attributes != nullptr) {
      if (shared != nullptr) shared->release();
      shared = attributes;
      shared->retain();
      shared_model = model;
    }
    check(attributes, model);
    if (shared != nullptr) check(shared, shared_model);
    must(attributes == nullptr || attributes->find(name).has_value() == (model.count(name) != 0));
  }
  if (attributes != nullptr) attributes->release();
  if (shared != nullptr) shared->release();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_packed(bytes);
  change(bytes);
  return 0;
}
