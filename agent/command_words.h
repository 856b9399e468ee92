// The command line's own parts: what CLI11 reads into, and who adds which commands. Only command
// lines include it.

#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/commands.h"
#include "agent/flow_development.h"

namespace runnel {

// What the options of all commands are read into; lives while the program runs.
struct Words {
  SettingValues run;
  std::string config;
  std::vector<std::string> parameters;
  std::string file;
  std::string type;
  std::string target;
  std::string target_too;
  std::string within = "1 sec";
  DoctorRequest doctor;
  KeyRequest key;
  std::string root = ".";
  std::int64_t limit = 100;
  TapRequest tap;
  GraphRequest graph;
  TopRequest top;
  std::string interval = "1 sec";
  std::string shell;
  bool is_of_tests = false;
  bool is_once = false;
  std::int64_t content_max = 4096;
  Inspection where;
  ProvenanceRequest provenance;
  TestRequest test;
  OnceRequest once;
  std::vector<std::string> attributes;
  std::function<int()> command;
};

// `NAME=VALUE`, as often as the option is given.
Result<ParameterValues> parameters_of(const std::vector<std::string>& given,
                                      const std::string& option = "--param");

// A name that a script left empty must not stand for "all".
const CLI::Validator& named();

// NAME=VALUE of a parameter of the flow.
void add_parameters(CLI::App& command, Words& words);
// A command that asks a running agent.
CLI::App* add_inspection(CLI::App& app, Words& words, const std::string& name,
                         const std::string& doc, std::function<int()> command);
void add_key_option(CLI::App& to, DoctorRequest& request);
void add_plain_flag(CLI::App& to, DoctorRequest& request);

// ---- offline_words.cc: commands that need no running agent: on flows, and on state directories
void add_flow_commands(CLI::App& app, Words& words);
void add_state_commands(CLI::App& app, Words& words);
// ---- inspect_words.cc: commands that ask a running agent
void add_inspections(CLI::App& app, Words& words);

}  // namespace runnel
