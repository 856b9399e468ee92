"""Bytes that reach the disk for each byte accepted: with a healthy Kafka, and through a whole outage, filling and draining. The raw limit is one byte for one byte."""

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


def main():
    with Stand() as stand:
        broker = stand.start_mosquitto(settings=["max_inflight_messages 2000"])
        kafka = stand.start_mock_kafka()
        flow = stand.path("flow.yaml")
        with open(FLOW) as source, open(flow, "w") as out:
            out.write(source.read().replace("BROKER", broker.uri).replace("KAFKA", kafka.bootstrap).replace("TOPIC", "telemetry"))
        agent = stand.start_flow("agent", flow, "--param", "agent.id=disk")
        agent.line("running ")
        wait_until("the subscription", lambda: broker.has_said("vehicle/disk"))
        port = broker.uri.rsplit(":", 1)[1]
        status = lambda: stand.agent_json(agent, "status")["loss"]

        before = written(agent.process)
        publish(port, 0, MESSAGES, rate=5000)
        wait_until("delivery", lambda: status()["out"] >= MESSAGES, 120)
        time.sleep(1)
        steady = (written(agent.process) - before) / (MESSAGES * SIZE)

        kafka.tell("down")
        time.sleep(0.5)
        before = written(agent.process)
        publish(port, MESSAGES, MESSAGES)
        wait_until("filling", lambda: status()["in"] >= 2 * MESSAGES, 120)
        filled = (written(agent.process) - before) / (MESSAGES * SIZE)
        kafka.tell("up")
        wait_until("draining", lambda: status()["out"] >= 2 * MESSAGES, 180)
        time.sleep(1)
        outage = (written(agent.process) - before) / (MESSAGES * SIZE)
    print(json.dumps({"value": round(outage, 3), "unit": "bytes written per byte accepted, outage", "raw": 1, "ratio": round(outage, 3), "filling": round(filled, 3),
                      "steady": round(steady, 4), "messages": MESSAGES, "size": SIZE}))


if __name__ == "__main__":
    main()
