"""The programs that the demo and the tests use beside Runnel's own: they refuse what they do not know instead of starting."""

import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Stand  # noqa: E402


class Tools(unittest.TestCase):
    def setUp(self):
        self.stand = Stand()
        self.addCleanup(self.stand.__exit__, None, None, None)

    def call(self, program, *words):
        return subprocess.run([self.stand.program(program), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)

    def test_the_embedded_kafka_starts_for_no_arguments_that_it_does_not_know(self):
        for words in (["--port", "9092"], ["topic"], ["topic", "many"], ["topic", "0"], ["topic", "4x"], ["topic", "4", "more"], ["", "4"], ["me"]):
            with self.subTest(words):
                done = self.call("runnel-mock-kafka", *words)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertIn("usage: runnel-mock-kafka [TOPIC PARTITIONS]", done.stderr)

    def test_help_is_an_answer(self):
        for program in ("runnel-mock-kafka", "runnel-telemetry"):
            done = self.call(program, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(f"usage: {program}", done.stdout)

    def test_the_generator_of_telemetry_names_what_is_wrong(self):
        for words, said in ((["--speed", "5"], "unknown option --speed"), (["--rate"], "--rate wants a value"), (["--rate", "fast"], "--rate: `fast` is no number"),
                            (["--broker", "tcp://127.0.0.1:1"], "--vehicles")):
            with self.subTest(words):
                done = self.call("runnel-telemetry", *words)
                self.assertEqual(done.returncode, 2)
                self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
