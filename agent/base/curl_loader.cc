// The functions stand in parentheses, as <curl/curl.h> has macros of some of their names.

#include "agent/base/curl_loader.h"

#include <curl/curl.h>
#include <dlfcn.h>

#include <cstdarg>
#include <string>
#include <type_traits>

#include "agent/base/mutex.h"

namespace runnel {
namespace {

constexpr const char* kLibrary = "libcurl.so.4";

struct Functions {
  decltype(&::curl_global_init) global_init;
  decltype(&::curl_slist_append) slist_append;
  decltype(&::curl_slist_free_all) slist_free_all;
  decltype(&(::curl_easy_init)) easy_init;
  decltype(&(::curl_easy_cleanup)) easy_cleanup;
  decltype(&(::curl_easy_perform)) easy_perform;
  decltype(&(::curl_easy_reset)) easy_reset;
  decltype(&(::curl_easy_setopt)) easy_setopt;
  decltype(&(::curl_easy_getinfo)) easy_getinfo;
  decltype(&(::curl_easy_strerror)) easy_strerror;
  decltype(&(::curl_multi_init)) multi_init;
  decltype(&(::curl_multi_cleanup)) multi_cleanup;
  decltype(&(::curl_multi_add_handle)) multi_add_handle;
  decltype(&(::curl_multi_remove_handle)) multi_remove_handle;
  decltype(&(::curl_multi_perform)) multi_perform;
  decltype(&(::curl_multi_poll)) multi_poll;
  decltype(&(::curl_multi_wakeup)) multi_wakeup;
  decltype(&(::curl_multi_info_read)) multi_info_read;
};

Functions real{};  // constant once `load_curl` has returned

Result<> load() {
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    return invalid(std::string("HTTP does not work without ") + kLibrary +
                   " (of the package libcurl4): " + (why == nullptr ? "?" : why));
  }
  std::string missing;
  const auto find = [&](const char* name, auto& function) {
    function =
        reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr) missing += std::string(missing.empty() ? "" : ", ") + name;
  };
  find("curl_global_init", real.global_init);
  find("curl_slist_append", real.slist_append);
  find("curl_slist_free_all", real.slist_free_all);
  find("curl_easy_init", real.easy_init);
  find("curl_easy_cleanup", real.easy_cleanup);
  find("curl_easy_perform", real.easy_perform);
  find("curl_easy_reset", real.easy_reset);
  find("curl_easy_setopt", real.easy_setopt);
  find("curl_easy_getinfo", real.easy_getinfo);
  find("curl_easy_strerror", real.easy_strerror);
  find("curl_multi_init", real.multi_init);
  find("curl_multi_cleanup", real.multi_cleanup);
  find("curl_multi_add_handle", real.multi_add_handle);
  find("curl_multi_remove_handle", real.multi_remove_handle);
  find("curl_multi_perform", real.multi_perform);
  find("curl_multi_poll", real.multi_poll);
  find("curl_multi_wakeup", real.multi_wakeup);
  find("curl_multi_info_read", real.multi_info_read);
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
  std::va_list arguments;
  va_start(arguments, option);
  CURLcode code = CURLE_OK;
  if (option < CURLOPTTYPE_OBJECTPOINT) {
    code = real.easy_setopt(easy, option, va_arg(arguments, long));
  } else if (option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB) {
    code = real.easy_setopt(easy, option, va_arg(arguments, curl_off_t));
  } else {
    code = real.easy_setopt(easy, option, va_arg(arguments, void*));
  }
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
