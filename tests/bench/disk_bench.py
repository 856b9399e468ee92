"""Bytes that reach the disk for each byte accepted: with a healthy Kafka, and through a whole outage, filling and draining, for several windows of the broker and
several kinds of content. The raw limit is one byte for one byte.

    disk_bench.py [MESSAGES]

`device` is what the block device has written, with a sync before and after: as root, a loop device with an ext4 of its own, so that its journal counts and nobody
else's writes do; else the device that holds the directory, with all that others write there. `process` is what the kernel counts of the agent (`/proc/PID/io`: pages
that it made dirty), `own` what the agent counts itself, which `status` and the metrics show. On a busy machine fewer messages share a write, and each byte costs more of them: `messages a write`.

A message that its receiver acknowledges within the ledger's linger (5 ms) is not written. PublishKafka gathers messages for 1 ms (`Queue Buffering Max Time`); `steady`
tells both: with that, and with MiNiFi's 5 ms. `uplink of 60 ms` is a Kafka that answers so late, as behind a radio link, with 100 messages a second: with the linger
that an agent has by itself, and with one that is longer than the way."""

import json
import os
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Program, Stand, wait_until  # noqa: E402

FLOW = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo", "vehicle-telemetry-1.yaml")
MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
SIZE = 256
LARGE = 32 << 10
DEVICE_BYTES = 2 << 30
# What the bytes of an outage must stay below, of what was accepted.
LIMITS = {"window 2000": 0.8, "window 200": 1.5, "window 20": 7, "incompressible": 2.5, "above 16 KiB": 1.1, "steady": 0.05}
# No line feeds, by which mosquitto_pub tells messages, and no zeros.
BYTES = bytes(one for one in range(256) if one not in (0, 10, 13))


def telemetry(number):
    """JSON of SIZE bytes."""
    text = json.dumps({"vehicle": "disk", "sequence": number, "time": 1767225600000 + number * 100, "position": {"lat": 47.3 + number % 1000 / 1e4, "lon": 8.5 - number % 777 / 1e4},
                       "speed": number % 130, "tyres": [2.3, 2.4, 2.3, 2.35], "battery": 98 - number % 50})
    return text.ljust(SIZE).encode()


def noise(size):
    """Messages that do not compress."""
    table = bytes(BYTES[i % len(BYTES)] for i in range(256))
    return lambda number: random.Random(number).randbytes(size).translate(table)


class Device:
    """Where the state directories lie, and what its block device has written."""

    def __init__(self, stand):
        self.folder = stand.path("device")
        os.makedirs(self.folder)
        self.is_own = False
        if os.geteuid() == 0 and shutil.which("losetup") and shutil.which("mkfs.ext4"):
            image = stand.path("device.img")
            with open(image, "wb") as file:
                file.truncate(DEVICE_BYTES)
            # What ext4 would else do by and by counts as nobody's writes.
            subprocess.run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
            self.is_own = subprocess.run(["mount", "-o", "loop,noatime", image, self.folder], stderr=subprocess.DEVNULL).returncode == 0
        number = os.stat(self.folder).st_dev
        self.counters = f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/stat"

    def written(self):
        os.sync()
        with open(self.counters, encoding="ascii") as file:
            return int(file.read().split()[6]) * 512

    def end(self):
        if self.is_own:
            subprocess.run(["umount", self.folder], check=True)


