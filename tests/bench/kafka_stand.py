"""What the benches of Kafka have in common: a real broker, a file of lines, a bare producer of the same lines, and when the broker had the last one."""

import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from kafka import Kafka  # noqa: E402
from stand import Failed, Stand, wait_until  # noqa: E402

PARTITIONS = 4
LINE = 256
ROUNDS = 3


class KafkaStand(Stand):
    """Kafka stamps messages when it appends them, so that nobody has to watch it while it is measured."""

    def __init__(self):
        super().__init__()
        self.kafka = Kafka(self.path("kafka"), settings={"log.message.timestamp.type": "LogAppendTime"}, partitions=PARTITIONS)
        self.bare = self.program("runnel-bare-producer")

    def __exit__(self, *error):
        self.kafka.kill()
        super().__exit__(*error)

    def write_lines(self, name, count):
        """`count` lines of JSON, LINE bytes each."""
        path = self.path(name)
        with open(path, "w", encoding="ascii") as out:
            for number in range(count):
                line = f'{{"vehicle":"truck-{number % 97}","sequence":{number},"speed":{number * 7919 % 1300 / 10},"lat":{47 + number % 9973 / 9973:.6f},"note":"'
                out.write(line.ljust(LINE - 3, "x") + '"}\n')
        return path

    def make_topic(self, name):
        """With all its partitions ready to be written to."""
        def ready():
            told = subprocess.run(["kcat", "-L", "-J", "-b", self.kafka.bootstrap, "-t", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  stdin=subprocess.DEVNULL)
            topics = json.loads(told.stdout or b'{"topics": []}')["topics"]
            return topics and len([one for one in topics[0]["partitions"] if one["leader"] == 1]) == PARTITIONS
        wait_until(f"topic {name}", ready)
        return name

    def appended(self, topic):
        """How many messages the broker has: whoever sends idempotently leaves no gaps."""
        words = [word for number in range(PARTITIONS) for word in ("-t", f"{topic}:{number}:-1")]
        told = subprocess.run(["kcat", "-Q", "-b", self.kafka.bootstrap, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              stdin=subprocess.DEVNULL, check=True)
        return sum(int(line.rsplit(b" ", 1)[1]) for line in told.stdout.splitlines())

    def last_append(self, topic):
        """Seconds of the wall clock."""
        last = 0
        for number in range(PARTITIONS):
            told = subprocess.run(["kcat", "-C", "-q", "-e", "-o", "-1", "-p", str(number), "-b", self.kafka.bootstrap, "-t", topic, "-f", "%T\n"],
                                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
            last = max([last, *map(int, told.stdout.split())])
        return last / 1000

    def run_bare(self, topic, path, count):
        """Messages a second and CPU microseconds a message of the bare producer."""
        before = os.times()
        began = time.time()
        subprocess.run([self.bare, self.kafka.bootstrap, topic, path], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return count / (self.last_append(topic) - began), cpu / count * 1e6

    def watch(self, agent, topic, count, began):
        """The same of an agent that has been started at `began`, when the broker has all."""
        wait_until("all messages", lambda: self.appended(topic) >= count or not agent.is_running(), seconds=300, every=0.3)
        got = self.appended(topic)
        if got != count:
            raise Failed(f"the broker has {got} messages instead of {count}; see {agent.log}\n{agent.tail()}")
        with open(f"/proc/{agent.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        with open(f"/proc/{agent.process.pid}/status", encoding="ascii") as file:
            peak = int(next(line for line in file if line.startswith("VmHWM")).split()[1])
        return count / (self.last_append(topic) - began), cpu / count * 1e6, peak / 1024


def measure(count, run):
    """`run(stand, path, number)` gives an agent's figures; prints the JSON line, medians of the rounds."""
    raws, values = [], []
    with KafkaStand() as stand:
        path = stand.write_lines("lines", count)
        stand.run_bare(stand.make_topic("warm"), stand.write_lines("few", 1000), 1000)
        for number in range(ROUNDS):
            raws.append(stand.run_bare(stand.make_topic(f"bare{number}"), path, count))
            values.append(run(stand, path, number))
    middle = lambda rows, column: statistics.median(row[column] for row in rows)
    ratios = [value[0] / raw[0] for value, raw in zip(values, raws)]
    print(json.dumps({"value": round(middle(values, 0)), "unit": f"messages/s of {LINE} B", "raw": round(middle(raws, 0)),
                      "ratio": round(statistics.median(ratios), 3), "ratios": [round(ratio, 2) for ratio in ratios],
                      "cpu us/message": round(middle(values, 1), 2), "raw cpu us/message": round(middle(raws, 1), 2),
                      "peak RSS MiB": round(middle(values, 2), 1)}))
