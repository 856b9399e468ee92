"""Ten million queued FlowFiles: how fast an agent starts with them, what memory they take, and how fast they are drained to a real Kafka; beside a bare
librdkafka producer of the same messages.

    drain_bench.py [COUNT]

Each has 256 B of content and six attributes. `ratio` is the median of the rounds, each of which has a bare producer just before. The time of a drain is from
the agent's start to the broker's having appended the last message. `start_ms` is from the program's start to its `running`, with all of them queued, where
nothing is sent. `bytes in memory per FlowFile` is what anonymous memory grows by for each of IN_MEMORY FlowFiles, for which the agent's budget has room."""

import json
import os
import shutil
import statistics
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kafka_stand import LINE, KafkaStand, wait_until  # noqa: E402

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
IN_MEMORY = 100_000
ROUNDS = 2 if COUNT > 2_000_000 else 3
STARTS = 5
START_MS_LIMIT = 100
BYTES_LIMIT = 450
# TailFile sets the first three.
FLOW = """flow: drain
processors:
  tail:
    type: TailFile
    properties: {{File to Tail: {path}}}
  name:
    type: UpdateAttribute
    properties: {{mqtt.topic: vehicle/truck-1/telemetry, mqtt.qos: "1", origin: "${{tailfile.original.path}}"}}
  to-kafka:
    type: PublishKafka
    properties: {{Known Brokers: "{bootstrap}", Topic Name: {topic}}}{schedule}
    retry: {{failure: {{attempts: forever, backoff: 1s..1min}}}}
    terminate: [success]
connections:
  - {{from: tail, to: name}}
  - {{from: name, to: to-kafka, back_pressure: {{count: 1000000000, size: 10 TB}}}}
"""
# What a message of MQTT brings.
HELD_FLOW = """flow: held
processors:
  make:
    type: GenerateFlowFile
    properties:
      {{Custom Text: {text}, Unique FlowFiles: "false", Data Format: Text, Batch Size: "{batch}", mqtt.broker: "tcp://127.0.0.1:1883", mqtt.qos: "1",
       mqtt.topic: vehicle/truck-1/telemetry, mime.type: application/json, sequence: "${{nextInt()}}", speed: "61.5"}}
    schedule: {{every: {every}}}
  never:
    type: UpdateAttribute
    schedule: {{cron: "0 0 0 1 1 ? 2099"}}
    terminate: [success]
connections:
  - {{from: make, to: never, back_pressure: {{count: {count}, size: 10 TB}}}}
"""
NEVER = '\n    schedule: {cron: "0 0 0 1 1 ? 2099"}'


def memory(process, name):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith(name)).split()[1]) << 10


class Drain:
    def __init__(self, stand):
        self.stand = stand
        self.path = stand.write_lines("lines", COUNT)
        self.config = stand.path("agent.yaml")
        with open(self.config, "w", encoding="utf-8") as out:
            out.write(f"disk_quota: {COUNT * LINE * 4 + (1 << 30)} B\n")

    def start(self, name, text):
        """The agent with this flow, when it is running, and how many seconds that took."""
        flow = self.stand.path("drain.yaml")
        with open(flow, "w", encoding="utf-8") as out:
            out.write(text)
        began = time.monotonic()
        agent = self.stand.start_flow(name, flow, "--config", self.config)
        agent.line("running ", seconds=60)
        return agent, time.monotonic() - began

    def flow(self, topic="none", schedule=NEVER):
        return FLOW.format(path=self.path, bootstrap=self.stand.kafka.bootstrap, topic=topic, schedule=schedule)

    def wait_queued(self, agent, count):
        wait_until("the backlog", lambda: self.stand.agent_json(agent, "status")["loss"]["queued"] == count, seconds=900, every=0.5)

    def bytes_per_flowfile(self):
        """Of anonymous memory; and what the ledger itself counts."""
        before = 0
        for name, batch in (("empty", 0), ("held", 1000)):
            agent, _ = self.start(name, HELD_FLOW.format(text="x" * LINE, batch=batch or 1, every="1 ms" if batch else "1 day", count=IN_MEMORY))
            self.wait_queued(agent, IN_MEMORY if batch else 1)
            time.sleep(25)  # what the filling alone needed is given back (agent/idle_memory.h)
            counted = self.stand.agent_json(agent, "status")["ledger"]["memory_bytes"]
            grown = memory(agent.process, "RssAnon") - before
            before += grown
            agent.end(seconds=60)
        return grown / IN_MEMORY, counted / IN_MEMORY

    def fill(self):
        """Into state-full."""
        began = time.monotonic()
        agent, _ = self.start("full", self.flow())
        self.wait_queued(agent, COUNT)
        seconds = time.monotonic() - began
        peak = memory(agent.process, "VmHWM")
        agent.end(seconds=120)
        size = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(self.stand.path("state-full")) for name in names)
        return {"per_s": round(COUNT / seconds), "peak_rss_mib": round(peak / (1 << 20), 1), "bytes_on_disk": round(size / COUNT, 1)}

    def starts(self):
        """Milliseconds to `running` with all queued, and what memory that takes."""
        took = []
        for _ in range(STARTS):
            agent, seconds = self.start("full", self.flow())
            took.append(seconds * 1000)
            resident = memory(agent.process, "VmHWM") / (1 << 20)
            queued = self.stand.agent_json(agent, "status")["loss"]["queued"]
            agent.end(seconds=60)
            if queued != COUNT:
                raise SystemExit(f"{queued} are queued instead of {COUNT}")
        return statistics.median(took), resident

    def drain(self, number):
        topic = self.stand.make_topic(f"drain{number}")
        name = f"round{number}"
        if number + 1 < ROUNDS:
            shutil.copytree(self.stand.path("state-full"), self.stand.path("state-" + name))
        else:
            os.rename(self.stand.path("state-full"), self.stand.path("state-" + name))
        os.sync()
        began = time.time()
        agent, _ = self.start(name, self.flow(topic, ""))
        figures = self.stand.watch(agent, topic, COUNT, began)
        agent.end(seconds=60)
        shutil.rmtree(self.stand.path("state-" + name))
        return figures


def main():
    raws, values = [], []
    with KafkaStand() as stand:
        drain = Drain(stand)
        stand.run_bare(stand.make_topic("warm"), stand.write_lines("warm-lines", 1000), 1000)
        in_memory, counted = drain.bytes_per_flowfile()
        filled = drain.fill()
        start_ms, start_rss = drain.starts()
        for number in range(ROUNDS):
            raws.append(stand.run_bare(stand.make_topic(f"bare{number}"), drain.path, COUNT))
            values.append(drain.drain(number))
    middle = lambda rows, column: statistics.median(row[column] for row in rows)
    ratios = [value[0] / raw[0] for value, raw in zip(values, raws)]
    peak = max(value[2] for value in values)
    print(json.dumps({"value": round(middle(values, 0)), "unit": f"messages/s of {LINE} B drained", "raw": round(middle(raws, 0)),
                      "ratio": round(statistics.median(ratios), 3), "ratios": [round(ratio, 2) for ratio in ratios], "queued": COUNT,
                      "cpu us/message": round(middle(values, 1), 2), "raw cpu us/message": round(middle(raws, 1), 2), "drain peak RSS MiB": round(peak, 1),
                      "start ms": round(start_ms, 1), "start limit ms": START_MS_LIMIT, "start RSS MiB": round(start_rss, 1), "filling": filled,
                      "bytes in memory per FlowFile": round(in_memory), "counted bytes per FlowFile": round(counted), "limit bytes": BYTES_LIMIT}))


if __name__ == "__main__":
    main()
