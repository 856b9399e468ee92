// Where the master key of a state directory comes from.
//
//   file:PATH         32 bytes, or 64 hexadecimal digits; nobody but its owner may read or write it
//   credential:NAME   the same in $CREDENTIALS_DIRECTORY/NAME, where systemd puts it
//   (LoadCredential=,
//                     LoadCredentialEncrypted=)
//   sealed:PATH       what `systemd-creds encrypt` has made of it, bound to a TPM or the machine;
//                     opened by `systemd-creds decrypt`
//   tpm2:OBJECT       sealed in a TPM: a context file or a persistent handle, opened by
//   `tpm2_unseal`
//
// A bare path is `file:`.

#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace runnel {

// kInvalid: it cannot be had, with the source and why; text that names no source, too.
Result<std::string> read_master_key(std::string_view source);
// Whether the text names a source; the key is not looked for.
Result<> check_key_source(std::string_view source);
// A new file with a random key in hexadecimal that only its owner may read, on disk when it
// returns. kInvalid: the file is there already.
Result<> make_key_file(const std::string& path);
// 32 bytes, or 64 hexadecimal digits and white space.
Result<std::string> parse_key(std::string_view text);

}  // namespace runnel
