// test: runs flow tests and says how they went, to people, to programs (JSON) and to build servers
// (JUnit).

#include <fmt/core.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/commands.h"
#include "agent/flow_development.h"
#include "agent/output.h"
#include "agent/signals.h"
#include "agent/trial/flow_test.h"
#include "processors/registry.h"

namespace runnel {
namespace {

using Json = nlohmann::ordered_json;
using Reports = std::vector<FlowTestReport>;

double seconds_of(std::chrono::nanoseconds span) {
  return std::chrono::duration<double>(span).count();
}

struct Tally {
  std::size_t passed = 0;
  std::size_t failed = 0;
  bool is_valid = true;
};

Tally tally_of(const Reports& reports) {
  Tally tally;
  for (const FlowTestReport& report : reports) {
    tally.is_valid = tally.is_valid && report.is_valid();
    for (const FlowTestOutcome& one : report.outcomes)
      ++(one.failures.empty() ? tally.passed : tally.failed);
  }
  return tally;
}

std::string report_text(const FlowTestReport& report) {
  std::string out;
  for (const FlowTestOutcome& one : report.outcomes) {
    out += fmt::format("{} {}: {}\n", one.failures.empty() ? "ok    " : "FAILED", report.file,
                       one.name);
    for (const Complaint& failure : one.failures) out += "  " + text_of(failure) + '\n';
  }
  return out;
}

Json complaint_json(const Complaint& one) {
  return {{"file", one.file},
          {"line", one.at.line},
          {"column", one.at.column},
          {"severity", one.severity == Severity::kError ? "error" : "warning"},
          {"message", one.text}};
}

std::string reports_json(const Reports& reports, const Tally& tally) {
  Json tests = Json::array();
  Json complaints = Json::array();
  for (const FlowTestReport& report : reports) {
    for (const Complaint& one : report.complaints) complaints.push_back(complaint_json(one));
    for (const FlowTestOutcome& one : report.outcomes) {
      Json failures = Json::array();
      for (const Complaint& failure : one.failures) failures.push_back(complaint_json(failure));
      Json test = {{"file", report.file},
                   {"name", one.name},
                   {"line", one.at.line},
                   {"is_passed", one.failures.empty()},
                   {"seconds", seconds_of(one.took)}};
      test["failures"] = std::move(failures);
      tests.push_back(std::move(test));
    }
  }
  Json out = {{"passed", tally.passed}, {"failed", tally.failed}, {"is_valid", tally.is_valid}};
  out["tests"] = std::move(tests);
  out["complaints"] = std::move(complaints);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Text of an attribute or element; what XML 1.0 cannot hold becomes U+FFFD.
std::string xml(std::string_view text) {
  constexpr std::string_view kReplaced = "\xEF\xBF\xBD";
  const std::string valid = to_utf8(text);
  std::string out;
  for (std::size_t i = 0; i < valid.size(); ++i) {
    const char c = valid[i];
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\t':
      case '\n':
      case '\r':
        out += fmt::format("&#{};", static_cast<int>(c));
        break;
      case '\xEF':  // U+FFFE and U+FFFF
        if (valid.compare(i, 3, "\xEF\xBF\xBE") == 0 || valid.compare(i, 3, "\xEF\xBF\xBF") == 0) {
          out += kReplaced;
          i += 2;
          break;
        }
        [[fallthrough]];
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += kReplaced;
        } else {
          out += c;
        }
    }
  }
  return out;
}

// The form that Jenkins, GitLab and others read: suites, cases, failures; a file that is wrong is
// one case in error.
std::string junit_xml(const Reports& reports) {
  std::string out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
  for (const FlowTestReport& report : reports) {
    std::string cases;
    std::size_t failed = 0;
    double seconds = 0;
    for (const FlowTestOutcome& one : report.outcomes) {
      seconds += seconds_of(one.took);
      cases += fmt::format(
          "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\" "
          "time=\"{:.3f}\"",
          xml(report.file), xml(one.name), xml(report.file), one.at.line, seconds_of(one.took));
      if (one.failures.empty()) {
        cases += "/>\n";
        continue;
      }
      ++failed;
      cases += fmt::format(">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
                           xml(one.failures.front().text), xml(text_of(one.failures)));
    }
    const bool is_wrong = !report.is_valid();
    if (is_wrong) {
      cases += fmt::format(
          "    <testcase classname=\"{}\" name=\"{}\">\n      <error message=\"the test file or "
          "its flow is wrong\">{}</error>\n    </testcase>\n",
          xml(report.file), xml(report.file), xml(text_of(report.complaints)));
    }
    out += fmt::format(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3f}\">\n"
        "{}  </testsuite>\n",
        xml(report.file), report.outcomes.size() + (is_wrong ? 1 : 0), failed, is_wrong ? 1 : 0,
        seconds, cases);
  }
  return out + "</testsuites>\n";
}

Result<> write_junit(const std::string& file, const Reports& reports) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  if (out) out << junit_xml(reports);
  out.flush();
  if (!out) return unavailable("`" + file + "` cannot be written: " + std::strerror(errno));
  return {};
}

}  // namespace

int test_command(const TestRequest& request) {
  // What a processor logs of a failure that a test wants to see is no news.
  set_log_level(LogLevel::kOff);
  const StopSignals signals;
  Reports reports;
  for (const std::string& file : request.files) {
    if (signals.is_stopped()) break;
    FlowTestReport& report = reports.emplace_back(
        run_flow_tests(file, processor_types(), service_types(), &signals.is_stopped()));
    if (request.as_json) continue;
    std::fputs(text_of(report.complaints).c_str(), stderr);
    if (const int code = print(report_text(report)); code != kExitGood) return code;
  }
  const Tally tally = tally_of(reports);
  if (!request.junit.empty()) {
    const auto written = write_junit(request.junit, reports);
    if (!written.ok()) return failed(written.error());
  }
  const int code =
      print(request.as_json ? reports_json(reports, tally)
                            : fmt::format("{} passed, {} failed{}\n", tally.passed, tally.failed,
                                          tally.is_valid ? "" : "; not all could be run"));
  if (signals.is_stopped()) StopSignals::pass_on(signals.signal());
  if (code != kExitGood) return code;
  if (!tally.is_valid) return kExitConfiguration;
  return tally.failed == 0 ? kExitGood : kExitFailed;
}

}  // namespace runnel
