// Dates and instants.

#include <algorithm>
#include <array>
#include <memory>

#include "agent/base/bytes.h"
#include "agent/flow/el/calendar.h"
#include "agent/flow/el/program.h"
#include "agent/flow/el/time_format.h"

namespace runnel::el {
namespace {

// The pattern and the zone of a call, ready.
struct Arguments {
  std::optional<TimeFormat> format;
  std::optional<TimeZone> zone;
};

Result<std::shared_ptr<const void>> prepare_format(Function::Constants values) {
  auto arguments = std::make_shared<Arguments>();
  bool is_whole = true;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!values[i]) {
      is_whole = false;
      continue;
    }
    if (values[i]->type != Type::kString) {
      return invalid(i == 0 ? "the date pattern must be text" : "the time zone must be text");
    }
    if (i == 0) {
      TRY_ASSIGN(format, TimeFormat::compile(values[i]->text));
      arguments->format = std::move(format);
    } else {
      TRY_ASSIGN(zone, TimeZone::find(values[i]->text));
      arguments->zone = std::move(zone);
    }
  }
  if (!is_whole) return std::shared_ptr<const void>();
  return std::shared_ptr<const void>(std::move(arguments));
}

// The prepared arguments, or those of this evaluation. Nothing when the call has failed.
std::optional<Arguments> arguments_of(Call& call) {
  Arguments arguments;
  if (const auto* prepared = call.prepared<Arguments>()) {
    arguments = *prepared;
  } else {
    for (std::size_t i = 0; i < call.count(); ++i) {
      const std::string_view text = call.text(i).value_or("");
      if (i == 0) {
        auto format = TimeFormat::compile(text);
        if (!format.ok()) return call.fail(format.error().text()), std::nullopt;
        arguments.format = std::move(format).value();
      } else {
        auto zone = TimeZone::find(text);
        if (!zone.ok()) return call.fail(zone.error().text()), std::nullopt;
        arguments.zone = std::move(zone).value();
      }
    }
  }
  if (!arguments.zone) {
    auto zone = TimeZone::find(call.scope().time_zone());
    if (!zone.ok()) return call.fail(zone.error().text()), std::nullopt;
    arguments.zone = std::move(zone).value();
  }
  return arguments;
}

bool is_all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// DateCastEvaluator: what text is a date without a pattern.
std::optional<Moment> implicit_moment(Call& call, std::string_view text) {
  text = trimmed(text);
  if (is_all_digits(text)) {
    if (const auto ms = parse_int(text); ms.ok()) return Moment{*ms, 0};
    return std::nullopt;
  }
  static const std::array<TimeFormat, 3> kFormats{
      *TimeFormat::compile("EEE MMM dd HH:mm:ss z yyyy"),
      *TimeFormat::compile("yyyy/MM/dd HH:mm:ss"), *TimeFormat::compile("yyyy/MM/dd HH:mm:ss.SSS")};
  auto zone = TimeZone::find(call.scope().time_zone());
  if (!zone.ok()) zone = TimeZone::find("UTC");
  for (const TimeFormat& format : kFormats) {
    if (auto moment = format.parse(text, *zone); moment.ok()) return *moment;
  }
  return std::nullopt;
}

// The date that a value is. Nothing for null, and when the call has failed.
std::optional<Moment> to_moment(Call& call, const Value& value) {
  switch (value.type) {
    case Type::kDate:
    case Type::kNumber:
      return Moment{value.number, 0};
    case Type::kInstant:
      return Moment{value.number, value.nanos};
    case Type::kDecimal:
      return Moment{*to_whole(value), 0};
    case Type::kString: {
      if (trimmed(value.text).empty()) return std::nullopt;
      if (const auto moment = implicit_moment(call, value.text)) return moment;
      call.fail("`" + std::string(value.text.substr(0, 100)) +
                "` is no date; read it with toDate('pattern') first");
      return std::nullopt;
    }
    case Type::kNull:
      return std::nullopt;
    case Type::kBoolean:
      call.fail("a Boolean is no date");
      return std::nullopt;
  }
  return std::nullopt;
}

Value format_moment(Call& call, const std::optional<Moment>& moment) {
  if (!moment) return null_value();
  const auto arguments = arguments_of(call);
  if (!arguments) return null_value();
  return call.hold(arguments->format->format(*moment, *arguments->zone));
}

Value format(Call& call) { return format_moment(call, to_moment(call, call.subject)); }

const TimeZone& utc() {
  static const TimeZone kUtc = *TimeZone::find("UTC");
  return kUtc;
}

// ISO-8601 with an offset, and RFC 1123.
const std::array<TimeFormat, 2>& instant_formats() {
  static const std::array<TimeFormat, 2> kFormats{
      *TimeFormat::compile("uuuu-MM-dd'T'HH:mm[:ss[.SSSSSSSSS]]XXX"),
      *TimeFormat::compile("EEE, d MMM uuuu HH:mm[:ss] z")};
  return kFormats;
}

