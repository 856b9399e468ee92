"""kill -9, again and again: MQTT into a real Kafka, the agent killed at random moments and started anew.

Every message that mosquitto has taken must be in Kafka at the end, in the order in which the agent took it (first occurrences), the loss ledger must
balance, and duplicates are counted; at QoS 2 none is taken twice from the broker. That is the order of publication, too, but at QoS 2 with
MQTT 3: after a connection has broken, mosquitto 2.0.11 may send a message that it has just got before those that it has kept. RUNNEL_KILLS says how often at QoS 1 (default 50; at QoS 2 a fifth of it), RUNNEL_SEED reproduces the moments.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from kafka import Kafka  # noqa: E402
from stand import Stand, wait_until  # noqa: E402

FLOW = """
flow: kill
processors:
  bus:
    type: ConsumeMQTT
    properties: {{Broker URI: "{broker}", Topic: "load/#", Quality of Service: {qos}, MQTT Version: {version}, Clean Session: false, Client ID: kill-test}}
  mark:
    type: UpdateAttribute
    properties: {{seen: "${{now()}}"}}
  to-kafka:
    type: PublishKafka
    properties: {{Known Brokers: "{kafka}", Topic Name: load, Kafka Key: one, Attributes to Send as Headers: uuid}}
    retry: {{failure: {{attempts: forever, backoff: 100ms..1s}}}}
    terminate: [success]
connections:
  - {{from: bus, to: mark}}
  - {{from: mark, to: to-kafka, back_pressure: {{count: 100000, size: 512 MB}}}}
"""
KILLS = int(os.environ.get("RUNNEL_KILLS", "50"))
SEED = int(os.environ.get("RUNNEL_SEED", str(random.randrange(1 << 32))))
RATE = 2000  # messages a second


class Load(threading.Thread):
    """Publishes numbered messages until it is told to end; `published` is what was sent, all of it acknowledged when it has ended well."""

    def __init__(self, port, qos):
        super().__init__()
        self.process = subprocess.Popen(["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-t", "load/one", "-q", str(qos), "-l"],
                                        stdin=subprocess.PIPE)
        self.published = 0
        self.is_over = threading.Event()

    def run(self):
        while not self.is_over.is_set():
            lines = "".join(json.dumps({"sequence": self.published + i + 1, "filler": "x" * 180}) + "\n" for i in range(RATE // 20))
            self.process.stdin.write(lines.encode())
            self.process.stdin.flush()
            self.published += RATE // 20
            time.sleep(0.05)
        self.process.stdin.close()

    def finish(self):
        self.is_over.set()
        self.join()
        return self.process.wait(timeout=600)


class Kill(unittest.TestCase):
    def test_nothing_acknowledged_is_lost_when_the_agent_is_killed(self):
        self.kill_under_load(KILLS, qos=1, version="3.1.1")

    def test_nothing_of_qos_2_is_lost_nor_taken_twice_between_its_four_packets(self):
        self.kill_under_load((KILLS + 4) // 5, qos=2, version="5.0")

    def test_and_so_with_mqtt_3(self):
        self.kill_under_load((KILLS + 4) // 5, qos=2, version="3.1.1")

    def kill_under_load(self, kills, qos, version):
        chance = random.Random(SEED)
        print(f"QoS {qos}, seed {SEED}, {kills} kills", flush=True)
        with Stand() as stand:
            kafka = Kafka(stand.path("kafka"), partitions=1)
            self.addCleanup(kafka.stop)
            broker = stand.start_mosquitto()
            flow = stand.path("kill.yaml")
            with open(flow, "w") as out:
                out.write(FLOW.format(broker=broker.uri, kafka=kafka.bootstrap, qos=qos, version=version))
            agent = stand.start_flow("agent", flow)
            agent.line("running ")
            # The broker must know the session before the first message, or it has nobody to keep it for.
            wait_until("the subscription", lambda: broker.has_said("load/#"))
            load = Load(broker.uri.rsplit(":", 1)[1], qos)
            began = time.monotonic()
            load.start()
            for done in range(1, kills + 1):
                time.sleep(chance.uniform(0.05, 1.0))
                self.assertTrue(agent.is_running(), f"ended by itself: {agent.tail()}")
                agent.kill()
                agent = stand.start_flow("agent", flow)
                if done % 100 == 0:
                    print(f"{done} kills in {time.monotonic() - began:.0f} s, {load.published} published", flush=True)
            agent.line("running ", 60)
            self.assertEqual(load.finish(), 0, "mosquitto_pub did not get all its acknowledgements")

            self.flowfiles, self.sequences = [], []

            def is_drained():
                if stand.agent_json(agent, "status")["loss"]["queued"] != 0:
                    return False
                # Of a long run there is much: it is read when it may be all.
                lines = [line.split(b" ", 1) for line in kafka.read_all("load", "%h %s\n", seconds=180)]
                self.flowfiles, self.sequences = [uuid for uuid, _ in lines], [json.loads(content)["sequence"] for _, content in lines]
                return len(set(self.sequences)) >= load.published

            try:
                wait_until("draining", is_drained, 60 + kills, 1)
            except Exception as failed:
                print(failed, flush=True)
            status = stand.agent_json(agent, "status")
            missing = set(range(1, load.published + 1)) - set(self.sequences)
            # A FlowFile's uuid ends with a number that counts up, over all lives of the agent.
            taken, firsts = list(dict.fromkeys(self.flowfiles)), list(dict.fromkeys(self.sequences))
            early = [(self.flowfiles.index(now), before, now) for before, now in zip(taken, taken[1:]) if now < before]
            print(f"{kills} kills in {time.monotonic() - began:.0f} s: {load.published} published, {len(set(self.sequences))} in Kafka, {len(self.sequences) - len(set(self.sequences))} duplicates, "
                  f"{len(missing)} lost, order {'BROKEN' if early else 'held' if firsts == sorted(firsts) else 'held, as the broker sent'}, loss ledger {status['loss']}", flush=True)
            self.assertEqual(len(missing), 0, f"lost: {sorted(missing)[:20]}… of seed {SEED}")
            if qos == 2:
                self.assertLessEqual(status["loss"]["in"], load.published, f"taken twice from the broker, seed {SEED}")
            self.assertTrue(status["loss"]["is_balanced"], f"{status['loss']} of seed {SEED}")
            self.assertEqual(early, [], f"out of order (offset in Kafka, after, FlowFile), seed {SEED}")
            if not (qos == 2 and version == "3.1.1"):
                self.assertTrue(firsts == sorted(firsts), f"in another order than published, seed {SEED}")


if __name__ == "__main__":
    unittest.main()
