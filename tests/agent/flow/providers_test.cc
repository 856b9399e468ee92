// Parameter contexts, what they inherit, and the providers that values come from.

#include "agent/flow/providers.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "agent/flow/graph.h"
#include "agent/flow/yaml_reader.h"
#include "tests/agent/flow/fixtures.h"

namespace runnel {
namespace {

struct Folder {
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path + "/" + name, std::ios::binary) << text;
  }
  std::string path = (std::filesystem::temp_directory_path() / "runnel-XXXXXX").string();
};

// An UpdateAttribute with the property `x`, in a group `g` with the context `top`.
std::string flow_with(const std::string& contexts, const std::string& value) {
  return "flow: f\nparameters: {outer: from-the-flow}\nparameter_contexts:\n" + contexts +
         "processors:\n  a: {type: ConsumeMQTT, properties: {Broker URI: b, Topic: t}}\n"
         "groups:\n  g:\n    input_ports: [in]\n    parameter_context: top\n    processors:\n"
         "      u: {type: UpdateAttribute, properties: {x: \"" +
         value +
         "\"}, terminate: [success]}\n    connections: [{from: in, to: u}]\n"
         "connections: [{from: a, to: g.in}]\n";
}

FlowReading read(const std::string& contexts, const std::string& value,
                 FlowReadOptions options = {}) {
  options.file = "f.yaml";
  return read_flow(flow_with(contexts, value), options, fixture_specs());
}

std::string value_of(const FlowReading& reading) {
  REQUIRE_MESSAGE(reading.ok(), text_of(reading.complaints));
  return find_processor(*reading.flow, "u")->properties.at("x");
}

TEST_CASE("a context's own value wins, then the contexts that it inherits in their order") {
  const std::string contexts =
      "  top: {inherits: [first, second], parameters: {a: own}}\n"
      "  first: {inherits: [deep], parameters: {a: first, b: first}}\n"
      "  second: {parameters: {a: second, b: second, c: second, d: second}}\n"
      "  deep: {parameters: {c: deep}}\n";
  CHECK(value_of(read(contexts, "#{a} #{b} #{c} #{d} #{outer}")) ==
        "own first deep second from-the-flow");
}

TEST_CASE("a group's own parameters hide those of its context, and its context those around it") {
  const std::string text =
      "flow: f\nparameters: {p: flow, q: flow}\nparameter_contexts:\n"
      "  top: {parameters: {p: context, q: context}}\n"
      "processors:\n  a: {type: ConsumeMQTT, properties: {Broker URI: \"#{p}\", Topic: t}}\n"
      "groups:\n  g:\n    input_ports: [in]\n    parameter_context: top\n    parameters: {q: own}\n"
      "    processors:\n      u: {type: UpdateAttribute, properties: {x: \"#{p} #{q}\"}, "
      "terminate: "
      "[success]}\n    connections: [{from: in, to: u}]\nconnections: [{from: a, to: g.in}]\n";
  const FlowReading reading = read_flow(text, {.file = "f.yaml"}, fixture_specs());
  CHECK(value_of(reading) == "context own");
  CHECK(find_processor(*reading.flow, "a")->properties.at("Broker URI") == "flow");
}

TEST_CASE("values from outside come before those that contexts say") {
  CHECK(value_of(read("  top: {parameters: {a: {doc: Must be given}}}\n", "#{a}",
                      {.parameters = {{"a", "given"}}})) == "given");
  CHECK(text_of(read("  top: {parameters: {a: {doc: Must be given}}}\n", "#{a}").complaints) ==
        "f.yaml:4:22: parameter `a` has no value; give it by `--param a=VALUE`, by `value`, by a "
        "provider or by a context that is inherited\n");
}

TEST_CASE("contexts that are unknown or inherit themselves are complained of where that is said") {
  CHECK(text_of(read("  top: {inherits: [tpo]}\n  tap: {}\n", "x").complaints) ==
        "f.yaml:4:20: there is no parameter context `tpo`; did you mean `top`?\n");
  CHECK(text_of(read("  tpo: {}\n", "x").complaints) ==
        "f.yaml:10:24: there is no parameter context `top`; did you mean `tpo`?\n");
  CHECK(text_of(read("  top: {inherits: [b]}\n  b: {inherits: [top]}\n", "x").complaints) ==
        "f.yaml:4:3: parameter context `top` inherits itself, over what it inherits\n");
  // Also where nobody uses them.
  CHECK(text_of(read("  top: {}\n  a: {inherits: [a]}\n", "x").complaints) ==
        "f.yaml:5:3: parameter context `a` inherits itself, over what it inherits\n");
}

// Contexts `first`, `first + step`, …: each inherits the one whose number is higher by one.
std::string chain(int first, int step, int count) {
  std::string out;
  for (int i = first, left = count; left > 0; i += step, --left)
    out += "  c" + std::to_string(i) + ": {inherits: [c" + std::to_string(i + 1) + "]}\n";
  return out + "  c" + std::to_string(count) + ": {parameters: {p: deep}}\n" +
         "  top: {inherits: [c0]}\n";
}

