// The door to libcurl for processors: one multi handle, one thread, woken when there is something
// to send.

#include "processors/http/http_client.h"

#include <curl/curl.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <thread>

#include "agent/base/bytes.h"
#include "agent/base/curl_loader.h"
#include "agent/base/mutex.h"

namespace runnel {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kHeadersMax = 1000;
constexpr curl_off_t kPaceMin = 1024;  // bytes a second
constexpr long kRedirectsMax = 10;

struct EasyDelete {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// One request under way.
struct Exchange {
  HttpRequest request;
  HttpClient::OnDone done;
  const void* owner = nullptr;
  HttpResponse response;
  std::unique_ptr<CURL, EasyDelete> easy;
  std::unique_ptr<curl_slist, ListDelete> headers;
  std::uint64_t received = 0;
  bool is_too_large = false;
  std::optional<Error> storage_error;  // of the body or the draft
  bool is_connected = false;
  bool is_stalled = false;
  steady_clock::time_point connected_at{}, moved_at{};
  curl_off_t moved = 0;
  char error[CURL_ERROR_SIZE] = {};
};

std::size_t on_body(char* bytes, std::size_t, std::size_t size, void* opaque) {
  auto& exchange = *static_cast<Exchange*>(opaque);
  exchange.received += size;
  if (exchange.received > exchange.request.response_size_max) {
    exchange.is_too_large = true;
    return 0;
  }
  if (exchange.request.into) {
    const Result<> written = exchange.request.into->write({bytes, size});
    if (!written.ok())
      exchange.storage_error = unavailable("keeping the answer: " + written.error().text());
    return written.ok() ? size : 0;
  }
  std::string& kept = exchange.response.body;
  kept.append(bytes, std::min(size, exchange.request.response_kept - kept.size()));
  return size;
}

// What is asked for after "see other" is asked for by GET, whatever was sent before. (Of the body
// curl takes care.)
void follow_by_get(const Exchange& exchange, std::string_view status) {
  if (!status.starts_with("303") || exchange.request.method == "HEAD") return;
  curl_easy_setopt(exchange.easy.get(), CURLOPT_CUSTOMREQUEST, "GET");
}

std::size_t on_header(char* bytes, std::size_t, std::size_t size, void* opaque) {
  const auto& exchange = *static_cast<Exchange*>(opaque);
  auto& response = static_cast<Exchange*>(opaque)->response;
  const std::string_view line = trimmed(std::string_view(bytes, size));
  if (line.starts_with("HTTP/")) {  // of the last answer, after redirects
    response.headers.clear();
    const std::size_t code = line.find(' ');
    if (code != std::string_view::npos) follow_by_get(exchange, line.substr(code + 1));
    const std::size_t text = code == std::string_view::npos ? code : line.find(' ', code + 1);
    response.status_message =
        text == std::string_view::npos ? "" : std::string(line.substr(text + 1));
    return size;
  }
  const std::size_t colon = line.find(':');
  if (colon != std::string_view::npos && response.headers.size() < kHeadersMax) {
    response.headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  }
  return size;
}

std::size_t on_read(char* into, std::size_t, std::size_t size, void* opaque) {
  auto& exchange = *static_cast<Exchange*>(opaque);
  const Result<std::size_t> got = exchange.request.body->read({into, size});
  if (got.ok()) return *got;
  exchange.storage_error = got.error();
  return CURL_READFUNC_ABORT;
}

// A redirect may ask for the body again.
int on_seek(void* opaque, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Exchange*>(opaque)->request.body->rewind();
  return CURL_SEEKFUNC_OK;
}

// At least once a second. Ends an exchange in which nothing moves, or hardly anything.
int on_progress(void* opaque, curl_off_t, curl_off_t down, curl_off_t, curl_off_t up) {
  auto& exchange = *static_cast<Exchange*>(opaque);
  const auto now = steady_clock::now();
  if (!exchange.is_connected) {
    curl_off_t connected_after = 0;
    curl_easy_getinfo(exchange.easy.get(), CURLINFO_PRETRANSFER_TIME_T, &connected_after);
    if (connected_after == 0) return 0;  // connecting has its own limit
    exchange.is_connected = true;
    exchange.connected_at = exchange.moved_at = now;
  }
  if (down + up != exchange.moved) {
    exchange.moved = down + up;
    exchange.moved_at = now;
  }
  const auto patience = exchange.request.read_timeout;
  const auto earned = std::chrono::seconds(std::max<curl_off_t>(down + up, 0) / kPaceMin);
  exchange.is_stalled =
      now - exchange.moved_at > patience || now - exchange.connected_at > patience + earned;
  return exchange.is_stalled ? 1 : 0;
}

void set_security(CURL* easy, const HttpRequest& request) {
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, request.verifies_peer ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, request.verifies_peer ? 2L : 0L);
  curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
  const auto set = [easy](CURLoption option, const std::string& value) {
    if (!value.empty()) curl_easy_setopt(easy, option, value.c_str());
  };
  set(CURLOPT_CAINFO, request.ca_file);
  set(CURLOPT_SSLCERT, request.certificate_file);
  set(CURLOPT_SSLKEY, request.key_file);
  set(CURLOPT_KEYPASSWD, request.key_pass_phrase);
  // An empty one keeps curl from looking for one in the environment.
  curl_easy_setopt(easy, CURLOPT_PROXY, request.proxy_host.c_str());
  if (request.proxy_port != 0)
    curl_easy_setopt(easy, CURLOPT_PROXYPORT, static_cast<long>(request.proxy_port));
  set(CURLOPT_PROXYUSERNAME, request.proxy_user);
  set(CURLOPT_PROXYPASSWORD, request.proxy_password);
  set(CURLOPT_USERNAME, request.user);
  set(CURLOPT_PASSWORD, request.password);
}

void set_up(Exchange& exchange) {
  CURL* const easy = exchange.easy.get();
  const HttpRequest& request = exchange.request;
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange.error);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request.connection_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_MAX_SEND_SPEED_LARGE,
                   static_cast<curl_off_t>(request.upload_speed_max));
  curl_easy_setopt(easy, CURLOPT_MAX_RECV_SPEED_LARGE,
                   static_cast<curl_off_t>(request.download_speed_max));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request.follows_redirects ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kRedirectsMax);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &exchange);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "HEAD") curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  if (request.body) {
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, &exchange);
    curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(easy, CURLOPT_SEEKDATA, &exchange);
    if (!request.is_chunked) {
      curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_size));
    }
  }
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  for (const auto& [name, value] : request.headers) {
    list = curl_slist_append(list, (value.empty() ? name + ";" : name + ": " + value).c_str());
  }
  if (request.body && request.is_chunked)
    list = curl_slist_append(list, "Transfer-Encoding: chunked");
  exchange.headers.reset(list);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  set_security(easy, request);
}

