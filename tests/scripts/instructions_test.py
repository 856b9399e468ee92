"""The hottest paths take as many instructions as recorded in tests/bench/instructions.json, within 5 %: a path that has become slower shows
on a busy machine, too, and one that has become faster is recorded (`./dev bench --record`)."""

import os
import shutil
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "bench"))
import instructions  # noqa: E402

FOLDER = os.environ.get("RUNNEL_BIN") or os.path.join(ROOT, "build", "release", "bin")
TOLERANCE = 0.05


class Instructions(unittest.TestCase):
    def setUp(self):
        if shutil.which("valgrind") is None:
            self.skipTest("there is no valgrind (packaging/apt-packages.txt)")
        ours, recorded = instructions.compiler(), instructions.recorded()["compiler"]
        if ours != recorded:
            self.skipTest(f"recorded with `{recorded}`, built with `{ours}`: record anew with ./dev bench --record")

    def test_each_path_takes_what_was_recorded(self):
        for name, before in instructions.recorded()["instructions"].items():
            with self.subTest(name):
                now = instructions.count(FOLDER, name)
                self.assertLessEqual(abs(now - before), before * TOLERANCE,
                                     f"{name}: {now} instructions instead of {before}; if that is meant: ./dev bench --record")


if __name__ == "__main__":
    unittest.main()
