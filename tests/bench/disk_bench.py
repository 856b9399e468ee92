"""Bytes that reach the disk for each byte accepted: with a healthy Kafka, and through a whole outage, filling and draining, for several windows of the broker.
The raw limit is one byte for one byte.

A message that its receiver acknowledges within the ledger's linger (5 ms) is not written. PublishKafka gathers messages for 1 ms (`Queue Buffering Max Time`); `steady`
tells both: with that, and with MiNiFi's 5 ms."""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Stand, wait_until  # noqa: E402

FLOW = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo", "vehicle-telemetry-1.yaml")
MESSAGES = 50_000
SIZE = 256


def message(number):
    """JSON telemetry of SIZE bytes."""
    text = json.dumps({"vehicle": "disk", "sequence": number, "time": 1767225600000 + number * 100, "position": {"lat": 47.3 + number % 1000 / 1e4, "lon": 8.5 - number % 777 / 1e4},
                       "speed": number % 130, "tyres": [2.3, 2.4, 2.3, 2.35], "battery": 98 - number % 50})
    return text + " " * (SIZE - len(text))


def publish(port, first, count, rate=None):
    with subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-t", "vehicle/disk/telemetry", "-q", "1", "-l"], stdin=subprocess.PIPE) as process:
        # With a rate: evenly, as vehicles send, not in bursts.
        group = max(1, rate // 200) if rate else 500
        due = time.monotonic()
        for begin in range(first, first + count, group):
            process.stdin.write(("\n".join(message(n) for n in range(begin, min(begin + group, first + count))) + "\n").encode())
            if rate:
                process.stdin.flush()
                due += group / rate
                time.sleep(max(0, due - time.monotonic()))


def written(process):
    with open(f"/proc/{process.pid}/io") as file:
        return int(next(line for line in file if line.startswith("write_bytes")).split()[1])


def flow_file(stand, name, broker, kafka, buffering):
    """A copy of FLOW for these servers."""
    path = stand.path(name + ".yaml")
    with open(FLOW) as source, open(path, "w") as out:
        text = source.read().replace("BROKER", broker.uri).replace("KAFKA", kafka.bootstrap).replace("TOPIC", "telemetry")
        out.write(text.replace("Kafka Key:", f'Queue Buffering Max Time: "{buffering}", Kafka Key:'))
    return path


class Bench:
    """One agent between one mosquitto of this window and one Kafka."""

    def __init__(self, stand, window, buffering="1 ms"):
        self.stand = stand
        name = f"{window}-{buffering.split()[0]}"
        self.broker = stand.start_mosquitto("mosquitto-" + name, settings=[f"max_inflight_messages {window}"])
        self.kafka = stand.start_mock_kafka()
        self.agent = stand.start_flow("agent-" + name, flow_file(stand, "flow-" + name, self.broker, self.kafka, buffering), "--param", "agent.id=disk")
        self.agent.line("running ")
        wait_until("the subscription", lambda: self.broker.has_said("vehicle/disk"))
        self.port = self.broker.uri.rsplit(":", 1)[1]
        self.sent = 0

    def end(self):
        for program in (self.agent, self.broker, self.kafka):
            program.end()

    def count(self, what):
        return self.stand.agent_json(self.agent, "status")["loss"][what]

    def publish(self, count, rate=None):
        publish(self.port, self.sent, count, rate)
        self.sent += count

    def steady(self, count):
        """At 5,000 messages a second, everything delivered at once."""
        before = written(self.agent.process)
        self.publish(count, rate=5000)
        wait_until("delivery", lambda: self.count("out") >= self.sent, 120)
        time.sleep(1)
        return (written(self.agent.process) - before) / (count * SIZE)

    def own_count(self):
        """What the agent says to have written, as `status` shows it."""
        return self.stand.agent_json(self.agent, "status")["ledger"]["written_bytes"]

    def outage(self, count):
        """Filled while Kafka is away, then drained."""
        self.kafka.tell("down")
        time.sleep(0.5)
        before = written(self.agent.process)
        self.publish(count)
        wait_until("filling", lambda: self.count("in") >= self.sent, 180)
        filled = (written(self.agent.process) - before) / (count * SIZE)
        self.kafka.tell("up")
        wait_until("draining", lambda: self.count("out") >= self.sent, 180)
        time.sleep(1)
        return filled, (written(self.agent.process) - before) / (count * SIZE)


def main():
    result = {}
    with Stand() as stand:
        for window, count in ((2000, MESSAGES), (200, MESSAGES // 2), (20, MESSAGES // 5)):
            bench = Bench(stand, window)
            if window == 2000:
                result["steady"] = round(bench.steady(MESSAGES // 2), 3)
            filled, outage = bench.outage(count)
            result[f"own counter by the kernel's, window {window}"] = round(bench.own_count() / written(bench.agent.process), 3)
            result[f"outage, window {window}"] = round(outage, 3)
            result[f"filling, window {window}"] = round(filled, 3)
            bench.end()
        bench = Bench(stand, 2000, buffering="5 ms")
        result["steady, Kafka buffering 5 ms"] = round(bench.steady(MESSAGES // 2), 3)
        bench.end()
    value = result["outage, window 2000"]
    print(json.dumps({"value": value, "unit": "bytes written per byte accepted, outage", "raw": 1, "ratio": value, **result, "messages": MESSAGES, "size": SIZE}))


if __name__ == "__main__":
    main()
