// Remembered logins.

#include "hub/cli/settings.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

namespace runnel::hub {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

const std::string& first_of(const std::string& a, const std::string& b) {
  return a.empty() ? b : a;
}

std::string without_slash(std::string url) {
  while (url.ends_with('/')) url.pop_back();
  return url;
}

}  // namespace

std::string settings_file() {
  const std::string config = environment("XDG_CONFIG_HOME");
  return (config.empty() ? environment("HOME") + "/.config" : config) + "/runnel/hub.json";
}

Result<> save_access(const std::string& file, const HubAccess& access) {
  TRY_ASSIGN(text,
             written_json(Json{{"hub", access.hub}, {"ca", access.ca}, {"token", access.token}}));
  text += '\n';
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
  const std::string temporary = file + ".new";
  const int handle = ::open(temporary.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (handle < 0) return unavailable("writing `" + file + "`: " + std::strerror(errno));
  ::fchmod(handle, 0600);
  const bool is_written =
      ::write(handle, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  ::close(handle);
  if (!is_written || ::rename(temporary.c_str(), file.c_str()) != 0) {
    return unavailable("writing `" + file + "`: " + std::strerror(errno));
  }
  return Ok{};
}

Result<HubAccess> load_access(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) return HubAccess{};
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object())
    return invalid("`" + file + "` cannot be read; log in again by `runnelctl login`");
  const auto text_of = [&](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  return HubAccess{text_of("hub"), text_of("ca"), text_of("token")};
}

HubAccess resolve_access(const HubAccess& options, const HubAccess& environment,
                         const HubAccess& saved) {
  HubAccess access;
  access.hub = without_slash(first_of(first_of(options.hub, environment.hub), saved.hub));
  access.ca = first_of(options.ca, environment.ca);
  access.token = first_of(options.token, environment.token);
  if (access.hub == without_slash(saved.hub)) {
    access.ca = first_of(access.ca, saved.ca);
    access.token = first_of(access.token, saved.token);
  }
  if (access.hub.empty()) access.hub = "https://127.0.0.1:8443";
  return access;
}

HubAccess environment_access() {
  return {environment("RUNNEL_HUB"), environment("RUNNEL_CA"), environment("RUNNEL_TOKEN")};
}

}  // namespace runnel::hub
