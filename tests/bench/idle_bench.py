"""What an idle agent costs, with an MQTT to Kafka flow connected and nothing to do; beside the bare libraries in one program that does the same.

A quiet agent gives back what bursts have left, and code that ran once (agent/idle_memory.h); the bare libraries do not. What of the RSS is
anonymous cannot be read again from a file. RSS is the highest of twenty looks, one a second; `rss_mean_mib` their mean: each heartbeat
to a hub brings the code of a TLS handshake back for some seconds."""

import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Program, Stand, wait_until  # noqa: E402

SECONDS = 20
BURST = 20_000  # messages
FLOW = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "demo", "vehicle-telemetry-1.yaml")


def figures(process):
    """RSS and its anonymous part in KiB, CPU in ticks, context switches of all threads that the process chose itself."""
    folder = f"/proc/{process.pid}"
    with open(f"{folder}/status") as file:
        memory = dict(line.split(":", 1) for line in file)
    rss, anonymous = (int(memory[name].split()[0]) for name in ("VmRSS", "RssAnon"))
    with open(f"{folder}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    wakes = 0
    for task in os.listdir(f"{folder}/task"):
        with open(f"{folder}/task/{task}/status") as file:
            wakes += int(next(line for line in file if line.startswith("voluntary_ctxt_switches")).split()[1])
    return rss, anonymous, int(fields[11]) + int(fields[12]), wakes


def watch(process):
    time.sleep(22)  # connecting is over, and memory that only that needed is given back
    _, _, cpu, wakes = figures(process)
    seen = []
    for _ in range(SECONDS):
        time.sleep(1)
        seen.append(figures(process))
    rss = [one[0] for one in seen]
    _, anonymous, cpu_after, wakes_after = seen[-1]
    return {"rss_mib": round(max(rss) / 1024, 1), "rss_mean_mib": round(sum(rss) / len(rss) / 1024, 1), "anonymous_mib": round(anonymous / 1024, 1),
            "cpu_seconds": (cpu_after - cpu) / os.sysconf("SC_CLK_TCK"), "wakeups_per_second": round((wakes_after - wakes) / SECONDS, 1)}


def burst(uri):
    lines = "".join(f"{number:0256d}\n" for number in range(BURST))
    subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", uri.rsplit(":", 1)[1], "-t", "vehicle/idle/telemetry", "-q", "1", "-l"], input=lines,
                   text=True, check=True)


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
        wait_until("the subscription", lambda: broker.has_said("vehicle/idle"), every=0.002)
        subscribed = time.monotonic() - began
        mine = watch(agent.process)
        burst(broker.uri)
        wait_until("delivery", lambda: stand.agent_json(agent, "status")["loss"]["out"] >= BURST, 60)
        after = watch(agent.process)
        agent.end()
        # Without a flow an agent has a hub, which has none for it yet.
        stand.start_hub()
        lone = stand.start_agent("lone")
        wait_until("the first heartbeat", lambda: "lone" in stand.ctl("agents", check=False))
        without = watch(lone.process)
        result = {"value": mine["rss_mib"], "unit": "MiB RSS", "raw": raw["rss_mib"], "ratio": round(mine["rss_mib"] / raw["rss_mib"], 3), "agent": mine,
                  "after a burst": after, "bare libraries": raw, "without a flow": without, "start to running ms": round(started * 1000),
                  "start to subscribed ms": round(subscribed * 1000), "stripped binary MiB": stripped_mib(stand.program("runnel-agent"), stand.folder)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
