"""Twenty minutes under load, with an outage in each: memory, files and threads of the agent stay where they are.

mosquitto at QoS 1 into a real Kafka, which is stopped for ten seconds of each minute; a file that is tailed and rotated; provenance is on, and
every few seconds somebody looks (`status`, `provenance`). The agent's RSS is noted when the queues are empty, once a minute; the slope of the
second half says whether it grows. RUNNEL_SOAK_SECONDS: how long (default 1200).
"""

import json
import os
import statistics
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from kafka import Kafka  # noqa: E402
from stand import Program, Stand, wait_until  # noqa: E402

SECONDS = int(os.environ.get("RUNNEL_SOAK_SECONDS", "1200"))
RATE = 500  # messages a second of each vehicle
VEHICLES = "truck-1,truck-2"
MIB_AN_HOUR = 3.0  # of RSS; a day of it would be seen, a page more or less is not

FLOW = """
flow: soak
processors:
  bus:
    type: ConsumeMQTT
    properties: {{Broker URI: "{broker}", Topic: "vehicle/#", Quality of Service: 1, Clean Session: false, Client ID: soak}}
  fields:
    type: EvaluateJsonPath
    properties: {{vehicle: "$.vehicle", sequence: "$.sequence"}}
    terminate: [unmatched, failure]
  route:
    type: RouteOnAttribute
    properties: {{tenth: "${{sequence:mod(10):equals(0)}}"}}
  to-kafka:
    type: PublishKafka
    properties: {{Known Brokers: "{kafka}", Topic Name: soak, Kafka Key: "${{vehicle}}"}}
    retry: {{failure: {{attempts: forever, backoff: 100ms..1s}}}}
    terminate: [success]
  tail:
    type: TailFile
    properties: {{File to Tail: "{lines}"}}
    schedule: {{every: 200 ms}}
  gather:
    type: MergeContent
    properties: {{Minimum Number of Entries: 50, Max Bin Age: 2 sec}}
    terminate: [original, failure]
  rest:
    type: LogAttribute
    properties: {{Log Level: debug}}
    terminate: [success]
connections:
  - {{from: bus, to: fields}}
  - {{from: fields.matched, to: route}}
  - {{from: route, relationships: [tenth, unmatched], to: to-kafka, back_pressure: {{count: 200000, size: 512 MB}}}}
  - {{from: tail, to: gather}}
  - {{from: gather.merged, to: rest}}
"""


def slope(rows):
    """Least squares of (x, y)."""
    middle_x, middle_y = statistics.mean(x for x, _ in rows), statistics.mean(y for _, y in rows)
    return sum((x - middle_x) * (y - middle_y) for x, y in rows) / sum((x - middle_x) ** 2 for x, _ in rows)


class Footprint:
    """What a process holds at this moment."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            self.rss = int(next(line for line in file if line.startswith("Rss:")).split()[1]) / 1024
        self.files = len(os.listdir(f"/proc/{pid}/fd"))
        self.threads = len(os.listdir(f"/proc/{pid}/task"))


class Soak(unittest.TestCase):
    def test_under_load_and_outages_the_agent_stays_as_small_as_it_is(self):
        with Stand() as stand:
            kafka = Kafka(stand.path("kafka"), partitions=1)
            self.addCleanup(kafka.stop)
            broker = stand.start_mosquitto()
            lines = stand.path("lines")
            flow = stand.path("soak.yaml")
            with open(flow, "w", encoding="utf-8") as out:
                out.write(FLOW.format(broker=broker.uri, kafka=kafka.bootstrap, lines=lines))
            open(lines, "w", encoding="utf-8").close()
            agent = stand.start_flow("agent", flow)
            agent.line("running ")
            wait_until("the subscription", lambda: broker.has_said("vehicle/#"))
            load = Program(stand, "telemetry", [stand.program("runnel-telemetry"), "--broker", broker.uri, "--vehicles", VEHICLES, "--rate", str(RATE)])
            load.line("publishing")
            rows = []
            began = time.monotonic()
            try:
                while time.monotonic() - began < SECONDS:
                    self.one_minute(stand, kafka, agent, lines, len(rows))
                    now = Footprint(agent.process.pid)
                    rows.append((time.monotonic() - began, now))
                    print(f"{rows[-1][0]:6.0f} s: {now.rss:.1f} MiB, {now.files} files, {now.threads} threads", flush=True)
            finally:
                kafka.resume()
            self.assertEqual(load.end(seconds=60), 0)
            told = json.loads(load.line('{"vehicles"'))
            published = {one["vehicle"]: one["published"] for one in told["vehicles"]}
            self.assertTrue(told["is_complete"])
            wait_until("draining", lambda: self.is_drained(stand, agent), 120, 1)
            got = {}
            for line in kafka.read_all("soak", "%k %s\n"):
                vehicle, text = line.decode().split(" ", 1)
                got.setdefault(vehicle, set()).add(json.loads(text)["sequence"])
            for vehicle, count in published.items():
                self.assertEqual(got[vehicle], set(range(1, count + 1)), vehicle)
            loss = stand.agent_json(agent, "status")["loss"]
            self.assertTrue(loss["is_balanced"], loss)
            late = [(at / 3600, now.rss) for at, now in rows[len(rows) // 2:]]
            growth = slope(late) if len(late) > 2 else 0.0
            print(f"{sum(published.values())} messages in {SECONDS} s, none lost; RSS {late[0][1]:.1f} to {late[-1][1]:.1f} MiB, {growth:+.2f} MiB an hour in the second half",
                  flush=True)
            self.assertLess(growth, MIB_AN_HOUR)
            self.assertLessEqual(rows[-1][1].threads, rows[0][1].threads)
            self.assertLessEqual(rows[-1][1].files, rows[0][1].files + 8)  # segments and sockets of the moment

    def one_minute(self, stand, kafka, agent, lines, number):
        for second in range(45):
            if second == 10:
                kafka.pause()
            if second == 20:
                kafka.resume()
            with open(lines, "a", encoding="utf-8") as out:
                out.writelines(f"line {number}.{second}.{i}\n" for i in range(100))
            if second == 30:
                os.replace(lines, f"{lines}.{number % 3}")
                open(lines, "w", encoding="utf-8").close()
            if second % 5 == 0:
                self.assertTrue(stand.agent_json(agent, "status")["loss"]["is_balanced"])
                stand.agent_json(agent, "provenance", "--limit", "100")
            time.sleep(1)
        wait_until("the backlog of the outage", lambda: self.waiting(stand, agent) < RATE, 60, 1)
        time.sleep(12)  # what a burst has left is given back to the system within 10 s

    @staticmethod
    def waiting(stand, agent):
        return stand.agent_json(agent, "status")["loss"]["queued"]

    def is_drained(self, stand, agent):
        return self.waiting(stand, agent) == 0


if __name__ == "__main__":
    unittest.main()
