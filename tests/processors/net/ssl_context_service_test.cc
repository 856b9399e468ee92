// SSLContextService: keys and certificates said once, checked when it starts.

#include <doctest/doctest.h>

#include "processors/registry.h"
#include "tests/support/certificates.h"
#include "tests/support/mosquitto.h"
#include "tests/support/process.h"
#include "tests/support/processor_runner.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

// How InvokeHTTP, which names it, starts.
std::string start_error(const PropertyValues& service, const PropertyValues& own = {}) {
  PropertyValues values{{"Remote URL", "https://127.0.0.1:1/"}, {"SSL Context Service", "tls"}};
  values.insert(own.begin(), own.end());
  ProcessorRunner runner(
      "InvokeHTTP", values,
      {.services = {{"tls", {"SSLContextService", service}}}, .must_start = false});
  return runner.start_error();
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("good files start; a wrong one keeps the flow from running, by its property's name") {
  test::TempFolder folder;
  const test::Certificates made = test::make_certificates(folder.path());
  PropertyValues good{{"CA Certificate", made.ca},
                      {"Client Certificate", made.client},
                      {"Private Key", made.client_key_locked},
                      {"Passphrase", made.pass_phrase}};
  CHECK(start_error(good).empty());
  CHECK(start_error({{"Use System Cert Store", "true"}}).empty());
  const auto with = [&good](const std::string& name, const std::string& value) {
    PropertyValues values = good;
    values[name] = value;
    return start_error(values);
  };
  CHECK(has(with("CA Certificate", "/nonexistent/ca.pem"),
            "service `tls`: property `CA Certificate`: `/nonexistent/ca.pem`: No such file"));
  CHECK(has(with("Client Certificate", made.ca + ".none"), "property `Client Certificate`"));
  CHECK(has(with("Private Key", made.server_key), "property `Private Key`"));
  const std::string wrong = with("Passphrase", "no such secret");
  CHECK(has(wrong, "property `Private Key`"));
  CHECK_FALSE(has(wrong, "no such secret"));
  CHECK(has(with("Use System Cert Store", "true"), "keep one"));
}

TEST_CASE("the files of a service and files of its own are one too many") {
  test::TempFolder folder;
  const test::Certificates made = test::make_certificates(folder.path());
  CHECK(has(start_error({{"CA Certificate", made.ca}}, {{"Security CA", made.ca}}),
            "property `SSL Context Service` and the properties for files of its own: keep one"));
}

TEST_CASE("one service serves a listener and who posts to it, with names proved on both sides") {
  test::TempFolder folder;
  const test::Certificates made = test::make_certificates(folder.path());
  ProcessorRunner listener("ListenHTTP",
                           {{"Listening Port", "0"},
                            {"Listening Address", "127.0.0.1"},
                            {"SSL Verify Peer", "yes"},
                            {"SSL Context Service", "tls"}},
                           {.services = {{"tls",
                                          {"SSLContextService",
                                           {{"CA Certificate", made.ca},
                                            {"Client Certificate", made.server},
                                            {"Private Key", made.server_key}}}}}});
  std::string port;
  for (const Bulletin& one : listener.bulletins()) {
    if (one.text.starts_with("listening on port ")) port = one.text.substr(18);
  }
  REQUIRE_FALSE(port.empty());
  ProcessorRunner poster("InvokeHTTP",
                         {{"Remote URL", "https://127.0.0.1:" + port + "/contentListener"},
                          {"HTTP Method", "POST"},
                          {"SSL Context Service", "tls"}},
                         {.services = {{"tls",
                                        {"SSLContextService",
                                         {{"CA Certificate", made.ca},
                                          {"Client Certificate", made.client},
                                          {"Private Key", made.client_key}}}}}});
  poster.enqueue("over TLS");
  CHECK(poster.run_until([&] {
    listener.run();
    listener.flush();
    return poster.count("success") == 1;
  }));
  const auto taken = listener.taken("success");
  REQUIRE(taken.size() == 1);
  CHECK(taken[0].content == "over TLS");
  CHECK(taken[0].attribute("http.subject.dn") == "/CN=truck");
  CHECK(listener.events(ProvenanceKind::kReceive).at(0).uri.starts_with("https://"));
}

TEST_CASE("a listener wants a certificate of its service, too") {
  ProcessorRunner listener("ListenHTTP", {{"Listening Port", "0"}, {"SSL Context Service", "tls"}},
                           {.services = {{"tls", {"SSLContextService", {}}}}, .must_start = false});
  CHECK(has(listener.start_error(), "service `tls` has no `Client Certificate`"));
}

}  // namespace
}  // namespace runnel
