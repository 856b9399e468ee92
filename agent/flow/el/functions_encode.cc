// URLs, base64, UUIDs from names, digests.

#include <algorithm>
#include <array>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/base/ids.h"
#include "agent/flow/el/program.h"

namespace runnel::el {
namespace {

// java.net.URLEncoder: a form's encoding, space as `+`.
Value url_encode(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : *text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '*' || c == '_';
    if (is_plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return call.hold(std::move(out));
}

Value url_decode(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  std::string out;
  for (std::size_t i = 0; i < text->size(); ++i) {
    const char c = (*text)[i];
    if (c != '%') {
      out += c == '+' ? ' ' : c;
      continue;
    }
    const auto byte = from_hex(text->substr(i + 1, 2));
    if (!byte.ok() || byte->size() != 1) {
      return call.fail("`%` is not followed by two hexadecimal digits");
    }
    out += *byte;
    i += 2;
  }
  return call.hold(to_utf8(out));
}

Value base64_encode(Call& call) {
  const auto text = call.subject_text();
  return text ? call.hold(to_base64(*text)) : null_value();
}

// commons-codec: the URL alphabet is read too, and what belongs to none is passed over.
Value base64_decode(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  std::string digits;
  for (const char c : *text) {
    if (c == '=') break;
    const bool is_digit =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c == '-' || c == '+') {
      digits += '+';
    } else if (c == '_' || c == '/') {
      digits += '/';
    } else if (is_digit) {
      digits += c;
    }
  }
  if (digits.size() % 4 == 1) digits.pop_back();  // six bits are no byte
  auto bytes = from_base64(digits);
  return bytes.ok() ? call.hold(to_utf8(*bytes)) : call.fail(bytes.error().text());
}

Result<std::shared_ptr<const void>> prepare_namespace(Function::Constants arguments) {
  if (!arguments[0]) return std::shared_ptr<const void>();
  TRY_ASSIGN(space, parse_uuid(arguments[0]->text));
  return std::shared_ptr<const void>(std::make_shared<const Uuid>(space));
}

// RFC 4122 §4.3 with MD5.
Uuid named_uuid3(const Uuid& space, std::string_view name) {
  std::string input(space.bytes.begin(), space.bytes.end());
  input += name;
  const auto md5 = digest("MD5", input);
  Uuid id;
  if (!md5.ok()) return id;
  std::copy_n(md5->begin(), id.bytes.size(), id.bytes.begin());
  id.bytes[6] = static_cast<std::uint8_t>((id.bytes[6] & 0x0F) | 0x30);
  id.bytes[8] = static_cast<std::uint8_t>((id.bytes[8] & 0x3F) | 0x80);
  return id;
}

template <Uuid (*make)(const Uuid&, std::string_view)>
Value uuid_of(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  if (const Uuid* space = call.prepared<Uuid>()) return call.hold(make(*space, *text).text());
  const auto space = parse_uuid(call.text(0).value_or(""));
  if (!space.ok()) return call.fail(space.error().text());
  return call.hold(make(*space, *text).text());
}

std::string_view openssl_name(std::string_view algorithm) {
  return algorithm == "SHA" ? "SHA1" : algorithm;
}

Result<std::shared_ptr<const void>> prepare_hash(Function::Constants arguments) {
  if (!arguments[0]) return std::shared_ptr<const void>();
  constexpr std::array<std::string_view, 11> kAlgorithms{
      "SHA-384", "SHA-224",     "SHA-256",     "SHA",      "SHA-1",   "SHA-512",
      "MD5",     "SHA-512/224", "SHA-512/256", "SHA3-256", "SHA3-512"};
  const std::string_view algorithm = arguments[0]->text;
  if (std::find(kAlgorithms.begin(), kAlgorithms.end(), algorithm) != kAlgorithms.end()) {
    return std::shared_ptr<const void>();
  }
  std::string text = "unknown digest `" + std::string(algorithm) + "`; known are";
  for (const std::string_view known : kAlgorithms) text += " " + std::string(known);
  return invalid(std::move(text));
}

Value hash(Call& call) {
  const auto text = call.subject_text();
  if (!text) return null_value();
  const std::optional<Value> algorithm = text_value(call.text(0).value_or(""));
  if (const auto known = prepare_hash({&algorithm, 1}); !known.ok()) {
    return call.fail(known.error().text());
  }
  const auto bytes = digest(openssl_name(algorithm->text), *text);
  return bytes.ok() ? call.hold(to_hex(std::string_view(*bytes))) : call.fail(bytes.error().text());
}

constexpr std::array<Function, 7> kEncodeFunctions{{
    {"urlEncode", kNeeds, 0, 0, "", Type::kString,
     "The text encoded for a URL's query: space as `+`.", url_encode},
    {"urlDecode", kNeeds, 0, 0, "", Type::kString, "The text of what was encoded for a URL.",
     url_decode},
    {"base64Encode", kNeeds, 0, 0, "", Type::kString, "The text in base64.", base64_encode},
    {"base64Decode", kNeeds, 0, 0, "", Type::kString,
     "The text of what is base64, of either alphabet.", base64_decode},
    {"UUID3", kNeeds, 1, 1, "namespace", Type::kString,
     "The UUID (version 3, MD5) that the text has in a namespace.", uuid_of<named_uuid3>,
     prepare_namespace},
    {"UUID5", kNeeds, 1, 1, "namespace", Type::kString,
     "The UUID (version 5, SHA-1) that the text has in a namespace.", uuid_of<named_uuid>,
     prepare_namespace},
    {"hash", kNeeds, 1, 1, "algorithm", Type::kString,
     "The digest in hexadecimal: SHA-224, SHA-256, SHA-384, SHA-512, SHA-512/224, SHA-512/256, "
     "SHA3-256, SHA3-512, SHA (SHA-1), MD5.",
     hash, prepare_hash},
}};

}  // namespace

std::span<const Function> encode_functions() { return kEncodeFunctions; }

}  // namespace runnel::el
