// Fields: the keys of one map of the format, each asked for by name; what nobody asked for is a
// complaint.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/flow/complaints.h"
#include "agent/flow/yaml.h"

namespace runnel {

class Fields {
 public:
  // `what` stands in complaints: "a connection". A node that is no map is a complaint, and has no
  // keys; `cure` then says how it is written.
  Fields(const YamlNode& node, std::string what, Complaints& complaints,
         std::string_view cure = {});

  bool is_map() const { return is_map_; }
  Position at() const { return node_.at; }

  // The value of the key, which is known from now on; nullptr when it is not there.
  const YamlNode* find(std::string_view key);
  // The same; its absence is a complaint.
  const YamlNode* require(std::string_view key);

  // Each: nothing when the key is not there or its value is wrong, which is a complaint.
  std::optional<std::string> text(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  std::optional<std::uint64_t> count(std::string_view key, std::uint64_t min, std::uint64_t max);
  std::optional<std::uint64_t> size(std::string_view key);
  std::optional<std::chrono::nanoseconds> period(std::string_view key, std::chrono::nanoseconds min,
                                                 std::chrono::nanoseconds max);
  // Which of the words it is.
  std::optional<std::size_t> choice(std::string_view key, std::span<const std::string_view> words);
  // A list of words, each once.
  std::vector<NamedPlace> words(std::string_view key);

  // Complains of every key that nobody asked for.
  void refuse_others();

 private:
  const YamlNode& node_;
  const std::string what_;
  Complaints& complaints_;
  bool is_map_;
  std::vector<std::string> known_;
};

// The text of a scalar; nothing and a complaint otherwise. `what` begins the complaint: "`type`".
std::optional<std::string> scalar_text(const YamlNode& node, std::string_view what,
                                       Complaints& complaints);
std::optional<std::chrono::nanoseconds> bounded_period(std::string_view text, Position at,
                                                       std::string_view what,
                                                       std::chrono::nanoseconds min,
                                                       std::chrono::nanoseconds max,
                                                       Complaints& complaints);

}  // namespace runnel
