// Describe: binds a component's description to the members of its Config, so that everything about
// a property is said once.
//
//   return Describe<ControlRate>("ControlRate", "Lets at most …")
//       .property("Maximum Rate", &ControlRateConfig::maximum_rate, {.doc = "…", .required = true,
//       .min = 1}) .relationship("success", "…");
//
// The default of a property is its member's initializer. Binding two properties to one member
// asserts at registration. PropertyTraits<T> says how a member of type T is written; specialize it
// where T lives.

#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "agent/sdk/processor.h"
#include "agent/sdk/service.h"
#include "agent/spec/component.h"

namespace runnel {

// A number of bytes, written "1 MB".
struct Size {
  std::uint64_t bytes = 0;
};

// The properties whose names the user made up, in the order of names.
using DynamicProperties = std::vector<std::pair<std::string, std::string>>;

struct ProcessorType {
  ComponentSpec spec;
  // Builds one from values that have passed check_values; kInvalid names the property.
  std::function<Result<std::unique_ptr<Processor>>(const PropertyValues&)> make;
};

struct ServiceType {
  ComponentSpec spec;
  std::function<Result<std::unique_ptr<Service>>(const PropertyValues&)> make;
};

// How a member of type T is written: kind, parse, text. Specialize `EnumNames<E>` for an enum to
// make it a choice:
//   template <> struct EnumNames<Order> { static constexpr std::array<std::pair<Order,
//   std::string_view>, 2> names{{…}}; };
template <typename T>
struct PropertyTraits;

template <typename E>
struct EnumNames;

template <>
struct PropertyTraits<std::string> {
  static constexpr PropertyKind kKind = PropertyKind::kText;
  static Result<std::string> parse(std::string_view text) { return std::string(text); }
  static std::string text(const std::string& value) { return value; }
};

template <>
struct PropertyTraits<bool> {
  static constexpr PropertyKind kKind = PropertyKind::kBoolean;
  static Result<bool> parse(std::string_view text) {
    if (equal_ignoring_case(text, "true")) return true;
    if (equal_ignoring_case(text, "false")) return false;
    return invalid("`" + std::string(text) + "` is neither `true` nor `false`");
  }
  static std::string text(bool value) { return value ? "true" : "false"; }
};

template <typename N>
requires std::is_integral_v<N>
struct PropertyTraits<N> {
  static constexpr PropertyKind kKind = PropertyKind::kInteger;
  static Result<N> parse(std::string_view text) {
    TRY_ASSIGN(number, parse_int(text));
    if (!std::in_range<N>(number)) return invalid("`" + std::string(text) + "` is out of range");
    return static_cast<N>(number);
  }
  static std::string text(N value) { return std::to_string(value); }
};

template <>
struct PropertyTraits<double> {
  static constexpr PropertyKind kKind = PropertyKind::kDecimal;
  static Result<double> parse(std::string_view text) { return parse_double(text); }
  static std::string text(double value) {
    std::string out = std::to_string(value);
    while (out.back() == '0') out.pop_back();
    if (out.back() == '.') out.pop_back();
    return out;
  }
};

template <typename R, typename P>
struct PropertyTraits<std::chrono::duration<R, P>> {
  using Duration = std::chrono::duration<R, P>;
  static constexpr PropertyKind kKind = PropertyKind::kPeriod;
  static Result<Duration> parse(std::string_view text) {
    TRY_ASSIGN(period, parse_period(text));
    return std::chrono::duration_cast<Duration>(period);
  }
  static std::string text(Duration value) {
    return period_text(std::chrono::duration_cast<std::chrono::nanoseconds>(value));
  }
};

template <>
struct PropertyTraits<Size> {
  static constexpr PropertyKind kKind = PropertyKind::kSize;
  static Result<Size> parse(std::string_view text) {
    TRY_ASSIGN(bytes, parse_size(text));
    return Size{bytes};
  }
  static std::string text(Size value) { return size_text(value.bytes); }
};

template <typename E>
requires std::is_enum_v<E>
struct PropertyTraits<E> {
  static constexpr PropertyKind kKind = PropertyKind::kChoice;
  static Result<E> parse(std::string_view text) {
    for (const auto& [value, name] : EnumNames<E>::names) {
      if (name == text) return value;
    }
    return invalid("`" + std::string(text) + "` is not one of the allowed values");
  }
  static std::string text(E wanted) {
    for (const auto& [value, name] : EnumNames<E>::names) {
      if (value == wanted) return std::string(name);
    }
    return {};
  }
};

template <typename S>
struct PropertyTraits<ServiceRef<S>> {
  static constexpr PropertyKind kKind = PropertyKind::kService;
  static constexpr std::string_view kService = S::kService;
  static Result<ServiceRef<S>> parse(std::string_view text) {
    return ServiceRef<S>{std::string(text)};
  }
  static std::string text(const ServiceRef<S>& value) { return value.name; }
};

// An optional member has no default: it is empty unless the flow says something.
template <typename T>
struct PropertyTraits<std::optional<T>> {
  static constexpr PropertyKind kKind = PropertyTraits<T>::kKind;
  static Result<std::optional<T>> parse(std::string_view text) {
    TRY_ASSIGN(value, PropertyTraits<T>::parse(text));
    return std::optional<T>(std::move(value));
  }
  static std::string text(const std::optional<T>& value) {
    return value ? PropertyTraits<T>::text(*value) : std::string{};
  }
};

template <typename T>
inline constexpr bool kIsOptional = false;
template <typename T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
template <typename T>
struct WithoutOptional {
  using Type = T;
};
template <typename T>
struct WithoutOptional<std::optional<T>> {
  using Type = T;
};

// A bound of a property: a number, a period or a size.
struct Bound {
  Bound(double number) : value(number) {}
  template <typename R, typename P>
  Bound(std::chrono::duration<R, P> period)
      : value(static_cast<double>(
            std::chrono::duration_cast<std::chrono::nanoseconds>(period).count())) {}
  Bound(Size size) : value(static_cast<double>(size.bytes)) {}
  double value;
};

struct PropertyFacts {
  std::string doc;
  bool required = false;  // must be given; its member's initializer is then no default
  bool sensitive = false;
  std::optional<Bound> min = std::nullopt;
  std::optional<Bound> max = std::nullopt;
  std::vector<Choice> choices = {};  // of a text; an enum's come from EnumNames
  std::string example = {};
  // The property of kind kService whose service says this in its place.
  std::string replaced_by = {};
  // Only for types that say nothing of it themselves (PropertyTraits<T>::kExpressions).
  ExpressionScope expressions = ExpressionScope::kNone;
};

// How a member is written and set, apart from the component that has it: there are few types of
// members, and many components.
struct MemberBinding {
  PropertyKind kind;
  std::optional<ExpressionScope> expressions;  // what the type itself says of them
  std::string_view service;                    // of a ServiceRef
  std::vector<Choice> choices;                 // of an enum
  Result<> (*set)(void* member, std::string_view text);
};

template <typename T>
MemberBinding make_member_binding() {
  using Inner = typename WithoutOptional<T>::Type;
  MemberBinding binding{PropertyTraits<T>::kKind, {}, {}, {}, {}};
  if constexpr (requires { PropertyTraits<Inner>::kExpressions; }) {
    binding.expressions = PropertyTraits<Inner>::kExpressions;
  }
  if constexpr (requires { PropertyTraits<Inner>::kService; }) {
    binding.service = PropertyTraits<Inner>::kService;
  }
  if constexpr (std::is_enum_v<Inner>) {
    for (const auto& [value, text] : EnumNames<Inner>::names) {
      binding.choices.push_back({std::string(text), {}});
    }
  }
  binding.set = [](void* member, std::string_view text) -> Result<> {
    TRY_ASSIGN(value, PropertyTraits<T>::parse(text));
    *static_cast<T*>(member) = std::move(value);
    return {};
  };
  return binding;
}

template <typename T>
const MemberBinding& member_binding() {
  static const MemberBinding binding = make_member_binding<T>();
  return binding;
}

// Where in a Config each property's member lies, and how it is set.
class PropertySetters {
 public:
  // Asserts that no other has the place.
  void add(std::string name, std::size_t offset, Result<> (*set)(void*, std::string_view));
  // Of `DynamicProperties`; at most once.
  void add_dynamic(std::size_t offset);
  // `config`: of the type whose offsets these are. kInvalid names the property.
  Result<> fill(void* config, const PropertyValues& values) const;

