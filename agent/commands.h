// The commands of runnel-agent: each takes what the command line said and returns the exit code.
//
// 0 good, 1 failed, 2 usage, 78 configuration (sysexits' EX_CONFIG). Results go to standard output,
// errors and the log to standard error.

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/base/completion.h"
#include "agent/runtime/vault.h"
#include "agent/settings.h"

namespace runnel {

inline constexpr int kExitGood = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitConfiguration = 78;

// The whole program.
int run_command_line(int argc, char** argv);

// ---- run.cc
// Returns when told to stop. `argv` is what a restart that the hub asks for begins with again.
int run_agent(const Settings& settings, char** argv);

// ---- doctor_commands.cc: offline, on a state directory that no agent uses
struct DoctorRequest {
  std::string what;  // check, repair, export, import
  std::string state_dir;
  std::string file;             // of export and import
  std::string key;              // where the master key is; empty: in the state directory
  std::string export_key = {};  // that of an import, where it is another
  bool is_plain = false;        // an export of encrypted FlowFiles
  bool is_again = false;        // an import of what was imported
  bool as_json = false;
};
int doctor_command(const DoctorRequest& request);

// ---- key_commands.cc
struct KeyRequest {
  std::string what;  // make, status, rotate
  std::string state_dir;
  std::string file;        // of make
  std::string source;      // of the master key; empty: the state directory's own
  std::string new_source;  // of rotate
  bool as_json = false;
};
int key_command(const KeyRequest& request);
// The keys of a state directory that no agent uses. Without any, none are made unless a source is
// named; what is written there is encrypted if FlowFiles there are.
Result<Vault> vault_of(const std::string& state_dir, const std::string& source);

// ---- flow_commands.cc
int check_command(const std::string& file, const ParameterValues& parameters, bool as_json);
int describe_command(const std::string& type, bool as_json);
// The flow format for editors.
int schema_command(bool is_of_tests);
// Writes the pages that are made from the program's own tables into the source tree at `root`.
int generate_command(const std::string& root);

// ---- inspect.cc: they ask the agent that runs on `state_dir`
struct Inspection {
  std::string state_dir;
  bool as_json = false;
};
struct ProvenanceRequest {
  std::string flowfile;  // uuid or number
  bool with_lineage = false;
  std::string component;
  std::string kind;
  std::string relationship;
  std::vector<std::string> attributes;  // NAME=VALUE
  bool is_dry_run = false;              // of a replay
  std::string from;                     // an age ("1 hour") or a time (2026-01-01T00:00:00Z)
  std::string to;
  std::int64_t limit = 100;
};
int status_command(const Inspection& where);
int bulletins_command(const Inspection& where);
int queue_list_command(const Inspection& where, const std::string& connection, std::int64_t limit);
int queue_peek_command(const Inspection& where, const std::string& connection,
                       const std::string& flowfile, std::int64_t content_max);
int queue_purge_command(const Inspection& where, const std::string& connection);
int parked_list_command(const Inspection& where);
int parked_attach_command(const Inspection& where, const std::string& parked,
                          const std::string& connection);
// Writes what is parked to a file that `doctor import` reads; it stays parked (doctor_commands.cc).
int parked_export_command(const Inspection& where, const std::string& parked,
                          const DoctorRequest& request);
// (state_commands.cc)
int state_list_command(const Inspection& where);
int state_show_command(const Inspection& where, const std::string& component, std::int64_t limit);
int state_clear_command(const Inspection& where, const std::string& component);
// `within` is a period ("200ms"). Says how long it took.
int flush_command(const Inspection& where, const std::string& within);
struct TapRequest {
  std::string connection;
  std::int64_t limit = 10;
  std::string sample;              // "1/100": one of so many
  double rate = 0;                 // at most so many a second; 0: all
  double seconds = 0;              // 0: until the limit
  std::vector<std::string> masks;  // names of attributes; JSON paths begin with `$`
};
int tap_command(const Inspection& where, const TapRequest& request);
int start_command(const Inspection& where, const std::string& processor, bool is_once);
int stop_command(const Inspection& where, const std::string& processor);

// ---- completion_values.cc
// What may stand for `value` (as the help names it) of `option`, after these words.
std::vector<Candidate> completed_values(const std::string& value, const std::string& option,
                                        const std::vector<std::string>& words);

// ---- top_command.cc
struct TopRequest {
  std::string state_dir;
  std::chrono::milliseconds interval{1000};
};
int top_command(const TopRequest& request);

// ---- provenance_commands.cc: they ask it, too
int provenance_command(const Inspection& where, const ProvenanceRequest& request);
int lineage_command(const Inspection& where, const std::string& flowfile);
int replay_command(const Inspection& where, const ProvenanceRequest& request);

}  // namespace runnel
