// Making resolutions: each pair of types once, without recursion, since schemas may be hostile.

#include "processors/record/avro_resolution.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "processors/record/avro_codec.h"

namespace runnel::avro {
namespace {

std::string_view last_name(std::string_view name) {
  return name.substr(name.rfind('.') + 1);  // of npos: the whole
}

bool has_name_of(const Type& reader, const Type& writer) {
  const std::string_view name = last_name(writer.name);
  return last_name(reader.name) == name ||
         std::any_of(reader.aliases.begin(), reader.aliases.end(),
                     [name](const std::string& one) { return last_name(one) == name; });
}

bool is_number(Kind kind) { return kind >= Kind::kInt && kind <= Kind::kDouble; }
bool is_text(Kind kind) { return kind == Kind::kBytes || kind == Kind::kString; }

// Whether they match, as far as it can be told without what is inside.
bool matches(const Type& writer, const Type& reader) {
  if (is_number(writer.kind) && is_number(reader.kind)) return writer.kind <= reader.kind;
  if (is_text(writer.kind) && is_text(reader.kind)) return true;
  if (writer.kind != reader.kind) return false;
  if (writer.kind == Kind::kFixed && writer.size != reader.size) return false;
  return writer.name.empty() || has_name_of(reader, writer);
}

// A default counts as so many bytes for each that it is written with.
constexpr std::size_t kDefaultCost = 16;
constexpr std::size_t kDefaultMax = 1 << 20;

class BytesInput final : public Input {
 public:
  explicit BytesInput(std::string_view bytes) : rest_(bytes) {}
  Result<std::size_t> read(std::span<char> into) override {
    const std::size_t count = rest_.copy(into.data(), into.size());
    rest_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view rest_;
};

std::string shown(const Type& type) {
  if (type.kind != Kind::kUnion && type.name.empty()) return std::string(name_of(type.kind));
  if (type.kind != Kind::kUnion) return std::string(name_of(type.kind)) + " `" + type.name + "`";
  std::string out = "union of";
  for (std::size_t i = 0; i < type.branches.size() && i < 5; ++i)
    out += (i == 0 ? " " : ", ") + shown(*type.branches[i]);
  return out;
}

}  // namespace

class ResolutionMaker {
 public:
  explicit ResolutionMaker(Resolution& into) : into_(into) {}

  Result<> make(const Type& writer, const Type& reader) {
    // Names at the top need not be alike.
    into_.root_ = &step_for(writer, reader);
    root_ = into_.root_;
    for (std::size_t at = 0; at < into_.steps_.size(); ++at) {
      if (into_.steps_.size() > Resolution::kStepsMax)
        return invalid("the schemas are too large to be brought together");
      fill(into_.steps_[at]);
    }
    return {};
  }

 private:
  Step& step_for(const Type& writer, const Type& reader) {
    Step*& known = known_[{&writer, &reader}];
    if (known == nullptr) {
      known = &into_.steps_.emplace_back();
      known->writer = &writer;
      known->reader = &reader;
    }
    return *known;
  }

  static void refuse(Step& step) {
    step.how = Step::How::kNever;
    step.why = "the value is of type " + shown(*step.writer) +
               ", which cannot be read as the schema's " + shown(*step.reader);
  }

  void fill(Step& step) {
    const Type& writer = *step.writer;
    const Type& reader = *step.reader;
    if (writer.kind == Kind::kUnion) {
      step.how = Step::How::kUnion;
      for (const Type* branch : writer.branches) step.steps.push_back(&step_for(*branch, reader));
      return;
    }
    if (reader.kind == Kind::kUnion) return fill_from_union(step);
    const bool are_top_records =
        &step == root_ && writer.kind == Kind::kRecord && reader.kind == Kind::kRecord;
    if (!are_top_records && !matches(writer, reader)) return refuse(step);
    switch (writer.kind) {
      case Kind::kRecord:
        return fill_record(step);
      case Kind::kEnum:
        return fill_enum(step);
      case Kind::kArray:
      case Kind::kMap:
        step.how = writer.kind == Kind::kArray ? Step::How::kArray : Step::How::kMap;
        step.steps.push_back(&step_for(*writer.branches[0], *reader.branches[0]));
        return;
      case Kind::kInt:
      case Kind::kLong:
        if (reader.kind == Kind::kFloat) step.how = Step::How::kFloat;
        if (reader.kind == Kind::kDouble) step.how = Step::How::kDouble;
        return;
      default:
        return;
    }
  }

