#!/usr/bin/env python3
"""The main job on this machine: vehicle data from MQTT to Kafka, the flow pushed from the hub. `./dev demo`.

Starts, on loopback and in a temporary folder: mosquitto, an embedded Kafka (or uses --kafka), the hub, three agents that know nothing but the hub,
and a generator of vehicle telemetry at QoS 1. Kafka goes away and comes back, an agent is killed and restarted, version 2 of the flow is pushed while data runs.
At the end everything is read back from Kafka: exit code 0 only when nothing is lost and the loss ledger of every agent balances.
"""

import argparse
import collections
import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Failed, Stand, Program, wait_until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
BOLD, GREEN, RED, PLAIN = ("\033[1m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("", "", "", "")
BEGAN = time.monotonic()


def say(text):
    print(f"{time.monotonic() - BEGAN:6.1f} s  {text}", flush=True)


def push(stand, version, broker, kafka, topic):
    path = stand.path(f"vehicle-telemetry-{version}.yaml")
    with open(os.path.join(HERE, f"vehicle-telemetry-{version}.yaml"), encoding="utf-8") as file, open(path, "w", encoding="utf-8") as out:
        out.write(file.read().replace("BROKER", broker).replace("KAFKA", kafka).replace("TOPIC", topic))
    message = {1: "telemetry from MQTT to Kafka", 2: "fast vehicles to a topic of their own, too"}[version]
    stand.ctl("flows", "push", path, "--message", message)
    stand.ctl("deploy", f"vehicle-telemetry@{version}", "--class", "trucks", "--wait")


def queued(stand, agents):
    total = 0
    for agent in agents:
        total += sum(connection["count"] for connection in stand.agent_json(agent, "status")["connections"])
    return total


def parse():
    parser = argparse.ArgumentParser(prog="./dev demo", description="Run the main job on this machine and show that nothing is lost.")
    parser.add_argument("--bin", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=40, help="how long data runs (default 40)")
    parser.add_argument("--stay", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--keep", metavar="DIR", help="work in this folder and leave it")
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a Kafka that is there already, instead of the embedded one")
    parser.add_argument("--agents", type=int, default=3, metavar="N", help="how many trucks (default 3)")
    parser.add_argument("--rate", type=int, metavar="N", help="messages a second of each truck (default 100, with more than ten trucks 1000 in all)")
    options = parser.parse_args()
    if options.agents < 1 or options.agents > 50:
        parser.error("--agents must be 1 to 50")
    if options.seconds < 10:
        parser.error("--seconds must be at least 10")
    if options.kafka and not re.fullmatch(r"[^\s,]+:\d{1,5}(,[^\s,]+:\d{1,5})*", options.kafka):
        parser.error("--kafka must be HOST:PORT")
    if options.rate is None:
        options.rate = min(100, 1000 // options.agents)
    if options.rate < 1:
        parser.error("--rate must be at least 1")
    return options


class Demo:
    def __init__(self, stand, options):
        self.stand, self.options = stand, options
        self.names = [f"truck-{number}" for number in range(1, options.agents + 1)]
        self.agents = {}

    def set_up(self):
        stand, options = self.stand, self.options
        self.broker = stand.start_mosquitto()
        say(f"mosquitto listens at {self.broker.uri}")
        self.kafka = None
        self.bootstrap = options.kafka
        # A Kafka that was there before may hold what an earlier run has left.
        self.topic = "telemetry" if not options.kafka else "runnel-demo-" + os.urandom(4).hex()
        if not options.kafka:
            self.kafka = stand.start_mock_kafka(self.topic, 64)  # it keeps 5 MiB of each partition
            self.bootstrap = self.kafka.bootstrap
        say(f"Kafka{'' if options.kafka else ' (embedded)'} at {self.bootstrap}")
        hub = stand.start_hub()
        say(f"the hub listens at {BOLD}{hub.operators}{PLAIN}   login {BOLD}admin{PLAIN}   password {BOLD}{hub.password}{PLAIN}")
        for name in self.names:
            self.agents[name] = stand.start_agent(name)
        wait_until("agents at the hub", lambda: len(self.known_agents()) == len(self.names))
        say(f"{len(self.names)} agents have told the hub that they are there; they have no flow yet")
        push(stand, 1, self.broker.uri, self.bootstrap, self.topic)
        # A flow runs before its broker has answered; what is published before the first subscription is nobody's.
        wait_until("the subscriptions", lambda: all(self.broker.has_said(f"vehicle/{name}/telemetry") for name in self.names))
        say("version 1 of the flow vehicle-telemetry was pushed and runs on all of them")

    def known_agents(self):
        return json.loads(self.stand.ctl("agents", "--json"))["items"]

    def start_data(self):
        options = self.options
        if self.kafka:
            self.read_back()
        self.telemetry = Program(self.stand, "telemetry", [self.stand.program("runnel-telemetry"), "--broker", self.broker.uri, "--vehicles",
                                                           ",".join(self.names), "--rate", str(options.rate)])
        self.telemetry.line("publishing", seconds=60)
        say(f"telemetry of {len(self.names)} trucks runs, {options.rate} messages a second each, QoS 1")

    def read_back(self):
        """Reads what comes to Kafka from its begin on, all the time: the embedded one keeps only the newest."""
        self.reader = Program(self.stand, "kafka-reader", ["kcat", "-C", "-E", "-q", "-u", "-o", "beginning", "-b", self.bootstrap, "-t", self.topic,
                                                           "-X", "reconnect.backoff.max.ms=500", "-X", "fetch.wait.max.ms=50", "-f", "%s\\n"])
        self.found = collections.defaultdict(collections.Counter)  # vehicle -> how often each sequence number is in Kafka
        self.read_to = 0

    def read_on(self):
        """Counts what has come since the last time."""
        with open(self.reader.log, "rb") as log:
            log.seek(self.read_to)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self.read_to += len(line)
                if line.startswith(b"{"):
                    message = json.loads(line)
                    self.found[message["vehicle"]][message["sequence"]] += 1

    def trouble(self):
        """Kafka goes away and comes back, an agent is killed, version 2 is pushed; spread over the time that data runs."""
        step = self.options.seconds / 8
        self.run_for(step)
        if self.kafka:
            self.kafka.tell("down")
            say(f"{BOLD}Kafka is away{PLAIN}")
            self.run_for(step * 2)
            say(f"meanwhile {queued(self.stand, self.agents.values())} FlowFiles wait in the agents' queues")
        victim = self.names[-1]
        self.agents.pop(victim).kill()
        say(f"{BOLD}{victim} was killed{PLAIN} (SIGKILL)")
        self.run_for(step / 2)
        self.agents[victim] = self.stand.start_agent(victim)
        self.agents[victim].line("running ")
        say(f"{victim} was started again and runs the flow that it kept")
        if self.kafka:
            self.kafka.tell("up")
            say(f"{BOLD}Kafka is back{PLAIN}")
        self.run_for(step)
        push(self.stand, 2, self.broker.uri, self.bootstrap, self.topic)
        say(f"{BOLD}version 2 of the flow{PLAIN} was pushed while data runs, and is in sync on all agents")
        self.run_for(step * 3)

    def run_for(self, seconds):
        time.sleep(seconds)
        for program in self.stand.programs:
            is_expected = program.name.startswith("truck") and program is not self.agents.get(program.name)
            if not is_expected and not program.is_running():
                raise Failed(f"{program.name} ended with code {program.process.returncode}; see {program.log}\n{program.tail()}")

    def stay(self):
        say("data goes on until Ctrl-C; the pages of the hub show it live")
        try:
            while True:
                self.run_for(1)
        except KeyboardInterrupt:
            print()

    def settle(self):
        if not self.kafka:
            self.read_back()  # a Kafka that was there has kept it all; before the first message there was no topic
        self.telemetry.process.send_signal(signal.SIGTERM)
        summary = json.loads(self.telemetry.line("{", seconds=60))
        self.published = {one["vehicle"]: one["acknowledged"] for one in summary["vehicles"]}
        say(f"the generator has stopped: {sum(self.published.values())} messages were acknowledged by mosquitto")
        wanted = sum(self.published.values())

        def is_drained():
            self.read_on()
            return sum(len(one) for one in self.found.values()) >= wanted and queued(self.stand, self.agents.values()) == 0

        try:
            wait_until("draining", is_drained, seconds=120, every=1)
        except Failed:
            say("not everything has arrived within 120 s")

    def judge(self):
        is_good = True
        print(f"\n{BOLD}{'truck':10} {'published':>10} {'in Kafka':>10} {'duplicates':>11} {'lost':>6}{PLAIN}")
        for name in self.names:
            published = self.published.get(name, 0)
            counted = self.found.get(name, collections.Counter())
            duplicates = sum(counted.values()) - len(counted)
            missing = [sequence for sequence in range(1, published + 1) if sequence not in counted]
            lost = len(missing)
            is_good = is_good and lost == 0 and published > 0
            mark = GREEN if lost == 0 else RED
            print(f"{name:10} {published:10} {len(counted):10} {duplicates:11} {mark}{lost:6}{PLAIN}" + (f"   the first: {missing[:10]}" if missing else ""))
        print(f"\n{BOLD}{'ledger of':10} {'in':>10} {'out':>10} {'ended':>8} {'queued':>8} {'dropped':>8}{PLAIN}   (ended: where the flow says so)")
        for name in self.names:
            ledger = self.stand.agent_json(self.agents[name], "status")["loss"]
            ended = ledger["dropped_auto_terminated"]
            dropped = sum(count for reason, count in ledger.items() if reason.startswith("dropped_")) - ended
            is_balanced = ledger["in"] == ledger["out"] + ended + ledger["queued"] + dropped
            is_good = is_good and is_balanced
            print(f"{name:10} {ledger['in']:10} {ledger['out']:10} {ended:8} {ledger['queued']:8} {dropped:8}  "
                  f"{GREEN + 'balances' if is_balanced else RED + 'DOES NOT BALANCE'}{PLAIN}")
        print(f"\n{GREEN + 'Nothing was lost.' if is_good else RED + 'Something was lost.'}{PLAIN}")
        return is_good


def main():
    options = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    stand_options = {"bin_folder": options.bin} if options.bin else {}
    try:
        with Stand(keep=options.keep, **stand_options) as stand:
            demo = Demo(stand, options)
            demo.set_up()
            demo.start_data()
            demo.trouble()
            if options.stay:
                demo.stay()
            demo.settle()
            return 0 if demo.judge() else 1
    except Failed as failed:
        print(f"{RED}{failed}{PLAIN}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; nothing is left behind" if not options.keep else f"\nstopped; the files are in {options.keep}")
        return 130


if __name__ == "__main__":
    sys.exit(main())
