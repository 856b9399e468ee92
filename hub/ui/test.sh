#!/usr/bin/env bash
# test.sh: checks the types and runs the unit tests of the web UI. The pages in a real browser are tested by tests/ui.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/node.sh"
cd "$ui"
"$node" node_modules/typescript/bin/tsc --noEmit -p .
exec "$node" node_modules/vitest/vitest.mjs run "$@"
