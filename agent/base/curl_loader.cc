// The functions stand in parentheses, as <curl/curl.h> has macros of some of their names.

#include "agent/base/curl_loader.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <cstdarg>
#include <string>
#include <type_traits>
#include <utility>

#include "agent/base/mutex.h"

namespace runnel {
namespace {

constexpr const char* kLibrary = "libcurl.so.4";

// What can be looked up in the library.
struct Symbol {
  explicit Symbol(const char* called) : name(called), next(std::exchange(first, this)) {}
  const char* const name;
  Symbol* const next;
  void* address = nullptr;

  static inline Symbol* first = nullptr;  // of all
};

// A function of the library. Constant once `load_curl` has returned.
template <typename Function>
struct Real : Symbol {
  using Symbol::Symbol;
  template <typename... Arguments>
  auto operator()(Arguments... arguments) const {
    return reinterpret_cast<std::decay_t<Function>>(address)(arguments...);
  }
};

struct Functions {
  Real<decltype(::curl_global_init)> global_init{"curl_global_init"};
  Real<decltype(::curl_slist_append)> slist_append{"curl_slist_append"};
  Real<decltype(::curl_slist_free_all)> slist_free_all{"curl_slist_free_all"};
  Real<decltype((::curl_easy_init))> easy_init{"curl_easy_init"};
  Real<decltype((::curl_easy_cleanup))> easy_cleanup{"curl_easy_cleanup"};
  Real<decltype((::curl_easy_perform))> easy_perform{"curl_easy_perform"};
  Real<decltype((::curl_easy_reset))> easy_reset{"curl_easy_reset"};
  Real<decltype((::curl_easy_setopt))> easy_setopt{"curl_easy_setopt"};
  Real<decltype((::curl_easy_getinfo))> easy_getinfo{"curl_easy_getinfo"};
  Real<decltype((::curl_easy_strerror))> easy_strerror{"curl_easy_strerror"};
  Real<decltype((::curl_multi_init))> multi_init{"curl_multi_init"};
  Real<decltype((::curl_multi_cleanup))> multi_cleanup{"curl_multi_cleanup"};
  Real<decltype((::curl_multi_add_handle))> multi_add_handle{"curl_multi_add_handle"};
  Real<decltype((::curl_multi_remove_handle))> multi_remove_handle{"curl_multi_remove_handle"};
  Real<decltype((::curl_multi_perform))> multi_perform{"curl_multi_perform"};
  Real<decltype((::curl_multi_poll))> multi_poll{"curl_multi_poll"};
  Real<decltype((::curl_multi_wakeup))> multi_wakeup{"curl_multi_wakeup"};
  Real<decltype((::curl_multi_info_read))> multi_info_read{"curl_multi_info_read"};
};

Functions real;

Result<> load() {
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    return invalid(std::string("HTTP does not work without ") + kLibrary +
                   " (of the package libcurl4): " + (why == nullptr ? "?" : why));
  }
  std::string missing;
  for (Symbol* one = Symbol::first; one != nullptr; one = one->next) {
    one->address = ::dlsym(library, one->name);
    if (one->address == nullptr) missing += std::string(missing.empty() ? "" : ", ") + one->name;
  }
  if (!missing.empty())
    return invalid(std::string("HTTP does not work: ") + kLibrary + " lacks " + missing);
  if (real.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
    return invalid(std::string("HTTP does not work: ") + kLibrary + " cannot begin");
  return {};
}

}  // namespace

Result<> load_curl() {
  static Mutex mutex;
  static bool is_loaded = false;
  Lock lock(mutex);
  if (is_loaded) return {};
  TRY(load());
  is_loaded = true;
  return {};
}

}  // namespace runnel

using runnel::real;

// So <curl/curl.h> declares them, with an enum before the dots.
#pragma GCC diagnostic ignored "-Wvarargs"

extern "C" {

curl_slist* curl_slist_append(curl_slist* list, const char* line) {
  return real.slist_append(list, line);
}
void curl_slist_free_all(curl_slist* list) { real.slist_free_all(list); }

CURL*(curl_easy_init)() { return real.easy_init(); }
void(curl_easy_cleanup)(CURL* easy) { real.easy_cleanup(easy); }
CURLcode(curl_easy_perform)(CURL* easy) { return real.easy_perform(easy); }
void(curl_easy_reset)(CURL* easy) { real.easy_reset(easy); }
const char*(curl_easy_strerror)(CURLcode code) { return real.easy_strerror(code); }

// The kind of the one argument follows from the option's number.
CURLcode(curl_easy_setopt)(CURL* easy, CURLoption option, ...) {
  const bool is_size = option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB;
  std::va_list arguments;
  va_start(arguments, option);
  const CURLcode code = option < CURLOPTTYPE_OBJECTPOINT
                            ? real.easy_setopt(easy, option, va_arg(arguments, long))
                        : is_size ? real.easy_setopt(easy, option, va_arg(arguments, curl_off_t))
                                  : real.easy_setopt(easy, option, va_arg(arguments, void*));
  va_end(arguments);
  return code;
}

CURLcode(curl_easy_getinfo)(CURL* easy, CURLINFO info, ...) {
  std::va_list arguments;
  va_start(arguments, info);
  const CURLcode code = real.easy_getinfo(easy, info, va_arg(arguments, void*));
  va_end(arguments);
  return code;
}

CURLM*(curl_multi_init)() { return real.multi_init(); }
CURLMcode(curl_multi_cleanup)(CURLM* multi) { return real.multi_cleanup(multi); }
CURLMcode(curl_multi_add_handle)(CURLM* multi, CURL* easy) {
  return real.multi_add_handle(multi, easy);
}
CURLMcode(curl_multi_remove_handle)(CURLM* multi, CURL* easy) {
  return real.multi_remove_handle(multi, easy);
}
CURLMcode(curl_multi_perform)(CURLM* multi, int* running) {
  return real.multi_perform(multi, running);
}
CURLMcode(curl_multi_poll)(CURLM* multi, curl_waitfd* extra, unsigned int count, int timeout_ms,
                           int* ready) {
  return real.multi_poll(multi, extra, count, timeout_ms, ready);
}
CURLMcode(curl_multi_wakeup)(CURLM* multi) { return real.multi_wakeup(multi); }
CURLMsg*(curl_multi_info_read)(CURLM* multi, int* left) {
  return real.multi_info_read(multi, left);
}
}
