"""kill -9 of an agent that tails a growing file into a real Kafka, while the file is rotated in both ways: by renaming, and by copying and truncating.

Every line must be in Kafka, in the order of its sequence (first occurrences). A copy that is truncated may lose what was written between the copying and
the truncating: that is the rotating program's fault, so the test stops writing there, as logrotate's users have to. RUNNEL_SEED reproduces the moments.
"""

import json
import os
import random
import shutil
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from kafka import Kafka  # noqa: E402
from stand import Stand, wait_until  # noqa: E402

FLOW = """
flow: tail
processors:
  log:
    type: TailFile
    properties: {{File to Tail: "{path}", Rolling Filename Pattern: "app.log.*", Initial Start Position: Beginning of File, Include Delimiter: false}}
  to-kafka:
    type: PublishKafka
    properties: {{Known Brokers: "{kafka}", Topic Name: lines, Kafka Key: one}}
    retry: {{failure: {{attempts: forever, backoff: 100ms..1s}}}}
    terminate: [success]
connections:
  - {{from: log, to: to-kafka}}
"""
KILLS = int(os.environ.get("RUNNEL_KILLS", "8"))
SEED = int(os.environ.get("RUNNEL_SEED", str(random.randrange(1 << 32))))


class Writer(threading.Thread):
    """Writes numbered lines, and rotates as it is asked to between two of them."""

    def __init__(self, path):
        super().__init__()
        self.path, self.written, self.rotations = path, 0, 0
        self.is_over, self.wanted = threading.Event(), None

    def run(self):
        out = open(self.path, "ab", buffering=0)
        while not self.is_over.is_set():
            for _ in range(50):
                self.written += 1
                out.write(json.dumps({"sequence": self.written, "filler": "x" * 60}).encode() + b"\n")
            if self.wanted:
                self.rotations += 1
                old = f"{self.path}.{self.rotations}"
                if self.wanted == "rename":
                    os.rename(self.path, old)
                    out.close()
                    out = open(self.path, "ab", buffering=0)
                else:
                    shutil.copy2(self.path, old)
                    out.truncate(0)
                self.wanted = None
            time.sleep(0.02)
        out.close()


class TailKill(unittest.TestCase):
    def kill_while_rotating(self, ways):
        chance = random.Random(SEED)
        print(f"seed {SEED}, {KILLS} kills, {ways}", flush=True)
        with Stand() as stand:
            kafka = Kafka(stand.path("kafka"), partitions=1)
            self.addCleanup(kafka.stop)
            os.makedirs(stand.path("logs"))
            flow = stand.path("tail.yaml")
            with open(flow, "w") as out:
                out.write(FLOW.format(path=stand.path("logs", "app.log"), kafka=kafka.bootstrap))
            writer = Writer(stand.path("logs", "app.log"))
            writer.start()
            self.addCleanup(writer.is_over.set)
            agent = stand.start_flow("agent", flow)
            agent.line("running ")
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.1, 0.8))
                if chance.random() < 0.7:
                    writer.wanted = chance.choice(ways)
                time.sleep(chance.uniform(0.0, 0.2))
                agent.kill()
                agent = stand.start_flow("agent", flow)
            writer.is_over.set()
            writer.join()

            def sequences():
                return [json.loads(line)["sequence"] for line in kafka.read_all("lines")]

            wait_until("all lines", lambda: len(set(sequences())) >= writer.written, 60, 1)
            got = sequences()
            firsts = list(dict.fromkeys(got))
            print(f"{writer.written} lines, {writer.rotations} rotations, {len(got) - len(firsts)} duplicates", flush=True)
            self.assertEqual(set(firsts), set(range(1, writer.written + 1)))
            self.assertTrue(firsts == sorted(firsts), f"out of order, seed {SEED}")

    def test_no_line_is_lost_when_the_file_is_renamed(self):
        self.kill_while_rotating(["rename"])

    def test_no_line_is_lost_when_the_file_is_copied_and_truncated(self):
        self.kill_while_rotating(["truncate"])


if __name__ == "__main__":
    unittest.main()
