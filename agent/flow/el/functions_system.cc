// Functions without a subject: the machine, the process, state, literals.

#include <array>

#include "agent/base/ids.h"
#include "agent/flow/el/program.h"

namespace runnel::el {
namespace {

Value literal(Call& call) {
  const Value value = call.argument(0);
  const auto text = call.text(value);
  return text ? text_value(*text) : null_value();
}

Value hostname(Call& call) {
  return call.hold(call.scope().hostname(to_boolean(call.argument(0)).value_or(false)));
}

Value ip(Call& call) { return call.hold(call.scope().ip()); }
Value thread(Call& call) { return call.hold(call.scope().thread_name()); }
Value next_int(Call& call) { return number_value(call.scope().next_int()); }

Value random(Call& call) {
  return number_value(static_cast<std::int64_t>(call.scope().random() >> 1));
}

Value uuid(Call& call) {
  Uuid id;
  for (std::size_t half = 0; half < 2; ++half) {
    std::uint64_t bits = call.scope().random();
    for (std::size_t i = 0; i < 8; ++i, bits >>= 8) {
      id.bytes[half * 8 + i] = static_cast<std::uint8_t>(bits & 0xFF);
    }
  }
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0F) | 0x40);  // RFC 4122 §4.4: version 4
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3F) | 0x80);
  return call.hold(id.text());
}

Value get_state_value(Call& call) {
  const auto key = call.text(0);
  if (!key) return null_value();
  auto value = call.scope().state(*key);
  return value ? call.hold(*std::move(value)) : null_value();
}

// java.net.URI quotes what is not allowed in a component, and keeps `%xx` as it stands.
std::string quoted_part(std::string_view text, std::string_view allowed) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') ||
                          std::string_view("-_.!~*'()").find(c) != std::string_view::npos ||
                          allowed.find(c) != std::string_view::npos;
    if (is_plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

// GetUriEvaluator: the seven components of RFC 2396; null leaves one out.
Value get_uri(Call& call) {
  constexpr std::string_view kReserved = ";/?:@&=+$,[]%";
  const auto scheme = call.text(0);
  const auto user = call.text(1);
  const auto host = call.text(2);
  const Value port_value = call.argument(3);
  const auto path = call.text(4);
  const auto query = call.text(5);
  const auto fragment = call.text(6);
  const auto port = to_whole(port_value);
  if (!port_value.is_null() && (!port || *port < -1 || *port > 65535)) {
    return call.fail("the port must be a number from 0 to 65535, or -1 for none");
  }
  if (!host && (user || (port && *port >= 0))) {
    return call.fail("a user or a port needs a host");
  }
  if (scheme && path && !path->empty() && !path->starts_with('/')) {
    return call.fail("the path must begin with `/`");
  }
  std::string out;
  if (scheme) out += std::string(*scheme) + ":";
  if (host) {
    out += "//";
    if (user) out += quoted_part(*user, ";:&=+$,%") + "@";
    const bool is_v6 = host->find(':') != std::string_view::npos && !host->starts_with('[');
    out += is_v6 ? "[" + std::string(*host) + "]" : std::string(*host);
    if (port && *port >= 0) out += ":" + std::to_string(*port);
  }
  if (path) out += quoted_part(*path, ":@&=+$,;/%");
  if (query) out += "?" + quoted_part(*query, kReserved);
  if (fragment) out += "#" + quoted_part(*fragment, kReserved);
  return call.hold(std::move(out));
}

constexpr auto kNone = SubjectRule::kNone;
constexpr std::array<Function, 9> kSystemFunctions{{
    {"literal", kNone, 1, 1, "value", Type::kString,
     "The value itself, so that functions can be applied to it.", literal},
    {"hostname", kNone, 0, 1, "qualified?", Type::kString,
     "The name of the machine; with `true`, qualified by its domain.", hostname},
    {"ip", kNone, 0, 0, "", Type::kString, "The IP address of the machine.", ip},
    {"thread", kNone, 0, 0, "", Type::kString, "The name of the thread that evaluates.", thread},
    {"UUID", kNone, 0, 0, "", Type::kString, "A new random UUID (version 4).", uuid},
    {"nextInt", kNone, 0, 0, "", Type::kNumber,
     "A number that counts up from 0 as long as the agent runs, shared by all processors.",
     next_int},
    {"random", kNone, 0, 0, "", Type::kNumber, "A random whole number from 0 to 2^63 - 1.", random},
    {"getStateValue", kNone, 1, 1, "key", Type::kString,
     "The value in the processor's state, where the processor offers it.", get_state_value},
    {"getUri", kNone, 7, 7, "scheme, user, host, port, path, query, fragment", Type::kString,
     "A URI of RFC 2396 from its parts, each quoted as it needs; `null` leaves one out, and so "
     "does port -1.",
     get_uri},
}};

}  // namespace

std::span<const Function> system_functions() { return kSystemFunctions; }

}  // namespace runnel::el
