// A component's description as a person reads it: text for a terminal, Markdown for the reference.

#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/spec/component.h"

namespace runnel {

// `runnel-agent describe TYPE`.
std::string describe_text(const ComponentSpec& spec);
// `runnel-agent describe`: one line each, the first sentence of each doc.
std::string describe_list(std::span<const ComponentSpec> specs);

// A page of processors/reference/. It begins with a line that says where it was generated from.
std::string reference_page(const ComponentSpec& spec);
// The page that lists all pages.
std::string reference_index(std::span<const ComponentSpec> specs);

// Up to the first full stop that a blank follows.
std::string_view first_sentence(std::string_view doc);

// A bound or default as a user would write it: "1 min", "1 MB", "5".
std::string bound_text(const PropertySpec& spec, double bound);

}  // namespace runnel
