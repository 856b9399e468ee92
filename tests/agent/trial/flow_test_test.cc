// Flow tests can fail, say where and why, and refuse what is no test.

#include "agent/trial/flow_test.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "agent/base/log.h"
#include "agent/trial/scratch.h"
#include "processors/registry.h"

namespace runnel {
namespace {

constexpr std::string_view kFlow = R"(flow: f
processors:
  make: {type: GenerateFlowFile}
  mark: {type: UpdateAttribute, properties: {a: b, at: '${now():toNumber()}'}}
  route: {type: RouteOnAttribute, properties: {big: '${fileSize:gt(3)}'}}
  bin: {type: MergeContent, properties: {Minimum Number of Entries: 100, Max Bin Age: 10 min, Delimiter Strategy: Text, Demarcator File: '+'}, terminate: [original, failure]}
  out: {type: PutFile, properties: {Directory: /nowhere}, terminate: [success, failure]}
connections:
  - {from: make, to: mark}
  - {from: mark, to: route}
  - {from: route.big, to: out, name: line, expire: 1 hour}
  - {from: route.unmatched, to: bin}
  - {from: bin.merged, to: out}
)";

struct Folder {
  ScratchDirectory directory = ScratchDirectory::make(ScratchDirectory::Where::kMemory).value();

  void write(const std::string& name, std::string_view text) const {
    std::ofstream(directory.path() + "/" + name, std::ios::binary) << text;
  }
  FlowTestReport run(std::string_view tests) const {
    set_log_level(LogLevel::kOff);
    write("f.yaml", kFlow);
    write("f.test.yaml", "flow: f.yaml\ntests:\n" + std::string(tests));
    return run_flow_tests(directory.path() + "/f.test.yaml", processor_types(), service_types());
  }
};

// Complaints without the folder.
std::string said(const Folder& folder, const std::vector<Complaint>& complaints) {
  std::string out = text_of(complaints);
  const std::string prefix = folder.directory.path() + "/";
  for (std::size_t at = out.find(prefix); at != std::string::npos; at = out.find(prefix))
    out.erase(at, prefix.size());
  return out;
}

std::string failures(std::string_view tests) {
  const Folder folder;
  const FlowTestReport report = folder.run(tests);
  CHECK(said(folder, report.complaints) == "");
  REQUIRE(report.outcomes.size() == 1);
  return said(folder, report.outcomes[0].failures);
}

std::string complaints(std::string_view tests) {
  const Folder folder;
  const FlowTestReport report = folder.run(tests);
  CHECK(report.outcomes.empty());
  CHECK_FALSE(report.is_valid());
  return said(folder, report.complaints);
}

TEST_CASE("every difference is said at once, each at its line and column") {
  const std::string all = failures(R"(  - name: n
    mock: {out: success}
    given: [{at: make, content: '{"x": 1}'}]
    expect:
      - at: out
        content: {json: {$.y: 3}, absent: [$.x, $.z], matches: ^nothing, contains: nowhere, size: 4 B}
        attributes: {a: c, uuid: ~, none: 1}
)");
  CHECK(all.find("f.test.yaml:8:31: at `out`: content: expected `3` at `$.y`, saw nothing") !=
        std::string::npos);
  CHECK(all.find("f.test.yaml:8:44: at `out`: content: expected nothing at `$.x`, saw `1`") !=
        std::string::npos);
  CHECK(all.find("$.z") == std::string::npos);
  CHECK(all.find("f.test.yaml:8:64: at `out`: content: expected what matches `^nothing`") !=
        std::string::npos);
  CHECK(all.find("f.test.yaml:8:84: at `out`: content: expected it to contain `nowhere`") !=
        std::string::npos);
  CHECK(all.find("f.test.yaml:8:99: at `out`: content: expected 4 bytes, saw 8") !=
        std::string::npos);
  CHECK(all.find("f.test.yaml:9:25: at `out`: attribute `a`: expected `c`, saw `b`") !=
        std::string::npos);
  CHECK(all.find("attribute `uuid`: expected nothing, saw") != std::string::npos);
  CHECK(all.find("attribute `none`: expected `1`, saw none") != std::string::npos);
}

TEST_CASE("a number in quotes is a text, and one without is none") {
  constexpr std::string_view kTest = R"(  - name: n
    mock: {out: success}
    given: [{at: make, content: '{"x": 1, "y": "1", "z": null, "w": true}'}]
    expect: [{at: out, content: {json: {$.x: 1, $.y: "1", $.z: null, $.w: true}}}]
)";
  CHECK(failures(kTest) == "");
  std::string other(kTest);
  other.replace(other.find("$.x: 1"), 6, "$.x: '1'");
  CHECK(failures(other).find("expected `\"1\"` at `$.x`, saw `1`") != std::string::npos);
}