TEST_CASE("contexts inherit each other within bounds, in whatever order they stand") {
  CHECK(value_of(read(chain(0, 1, 63), "#{p}")) == "deep");
  CHECK(value_of(read(chain(62, -1, 63), "#{p}")) == "deep");
  for (const std::string& contexts : {chain(0, 1, 64), chain(63, -1, 64)}) {
    CHECK(text_of(read(contexts, "x").complaints) ==
          "f.yaml:69:3: parameter contexts inherit each other more than 64 deep\n");
  }
  CHECK_FALSE(read(chain(0, 1, 20'000), "x").ok());
  CHECK_FALSE(read(chain(19'999, -1, 20'000), "x").ok());
}

TEST_CASE("what contexts inherit from each other is bounded in all") {
  std::string contexts = "  top: {inherits: [";
  for (int i = 0; i < 1000; ++i) contexts += (i > 0 ? ", c" : "c") + std::to_string(i);
  contexts += "]}\n";
  for (int i = 0; i < 1000; ++i) contexts += "  c" + std::to_string(i) + ": {inherits: [all]}\n";
  contexts += "  all:\n    parameters:\n";
  for (int i = 0; i < 5000; ++i) contexts += "      p" + std::to_string(i) + ": x\n";
  CHECK(text_of(read(contexts, "x").complaints)
            .find("parameter contexts have more than 250000 parameters, with those that they "
                  "inherit") != std::string::npos);
}

TEST_CASE(
    "what is sensitive in one context is sensitive in all that inherit it, and is not shown") {
  const std::string contexts =
      "  top: {inherits: [secrets], parameters: {token: overridden-secret}}\n"
      "  secrets: {parameters: {token: {value: hush, sensitive: true}}}\n";
  const FlowReading reading = read(contexts, "Bearer #{token}");
  CHECK(value_of(reading) == "Bearer overridden-secret");
  CHECK(reading.flow->secrets == std::vector<std::string>{"overridden-secret"});
  CHECK(find_processor(*reading.flow, "u")->property_sources.at("x").is_sensitive);
  CHECK(graph_json(*reading.flow, fixture_specs()).find("secret") == std::string::npos);
}

TEST_CASE("the environment, a file, a directory and credentials provide parameters") {
  Folder folder;
  folder.write("site.env", "# of the depot\n\nname = north \nempty=\nurl=a=b\n");
  folder.write("token", "s3cret\r\n");
  folder.write(".hidden", "x");
  std::filesystem::create_directory(folder.path + "/sub");
  ::setenv("RUNNEL_TEST_A", "from-env", 1);
  using Kind = ParameterProvider::Kind;
  const auto env = provide_parameters({.kind = Kind::kEnvironment, .include = "RUNNEL_TEST_?"});
  REQUIRE(env.ok());
  CHECK(*env == ProvidedValues{{"RUNNEL_TEST_A", "from-env"}});
  const auto file = provide_parameters({.kind = Kind::kFile, .path = folder.path + "/site.env"});
  REQUIRE(file.ok());
  CHECK(*file == ProvidedValues{{"empty", ""}, {"name", "north"}, {"url", "a=b"}});
  const auto files =
      provide_parameters({.kind = Kind::kDirectory, .path = folder.path, .include = "t*"});
  REQUIRE(files.ok());
  CHECK(*files == ProvidedValues{{"token", "s3cret"}});
  ::unsetenv("CREDENTIALS_DIRECTORY");
  CHECK(provide_parameters({.kind = Kind::kCredentials}).code() == Code::kNotFound);
  ::setenv("CREDENTIALS_DIRECTORY", folder.path.c_str(), 1);
  CHECK(provide_parameters({.kind = Kind::kCredentials}).value().at("token") == "s3cret");
  ::unsetenv("CREDENTIALS_DIRECTORY");
  ::unsetenv("RUNNEL_TEST_A");
}

TEST_CASE("what a provider cannot give well is refused with its reason") {
  Folder folder;
  folder.write("bad.env", "a=1\nno equals sign\n");
  folder.write("large", std::string(ProviderLimits::kValue + 10, 'x'));
  using Kind = ParameterProvider::Kind;
  const auto text = [](const ParameterProvider& one) {
    const auto provided = provide_parameters(one);
    return provided.ok() ? std::string() : provided.error().text();
  };
  CHECK(text({.kind = Kind::kFile, .path = folder.path + "/bad.env"}) ==
        "`" + folder.path + "/bad.env`: line 2 is not NAME=VALUE");
  CHECK(text({.kind = Kind::kDirectory, .path = folder.path, .include = "large"}).find("larger") !=
        std::string::npos);
  CHECK(provide_parameters({.kind = Kind::kFile, .path = folder.path + "/none"}).code() ==
        Code::kNotFound);
  CHECK(text({.kind = Kind::kFile, .path = folder.path}) == "`" + folder.path + "` is no file");
}

TEST_CASE("a provider's values stand between a context's own and those that it inherits") {
  const std::string contexts =
      "  top:\n    inherits: [base]\n    provider: {type: directory, path: /run/secrets}\n"
      "    parameters: {a: own, c: {doc: From the provider}}\n"
      "  base: {parameters: {b: base, d: base}}\n";
  const FlowReadOptions options{.provide = [](const ParameterProvider& provider) {
    CHECK(text_of(provider) == "directory:/run/secrets");
    return Result<ProvidedValues>(
        ProvidedValues{{"a", "provided"}, {"b", "provided"}, {"c", "provided"}});
  }};
  const FlowReading reading = read(contexts, "#{a} #{b} #{c} #{d}", options);
  CHECK(value_of(reading) == "own provided provided base");
  // A provider's are sensitive unless it says otherwise, and so is what is said in their place.
  CHECK(reading.flow->secrets == std::vector<std::string>{"own", "provided"});
}

TEST_CASE("without a provider at hand, what needs its values is not judged; all else is") {
  const std::string contexts = "  top: {provider: {type: credentials}}\n";
  CHECK(text_of(read(contexts, "#{anything}").complaints).empty());
  const FlowReadOptions lacking{.provide = provide_parameters, .may_lack_providers = true};
  ::unsetenv("CREDENTIALS_DIRECTORY");
  CHECK(text_of(read(contexts, "#{anything}", lacking).complaints) ==
        "f.yaml:4:19: warning: parameter context `top`: there are no credentials: "
        "`$CREDENTIALS_DIRECTORY` is not set\n");
  CHECK_FALSE(read(contexts, "#{anything}", {.provide = provide_parameters}).ok());
}

TEST_CASE("providers are written strictly") {
  const auto complaint = [](const std::string& provider) {
    return text_of(read("  top: {provider: " + provider + "}\n", "x").complaints);
  };
  CHECK(complaint("{type: vault}") ==
        "f.yaml:4:26: `type` is one of `environment`, `file`, `directory` and `credentials`, not "
        "`vault`\n");
  CHECK(complaint("{type: environment}").find("needs `include`") != std::string::npos);
  CHECK(complaint("{type: file, path: here}").find("begins with `/`") != std::string::npos);
  CHECK(complaint("{type: credentials, path: /x}").find("`path` belongs") != std::string::npos);
}

TEST_CASE("a flow of a hub may use the providers that the agent's settings name, and no others") {
  using Kind = ParameterProvider::Kind;
  Folder folder;
  folder.write("a", "1");
  const auto none = ProviderAllowance::parse("");
  REQUIRE(none.ok());
  const ParameterProvider directory{.kind = Kind::kDirectory, .path = folder.path};
  CHECK(none->provide(directory).error().text() ==
        "this agent's settings do not allow `directory:" + folder.path +
            "` to flows of a hub (`hub_parameter_providers`)");
  const auto some = ProviderAllowance::parse("environment:VEHICLE_*, directory:" + folder.path);
  REQUIRE(some.ok());
  CHECK(some->provide(directory).value().size() == 1);
  CHECK(some->provide({.kind = Kind::kEnvironment, .include = "VEHICLE_A*"}).ok());
  CHECK_FALSE(some->provide({.kind = Kind::kEnvironment, .include = "*"}).ok());
  CHECK_FALSE(some->provide({.kind = Kind::kDirectory, .path = folder.path + "/../etc"}).ok());
  CHECK_FALSE(some->provide({.kind = Kind::kCredentials}).ok());
  // What is written like a pattern of the list and takes more than that is refused.
  const auto middle = ProviderAllowance::parse("environment:*_FLEET_*, environment:RUNNEL_T?");
  REQUIRE(middle.ok());
  REQUIRE(::setenv("RUNNEL_TOKEN", "secret", 1) == 0);
  REQUIRE(::setenv("A_FLEET_B", "7", 1) == 0);
  CHECK(middle->provide({.kind = Kind::kEnvironment, .include = "*_FLEET_*"}).value().size() == 1);
  CHECK_FALSE(middle->provide({.kind = Kind::kEnvironment, .include = "*[_FLEET_]*"}).ok());
  CHECK_FALSE(middle->provide({.kind = Kind::kEnvironment, .include = "RUNNEL_T*"}).ok());
  ::unsetenv("RUNNEL_TOKEN");
  ::unsetenv("A_FLEET_B");
  for (const char* bad : {"everything", "file", "directory:", "file:/a,vault:x"}) {
    CHECK_FALSE_MESSAGE(ProviderAllowance::parse(bad).ok(), bad);
  }
}

}  // namespace
}  // namespace runnel
