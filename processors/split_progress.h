// SplitProgress: how far the cutting of one FlowFile has got, where it takes several sessions.
//
// Who cuts makes so many pieces in a session, notes in the processor's state how far it has got,
// and keeps the original (Session::keep); both are written in the same transaction as the pieces.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/sdk/session.h"

namespace runnel {

inline constexpr std::size_t kPiecesAtOnce = 10'000;  // of one session
// What a session writes is in memory until it ends, where a piece is small.
inline constexpr std::uint64_t kBytesAtOnce = 8 << 20;
inline constexpr std::uint64_t kPiecesMax = 1'000'000'000;  // of one FlowFile
inline constexpr std::string_view kPiecesMaxText = "1,000,000,000";

// In the state under the FlowFile's id: its fields in this order, with a blank between each.
struct SplitProgress {
  std::uint64_t offset = 0;  // of the content's byte with which the next piece begins
  std::uint64_t made = 0;
  std::uint64_t count = 0;  // of all
  std::string identifier;   // `fragment.identifier`
  std::string note = {};    // what else the processor must know; one line
};

// None: it has not begun.
std::optional<SplitProgress> split_progress(Session& session, FlowFile original);
// Of FlowFiles that may never come again the state holds a hundred: the oldest goes.
void note_split_progress(Session& session, FlowFile original, const SplitProgress& progress);
void forget_split_progress(Session& session, FlowFile original);

// The attributes that tell whose piece it is, and which.
void name_piece(FlowFile piece, FlowFile original, const SplitProgress& progress,
                std::uint64_t index);

}  // namespace runnel
