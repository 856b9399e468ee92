// Sessions that make very many FlowFiles of one: what they hold is folded, and what they make of it
// in several sessions is kept in between.

#include "agent/runtime/attributes.h"
#include "agent/runtime/session_core.h"

namespace runnel {

// Of a million pieces each would hold a copy of what all have in common. Who changes one after all
// gets it back as it was.
void SessionCore::fold_attributes(Work& work) {
  if (work.from != nullptr || !work.owns_attributes || work.attributes->is_shared()) return;
  if (!folder_) folder_ = std::make_unique<AttributesFolder>();
  Attributes* const folded = folder_->fold(*work.attributes);
  if (folded == nullptr) return;
  work.attributes->release();
  work.attributes = folded;
}

void SessionCore::keep(FlowFile what) {
  Work& work = work_of(what);
  RUNNEL_ASSERT(work.from != nullptr && work.fate == Fate::kOpen);
  work.fate = Fate::kKept;
  has_kept_ = true;
}

// At the commit.
bool SessionCore::give_back_kept(Work& work) {
  work.from->held();
  work.from->give_back(work.position, 0);
  readied_.push_back(work.from);
  return true;
}

Result<std::unique_ptr<ContentReader>> SessionCore::reader(FlowFile of, std::uint64_t from) {
  const Work& work = work_of(of);
  RUNNEL_ASSERT(from <= work.size);
  return reader_of(work.content, work.offset + from, work.size - from);
}

}  // namespace runnel
