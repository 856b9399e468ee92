// Loads the libraries by their whole path: a load by name would look where the sanitizers' own
// `dlopen` looks.

#include "agent/base/civetweb_tls.h"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

#include "agent/base/mutex.h"

namespace runnel {
namespace {

Result<> load(const std::filesystem::path& folder) {
  for (const char* name : {"libcrypto.so", "libssl.so"}) {
    const std::string path = (folder / name).string();
    void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      const char* const why = ::dlerror();
      return invalid("TLS does not work without `" + path +
                     "`, which belongs to this program: " + (why == nullptr ? "?" : why));
    }
    if (std::string_view(name) == "libssl.so" &&
        ::dlsym(library, "runnel_tls_is_ours") == nullptr) {
      return invalid("TLS does not work: `" + path + "` is not the one of this program");
    }
  }
  return {};
}

}  // namespace

Result<> load_tls_for_civetweb() {
  static Mutex mutex;
  static bool is_loaded = false;
  Lock lock(mutex);
  if (is_loaded) return {};
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return invalid("TLS does not work: cannot tell where this program lies");
  TRY(load(program.parent_path().parent_path() / "lib" / "runnel"));
  is_loaded = true;
  return {};
}

}  // namespace runnel
