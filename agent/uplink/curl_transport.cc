// The door to libcurl: exchanges with the hub over one multi handle, so that one can be
// interrupted.

#include <curl/curl.h>
#include <unistd.h>

#include <atomic>
#include <fstream>

#include "agent/base/bytes.h"
#include "agent/base/curl_loader.h"
#include "agent/uplink/transport.h"

namespace runnel {
namespace {

using namespace std::chrono_literals;

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeMulti {
  void operator()(CURLM* multi) const { curl_multi_cleanup(multi); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using List = std::unique_ptr<curl_slist, FreeList>;

// What one exchange collects.
struct Receiving {
  HubAnswer answer;
  std::size_t answer_max = 0;
  bool is_too_long = false;
};

std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* into) {
  auto& receiving = *static_cast<Receiving*>(into);
  const std::size_t length = size * count;
  if (receiving.answer.body.size() + length > receiving.answer_max) {
    receiving.is_too_long = true;
    return 0;
  }
  receiving.answer.body.append(bytes, length);
  return length;
}

std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* into) {
  auto& receiving = *static_cast<Receiving*>(into);
  const std::string_view line(bytes, size * count);
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos &&
      equal_ignoring_case(line.substr(0, colon), "Retry-After")) {
    auto seconds = parse_int(trimmed(line.substr(colon + 1)));
    if (seconds.ok() && *seconds >= 0)
      receiving.answer.retry_after = std::chrono::seconds(std::min<std::int64_t>(*seconds, 86'400));
  }
  return size * count;
}

class CurlTransport final : public Transport {
 public:
  CurlTransport(CurlOptions options, std::unique_ptr<CURL, FreeEasy> easy,
                std::unique_ptr<CURLM, FreeMulti> multi)
      : options_(std::move(options)), easy_(std::move(easy)), multi_(std::move(multi)) {}

  Result<HubAnswer> send(const HubRequest& request) override;

  void interrupt() override {
    is_interrupted_ = true;
    curl_multi_wakeup(multi_.get());
  }

 private:
  // Returns libcurl's verdict.
  CURLcode perform();

  const CurlOptions options_;
  std::unique_ptr<CURL, FreeEasy> easy_;
  std::unique_ptr<CURLM, FreeMulti> multi_;
  std::atomic<bool> is_interrupted_{false};
};

Result<HubAnswer> CurlTransport::send(const HubRequest& request) {
  if (is_interrupted_) return unavailable("interrupted");
  CURL* easy = easy_.get();
  curl_easy_reset(easy);
  Receiving receiving;
  receiving.answer_max = request.answer_max;
  char why[CURL_ERROR_SIZE] = "";
  List headers;
  const auto add_header = [&headers](const std::string& line) {
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
  };
  for (const auto& [name, value] : request.headers) add_header(name + ": " + value);
  if (request.is_post) {
    add_header("Content-Type: application/json");
    add_header("Accept:");  // Apache's C2 server picks a flow by it
    add_header("Expect:");
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "runnel-agent/" RUNNEL_VERSION);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, why);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(options_.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
    curl_easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &receiving);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &receiving);

  const CURLcode code = perform();
  if (is_interrupted_) return unavailable("interrupted");
  if (receiving.is_too_long)
    return invalid("the answer of " + request.url + " is longer than " +
                   size_text(request.answer_max));
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
    return invalid("`" + request.url + "` is no HTTP address");
  if (code != CURLE_OK)
    return unavailable(request.url + ": " + (why[0] != '\0' ? why : curl_easy_strerror(code)));
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  receiving.answer.status = static_cast<int>(status);
  return std::move(receiving.answer);
}

CURLcode CurlTransport::perform() {
  if (curl_multi_add_handle(multi_.get(), easy_.get()) != CURLM_OK) return CURLE_FAILED_INIT;
  CURLcode code = CURLE_ABORTED_BY_CALLBACK;
  int running = 1;
  while (!is_interrupted_) {
    if (curl_multi_perform(multi_.get(), &running) != CURLM_OK) break;
    if (running == 0) {
      int left = 0;
      if (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left))
        code = message->data.result;
      break;
    }
    if (curl_multi_poll(multi_.get(), nullptr, 0, 1'000, nullptr) != CURLM_OK) break;
  }
  curl_multi_remove_handle(multi_.get(), easy_.get());
  return code;
}

bool holds_certificate(const std::string& path) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("-----BEGIN ") && line.find("CERTIFICATE-----") != std::string::npos)
      return true;
  return false;
}

}  // namespace

Result<std::unique_ptr<Transport>> curl_transport(CurlOptions options) {
  TRY(load_curl());
  if (!options.ca_file.empty() && access(options.ca_file.c_str(), R_OK) != 0)
    return invalid("the hub's CA file `" + options.ca_file + "` cannot be read");
  // Else the agent would run, and never reach its hub.
  if (!options.ca_file.empty() && !holds_certificate(options.ca_file))
    return invalid("the hub's CA file `" + options.ca_file +
                   "` holds no certificate in PEM; it is `ca.pem` of the hub's data folder");
  std::unique_ptr<CURL, FreeEasy> easy(curl_easy_init());
  std::unique_ptr<CURLM, FreeMulti> multi(curl_multi_init());
  if (easy == nullptr || multi == nullptr) return unavailable("libcurl cannot start");
  return std::make_unique<CurlTransport>(std::move(options), std::move(easy), std::move(multi));
}

}  // namespace runnel