class CurlClient final : public HttpClient {
 public:
  CurlClient() : multi_(curl_multi_init()), thread_([this] { run(); }) {}
  ~CurlClient() override {
    is_stopping_ = true;
    curl_multi_wakeup(multi_);
    thread_.join();
    for (auto& [easy, exchange] : running_) curl_multi_remove_handle(multi_, easy);
    running_.clear();
    curl_multi_cleanup(multi_);
  }

  void send(HttpRequest request, OnDone done, const void* owner) override {
    auto exchange = std::make_unique<Exchange>();
    exchange->request = std::move(request);
    exchange->done = std::move(done);
    exchange->owner = owner;
    {
      Lock lock(mutex_);
      waiting_.push_back(std::move(exchange));
    }
    curl_multi_wakeup(multi_);
  }

  void cancel(const void* owner) override {
    Exchanges dropped;  // what they hold is given back without the lock
    Lock lock(mutex_);
    for (std::unique_ptr<Exchange>& exchange : waiting_) {
      if (exchange->owner == owner) dropped.push_back(std::move(exchange));
    }
    std::erase(waiting_, nullptr);
    cancelled_.push_back(owner);
    curl_multi_wakeup(multi_);
    while (std::find(cancelled_.begin(), cancelled_.end(), owner) != cancelled_.end())
      cancel_done_.wait(mutex_);
  }

