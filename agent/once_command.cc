// once: a flow as a filter, for pipes, cron jobs and functions.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "agent/base/bytes.h"
#include "agent/base/log.h"
#include "agent/commands.h"
#include "agent/flow_development.h"
#include "agent/flow_file.h"
#include "agent/output.h"
#include "agent/runtime/keyring.h"
#include "agent/runtime/ledger_reader.h"
#include "agent/signals.h"
#include "agent/trial/once.h"
#include "processors/registry.h"

namespace runnel {
namespace {

// `\n`, `\t`, `\0`, `\r`, `\\` and `\xHH`, as shells write them.
Result<std::string> unescaped(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    constexpr std::string_view kLetters = "ntr0\\";
    constexpr std::string_view kMeant{"\n\t\r\0\\", 5};
    const char letter = i + 1 < text.size() ? text[i + 1] : ' ';
    if (const std::size_t which = kLetters.find(letter); which != std::string_view::npos) {
      out += kMeant[which];
      ++i;
      continue;
    }
    const auto byte = letter == 'x' ? from_hex(text.substr(i + 2, 2)) : invalid("");
    if (!byte.ok() || byte->size() != 1)
      return invalid("--separator: `" + text + "`: behind `\\` stands n, r, t, 0, \\ or xHH");
    out += *byte;
    i += 3;
  }
  return out;
}

// A descriptor that is closed would become that of the next file that is opened: the database's.
Result<> check_open(int fd, const char* what) {
  if (fcntl(fd, F_GETFD) >= 0) return {};
  return unavailable(std::string(what) + " is closed");
}

// The keys of a directory that an agent has used. What is encrypted there stays so, and what is
// written beside it is. kInvalid: they are gone, or the master key is another.
Result<Vault> vault_of(const OnceRequest& request) {
  if (request.state_dir.empty()) {
    if (request.key.empty()) return Vault{};
    return invalid("--key: without --state there is nothing that it opens");
  }
  const KeyringOptions keys{
      .state_dir = request.state_dir, .source = request.key, .only_opens = true};
  const bool has_keys = has_keyring(keys);
  if (!has_keys && !request.key.empty())
    return invalid("--key: `" + request.state_dir + "` has no keys");
  TRY_ASSIGN(is_sealed, LedgerReader::holds_sealed(request.state_dir));
  if (!has_keys && !is_sealed) return Vault{};
  // Without its ring it says that this is gone.
  TRY_ASSIGN(sealer, open_keyring(keys));
  return Vault{.sealer = std::move(sealer), .seals = is_sealed};
}

}  // namespace

int once_command(const OnceRequest& request) {
  if (const auto open = check_open(STDIN_FILENO, "standard input"); !open.ok())
    return failed(open.error());
  if (const auto open = check_open(STDOUT_FILENO, "standard output"); !open.ok())
    return failed(open.error());
  set_log_level(LogLevel::kOff);  // what was said of a failure is said at the end
  const FlowReading reading =
      read_given_flow(request.file, request.parameters, FlowSource::kFile, ProvidersAre::kHere);
  std::fputs(text_of(reading.complaints).c_str(), stderr);
  if (!reading.ok()) return kExitConfiguration;
  OnceOptions options;
  options.input = request.input;
  options.outputs = request.outputs;
  options.is_lines = request.is_lines;
  const auto separator = unescaped(request.separator.value_or(request.is_lines ? "\\n" : ""));
  if (!separator.ok()) return usage_error(separator.error().text());
  options.separator = *separator;
  options.attributes = request.attributes;
  const auto patience = parse_period(request.patience);
  if (!patience.ok()) return usage_error(patience.error().within("--patience").text());
  options.patience = *patience;
  options.state_dir = request.state_dir;
  auto vault = vault_of(request);
  if (!vault.ok()) {
    failed(vault.error());
    return vault.code() == Code::kInvalid ? kExitConfiguration : kExitFailed;
  }
  options.vault = std::move(*vault);
  options.services = service_types();
  const auto ends = ends_of(*reading.flow, processor_types(), options);
  if (!ends.ok()) return usage_error(ends.error().text());

  struct sigaction pipe_before {};
  sigaction(SIGPIPE, nullptr, &pipe_before);
  signal(SIGPIPE, SIG_IGN);
  const StopSignals signals;
  const auto outcome =
      run_once(*reading.flow, processor_types(), *ends, options, signals.is_stopped());
  if (signals.is_stopped()) StopSignals::pass_on(signals.signal());
  if (!outcome.ok()) {
    failed(outcome.error());
    return outcome.code() == Code::kInvalid ? kExitConfiguration : kExitFailed;
  }
  // Whoever reads no more (`| head`) is told nothing, as of other filters.
  if (outcome->error == EPIPE && pipe_before.sa_handler == SIG_DFL) StopSignals::pass_on(SIGPIPE);
  for (const std::string& trouble : outcome->troubles)
    std::fprintf(stderr, "runnel-agent: %s\n", trouble.c_str());
  return outcome->troubles.empty() ? kExitGood : kExitFailed;
}

}  // namespace runnel
