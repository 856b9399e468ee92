"""One large file through three flows: GetFile to PutFile, to SplitText, and by SplitText to PublishKafka; the agent's peak memory, beside `cp`.

    bigfile_bench.py [GIB]

The file is 4 GiB, or as large as GIB (or RUNNEL_BIGFILE_GIB) says, made of lines that do not repeat and without holes. `value` is the highest peak of resident
memory (VmHWM) of the three, `limit` what it must stay below; `raw` is what an agent with an idle flow takes."""

import hashlib
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Stand, wait_until  # noqa: E402

GIB = float(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("RUNNEL_BIGFILE_GIB", "4"))
LIMIT_MIB = 64
LINE = 256
LINES_A_SPLIT = 4096
LINES_A_RECORD = 1024
HEAD = """flow: {name}
processors:
  get:
    type: GetFile
    properties: {{Input Directory: {source}, Keep Source File: "true", Polling Interval: "1 day"}}
    schedule: {{every: 1 day}}
"""
FLOWS = {
    "copy": """  put:
    type: PutFile
    properties: {{Directory: {out}}}
    terminate: [success, failure]
connections:
  - {{from: get, to: put}}
""",
    "split": """  split:
    type: SplitText
    properties: {{Line Split Count: "%d"}}
    terminate: [original, failure]
  count:
    type: UpdateAttribute
    properties: {{seen: "yes"}}
    terminate: [success]
connections:
  - {{from: get, to: split}}
  - {{from: split.splits, to: count, back_pressure: {{count: 1000000, size: 100 GB}}}}
""" % LINES_A_SPLIT,
    "kafka": """  split:
    type: SplitText
    properties: {{Line Split Count: "%d"}}
    terminate: [original, failure]
  publish:
    type: PublishKafka
    properties: {{Known Brokers: "{kafka}", Topic Name: big}}
    retry: {{failure: {{attempts: forever, backoff: 1s..10s}}}}
    terminate: [success]
connections:
  - {{from: get, to: split}}
  - {{from: split.splits, to: publish, back_pressure: {{count: 1000000, size: 100 GB}}}}
""" % LINES_A_RECORD,
}


def make_file(path, size):
    """Numbered lines, each with a rest of its own."""
    noise = [hashlib.sha256(str(i).encode()).hexdigest() for i in range(4096)]
    with open(path, "wb") as out:
        number = 0
        while number * LINE < size:
            lines = []
            for _ in range(min(4096, size // LINE - number)):
                at = number * 2654435761
                text = f"{number:012d} {noise[at & 4095]}{noise[at >> 12 & 4095]}{noise[at >> 24 & 4095]}"
                lines.append(text[:LINE - 1].ljust(LINE - 1, ".") + "\n")
                number += 1
            out.write("".join(lines).encode())


def figure(process, name):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        return int(next(line for line in status if line.startswith(name)).split()[1]) / 1024


def run(stand, name, places, size):
    flow = stand.path(name + ".yaml")
    with open(flow, "w", encoding="utf-8") as out:
        out.write((HEAD + FLOWS[name]).format(name=name, **places))
    config = stand.path("agent.yaml")
    with open(config, "w", encoding="utf-8") as out:
        out.write(f"disk_quota: {int(size * 3)} B\n")
    began = time.monotonic()
    agent = stand.start_flow(name, flow, "--config", config)
    agent.line("running ")
    status = {}

    def is_done():
        status.update(stand.agent_json(agent, "status"))
        if status["processors"][-1]["failures"]:
            raise SystemExit(f"{name}: {status['processors'][-1]['last_error']}")
        return status["loss"]["in"] > 0 and status["loss"]["queued"] == 0 and status["processors"][-1]["in_count"] > 0

    wait_until(name, is_done, 1500, 0.5)
    seconds = time.monotonic() - began
    # A snapshot counts processors before it counts what is queued: once more, now that all stands still.
    status = stand.agent_json(agent, "status")
    last = status["processors"][-1]
    found = {"peak_rss_mib": figure(agent.process, "VmHWM"), "seconds": seconds, "mib_per_s": size / seconds / (1 << 20),
             "loss": status["loss"], "last_in_count": last["in_count"], "failures": last["failures"],
             "written_bytes": status["ledger"]["written_bytes"]}
    agent.end()
    return found


def main():
    size = int(GIB * (1 << 30)) // LINE * LINE
    with Stand() as stand:
        places = {"source": stand.path("in"), "out": stand.path("out"), "kafka": stand.start_mock_kafka("big", "4").bootstrap}
        for folder in (places["source"], places["out"]):
            os.mkdir(folder)
        source, copied = os.path.join(places["source"], "big.txt"), os.path.join(places["out"], "big.txt")
        make_file(source, size)
        began = time.monotonic()
        subprocess.run(["cp", source, copied], check=True)
        cp_seconds = time.monotonic() - began
        os.remove(copied)
        idle_flow = stand.path("idle.yaml")
        with open(idle_flow, "w", encoding="utf-8") as out:
            out.write((HEAD + FLOWS["copy"]).format(name="idle", **dict(places, source=places["out"])))
        idle = stand.start_flow("idle", idle_flow)
        idle.line("running ")
        raw = figure(idle.process, "VmHWM")
        idle.end()
        found = {name: run(stand, name, places, size) for name in FLOWS}
        if subprocess.run(["cmp", source, copied]).returncode != 0:
            raise SystemExit("what PutFile wrote is not what GetFile read")
        splits = -(-size // (LINE * LINES_A_SPLIT))
        if found["split"]["last_in_count"] != splits:
            raise SystemExit(f"{found['split']['last_in_count']} splits instead of {splits}")
        records = -(-size // (LINE * LINES_A_RECORD))
        if found["kafka"]["last_in_count"] != records:
            raise SystemExit(f"{found['kafka']['last_in_count']} records instead of {records}: {json.dumps(found)}")
        value = max(one["peak_rss_mib"] for one in found.values())
        print(json.dumps({"value": value, "unit": "MiB of peak memory", "raw": raw, "ratio": value / raw, "limit": LIMIT_MIB,
                          "is_within": value < LIMIT_MIB, "file_gib": GIB, "cp_seconds": cp_seconds, **found}))


if __name__ == "__main__":
    main()
