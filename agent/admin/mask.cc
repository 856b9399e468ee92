// Masking attributes and parts of JSON.

#include "agent/admin/mask.h"

#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr std::string_view kMasked = "***";

}  // namespace

Result<Mask> Mask::make(const std::vector<std::string>& attributes,
                        const std::vector<std::string>& paths) {
  Mask mask;
  mask.attributes_.insert(attributes.begin(), attributes.end());
  for (const std::string& text : paths) {
    auto path = JsonPath::compile(text);
    if (!path.ok()) return invalid("the JSON path `" + text + "`: " + path.error().text());
    mask.paths_.push_back(std::move(path).value());
  }
  return mask;
}

Result<std::string> Mask::masked(std::string_view json) const {
  std::string text(json);
  for (const JsonPath& path : paths_) {
    TRY_ASSIGN(document, JsonDocument::parse(text));
    TRY_ASSIGN(changed, path.set(document, {.text = kMasked}));
    text = std::move(changed);
  }
  return text;
}

std::string Mask::masked_content(const PeekedFlowFile& flowfile) const {
  if (flowfile.is_cut) return std::string(kMasked);
  if (const auto whole = masked(flowfile.content); whole.ok()) return *whole;
  std::string out;
  for (const std::string_view line : split(flowfile.content, '\n')) {
    if (!out.empty()) out += '\n';
    if (trimmed(line).empty()) continue;
    const auto one = masked(line);
    if (!one.ok()) return std::string(kMasked);
    out += *one;
  }
  return out;
}

StatusJson Mask::shown(const PeekedFlowFile& flowfile) const {
  if (attributes_.empty() && paths_.empty()) return flowfile_json(flowfile);
  PeekedFlowFile copy = flowfile;
  for (auto& [name, value] : copy.flowfile.attributes) {
    if (attributes_.contains(name)) value = kMasked;
  }
  if (!paths_.empty()) copy.content = masked_content(flowfile);
  return flowfile_json(copy);
}

}  // namespace runnel
