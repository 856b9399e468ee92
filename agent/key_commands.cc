// key: the keys by which a state directory is encrypted; and how the other commands come by them.

#include <cstdio>
#include <nlohmann/json.hpp>

#include "agent/admin/status_json.h"
#include "agent/commands.h"
#include "agent/output.h"
#include "agent/runtime/key_source.h"
#include "agent/runtime/keyring.h"
#include "agent/runtime/ledger_reader.h"

namespace runnel {
namespace {

int refused(const Error& error) {
  std::fprintf(stderr, "runnel-agent key: %s\n", error.text().c_str());
  return error.code() == Code::kInvalid ? kExitConfiguration : kExitFailed;
}

int answer(const KeyStatus& status, bool as_json) {
  if (as_json) {
    return print(StatusJson{{"master_key", status.master},
                            {"source", status.source},
                            {"data_keys", status.data_keys},
                            {"is_rotation_unfinished", status.is_rotation_unfinished}}
                     .dump() +
                 "\n");
  }
  std::string text = "master key: " + status.master + " (" + status.source + ")\n";
  for (const std::string& key : status.data_keys) text += "data key: " + key + "\n";
  text +=
      "what is written from the next start on is encrypted under " + status.data_keys.back() + "\n";
  if (status.is_rotation_unfinished)
    text += "two master keys open it, until the agent starts with the new one\n";
  return print(text);
}

}  // namespace

Result<Vault> vault_of(const std::string& state_dir, const std::string& source) {
  const KeyringOptions options{.state_dir = state_dir, .source = source, .only_opens = true};
  // A damaged database does not say; what can be read of it says for itself.
  const Result<bool> found = LedgerReader::holds_sealed(state_dir);
  const bool holds_sealed = found.ok() && *found;
  Vault vault;
  if (!has_keyring(options) && !holds_sealed && source.empty()) return vault;
  TRY_ASSIGN(sealer, open_keyring(options));
  vault.sealer = std::move(sealer);
  vault.seals = holds_sealed;
  return vault;
}

int key_command(const KeyRequest& request) {
  if (request.what == "make") {
    const Result<> made = make_key_file(request.file);
    return made.ok() ? kExitGood : refused(made.error());
  }
  const KeyringOptions options{.state_dir = request.state_dir, .source = request.source};
  const Result<KeyStatus> status =
      request.what == "status" ? keyring_status(options) : rotate_keys(options, request.new_source);
  return status.ok() ? answer(*status, request.as_json) : refused(status.error());
}

}  // namespace runnel
