// Where the tree lies, for tests that read files of it.

#pragma once

#include <string>

namespace runnel::test {

// The root of the repository that this program was built from.
std::string source_dir();

}  // namespace runnel::test