TEST_CASE("what came in another order, too often or not at all is a failure") {
  const std::string given = R"(  - name: n
    mock: {out: success}
    given: [{at: make, content: first}, {at: make, content: second}]
)";
  const auto run = [&given](const std::string& expect) {
    return failures(given + "    expect:\n" + expect);
  };
  const std::string first = "      - {at: out, content: first}\n";
  const std::string second = "      - {at: out, content: second}\n";
  CHECK(run(first + second) == "");
  CHECK(run(second + first).find("expected `second`, saw `first`") != std::string::npos);
  CHECK(run(first).find("not expected: content `second`") != std::string::npos);
  CHECK(run(first + second + second).find("expected a FlowFile, saw no more") != std::string::npos);
  CHECK(run("      - {at: out, content: second, in_any_order: true}\n" + first) == "");
  CHECK(run("      - {at: out, content: third, in_any_order: true}\n" + first)
            .find("expected a FlowFile such as this, saw none among 2") != std::string::npos);
  CHECK(run("      - {at: out, count: 2}\n") == "");
}

TEST_CASE("counts, queues, provenance and bulletins are compared") {
  CHECK(failures(R"(  - name: n
    mock: {out: success}
    given: [{at: make, content: long enough, count: 3}]
    counts: {out: 3, mark.success: 3, route.unmatched: 0}
    provenance:
      - {at: mark, kind: ATTRIBUTES_MODIFIED, count: 3}
      - {at: route, kind: ROUTE, relationship: big}
      - {at: mark, kind: SEND, count: 0}
)") == "");
  const std::string wrong = failures(R"(  - name: n
    mock: {out: success}
    given: [{at: make, content: long enough, count: 3}]
    counts: {out: 2}
    queued: {line: 1}
    provenance: [{at: mark, kind: ATTRIBUTES_MODIFIED, count: 2}, {at: route, kind: ROUTE, relationship: small}]
    bulletins: [{at: mark, text: none}]
)");
  CHECK(wrong.find("f.test.yaml:6:14: at `out`: expected 2 FlowFiles, saw 3") != std::string::npos);
  CHECK(wrong.find("f.test.yaml:7:14: 0 FlowFiles left in `line`, expected 1") !=
        std::string::npos);
  CHECK(wrong.find("expected 2 ATTRIBUTES_MODIFIED events, saw 3") != std::string::npos);
  CHECK(wrong.find("expected some ROUTE events, saw none such; one has uri ``, relationship "
                   "`big`") != std::string::npos);
  CHECK(wrong.find("expected the bulletin `none`, saw it not") != std::string::npos);
}

TEST_CASE("time leaps to what is due: a bin's age, a FlowFile given later, the wall clock") {
  CHECK(failures(R"(  - name: n
    clock: 2030-01-01T00:00:00Z
    mock: {out: success}
    given:
      - {at: make, content: a}
      - {at: make, content: b, after: 9 min}
      - {at: make, content: c, after: 11 min}
    expect:
      - {at: out, content: a+b, attributes: {merge.count: 2}}
      - {at: out, content: c}
    counts: {bin.merged: 2}
)") == "");
  CHECK(failures(R"(  - name: n
    clock: 2030-01-01T00:00:00Z
    mock: {out: success}
    given: [{at: make, content: long enough, after: 1 sec}]
    expect: [{at: out, attributes: {at: "1893456001000"}}]
)") == "");
}

TEST_CASE("what is penalized on its way to a relationship is seen there at once") {
  const Folder folder;
  folder.write("p.yaml", R"(flow: p
processors:
  make: {type: GenerateFlowFile}
  fields: {type: EvaluateJsonPath, properties: {x: $.x}, penalty_period: 1 hour, terminate: [matched, unmatched, failure]}
connections: [{from: make, to: fields}]
)");
  folder.write(
      "p.test.yaml",
      "flow: p.yaml\ntests:\n  - {name: n, runs_for: 1 sec, given: [{at: make, content: none}], "
      "expect: [{at: fields.failure, content: none}]}\n");
  const auto report =
      run_flow_tests(folder.directory.path() + "/p.test.yaml", processor_types(), service_types());
  CHECK(said(folder, report.complaints) == "");
  REQUIRE(report.outcomes.size() == 1);
  CHECK(said(folder, report.outcomes[0].failures) == "");
}

TEST_CASE("what goes round and round is told, and so is what is left in a queue") {
  const Folder folder;
  folder.write("g.yaml", R"(flow: g
processors:
  make: {type: GenerateFlowFile}
  mark: {type: UpdateAttribute, properties: {a: b}}
connections:
  - {from: make, to: mark}
  - {from: mark, to: mark, name: back}
)");
  folder.write(
      "g.test.yaml",
      "flow: g.yaml\ntests: [{name: n, given: [{at: make}], counts: {mark.success: 1}}]\n");
  const auto report =
      run_flow_tests(folder.directory.path() + "/g.test.yaml", processor_types(), service_types());
  REQUIRE(report.outcomes.size() == 1);
  const std::string text = said(folder, report.outcomes[0].failures);
  CHECK(text.find("the flow does not come to rest") != std::string::npos);
}

TEST_CASE("a FlowFile can be given to a processor in the middle, and a mock can answer with more") {
  CHECK(failures(R"(  - name: n
    mock: {route: [{to: unmatched, attributes: {x: y}}, {to: big, content: more}, {to: big}], out: success}
    given: [{at: route, content: raw}]
    counts: {route: 1}
    expect:
      - {at: out, content: more, attributes: {x: ~}}
      - {at: out, content: raw}
      - {at: out, content: raw, attributes: {x: y}}
)") == "");
}

TEST_CASE("a source that is not mocked runs by the virtual clock") {
  const Folder folder;
  folder.write("h.yaml", R"(flow: h
processors:
  make: {type: GenerateFlowFile, schedule: {cron: "0 0 6 * * ?", zone: UTC}}
  mark: {type: UpdateAttribute, properties: {a: b}, terminate: [success]}
connections: [{from: make, to: mark}]
)");
  folder.write("h.test.yaml",
               "flow: h.yaml\ntests: [{name: n, unmocked: [make], runs_for: 3 days, counts: "
               "{mark.success: 3}}]\n");
  const auto report =
      run_flow_tests(folder.directory.path() + "/h.test.yaml", processor_types(), service_types());
  CHECK(said(folder, report.complaints) == "");
  REQUIRE(report.outcomes.size() == 1);
  CHECK(said(folder, report.outcomes[0].failures) == "");
}

TEST_CASE("all that is wrong with a test file is said at once, and nothing of it is run") {
  CHECK(complaints(R"(  - name: n
    mok: {}
    mock: {ghost: success, route: {to: grat}, make: success}
    given: [{at: mak}, {at: route.big}, {at: make, after: soon}]
    expect: [{at: mark}, {at: route.bigg}, {at: mark.success, content: {jsn: 1}}]
    queued: {lin: 1}
    provenance: [{at: mark, kind: FLY}]
    bulletins: [{text: x}]
  - name: n
)") ==
        R"(f.test.yaml:4:5: unknown key `mok`; did you mean `mock`?
f.test.yaml:5:12: the flow has no processor `ghost`
f.test.yaml:5:40: `route` has no relationship `grat`; it has `matched`, `unmatched`, `failure` and `big`
f.test.yaml:5:47: `make` is a source: it is mocked already; say what it makes in `given`
f.test.yaml:6:18: the flow has no processor `mak`; did you mean `make`?
f.test.yaml:6:29: `route` is no source: what is given to it is queued for it; leave out the relationship
f.test.yaml:6:59: `after`: `soon` begins with no number
f.test.yaml:7:19: `mark` is not mocked: name it in `mock`, or say which of its relationships `expect` means
f.test.yaml:7:31: `route` has no relationship `bigg`; it has `matched`, `unmatched`, `failure` and `big`
f.test.yaml:7:73: unknown key `jsn`; did you mean `json`?
f.test.yaml:8:14: the flow has no connection `lin`; did you mean `line`?
f.test.yaml:9:35: `FLY` is no kind of provenance event, as SEND is
f.test.yaml:10:17: a bulletin needs the key `at`
f.test.yaml:11:5: duplicate name `n`
f.test.yaml:11:5: the test `n` expects nothing: it could not fail; say what in `expect`, `counts`, `queued`, `provenance` or `bulletins`
)");
}

TEST_CASE("a test file that is not there, or whose flow is wrong, is a complaint") {
  const Folder folder;
  const auto missing =
      run_flow_tests(folder.directory.path() + "/x.test.yaml", processor_types(), service_types());
  CHECK_FALSE(missing.is_valid());
  CHECK(said(folder, missing.complaints).find("No such file") != std::string::npos);
  folder.write("bad.yaml", "flow: bad\nnonsense: 1\n");
  folder.write(
      "bad.test.yaml",
      "flow: bad.yaml\ntests: [{name: a, counts: {x.y: 1}}, {name: b, counts: {x.y: 1}}]\n");
  const auto bad = run_flow_tests(folder.directory.path() + "/bad.test.yaml", processor_types(),
                                  service_types());
  const std::string text = said(folder, bad.complaints);
  CHECK(text.find("bad.yaml:2:1: unknown key `nonsense`") != std::string::npos);
  CHECK(text.find("nonsense", text.find("nonsense") + 1) == std::string::npos);
}

TEST_CASE("contents come from files and base64, and are compared with them") {
  const Folder folder;
  folder.write("in.bin", std::string("\x00\xFF long", 7));
  const auto report = folder.run(R"(  - name: n
    mock: {out: success}
    given: [{at: make, content: {file: in.bin}}, {at: make, content: {base64: AP8gbG9uZw==}}]
    expect: [{at: out, content: {base64: AP8gbG9uZw==}}, {at: out, content: {file: in.bin}}]
)");
  CHECK(said(folder, report.complaints) == "");
  REQUIRE(report.outcomes.size() == 1);
  CHECK(said(folder, report.outcomes[0].failures) == "");
  CHECK(complaints(R"(  - name: n
    given: [{at: make, content: {file: none.bin}}]
    counts: {mark.success: 1}
)")
            .find("none.bin` cannot be read: No such file") != std::string::npos);
}

TEST_CASE("a test leaves nothing in the temporary directory") {
  const ScratchDirectory parent = ScratchDirectory::make(ScratchDirectory::Where::kMemory).value();
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  const Folder folder;
  setenv("TMPDIR", parent.path().c_str(), 1);
  const auto report = folder.run(R"(  - name: n
    given: [{at: make, content: x, count: 100}]
    counts: {mark.success: 100}
)");
  if (before == nullptr) {
    unsetenv("TMPDIR");
  } else {
    setenv("TMPDIR", kept.c_str(), 1);
  }
  CHECK(report.outcomes.size() == 1);
  CHECK(std::filesystem::is_empty(parent.path()));
}

}  // namespace
}  // namespace runnel