 private:
  using Exchanges = std::deque<std::unique_ptr<Exchange>>;

  void run() {
    pthread_setname_np(pthread_self(), "http");
    while (!is_stopping_) {
      begin_waiting();
      int running = 0;
      curl_multi_perform(multi_, &running);
      finish_done();
      drop_cancelled();
      // With nothing under way, only a wake-up ends the wait.
      curl_multi_poll(multi_, nullptr, 0, running_.empty() ? 3'600'000 : 1000, nullptr);
    }
  }

  void begin_waiting() {
    Exchanges fresh;
    {
      Lock lock(mutex_);
      fresh.swap(waiting_);
    }
    for (std::unique_ptr<Exchange>& exchange : fresh) {
      exchange->easy.reset(curl_easy_init());
      set_up(*exchange);
      CURL* const easy = exchange->easy.get();
      curl_multi_add_handle(multi_, easy);
      running_.emplace(easy, std::move(exchange));
    }
  }

  void finish_done() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      CURL* const easy = message->easy_handle;
      const CURLcode code = message->data.result;
      curl_multi_remove_handle(multi_, easy);
      const auto found = running_.find(easy);
      const std::unique_ptr<Exchange> exchange = std::move(found->second);
      running_.erase(found);
      exchange->done(result_of(*exchange, code));
    }
  }

  void drop_cancelled() {
    std::vector<const void*> owners;
    {
      Lock lock(mutex_);
      owners = cancelled_;
    }
    for (const void* const owner : owners) {
      for (auto at = running_.begin(); at != running_.end();) {
        if (at->second->owner != owner) {
          ++at;
          continue;
        }
        curl_multi_remove_handle(multi_, at->first);
        at = running_.erase(at);
      }
    }
    if (owners.empty()) return;
    Lock lock(mutex_);
    for (const void* const owner : owners) std::erase(cancelled_, owner);
    cancel_done_.notify_all();
  }

  static Result<HttpResponse> result_of(Exchange& exchange, CURLcode code) {
    if (code == CURLE_OK) {
      curl_easy_getinfo(exchange.easy.get(), CURLINFO_RESPONSE_CODE, &exchange.response.status);
      char* url = nullptr;
      curl_easy_getinfo(exchange.easy.get(), CURLINFO_EFFECTIVE_URL, &url);
      if (url != nullptr) exchange.response.effective_url = url;
      exchange.response.into = exchange.request.into;
      return std::move(exchange.response);
    }
    const std::string text = exchange.error[0] != 0 ? exchange.error : curl_easy_strerror(code);
    if (exchange.storage_error) return *exchange.storage_error;
    if (exchange.is_stalled) {
      return unavailable("nothing moved for " + period_text(exchange.request.read_timeout) +
                         ", or hardly anything");
    }
    if (exchange.is_too_large) {
      return full("the answer is larger than " + size_text(exchange.request.response_size_max));
    }
    if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT) return invalid(text);
    return unavailable(text);
  }

  CURLM* const multi_;
  std::atomic<bool> is_stopping_{false};
  Mutex mutex_;
  Exchanges waiting_ GUARDED_BY(mutex_);
  std::vector<const void*> cancelled_ GUARDED_BY(mutex_);  // owners whose requests are to go
  CondVar cancel_done_;
  std::map<CURL*, std::unique_ptr<Exchange>> running_;  // of the thread
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::open() {
  TRY(load_curl());
  return std::make_unique<CurlClient>();
}

}  // namespace runnel