 private:
  struct Setter {
    std::string name;
    std::size_t offset;
    Result<> (*set)(void* member, std::string_view text);
  };

  std::vector<Setter> setters_;
  std::optional<std::size_t> dynamic_;
};

// What of a description does not depend on its component's type.
class ComponentDraft {
 protected:
  ComponentDraft(ComponentKind kind, std::string type, std::string doc);
  // Asserts that there is neither one of the name nor one of the place yet.
  void add_property(std::string name, PropertyFacts&& facts, const MemberBinding& binding,
                    std::size_t offset, std::string default_text);

  ComponentSpec spec_;
  PropertySetters setters_;
};

// The properties of a component, bound to its Config; what Describe and DescribeService share. D is
// which of them.
template <typename P, typename D>
class DescribeProperties : protected ComponentDraft {
 public:
  using Config = typename P::Config;

  template <typename T>
  D& property(std::string name, T Config::*member, PropertyFacts&& facts) {
    std::string text;
    if constexpr (!kIsOptional<T>) text = PropertyTraits<T>::text(defaults_.*member);
    add_property(std::move(name), std::move(facts), member_binding<T>(),
                 offset_of(&(defaults_.*member)), std::move(text));
    return self();
  }

  // Properties whose names the user makes up end in `member`.
  D& dynamic_properties(DynamicProperties Config::*member, DynamicPropertySpec spec) {
    spec_.dynamic_properties = std::move(spec);
    setters_.add_dynamic(offset_of(&(defaults_.*member)));
    return self();
  }
  D& example(std::string text) {
    spec_.example = std::move(text);
    return self();
  }

