// A JSON document as a tree that keeps the order of its members and the spelling of its decimals.

#pragma once

#include <string>
#include <vector>

#include "agent/flow/el/json_path.h"

namespace runnel::el {

struct JsonNode {
  JsonKind kind = JsonKind::kNull;
  bool boolean = false;
  bool is_doomed = false;         // marked for removal
  std::string text;               // kString: its value; kNumber: as it is written
  std::vector<JsonNode> items;    // kArray, kObject
  std::vector<std::string> keys;  // kObject: of each item

  const JsonNode* member(std::string_view key) const;
  JsonNode& set_member(std::string_view key);  // the member, made when it is absent
  // Takes out all that is marked, here and below.
  void sweep();
};

Result<JsonNode> parse_json(std::string_view text);
void append_json(std::string& out, const JsonNode& node);
JsonMatch match_of(const JsonNode& node);

}  // namespace runnel::el

namespace runnel {

struct JsonDocument::Tree {
  el::JsonNode root;
};

}  // namespace runnel
