// runnel-agent: runs a flow, and asks a running agent.

#include "agent/commands.h"

int main(int argc, char** argv) { return runnel::run_command_line(argc, argv); }