def publish(port, first, count, message, rate=None):
    with subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-t", "vehicle/disk/telemetry", "-q", "1", "-l"], stdin=subprocess.PIPE) as process:
        # With a rate: evenly, as vehicles send, not in bursts.
        group = max(1, rate // 200) if rate else 500
        due = time.monotonic()
        for begin in range(first, first + count, group):
            process.stdin.write(b"".join(message(n) + b"\n" for n in range(begin, min(begin + group, first + count))))
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

    def __init__(self, stand, device, name, window, message=telemetry, size=SIZE, buffering="1 ms", linger="5 ms", delay=0):
        self.stand, self.device, self.name, self.message, self.size = stand, device, name, message, size
        self.broker = stand.start_mosquitto("mosquitto-" + name, settings=[f"max_inflight_messages {window}"])
        self.kafka = stand.start_mock_kafka()
        if delay:
            self.kafka.tell(f"delay {delay}")
        state = os.path.join(device.folder, "state-" + name)
        self.agent = Program(stand, "agent-" + name, [stand.program("runnel-agent"), "run", "--state", state, "--flow",
                                                      flow_file(stand, "flow-" + name, self.broker, self.kafka, buffering), "--ledger-linger", linger, "--param", "agent.id=disk"])
        self.agent.state = state
        self.agent.line("running ")
        wait_until("the subscription", lambda: self.broker.has_said("vehicle/disk"))
        self.port = self.broker.uri.rsplit(":", 1)[1]
        self.sent = 0

    def end(self):
        for program in (self.agent, self.broker, self.kafka):
            program.end()
        shutil.rmtree(self.agent.state)

    def count(self, what):
        return self.stand.agent_json(self.agent, "status")["loss"][what]

    def publish(self, count, rate=None):
        publish(self.port, self.sent, count, self.message, rate)
        self.sent += count

    def figures(self):
        """The three counters. The device's last: it tells also what the others have seen."""
        own = self.stand.agent_json(self.agent, "status")["ledger"]["written_bytes"]
        return {"process": written(self.agent.process), "own": own, "device": self.device.written()}

    def since(self, before, count):
        return {name: round((value - before[name]) / (count * self.size), 3) for name, value in self.figures().items()}

    def steady(self, count, rate=5000):
        """Everything delivered at once."""
        before = self.figures()
        self.publish(count, rate)
        wait_until("delivery", lambda: self.count("out") >= self.sent, 120)
        time.sleep(1)
        return self.since(before, count)

    def trickle(self, count):
        return self.steady(count, rate=100)

    def outage(self, count):
        """Filled while Kafka is away, then drained."""
        self.kafka.tell("down")
        time.sleep(0.5)
        writes = lambda: self.stand.agent_json(self.agent, "status")["ledger"]["writes"]
        before, writes_before = self.figures(), writes()
        self.publish(count)
        wait_until("filling", lambda: self.count("in") >= self.sent, 300)
        filled = self.since(before, count)
        group = round(count / max(1, writes() - writes_before))
        self.kafka.tell("up")
        wait_until("draining", lambda: self.count("out") >= self.sent, 300)
        time.sleep(1)
        return {"messages a write": group, "filled": filled, "drained": self.since(before, count)}


def main():
    found = {}
    with Stand() as stand:
        device = Device(stand)
        try:
            def measure(name, count, how, *options, **more):
                bench = Bench(stand, device, name.replace(" ", "-").replace(",", ""), *options, **more)
                found[name] = getattr(bench, how)(count)
                bench.end()

            measure("steady", MESSAGES // 2, "steady", 2000)
            measure("steady, Kafka buffering 5 ms", MESSAGES // 2, "steady", 2000, buffering="5 ms")
            measure("uplink of 60 ms", MESSAGES // 50, "trickle", 2000, delay=60)
            measure("uplink of 60 ms, linger 200 ms", MESSAGES // 50, "trickle", 2000, delay=60, linger="200 ms")
            measure("window 2000", MESSAGES, "outage", 2000)
            measure("window 200", MESSAGES // 2, "outage", 200)
            measure("window 20", MESSAGES // 5, "outage", 20)
            measure("incompressible", MESSAGES, "outage", 2000, message=noise(SIZE))
            measure("above 16 KiB", MESSAGES // 20, "outage", 200, message=noise(LARGE), size=LARGE)
        finally:
            for program in reversed(stand.programs):
                program.end()
            device.end()
    value = found["window 2000"]["drained"]["device"]
    of = lambda figures: figures.get("drained", figures)
    print(json.dumps({"value": value, "unit": "bytes the device wrote per byte accepted, outage", "raw": 1, "ratio": value,
                      "is_own_device": device.is_own, "messages": MESSAGES, "limits": LIMITS,
                      "beyond their limit (process)": [name for name, most in LIMITS.items() if of(found[name])["process"] > most],
                      "beyond their limit (device)": [name for name, most in LIMITS.items() if of(found[name])["device"] > most], **found}))


if __name__ == "__main__":
    main()
