// Values are checked against descriptions, and each complaint names the cure.

#include "agent/spec/component.h"

#include <doctest/doctest.h>

#include "agent/spec/render.h"

namespace runnel {
namespace {

PropertySpec property(std::string name, PropertyKind kind) {
  PropertySpec spec;
  spec.name = std::move(name);
  spec.kind = kind;
  return spec;
}

ComponentSpec control_rate() {
  ComponentSpec spec;
  spec.type = "ControlRate";
  spec.doc = "Lets few pass. The others wait.";
  PropertySpec rate = property("Maximum Rate", PropertyKind::kInteger);
  rate.is_required = true;
  rate.min = 1;
  rate.max = 100;
  rate.example = "10";
  PropertySpec duration = property("Time Duration", PropertyKind::kPeriod);
  duration.min = 10e6;
  duration.max = 3600e9;
  duration.default_value = "1 min";
  PropertySpec order = property("Order", PropertyKind::kChoice);
  order.choices = {{"first", "the first"}, {"last", ""}};
  PropertySpec size = property("Buffer", PropertyKind::kSize);
  size.max = 1024;
  PropertySpec secret = property("Password", PropertyKind::kInteger);
  secret.is_sensitive = true;
  spec.properties = {rate, duration, order, size, secret, property("On", PropertyKind::kBoolean)};
  spec.relationships = {{"success", "All."}};
  return spec;
}

std::string complaint(const PropertyValues& values) {
  const auto all = check_values(control_rate(), values);
  REQUIRE(all.size() == 1);
  return all.front().text;
}

TEST_CASE("good values pass") {
  CHECK(check_values(control_rate(), {{"Maximum Rate", "5"},
                                      {"Time Duration", "5 sec"},
                                      {"Order", "last"},
                                      {"Buffer", "1 KB"},
                                      {"On", "TRUE"}})
            .empty());
}

TEST_CASE("what a service says in a property's place is neither required nor allowed beside it") {
  ComponentSpec spec;
  spec.type = "PublishKafka";
  PropertySpec brokers = property("Known Brokers", PropertyKind::kText);
  brokers.is_required = true;
  brokers.replaced_by = "Kafka Connection Service";
  PropertySpec user = property("Username", PropertyKind::kText);
  user.replaced_by = brokers.replaced_by;
  PropertySpec service = property(brokers.replaced_by, PropertyKind::kService);
  spec.properties = {brokers, user, service};
  CHECK(check_values(spec, {{"Known Brokers", "a:1"}, {"Username", "u"}}).empty());
  CHECK(check_values(spec, {{"Kafka Connection Service", "c"}}).empty());
  auto all = check_values(spec, {});
  REQUIRE(all.size() == 1);
  CHECK(all[0].text ==
        "property `Known Brokers` is missing; or `Kafka Connection Service`, whose service has it");
  all = check_values(spec, {{"Kafka Connection Service", "c"}, {"Username", "u"}});
  REQUIRE(all.size() == 1);
  CHECK(all[0].property == "Username");
  CHECK(all[0].text ==
        "property `Username` is said by the service of `Kafka Connection Service`; "
        "leave one of them out");
}

TEST_CASE("every complaint says what is allowed") {
  CHECK(complaint({}) == "property `Maximum Rate` is missing; for example `10`");
  CHECK(complaint({{"Maximum Rate", "0"}}) ==
        "property `Maximum Rate`: `0` is too small; the least is `1`");
  CHECK(complaint({{"Maximum Rate", "101"}}) ==
        "property `Maximum Rate`: `101` is too large; the most is `100`");
  CHECK(complaint({{"Maximum Rate", ""}}) == "property `Maximum Rate`: must not be empty");
  CHECK(complaint({{"Maximum Rate", "ten"}}) ==
        "property `Maximum Rate`: `ten` is no whole number");
  CHECK(complaint({{"Maximum Rate", "1"}, {"Time Duration", "2 hours"}}) ==
        "property `Time Duration`: `2 hours` is too large; the most is `1 hour`");
  CHECK(complaint({{"Maximum Rate", "1"}, {"Order", "frist"}}) ==
        "property `Order`: `frist` is not allowed; did you mean `first`? One of `first`, `last`");
  CHECK(complaint({{"Maximum Rate", "1"}, {"Order", "middle-most"}}) ==
        "property `Order`: `middle-most` is not allowed; one of `first`, `last`");
  CHECK(complaint({{"Maximum Rate", "1"}, {"Buffer", "2 KB"}}) ==
        "property `Buffer`: `2 KB` is too large; the most is `1 KB`");
  CHECK(complaint({{"Maximum Rate", "1"}, {"On", "yes"}}) ==
        "property `On`: `yes` is neither `true` nor `false`");
  CHECK(complaint({{"Maximum Rate", "1"}, {"Time Duraton", "1 sec"}}) ==
        "`ControlRate` has no property `Time Duraton`; did you mean `Time Duration`?");
}

TEST_CASE("a sensitive value is not repeated in a complaint") {
  const std::string text = complaint({{"Maximum Rate", "1"}, {"Password", "s3cret"}});
  CHECK(text == "property `Password`: the value is no integer");
}

TEST_CASE("all complaints come at once") {
  CHECK(check_values(control_rate(), {{"Buffer", "x"}, {"Nonsense", "y"}}).size() == 3);
}

TEST_CASE("a value with an expression is left to who compiles it, where expressions are known") {
  PropertySpec spec = property("Rate", PropertyKind::kInteger);
  CHECK_FALSE(check_value(spec, "${rate}").ok());
  spec.expressions = ExpressionScope::kFlowFile;
  CHECK(check_value(spec, "${rate}").ok());
}

TEST_CASE("names that the user makes up pass where the component takes them") {
  ComponentSpec spec = control_rate();
  spec.dynamic_properties = DynamicPropertySpec{.name = "Attribute"};
  CHECK(check_values(spec, {{"Maximum Rate", "1"}, {"anything", "at all"}}).empty());
}

TEST_CASE("a description reads as text and as a page") {
  const std::string text = describe_text(control_rate());
  CHECK(text.starts_with("ControlRate\n  Lets few pass. The others wait.\n  Input: required."));
  CHECK(text.find("  Time Duration = 1 min   (period, 10 ms to 1 hour)\n") != std::string::npos);
  CHECK(text.find("      - first: the first\n") != std::string::npos);
  const std::string page = reference_page(control_rate());
  CHECK(page.find("| **Maximum Rate** |  | integer, 1 to 100, required |  Example: `10`. |") !=
        std::string::npos);
  const std::vector<ComponentSpec> all{control_rate()};
  CHECK(describe_list(all) == "ControlRate  Lets few pass.\n");
  CHECK(reference_index(all).find("| [ControlRate](ControlRate.md) | Lets few pass. |") !=
        std::string::npos);
}

}  // namespace
}  // namespace runnel
