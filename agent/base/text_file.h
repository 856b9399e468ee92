// Reading small files that somebody else wrote: settings, secrets, flows, tests.

#pragma once

#include <cstddef>
#include <string>

#include "agent/base/result.h"

namespace runnel {

// The whole file, waiting for nobody: a folder, a device or a named pipe is refused, unless the
// shell has opened it for us (`/dev/stdin`, `/dev/fd/N`), and no more than `bytes_max` is read.
// The error's text does not name the path.
// Errors: kNotFound: no such file; kInvalid: no file, or larger; kUnavailable: all else.
Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max);

}  // namespace runnel
