// GenerateFlowFile: makes FlowFiles of random or given content, for tests and demonstrations.

#include <array>
#include <string>

#include "agent/base/ids.h"
#include "agent/sdk/describe.h"
#include "agent/sdk/processor.h"
#include "processors/registry.h"
#include "processors/text_property.h"

namespace runnel {

enum class GeneratedFormat { kBinary, kText };

template <>
struct EnumNames<GeneratedFormat> {
  static constexpr std::array<std::pair<GeneratedFormat, std::string_view>, 2> names{
      {{GeneratedFormat::kBinary, "Binary"}, {GeneratedFormat::kText, "Text"}}};
};

namespace {

struct GenerateFlowFileConfig {
  Size file_size{1024};
  std::uint32_t batch_size = 1;
  GeneratedFormat data_format = GeneratedFormat::kBinary;
  bool unique_flow_files = true;
  std::optional<std::string> custom_text;
  DynamicProperties attributes;
};

// The generator of PCG (O'Neill 2014, XSH-RR 64/32): fast, and seeded by the kernel.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint32_t next() {
    const std::uint64_t old = state_;
    state_ = old * 6364136223846793005U + 1442695040888963407U;
    const auto mixed = static_cast<std::uint32_t>(((old >> 18) ^ old) >> 27);
    const auto turn = static_cast<std::uint32_t>(old >> 59);
    return (mixed >> turn) | (mixed << ((32 - turn) & 31));
  }

 private:
  std::uint64_t state_;
};

class GenerateFlowFile final : public Processor {
 public:
  using Config = GenerateFlowFileConfig;
  static Result<std::unique_ptr<GenerateFlowFile>> make(Config config);

  Result<> start(Context& context) override;
  Result<> on_trigger(Session& session) override;

 private:
  struct Rule {
    std::string name;
    Text value;
  };

  Result<> make_one(Session& session);
  Result<> write_random(Session& session, FlowFile to);
  void fill(std::string& piece, std::uint64_t size);

  Config config_;
  std::optional<Text> custom_text_;
  std::vector<Rule> rules_;
  Random random_{random_u64()};
  Relationship success_;
  std::string piece_;
  std::string shared_;  // the content of all, unless they are to be unique
};

// Content is made in pieces, so that a large FlowFile does not stand in memory.
constexpr std::uint64_t kPiece = 256 * 1024;
// Content up to this size is made once and kept when FlowFiles need not be unique.
constexpr std::uint64_t kSharedMax = 1024 * 1024;
constexpr std::string_view kTextCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ1234567890!@#$%^&*()-_=+/?.,';:\"?<>\n\t ";

}  // namespace

ProcessorType generate_flow_file() {
  using C = GenerateFlowFileConfig;
  return Describe<GenerateFlowFile>(
             "GenerateFlowFile",
             "Makes FlowFiles of random or given content; every further property is an attribute "
             "of theirs. For tests and demonstrations.")
      .property("File Size", &C::file_size,
                {.doc = "Bytes of content in each FlowFile. Without effect on `Custom Text`."})
      .property("Batch Size", &C::batch_size,
                {.doc = "FlowFiles made each time it is run.", .min = 1, .max = 1'000'000})
      .property("Data Format", &C::data_format, {.doc = "Random bytes, or random ASCII text."})
      .property("Unique FlowFiles", &C::unique_flow_files,
                {.doc = "Whether each FlowFile gets content of its own. `false`: all of them have "
                        "the same, and `Custom Text` can be given."})
      .property("Custom Text", &C::custom_text,
                {.doc = "The content, with `Data Format` `Text` and `Unique FlowFiles` `false`. "
                        "Expressions in it are evaluated for each FlowFile.",
                 .example = "{\"vehicle\": \"truck-1\", \"at\": ${now():toNumber()}}",
                 .expressions = ExpressionScope::kFlowFile})
      .dynamic_properties(&C::attributes, {.name = "attribute",
                                           .doc = "The attribute's value.",
                                           .expressions = ExpressionScope::kFlowFile})
      .relationship("success", "The FlowFiles that were made.")
      .input(InputRule::kForbidden)
      .trigger(DefaultTrigger::kTimer)
      .example(R"(generate:
  type: GenerateFlowFile
  properties: {File Size: 256 B, Batch Size: 100}
  schedule: {every: 1 sec}
)");
}

Result<std::unique_ptr<GenerateFlowFile>> GenerateFlowFile::make(Config config) {
  auto made = std::make_unique<GenerateFlowFile>();
  if (config.custom_text && !config.custom_text->empty()) {
    if (config.unique_flow_files || config.data_format != GeneratedFormat::kText) {
      return invalid(
          "property `Custom Text` needs `Unique FlowFiles` `false` and `Data Format` "
          "`Text`");
    }
    TRY_ASSIGN(text,
               PropertyTraits<Text>::parse(*config.custom_text).within("property `Custom Text`"));
    made->custom_text_ = std::move(text);
  }
  for (auto& [name, value] : config.attributes) {
    TRY_ASSIGN(text, PropertyTraits<Text>::parse(value).within("property `" + name + "`"));
    made->rules_.push_back({name, std::move(text)});
  }
  made->config_ = std::move(config);
  return made;
}

Result<> GenerateFlowFile::start(Context& context) {
  success_ = context.relationship("success");
  const bool is_shared = !config_.unique_flow_files && !custom_text_;
  if (is_shared && config_.file_size.bytes <= kSharedMax) fill(shared_, config_.file_size.bytes);
  return {};
}

void GenerateFlowFile::fill(std::string& piece, std::uint64_t size) {
  piece.resize(size);
  if (config_.data_format == GeneratedFormat::kText) {
    for (char& c : piece) c = kTextCharacters[random_.next() % kTextCharacters.size()];
    return;
  }
  for (std::size_t i = 0; i < piece.size(); i += 4) {
    std::uint32_t word = random_.next();
    for (std::size_t n = i; n < std::min(i + 4, piece.size()); ++n, word >>= 8) {
      piece[n] = static_cast<char>(word & 0xFF);
    }
  }
}

Result<> GenerateFlowFile::write_random(Session& session, FlowFile to) {
  const std::uint64_t size = config_.file_size.bytes;
  if (!config_.unique_flow_files && size <= kSharedMax) return session.write(to, shared_);
  if (size <= kPiece) {
    fill(piece_, size);
    return session.write(to, piece_);
  }
  TRY_ASSIGN(writer, session.writer(to));
  for (std::uint64_t done = 0; done < size; done += piece_.size()) {
    fill(piece_, std::min(kPiece, size - done));
    TRY(writer->write(piece_));
  }
  return writer->finish();
}

Result<> GenerateFlowFile::make_one(Session& session) {
  FlowFile made = session.create();
  for (const Rule& rule : rules_) {
    TRY_ASSIGN(value, rule.value.of(made).within("property `" + rule.name + "`"));
    made.set(rule.name, value);
  }
  if (custom_text_) {
    TRY_ASSIGN(text, custom_text_->of(made).within("property `Custom Text`"));
    TRY(session.write(made, text));
  } else if (config_.file_size.bytes > 0) {
    TRY(write_random(session, made));
  }
  session.transfer(made, success_);
  return {};
}

Result<> GenerateFlowFile::on_trigger(Session& session) {
  for (std::uint32_t i = 0; i < config_.batch_size; ++i) TRY(make_one(session));
  return {};
}

}  // namespace runnel
