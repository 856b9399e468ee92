// The packed block of attributes, against a plain map.

#include "agent/runtime/attributes.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

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
      const std::size_t number = random() % 12;
      const std::string name = std::string(number % 4 * 15, 'n') + std::to_string(number);
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

TEST_CASE(
    "folded attributes read as they did, take less memory, and are nobody else's when changed") {
  std::mt19937 random(11);
  const auto named = [](int i) { return "a.name.of.some.length." + std::to_string(i); };
  for (int round = 0; round < 20; ++round) {
    AttributesFolder folder;
    std::vector<Attributes*> all;
    std::vector<std::map<std::string, std::string>> models;
    const int names = 4 + static_cast<int>(random() % 4);
    for (int i = 0; i < 100; ++i) {
      Attributes* flat = nullptr;
      std::map<std::string, std::string> model;
      const int shape = static_cast<int>(random() % 2);
      for (int name = 0; name < names; ++name) {
        const bool varies = name == 1 && random() % 3 != 0;
        model[named(name + shape)] = varies ? std::to_string(random()) : "the same for all";
      }
      if (i % 10 == 3) model[named(2)] = std::string(random() % 300, 'v');
      for (const auto& [name, value] : model) flat = Attributes::with(flat, name, value);
      Attributes* const folded = folder.fold(*flat);
      REQUIRE(folded != nullptr);
      if (folded->is_folded()) CHECK(folded->memory_bytes() < flat->memory_bytes());
      flat->release();
      all.push_back(folded);
      models.push_back(std::move(model));
    }
    std::size_t folded = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i]->is_folded()) ++folded;
      REQUIRE(listed(all[i]) == models[i]);
      for (const auto& [name, value] : models[i]) CHECK(all[i]->find(name) == value);
      CHECK_FALSE(all[i]->find("another").has_value());
      // Half of them are shared while they are changed.
      Attributes* const shared = i % 2 == 0 ? all[i] : nullptr;
      if (shared != nullptr) shared->retain();
      const std::string name = named(static_cast<int>(random() % 8));
      auto changed = models[i];
      if (random() % 2 == 0) {
        all[i] = Attributes::with(all[i], name, "another value");
        changed[name] = "another value";
      } else {
        all[i] = Attributes::without(all[i], name);
        changed.erase(name);
      }
      CHECK(listed(all[i]) == changed);
      if (shared == nullptr) continue;
      CHECK(listed(shared) == models[i]);
      shared->release();
    }
    CHECK(folded > 80);
    for (Attributes* const one : all) one->release();
  }
}

TEST_CASE("attributes that have nothing in common are left as they are") {
  AttributesFolder folder;
  std::size_t folded = 0;
  for (int i = 0; i < 1000; ++i) {
    Attributes* const flat =
        Attributes::with(nullptr, "name", std::to_string(i * 7919) + std::string(40, 'x'));
    Attributes* const one = folder.fold(*flat);
    if (one != nullptr) {
      CHECK(listed(one) == listed(flat));
      one->release();
      ++folded;
    }
    flat->release();
  }
  CHECK(folded < 100);
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
