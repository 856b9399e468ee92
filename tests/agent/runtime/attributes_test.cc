// The packed block of attributes, against a plain map.

#include "agent/runtime/attributes.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

namespace runnel {
namespace {

std::map<std::string, std::string> listed(const Attributes* attributes) {
  std::map<std::string, std::string> all;
  if (attributes == nullptr) return all;
  attributes->each([&](std::string_view name, std::string_view value) {
    CHECK(all.emplace(name, value).second);
  });
  return all;
}

TEST_CASE("attributes are what a map would be, whatever is set, changed and removed") {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    Attributes* attributes = nullptr;
    Attributes* shared = nullptr;
    std::map<std::string, std::string> model;
    std::map<std::string, std::string> shared_model;
    for (int step = 0; step < 200; ++step) {
      const std::string name = "name" + std::to_string(random() % 12);
      if (random() % 3 == 0) {
        attributes = Attributes::without(attributes, name);
        model.erase(name);
      } else {
        const std::string value(random() % 70, static_cast<char>('a' + random() % 26));
        attributes = Attributes::with(attributes, name, value);
        model[name] = value;
      }
      REQUIRE(listed(attributes) == model);
      REQUIRE(listed(shared) == shared_model);  // a change is nobody else's
      if (attributes != nullptr) {
        const auto found = attributes->find(name);
        CHECK(found.has_value() == (model.count(name) != 0));
      }
      if (attributes != nullptr && random() % 20 == 0) {
        if (shared != nullptr) shared->release();
        shared = attributes;
        shared->retain();
        shared_model = model;
      }
    }
    if (attributes != nullptr) attributes->release();
    if (shared != nullptr) shared->release();
  }
}

TEST_CASE("bytes that are no attributes are recognised") {
  Attributes* attributes = Attributes::with(nullptr, "a", "1");
  attributes = Attributes::with(attributes, "b", "2");
  const std::string packed(attributes->packed());
  attributes->release();
  CHECK(Attributes::is_well_formed(packed));
  for (std::size_t size = 1; size < packed.size(); ++size) {
    if (size != packed.size() / 2) CHECK_FALSE(Attributes::is_well_formed(packed.substr(0, size)));
  }
  CHECK_FALSE(Attributes::is_well_formed(packed.substr(packed.size() / 2) +
                                         packed.substr(0, packed.size() / 2)));
  CHECK_FALSE(Attributes::is_well_formed(packed + packed));
  CHECK_FALSE(Attributes::is_well_formed(std::string(8, '\xFF')));
  CHECK(Attributes::is_well_formed(""));
}

}  // namespace
}  // namespace runnel
