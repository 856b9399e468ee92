// The codecs of Avro's object container files: how the bytes of a block are packed.
//
//   null        as they are
//   deflate     RFC 1951, without a head
//   snappy      Snappy's raw format, then the CRC-32 of what it holds, big-endian
//   zstandard   frames of RFC 8878
//
// https://avro.apache.org/docs/1.11.1/specification/#required-codecs

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "processors/record/avro_codec.h"

namespace runnel::avro {

enum class Codec { kNull, kDeflate, kSnappy, kZstandard };

std::string_view name_of(Codec codec);
// Of a file's `avro.codec`; nullopt: there is no such codec here.
std::optional<Codec> codec_named(std::string_view name);

// Appends the packed bytes of one block.
void pack(std::string& into, std::string_view bytes, Codec codec);

// A block of Snappy can only be unpacked as a whole: it is refused beyond this.
inline constexpr std::size_t kSnappyBlockMax = 32 << 20;

// What the packed bytes of one block come to; nullptr for kNull. `from` outlives it.
std::unique_ptr<Input> unpacked(Input& from, Codec codec);

}  // namespace runnel::avro
