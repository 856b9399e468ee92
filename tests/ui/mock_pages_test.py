"""The pages in Chromium against a made-up fleet: every page and state, and a table of a hundred thousand agents."""

import sys

import node_suite

if __name__ == "__main__":
    sys.exit(node_suite.run(["pages.test.mjs", "states.test.mjs", "fleet.test.mjs"], {"RUNNEL_UI_SITE": node_suite.build_site()}))
