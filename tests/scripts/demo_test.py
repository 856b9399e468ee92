"""`./dev demo` with a Kafka that is there already: nothing is lost, and nothing is left behind."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from kafka import Kafka  # noqa: E402
from stand import BIN  # noqa: E402


class Demo(unittest.TestCase):
    def demo(self, folder, *options):
        return subprocess.run([sys.executable, os.path.join(ROOT, "tests", "demo", "demo.py"), "--bin", BIN, *options], env=dict(os.environ, TMPDIR=folder),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)

    def test_everything_arrives_in_a_real_kafka(self):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as broker:
            kafka = Kafka(broker)
            try:
                done = self.demo(folder, "--seconds", "10", "--rate", "20", "--kafka", kafka.bootstrap)
            finally:
                kafka.stop()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("Nothing was lost.", done.stdout)
            self.assertEqual(os.listdir(folder), [])

    def test_wrong_options_are_refused_before_anything_starts(self):
        with tempfile.TemporaryDirectory() as folder:
            for words in (["--seconds", "5"], ["--agents", "51"], ["--rate", "0"], ["--kafka", "nowhere"], ["--nonsense"]):
                with self.subTest(words):
                    done = self.demo(folder, *words)
                    self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertEqual(os.listdir(folder), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