  // The writer's is no union, and values do not say of which branch they are: the step is that of
  // the first branch that matches.
  void fill_from_union(Step& step) {
    for (const Type* branch : step.reader->branches) {
      if (!matches(*step.writer, *branch)) continue;
      step.reader = branch;
      return fill(step);
    }
    refuse(step);
  }

  void fill_record(Step& step) {
    step.how = Step::How::kRecord;
    const std::vector<MemberField>& fields = step.reader->fields;
    // An alias counts where the name itself is not written.
    std::map<std::string_view, std::size_t> by_name;
    for (std::size_t i = 0; i < fields.size(); ++i) by_name.emplace(fields[i].name, i);
    std::map<std::string_view, std::size_t> written;
    const std::vector<MemberField>& theirs = step.writer->fields;
    for (std::size_t i = 0; i < theirs.size(); ++i) written.emplace(theirs[i].name, i);
    step.steps.assign(theirs.size(), nullptr);
    step.places.assign(theirs.size(), Step::kNowhere);
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::size_t from = origin_of(fields[i], written, by_name, step.places);
      if (from == Step::kNowhere) {
        if (!add_default(step, fields[i], i)) return;
        continue;
      }
      step.places[from] = i;
      step.steps[from] = &step_for(*theirs[from].type, *fields[i].type);
    }
  }

  static std::size_t origin_of(const MemberField& field,
                               const std::map<std::string_view, std::size_t>& written,
                               const std::map<std::string_view, std::size_t>& by_name,
                               const std::vector<std::size_t>& places) {
    const auto found = written.find(field.name);
    if (found != written.end()) return found->second;
    for (const std::string& alias : field.aliases) {
      const auto other = written.find(alias);
      if (other == written.end() || by_name.contains(alias)) continue;
      if (places[other->second] == Step::kNowhere) return other->second;
    }
    return Step::kNowhere;
  }

  // False: it can have none.
  static bool add_default(Step& step, const MemberField& field, std::size_t place) {
    std::string bytes;
    const bool is_there = field.default_value.has_value();
    if (is_there && encode(bytes, *field.type, *field.default_value).ok()) {
      // As if it had been written: a whole number for a double is a double then.
      BytesInput input(bytes);
      ByteStream stream(input);
      Result<Value> value = decode(stream, *field.type, kDefaultMax);
      if (value.ok()) {
        step.missing.push_back({place, std::move(*value), kDefaultCost * (bytes.size() + 1)});
        return true;
      }
    }
    step.how = Step::How::kNever;
    step.why = "the field `" + field.name + "` is not there, and " +
               (is_there ? "its default is none of its type" : "has no default");
    return false;
  }

  static void fill_enum(Step& step) {
    step.how = Step::How::kEnum;
    const std::vector<std::string>& known = step.reader->symbols;
    std::map<std::string_view, const std::string*> by_name;
    for (const std::string& one : known) by_name.emplace(one, &one);
    const auto fallback = by_name.find(step.reader->default_symbol);
    for (const std::string& symbol : step.writer->symbols) {
      auto found = by_name.find(symbol);
      if (found == by_name.end()) found = fallback;
      step.symbols.push_back(found == by_name.end() ? nullptr : found->second);
    }
  }

  Resolution& into_;
  const Step* root_ = nullptr;
  std::map<std::pair<const Type*, const Type*>, Step*> known_;
};

Result<std::shared_ptr<const Resolution>> Resolution::of(std::shared_ptr<const Schema> writer,
                                                         std::shared_ptr<const Schema> reader) {
  auto made = std::make_shared<Resolution>();
  made->writer_ = std::move(writer);
  made->reader_ = std::move(reader);
  TRY(ResolutionMaker(*made).make(made->writer_->root(), made->reader_->root()));
  return std::shared_ptr<const Resolution>(std::move(made));
}

}  // namespace runnel::avro