 protected:
  using ComponentDraft::ComponentDraft;

  // What builds a P, as a B, from values that have passed check_values.
  template <typename B>
  std::function<Result<std::unique_ptr<B>>(const PropertyValues&)> maker() const {
    return [setters = setters_](const PropertyValues& values) -> Result<std::unique_ptr<B>> {
      Config config{};
      TRY(setters.fill(&config, values));
      if constexpr (requires { P::make(std::move(config)); }) {
        TRY_ASSIGN(made, P::make(std::move(config)));
        return std::unique_ptr<B>(std::move(made));
      } else {
        return std::unique_ptr<B>(std::make_unique<P>(std::move(config)));
      }
    };
  }

 private:
  D& self() { return static_cast<D&>(*this); }

  std::size_t offset_of(const void* member) const {
    return static_cast<std::size_t>(static_cast<const char*>(member) -
                                    reinterpret_cast<const char*>(&defaults_));
  }

  const Config defaults_{};
};

template <typename P>
class Describe : public DescribeProperties<P, Describe<P>> {
  using Base = DescribeProperties<P, Describe<P>>;
  using Base::spec_;

 public:
  Describe(std::string type, std::string doc)
      : Base(ComponentKind::kProcessor, std::move(type), std::move(doc)) {}
  Describe& relationship(std::string name, std::string doc) {
    spec_.relationships.push_back({std::move(name), std::move(doc)});
    return *this;
  }
  // One that a flow may leave neither connected nor terminated.
  Describe& optional_relationship(std::string name, std::string doc) {
    spec_.relationships.push_back({std::move(name), std::move(doc), true});
    return *this;
  }
  Describe& writes(std::string attribute, std::string doc) {
    spec_.writes.push_back({std::move(attribute), std::move(doc)});
    return *this;
  }
  Describe& reads(std::string attribute, std::string doc) {
    spec_.reads.push_back({std::move(attribute), std::move(doc)});
    return *this;
  }
  Describe& input(InputRule rule) {
    spec_.input = rule;
    return *this;
  }
  Describe& trigger(DefaultTrigger trigger) {
    spec_.trigger = trigger;
    return *this;
  }
  // Several tasks of it may run at once, each on an object of its own.
  Describe& concurrent() {
    spec_.is_single_threaded = false;
    return *this;
  }

  operator ProcessorType() const { return {spec_, this->template maker<Processor>()}; }
};

// The same for a controller service.
//
//   return DescribeService<JsonTreeReader>("JsonTreeReader", "Reads records from JSON.")
//       .property("…", &JsonTreeReaderConfig::…, {…})
//       .provides<RecordReaderFactory>();
template <typename P>
class DescribeService : public DescribeProperties<P, DescribeService<P>> {
  using Base = DescribeProperties<P, DescribeService<P>>;
  using Base::spec_;

 public:
  DescribeService(std::string type, std::string doc)
      : Base(ComponentKind::kService, std::move(type), std::move(doc)) {}

  // The interface by which users know it; at least one.
  template <typename S>
  DescribeService& provides() {
    static_assert(std::is_base_of_v<S, P>);
    spec_.provides.emplace_back(S::kService);
    return *this;
  }

  operator ServiceType() const {
    RUNNEL_ASSERT(!spec_.provides.empty());
    return {spec_, this->template maker<Service>()};
  }
};

}  // namespace runnel
