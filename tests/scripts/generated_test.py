"""No generated file is stale."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import generated  # noqa: E402


class Generated(unittest.TestCase):
    def test_generated_files_are_fresh(self):
        self.assertEqual(generated.stale(), [], "run ./dev generate and commit what it writes")


if __name__ == "__main__":
    unittest.main()