// InstantFormatEvaluator: text may also be ISO-8601 with an offset, or RFC 1123.
Value format_instant(Call& call) {
  if (call.subject.type != Type::kString) {
    return format_moment(call, to_moment(call, call.subject));
  }
  const std::string_view text = trimmed(call.subject.text);
  if (text.empty()) return null_value();
  for (const TimeFormat& known : instant_formats()) {
    if (auto moment = known.parse(text, utc()); moment.ok()) return format_moment(call, *moment);
  }
  return format_moment(call, to_moment(call, call.subject));
}

std::optional<Moment> parsed(Call& call) {
  const auto arguments = arguments_of(call);
  if (!arguments) return std::nullopt;
  auto moment = arguments->format->parse(call.subject_text().value_or(""), *arguments->zone);
  if (!moment.ok()) {
    call.fail(moment.error().text());
    return std::nullopt;
  }
  return *moment;
}

// StringToDateEvaluator with a pattern; without one, and for what is no text, NumberToDate and
// DateCast.
Value to_date(Call& call) {
  if (call.subject.is_null()) return null_value();
  const bool is_text = call.subject.type == Type::kString;
  const auto moment = call.has(0) && is_text ? parsed(call) : to_moment(call, call.subject);
  return moment ? date_value(moment->ms) : null_value();
}

Value to_instant(Call& call) {
  if (call.subject.is_null()) return null_value();
  const bool is_text = call.subject.type == Type::kString;
  const auto moment = is_text ? parsed(call) : to_moment(call, call.subject);
  return moment ? instant_value(moment->ms, moment->nanos) : null_value();
}

// IsValidDateEvaluator.
Value is_valid_date(Call& call) {
  const auto text = call.subject_text();
  const auto arguments = arguments_of(call);
  if (!arguments) return null_value();
  return boolean_value(text && arguments->format->fits_strictly(*text, *arguments->zone));
}

// IsValidInstantEvaluator.
Value is_valid_instant(Call& call) {
  const auto text = call.subject_text();
  const auto& known = instant_formats();
  return boolean_value(text && std::any_of(known.begin(), known.end(), [&](const auto& format) {
                         return format.fits_strictly(*text, utc());
                       }));
}

Value scaled(Call& call, std::int64_t per_ms, std::int64_t nanos_per) {
  const auto moment = to_moment(call, call.subject);
  if (!moment) return null_value();
  std::int64_t result = 0;
  if (__builtin_mul_overflow(moment->ms, per_ms, &result) ||
      __builtin_add_overflow(result, moment->nanos / nanos_per, &result)) {
    return call.fail("the date is too far away for a whole number");
  }
  return number_value(result);
}

Value to_micros(Call& call) { return scaled(call, 1000, 1000); }
Value to_nanos(Call& call) { return scaled(call, 1'000'000, 1); }

Value now(Call& call) { return date_value(call.scope().clock().wall_ms()); }

constexpr std::array<Function, 9> kDateFunctions{{
    {"now", SubjectRule::kNone, 0, 0, "", Type::kDate, "The present moment.", now},
    {"format", kNeeds, 1, 2, "pattern, zone?", Type::kString,
     "The date, or the milliseconds since 1970, as text by a pattern of Java's DateTimeFormatter; "
     "in the machine's time zone by default.",
     format, prepare_format},
    {"toDate", kNeeds, 0, 2, "pattern?, zone?", Type::kDate,
     "The text read as a date by a pattern of Java's DateTimeFormatter; without a pattern, "
     "milliseconds since 1970 or `2014/12/31 15:36:03.264`.",
     to_date, prepare_format},
    {"formatInstant", kNeeds, 1, 2, "pattern, zone?", Type::kString,
     "As `format`, for instants with nanoseconds and for ISO-8601 and RFC 1123 text.",
     format_instant, prepare_format},
    {"toInstant", kNeeds, 2, 2, "pattern, zone", Type::kInstant,
     "The text read as an instant with nanoseconds.", to_instant, prepare_format},
    {"isValidDate", kNeeds, 1, 2, "pattern, zone?", Type::kBoolean,
     "Whether `toDate` reads the text so, and it is a day that its month has and a time that the "
     "zone has.",
     is_valid_date, prepare_format},
    {"isValidInstant", kNeeds, 0, 0, "", Type::kBoolean,
     "Whether the text is an instant as ISO-8601 (with an offset or `Z`) or RFC 1123 write it.",
     is_valid_instant},
    {"toMicros", kNeeds, 0, 0, "", Type::kNumber, "The instant in microseconds since 1970.",
     to_micros},
    {"toNanos", kNeeds, 0, 0, "", Type::kNumber, "The instant in nanoseconds since 1970.",
     to_nanos},
}};

}  // namespace

std::span<const Function> date_functions() { return kDateFunctions; }

}  // namespace runnel::el
