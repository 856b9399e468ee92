// Parameter providers: parameters whose values come from outside of the flow: the environment, a
// file, a directory of files, systemd's credentials.

#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"
#include "agent/flow/model.h"

namespace runnel {

using ProvidedValues = std::map<std::string, std::string, std::less<>>;
using ProvideParameters = std::function<Result<ProvidedValues>(const ParameterProvider&)>;

struct ProviderLimits {
  static constexpr std::size_t kCount = 1000;       // parameters of one provider
  static constexpr std::size_t kValue = 64 * 1024;  // bytes of one value
  static constexpr std::size_t kFile = 1024 * 1024;
};

// What the provider gives on this machine, now. kNotFound: there is no such file, directory or
// (without `$CREDENTIALS_DIRECTORY`) no credentials; kInvalid: it cannot be read, or is too large.
Result<ProvidedValues> provide_parameters(const ParameterProvider& provider);

// As people write it where providers are allowed: `environment:VEHICLE_*`, `file:/etc/site.env`,
// `directory:/run/secrets`, `credentials`.
std::string text_of(const ParameterProvider& provider);

// Which providers a flow may use that somebody else has written: a list of the above, separated by
// commas, in which `*` stands for any text. Empty: none.
class ProviderAllowance {
 public:
  static Result<ProviderAllowance> parse(std::string_view list);

  // provide_parameters where the list has the provider; kInvalid otherwise.
  Result<ProvidedValues> provide(const ParameterProvider& provider) const;

 private:
  bool has(const std::string& wanted) const;
  bool has_all(const ParameterProvider& provider, const ProvidedValues& values) const;

  std::vector<std::string> patterns_;
};

}  // namespace runnel
