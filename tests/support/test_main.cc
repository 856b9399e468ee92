// The main function of every doctest program.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "tests/support/source_dir.h"

// Said in this file alone, so that the other objects do not depend on where the tree lies.
std::string runnel::test::source_dir() { return RUNNEL_SOURCE_DIR; }
