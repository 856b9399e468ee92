// Opens the file of a flow without waiting for anybody, and reads no more of it than a flow may
// have.

#include "agent/flow_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "agent/base/bytes.h"
#include "agent/base/descriptor.h"
#include "agent/base/words.h"
#include "agent/hub_control.h"

namespace runnel {
namespace {

constexpr std::size_t kByteOrderMark = 3;  // before the text, and no part of it

// The number of an open file, where the name says one.
std::optional<int> open_already(const std::string& file) {
  constexpr std::string_view kFolder = "/dev/fd/";
  if (file == "-" || file == "/dev/stdin") return STDIN_FILENO;
  if (!file.starts_with(kFolder)) return std::nullopt;
  const auto number = parse_int(file.substr(kFolder.size()));
  if (!number.ok() || *number < 0 || *number > 65'535) return std::nullopt;
  return static_cast<int>(*number);
}

Error unreadable(int code) { return not_found("cannot be read: " + std::string(strerror(code))); }

std::string kind_of(mode_t mode) {
  return S_ISFIFO(mode)   ? "a pipe"
         : S_ISDIR(mode)  ? "a folder"
         : S_ISSOCK(mode) ? "a socket"
                          : "a device";
}

Result<std::string> text_of_file(const std::string& file, FlowSource source) {
  const auto number = source == FlowSource::kAny ? open_already(file) : std::nullopt;
  // Without O_NONBLOCK a named pipe would hold us here until somebody writes to it.
  const Descriptor opened(number ? ::dup(*number)
                                 : ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat about {};
  if (!opened.is_open() || ::fstat(opened.number(), &about) != 0) return unreadable(errno);
  const bool is_file = S_ISREG(about.st_mode);
  if (!is_file && (!number || S_ISDIR(about.st_mode))) {
    return invalid("is " + kind_of(about.st_mode) + "; a flow is read from a file" +
                   (source == FlowSource::kAny ? ", or from standard input (`-`)" : ""));
  }
  constexpr std::size_t kMost = FlowReadLimits::kText + kByteOrderMark + 1;
  std::string text(std::min(kMost, is_file ? static_cast<std::size_t>(about.st_size) + 1 : kMost),
                   '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(opened.number(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  const std::size_t mark = text.starts_with("\xEF\xBB\xBF") ? kByteOrderMark : 0;
  if (size - mark <= FlowReadLimits::kText) return text;
  if (!is_file) return invalid("the text is longer than " + size_text(FlowReadLimits::kText));
  const std::size_t whole = std::max(size, static_cast<std::size_t>(about.st_size)) - mark;
  return invalid("the text is " + too_long_text(whole, FlowReadLimits::kText));
}

template <typename Nodes, typename Types>
void try_to_make_all(const Nodes& nodes, const Types& types, FlowReading& reading) {
  for (const auto* node : nodes) {
    const auto type = std::find_if(types.begin(), types.end(),
                                   [&](const auto& one) { return one.spec.type == node->type; });
    if (type == types.end() || node->properties.size() != node->property_sources.size()) continue;
    const auto made = type->make(node->properties);
    if (!made.ok())
      reading.complaints.push_back(
          {reading.flow->file, node->at, "`" + node->name + "`: " + made.error().text()});
  }
}

}  // namespace

void try_to_make(FlowReading& reading) {
  if (!reading.ok()) return;
  try_to_make_all(all_processors(*reading.flow), processor_types(), reading);
  try_to_make_all(all_services(*reading.flow), service_types(), reading);
  sort_complaints(reading.complaints);
}

FlowReading read_given_flow(const std::string& file, const ParameterValues& parameters,
                            FlowSource source, ProvidersAre providers) {
  const auto text = text_of_file(file, source);
  if (text.ok())
    return read_flow(*text,
                     {.file = file,
                      .parameters = parameters,
                      .provide = provide_parameters,
                      .may_lack_providers = providers == ProvidersAre::kPerhapsElsewhere},
                     component_specs());
  FlowReading reading;
  reading.flow = std::make_shared<Flow>();
  reading.flow->file = file;
  reading.complaints.push_back({file, {}, text.error().text()});
  return reading;
}

}  // namespace runnel
