// Files into content and content into files.

#include "processors/file/content_import.h"

#include <vector>

namespace runnel {
namespace {

constexpr std::size_t kPiece = 64 << 10;

}  // namespace

Result<> import_content(Session& session, FlowFile flowfile, const OpenFile& from) {
  TRY_ASSIGN(writer, session.writer(flowfile));
  std::vector<char> piece(kPiece);
  std::uint64_t at = 0;
  while (true) {
    TRY_ASSIGN(got, from.read_at(at, piece.data(), piece.size()));
    if (got == 0) break;
    TRY(writer->write(std::string_view(piece.data(), got)));
    at += got;
  }
  return writer->finish();
}

Result<> export_content(Session& session, FlowFile flowfile, const OpenFile& to) {
  TRY_ASSIGN(reader, session.reader(flowfile));
  std::vector<char> piece(kPiece);
  while (true) {
    TRY_ASSIGN(got, reader->read(piece));
    if (got == 0) return {};
    TRY(to.write_all(std::string_view(piece.data(), got)));
  }
}

}  // namespace runnel
