// Where parameters come from: environment, files, credentials.

#include "agent/flow/providers.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "agent/base/bytes.h"
#include "agent/base/descriptor.h"
#include "agent/flow/complaints.h"

extern "C" char** environ;

namespace runnel {
namespace {

Error not_readable(const std::string& path) {
  const std::string text = backquoted(path) + ": " + std::strerror(errno);
  return errno == ENOENT || errno == ENOTDIR ? not_found(text) : invalid(text);
}

Result<std::string> contents(const std::string& path, std::size_t at_most) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return not_readable(path);
  struct stat facts {};
  if (::fstat(file.number(), &facts) != 0) return not_readable(path);
  if (!S_ISREG(facts.st_mode)) return invalid(backquoted(path) + " is no file");
  Result<std::string> text = read_to_end(file, at_most);
  if (text.ok()) return text;
  if (text.code() == Code::kFull)
    return invalid(backquoted(path) + " is larger than " + size_text(at_most));
  return invalid(backquoted(path) + ": " + text.error().text());
}

Result<> put(ProvidedValues& into, std::string name, std::string value) {
  if (value.size() > ProviderLimits::kValue) {
    return invalid("the value of " + backquoted(name) + " is longer than " +
                   size_text(ProviderLimits::kValue));
  }
  into[std::move(name)] = std::move(value);
  if (into.size() <= ProviderLimits::kCount) return {};
  return invalid("it has more than " + std::to_string(ProviderLimits::kCount) + " parameters");
}

bool is_included(const ParameterProvider& provider, const std::string& name) {
  return provider.include.empty() || ::fnmatch(provider.include.c_str(), name.c_str(), 0) == 0;
}

Result<ProvidedValues> from_environment(const ParameterProvider& provider) {
  ProvidedValues out;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    const std::string_view entry(*one);
    const std::size_t equals = entry.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    std::string name(entry.substr(0, equals));
    if (!is_included(provider, name)) continue;
    TRY(put(out, std::move(name), std::string(entry.substr(equals + 1))));
  }
  return out;
}

// Lines `NAME=VALUE`; empty ones and those that begin with `#` are passed over.
Result<ProvidedValues> from_file(const ParameterProvider& provider) {
  TRY_ASSIGN(text, contents(provider.path, ProviderLimits::kFile));
  ProvidedValues out;
  std::size_t number = 0;
  for (const std::string_view whole : split(text, '\n')) {
    ++number;
    const std::string_view line = trimmed(whole);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return invalid(backquoted(provider.path) + ": line " + std::to_string(number) +
                     " is not NAME=VALUE");
    }
    std::string name(trimmed(line.substr(0, equals)));
    if (!is_included(provider, name)) continue;
    TRY(put(out, std::move(name), std::string(trimmed(line.substr(equals + 1)))));
  }
  return out;
}

// Each file is a parameter; its last line break is no part of the value. Hidden files are passed
// over (Kubernetes keeps its own beside the secrets).
Result<ProvidedValues> from_directory(const ParameterProvider& provider, const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), &::closedir);
  if (!directory) return not_readable(path);
  ProvidedValues out;
  while (const dirent* entry = ::readdir(directory.get())) {
    std::string name(entry->d_name);
    if (name.front() == '.' || !is_included(provider, name)) continue;
    const std::string file = path + "/" + name;
    struct stat facts {};
    if (::stat(file.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) continue;
    TRY_ASSIGN(value, contents(file, ProviderLimits::kValue + 2));
    if (value.ends_with('\n')) value.pop_back();
    if (value.ends_with('\r')) value.pop_back();
    TRY(put(out, std::move(name), std::move(value)));
  }
  return out;
}

}  // namespace

Result<ProvidedValues> provide_parameters(const ParameterProvider& provider) {
  switch (provider.kind) {
    case ParameterProvider::Kind::kEnvironment:
      return from_environment(provider);
    case ParameterProvider::Kind::kFile:
      return from_file(provider);
    case ParameterProvider::Kind::kDirectory:
      return from_directory(provider, provider.path);
    case ParameterProvider::Kind::kCredentials:
      break;
  }
  const char* path = std::getenv("CREDENTIALS_DIRECTORY");
  if (path == nullptr || *path == '\0') {
    return not_found("there are no credentials: `$CREDENTIALS_DIRECTORY` is not set");
  }
  return from_directory(provider, path);
}

std::string text_of(const ParameterProvider& provider) {
  std::string out(name_of(provider.kind));
  if (provider.kind == ParameterProvider::Kind::kEnvironment) return out + ":" + provider.include;
  return provider.path.empty() ? out : out + ":" + provider.path;
}

Result<ProviderAllowance> ProviderAllowance::parse(std::string_view list) {
  ProviderAllowance out;
  for (const std::string_view part : split(list, ',')) {
    const std::string_view one = trimmed(part);
    if (one.empty()) continue;
    const std::string_view kind = one.substr(0, one.find(':'));
    const bool needs_more = kind != "credentials";
    const bool is_known =
        kind == "environment" || kind == "file" || kind == "directory" || kind == "credentials";
    if (!is_known || (needs_more && one.size() <= kind.size() + 1)) {
      return invalid(backquoted(one) +
                     " is none of `environment:PATTERN`, `file:PATH`, `directory:PATH` and "
                     "`credentials`");
    }
    out.patterns_.emplace_back(one);
  }
  return out;
}

bool ProviderAllowance::has(const std::string& wanted) const {
  return std::any_of(patterns_.begin(), patterns_.end(), [&wanted](const std::string& one) {
    return ::fnmatch(one.c_str(), wanted.c_str(), 0) == 0;
  });
}

// `include` is a pattern itself, which may be written as one of the list and take more than that:
// `*[_ID_]*` where `*_ID_*` is allowed. So each name must be in the list, too.
bool ProviderAllowance::has_all(const ParameterProvider& provider,
                                const ProvidedValues& values) const {
  if (provider.kind != ParameterProvider::Kind::kEnvironment) return true;
  return std::all_of(values.begin(), values.end(), [&](const auto& value) {
    return has(text_of({.kind = provider.kind, .include = value.first}));
  });
}

Result<ProvidedValues> ProviderAllowance::provide(const ParameterProvider& provider) const {
  const std::string wanted = text_of(provider);
  const Error refused = invalid("this agent's settings do not allow " + backquoted(wanted) +
                                " to flows of a hub (`hub_parameter_providers`)");
  if (provider.path.find("..") != std::string::npos || !has(wanted)) return refused;
  TRY_ASSIGN(values, provide_parameters(provider));
  if (!has_all(provider, values)) return refused;
  return values;
}

}  // namespace runnel
