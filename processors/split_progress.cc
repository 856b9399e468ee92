// The progress of cutting a FlowFile, in the processor's state.

#include "processors/split_progress.h"

#include <set>
#include <sstream>

#include "agent/base/bytes.h"

namespace runnel {
namespace {

constexpr std::size_t kProgressesMax = 100;

std::string key_of(FlowFile original) { return std::to_string(original.id()); }

}  // namespace

std::optional<SplitProgress> split_progress(Session& session, FlowFile original) {
  const auto text = session.state(key_of(original));
  if (!text) return std::nullopt;
  std::istringstream in(*text);
  SplitProgress progress;
  in >> progress.offset >> progress.made >> progress.count >> progress.identifier;
  if (!in) return std::nullopt;
  in.ignore();
  std::getline(in, progress.note);
  return progress;
}

void note_split_progress(Session& session, FlowFile original, const SplitProgress& progress) {
  const std::string key = key_of(original);
  if (!session.state(key)) {
    std::set<std::uint64_t> others;
    session.each_state([&others](std::string_view name, std::string_view) {
      const Result<std::int64_t> id = parse_int(name);
      if (id.ok()) others.insert(static_cast<std::uint64_t>(*id));
    });
    if (others.size() >= kProgressesMax) session.remove_state(std::to_string(*others.begin()));
  }
  std::string text = std::to_string(progress.offset) + " " + std::to_string(progress.made) + " " +
                     std::to_string(progress.count) + " " + progress.identifier;
  if (!progress.note.empty()) text += " " + progress.note;
  session.set_state(key, text);
}

void forget_split_progress(Session& session, FlowFile original) {
  session.remove_state(key_of(original));
}

void name_piece(FlowFile piece, FlowFile original, const SplitProgress& progress,
                std::uint64_t index) {
  piece.set("fragment.identifier", progress.identifier);
  piece.set("fragment.index", std::to_string(index));
  piece.set("fragment.count", std::to_string(progress.count));
  piece.set("segment.original.filename",
            original.attribute("filename").value_or(std::string_view{}));
}

}  // namespace runnel
