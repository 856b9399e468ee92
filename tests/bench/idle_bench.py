"""What an idle agent costs, with an MQTT to Kafka flow connected and nothing to do; beside the bare libraries in one program that does the same."""

import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Program, Stand, wait_until  # noqa: E402

SECONDS = 20
FLOW = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo", "vehicle-telemetry-1.yaml")


def figures(process):
    """RSS in KiB, CPU in ticks, context switches of all threads that the process chose itself."""
    folder = f"/proc/{process.pid}"
    with open(f"{folder}/status") as file:
        rss = int(next(line for line in file if line.startswith("VmRSS")).split()[1])
    with open(f"{folder}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    wakes = 0
    for task in os.listdir(f"{folder}/task"):
        with open(f"{folder}/task/{task}/status") as file:
            wakes += int(next(line for line in file if line.startswith("voluntary_ctxt_switches")).split()[1])
    return rss, int(fields[11]) + int(fields[12]), wakes


def watch(process):
    time.sleep(3)  # connecting is over
    _, cpu, wakes = figures(process)
    time.sleep(SECONDS)
    rss, cpu_after, wakes_after = figures(process)
    return {"rss_mib": round(rss / 1024, 1), "cpu_seconds": (cpu_after - cpu) / os.sysconf("SC_CLK_TCK"),
            "wakeups_per_second": round((wakes_after - wakes) / SECONDS, 1)}


def stripped_mib(path, folder):
    copy = os.path.join(folder, "stripped")
    shutil.copy(path, copy)
    subprocess.run(["strip", copy], check=True)
    return round(os.path.getsize(copy) / (1 << 20), 2)


def main():
    with Stand() as stand:
        broker = stand.start_mosquitto()
        kafka = stand.start_mock_kafka()
        flow = stand.path("flow.yaml")
        with open(FLOW) as source, open(flow, "w") as out:
            out.write(source.read().replace("BROKER", broker.uri).replace("KAFKA", kafka.bootstrap).replace("TOPIC", "telemetry"))
        bare = Program(stand, "bare", [stand.program("runnel-bare-client"), broker.uri, kafka.bootstrap])
        bare.line("connected")
        raw = watch(bare.process)
        bare.end()
        began = time.monotonic()
        agent = stand.start_flow("agent", flow, "--param", "agent.id=idle")
        agent.line("running ")
        started = time.monotonic() - began
        wait_until("the subscription", lambda: broker.has_said("vehicle/idle"))
        subscribed = time.monotonic() - began
        mine = watch(agent.process)
        agent.end()
        # Without a flow an agent has a hub, which has none for it yet.
        stand.start_hub()
        lone = stand.start_agent("lone")
        wait_until("the first heartbeat", lambda: "lone" in stand.ctl("agents", check=False))
        without = watch(lone.process)
        result = {"value": mine["rss_mib"], "unit": "MiB RSS", "raw": raw["rss_mib"], "ratio": round(mine["rss_mib"] / raw["rss_mib"], 3), "agent": mine,
                  "bare libraries": raw, "without a flow": without, "start to running ms": round(started * 1000),
                  "start to subscribed ms": round(subscribed * 1000), "stripped binary MiB": stripped_mib(stand.program("runnel-agent"), stand.folder)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
