"""PublishKafka and ConsumeKafka in the real agent, against a real Apache Kafka, with kcat on the other side: what is sent and how, who is let in, a broker
that is killed, stopped or talks nonsense, agents that are killed. One broker serves all; each test has its own topics and agents."""

import collections
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from kafka import PASSWORD, USER, Kafka, make_certificates  # noqa: E402
from stand import Stand, wait_until  # noqa: E402

NEVER = {"cron": "0 0 0 1 1 ? 2099"}
MESSAGE_MAX = 1_048_588  # the broker's, of a batch


def line_of(number, keys=5, more=""):
    return json.dumps({"v": f"k{number % keys}", "n": number, "more": more}, separators=(",", ":"))


def hold_nothing_back(lines, keys):
    """(missing, twice, out of order per key) of lines as `line_of` makes them, in the order of each partition."""
    numbers = [json.loads(line)["n"] for line in lines]
    last, disorder = {}, 0
    for number in numbers:
        disorder += last.get(number % keys, -1) >= number
        last[number % keys] = number
    return set(numbers), len(numbers) - len(set(numbers)), disorder


def setUpModule():
    test = KafkaTest
    test.stand = Stand()
    unittest.addModuleCleanup(test.stand.__exit__, None, None, None)
    test.kafka = Kafka(test.stand.path("kafka"), secure=True, settings={"message.max.bytes": str(MESSAGE_MAX)})
    unittest.addModuleCleanup(test.kafka.kill)
    # A second one, that makes no topics by itself. The client needs half a minute to believe it: the last test looks at it.
    test.strict = Kafka(test.stand.path("strict"), settings={"auto.create.topics.enable": "false"})
    unittest.addModuleCleanup(test.strict.kill)
    test.unknown = test.publish("unknown", [line_of(number) for number in range(3)], {"Known Brokers": test.strict.bootstrap})


class KafkaTest(unittest.TestCase):
    def setUp(self):
        self.began = len(self.stand.programs)

    def tearDown(self):
        for program in self.stand.programs[self.began:]:
            program.kill()

    # ---- flows

    @classmethod
    def start(cls, name, processors, connections, services=None):
        """An agent with this flow. JSON is YAML."""
        flow = cls.stand.path(name + ".yaml")
        with open(flow, "w", encoding="utf-8") as out:
            json.dump({"flow": name, "services": services or {}, "processors": processors, "connections": connections}, out)
        agent = cls.stand.start_flow(name, flow)
        agent.line("running ")
        return agent

    @classmethod
    def publish(cls, name, lines, *ways, limit=10_000):
        """An agent that sends the lines of a file by each of these ways (properties of PublishKafka), keyed by their `v`; the topic is the
        processor's name: `name`, or `name-0`, `name-1`, … . What is refused stays in queues."""
        with open(cls.stand.path(name + ".lines"), "a", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in lines)
        processors = {
            "tail": {"type": "TailFile", "properties": {"File to Tail": cls.stand.path(name + ".lines"), "Include Delimiter": "false"}, "schedule": {"every": "50 ms"}},
            "key": {"type": "EvaluateJsonPath", "properties": {"key": "$.v"}, "terminate": ["unmatched", "failure"]},
            "refused": {"type": "LogAttribute", "schedule": NEVER, "terminate": ["success"]}}
        connections = [{"from": "tail", "to": "key", "back_pressure": {"count": limit}}]
        for number, way in enumerate(ways):
            way = dict(way)
            topic = way.pop("topic", name if len(ways) == 1 else f"{name}-{number}")
            processors[topic] = {"type": "PublishKafka", "terminate": ["success"],
                                 "properties": {"Known Brokers": cls.kafka.bootstrap, "Topic Name": topic, "Kafka Key": "${key}", **way}}
            connections.append({"name": topic, "from": "key.matched", "to": topic, "back_pressure": {"count": limit}})
            connections.append({"name": topic + " refused", "from": topic + ".failure", "to": "refused"})
        return cls.start(name, processors, connections)

    def append(self, name, lines):
        with open(self.stand.path(name + ".lines"), "a", encoding="utf-8") as out:
            out.writelines(line + "\n" for line in lines)

    def consume(self, name, *ways, sends=True):
        """An agent that takes in by each of these ways, and sends it on to the topic `name out`, attributes as headers; or keeps it in a queue."""
        processors = {"out": {"type": "PublishKafka", "terminate": ["success", "failure"], "properties": {
            "Known Brokers": self.kafka.bootstrap, "Topic Name": name + "-out", "Kafka Key": "${kafka.partition}-${kafka.offset}",
            "Attributes to Send as Headers": "kafka\\..*|h.*|way"}}}
        if not sends:
            processors["out"]["schedule"] = NEVER
        connections = []
        for number, way in enumerate(ways):
            processors[f"in-{number}"] = {"type": "ConsumeKafka", "properties": {
                "Kafka Brokers": self.kafka.bootstrap, "Topic Names": name, "Group ID": name, "Offset Reset": "earliest", "Session Timeout": "6 sec", **way}}
            processors[f"way-{number}"] = {"type": "UpdateAttribute", "properties": {"way": str(number)}}
            connections.append({"from": f"in-{number}", "to": f"way-{number}"})
            connections.append({"name": f"way {number}", "from": f"way-{number}", "to": "out", "back_pressure": {"count": 100_000}})
        return processors, connections

    # ---- looking

    def read(self, topic, template="%s\n"):
        return [line.decode() for line in self.kafka.read_all(topic, template)]

    def count(self, topic):
        return len(self.kafka.read_all(topic)) if topic in self.topics() else 0

    def topics(self):
        told = subprocess.run(["kcat", "-L", "-J", "-b", self.kafka.bootstrap], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True)
        return [one["topic"] for one in json.loads(told.stdout)["topics"]]

    def arrived(self, topic, count, seconds=30):
        wait_until(f"{count} messages in {topic}", lambda: self.count(topic) >= count, seconds, every=0.25)
        return self.read(topic)

    def queued(self, agent, connection):
        return next(one["count"] for one in self.stand.agent_json(agent, "status")["connections"] if one["name"] == connection)

    def processor(self, agent, name):
        return next(one for one in self.stand.agent_json(agent, "status")["processors"] if one["name"] == name)

    def told(self, agent, component, text, seconds=30):
        """The first bulletin of this processor that contains the text."""
        def found():
            for one in self.stand.agent_json(agent, "bulletins"):
                if one["component"] == component and re.search(text, one["text"], re.I):
                    return one["text"]
            return None
        return wait_until(f"a bulletin of {component} that says `{text}`", found, seconds)

    def assert_whole(self, lines, count, keys=5):
        numbers, twice, disorder = hold_nothing_back(lines, keys)
        self.assertEqual((set(range(count)) - numbers, twice, disorder), (set(), 0, 0), "lost, twice, out of order")

    def assert_balanced(self, agent):
        loss = self.stand.agent_json(agent, "status")["loss"]
        self.assertTrue(loss["is_balanced"], loss)
        self.assertEqual([loss[name] for name in loss if name.startswith("dropped_") and name != "dropped_terminated"],
                         [0] * sum(name.startswith("dropped_") and name != "dropped_terminated" for name in loss), loss)

    def first_batch(self, topic):
        """(codec, producer's id) of a batch on the broker's disk: the fields of a RecordBatch of magic 2."""
        for partition in range(4):
            path = os.path.join(self.kafka.folder, "log", f"{topic}-{partition}", "00000000000000000000.log")
            with open(path, "rb") as log:
                head = log.read(61)
            if len(head) == 61:
                return int.from_bytes(head[21:23], "big") & 7, int.from_bytes(head[43:51], "big", signed=True)
        raise AssertionError(f"{topic} is empty")


class Publishing(KafkaTest):
    def test_messages_have_their_key_their_headers_and_one_partition_for_a_key(self):
        agent = self.publish("plain", [line_of(number) for number in range(3000)], {"Attributes to Send as Headers": "key|filename"})
        self.assert_whole(self.arrived("plain", 3000), 3000)
        partitions = collections.defaultdict(set)
        for row in self.read("plain", "%k\t%p\t%h\t%s\n"):
            key, partition, headers, text = row.split("\t")
            self.assertEqual(key, json.loads(text)["v"])
            self.assertRegex(headers, rf"^(key={key},)?filename=plain\.\d+-\d+\.lines(,key={key})?$")
            self.assertIn(f"key={key}", headers)
            partitions[key].add(partition)
        self.assertEqual({key: len(of_key) for key, of_key in partitions.items()}, {f"k{n}": 1 for n in range(5)})
        self.assert_balanced(agent)

    def test_each_codec_guarantee_and_partitioner_does_what_it_says(self):
        codecs = ["none", "gzip", "snappy", "lz4", "zstd"]  # by Kafka's number
        ways = [{"Compress Codec": codec} for codec in codecs]
        ways += [{"Delivery Guarantee": "1"}, {"Delivery Guarantee": "0"}, {"Partition": "2"}, {"Kafka Key": "", "Partitioner": "random"},
                 {"Partitioner": "consistent_random"}, {"Partitioner": "fnv1a_random"}]
        lines = [line_of(number, more="same again" * 20) for number in range(500)]
        self.publish("ways", lines, *ways)
        for number, way in enumerate(ways):
            with self.subTest(way=way):
                got = self.arrived(f"ways-{number}", 500)
                if "Kafka Key" in way:
                    self.assertEqual(sorted(got), sorted(lines))
                else:
                    self.assert_whole(got, 500)
                codec, producer = self.first_batch(f"ways-{number}")
                self.assertEqual(codecs[codec], way.get("Compress Codec", "none"))
                self.assertEqual(producer >= 0, "Delivery Guarantee" not in way, "idempotent")
        self.assertEqual(set(self.read("ways-7", "%p\n")), {"2"})

    def test_tls_and_sasl_let_in_who_proves_himself_and_keep_what_others_wanted_to_send(self):
        mine = self.kafka.certificates
        foreign = make_certificates(self.stand.path("foreign"))
        cert = {"Security Cert": mine["client.pem"], "Security Private Key": mine["client.key"]}
        ssl = {"Known Brokers": self.kafka.bootstrap_ssl, "Security Protocol": "ssl", "Security CA": mine["ca.pem"]}
        user = {"Username": USER, "Password": PASSWORD}
        sasl = {"Known Brokers": self.kafka.bootstrap_sasl, "Security Protocol": "sasl_plaintext", **user}
        sasl_ssl = {"Known Brokers": self.kafka.bootstrap_sasl_ssl, "Security Protocol": "sasl_ssl", "Security CA": mine["ca.pem"], **user}
        good = [{**ssl, **cert}, sasl, {**sasl, "SASL Mechanism": "SCRAM-SHA-256"}, {**sasl_ssl, "SASL Mechanism": "SCRAM-SHA-512"}, sasl_ssl]
        bad = [({**ssl, **cert, "Security CA": foreign["ca.pem"]}, "certificate verify failed|broker certificate could not be verified"),
               (ssl, "SSL|certificate"),
               ({**sasl, "Password": "wrong"}, "authentication"),
               ({**sasl, "SASL Mechanism": "SCRAM-SHA-256", "Password": "wrong"}, "authentication"),
               ({**sasl_ssl, "SASL Mechanism": "SCRAM-SHA-512", "Username": "nobody"}, "authentication")]
        agent = self.publish("who", [line_of(number) for number in range(50)], *good, *[way for way, _ in bad])
        for number in range(len(good)):
            with self.subTest(way=good[number]):
                self.assert_whole(self.arrived(f"who-{number}", 50), 50)
        for number, (way, why) in enumerate(bad, len(good)):
            with self.subTest(way=way):
                self.told(agent, f"who-{number}", why)
                self.assertEqual(self.queued(agent, f"who-{number}"), 50)
                self.assertEqual(self.queued(agent, f"who-{number} refused"), 0)
                self.assertNotIn(f"who-{number}", self.topics())
        self.assert_balanced(agent)

    def test_a_message_that_is_too_large_goes_to_failure_and_the_others_go_on(self):
        lines = [line_of(number, more="x" * (2 * MESSAGE_MAX if number == 40 else 10)) for number in range(100)]
        agent = self.publish("large", lines, {"Max Request Size": "4 MB"})
        got = self.arrived("large", 99)
        self.assertEqual({json.loads(line)["n"] for line in got}, set(range(100)) - {40})
        self.assertRegex(self.told(agent, "large", "refused by Kafka"), "topic `large`.*too large")
        wait_until("the refused one", lambda: self.queued(agent, "large refused") == 1)
        self.assertEqual(self.queued(agent, "large"), 0)
        self.assert_balanced(agent)

    def test_a_batch_that_is_too_large_for_the_broker_is_sent_again_in_smaller_ones(self):
        count = 20_000
        agent = self.publish("crowd", [line_of(number, keys=1, more="x" * 200) for number in range(count)],
                             {"Target Batch Payload Size": "8 MB", "Max Request Size": "8 MB", "Batch Size": "10000", "Queue Buffering Max Time": "3 s"}, limit=20_000)
        numbers, _, disorder = hold_nothing_back(self.arrived("crowd", count), 1)
        self.assertEqual((numbers, disorder), (set(range(count)), 0))
        self.told(agent, "crowd", "takes no batch")
        self.assertEqual(self.queued(agent, "crowd refused"), 0)
        self.assert_balanced(agent)

    def test_a_broker_that_talks_nonsense_loses_nothing_and_is_told(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            def serve():
                while True:
                    try:
                        peer, _ = server.accept()
                    except OSError:
                        return
                    with peer:
                        try:
                            peer.recv(64)
                            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256)) * 8)
                        except OSError:
                            pass
            threading.Thread(target=serve, daemon=True).start()
            agent = self.publish("nonsense", [line_of(number) for number in range(20)], {"Known Brokers": f"127.0.0.1:{server.getsockname()[1]}"})
            self.told(agent, "nonsense", "receive failed|disconnected|brokers are down|timed out")
            self.assertEqual(self.queued(agent, "nonsense"), 20)
            self.assertEqual(self.queued(agent, "nonsense refused"), 0)
            self.assertTrue(agent.is_running())
            self.assert_balanced(agent)
            self.assertEqual(agent.end(), 0)
            server.shutdown(socket.SHUT_RDWR)

    def test_processors_of_one_connection_service_and_equal_settings_share_their_connections(self):
        def connections_of(agent):
            """Established connections of this process to the broker."""
            with open(f"/proc/{agent.process.pid}/net/tcp", encoding="ascii") as table:
                rows = [line.split() for line in table.readlines()[1:]]
            to_broker = {row[9] for row in rows if row[2] == f"0100007F:{self.kafka.port:04X}" and row[3] == "01"}
            folder = f"/proc/{agent.process.pid}/fd"
            mine = {os.readlink(os.path.join(folder, number)) for number in os.listdir(folder)}
            return len([inode for inode in to_broker if f"socket:[{inode}]" in mine])

        count = 5
        lines = [line_of(number) for number in range(1000)]
        agents = {}
        for name in ("own", "shared"):
            with open(self.stand.path(name + ".lines"), "w", encoding="utf-8") as out:
                out.writelines(line + "\n" for line in lines)
            way = {"Known Brokers": self.kafka.bootstrap} if name == "own" else {"Kafka Connection Service": "cluster"}
            processors = {"tail": {"type": "TailFile", "properties": {"File to Tail": self.stand.path(name + ".lines"), "Include Delimiter": "false"},
                                   "schedule": {"every": "50 ms"}},
                          "key": {"type": "EvaluateJsonPath", "properties": {"key": "$.v"}, "terminate": ["unmatched", "failure"]}}
            connections = [{"from": "tail", "to": "key"}]
            for number in range(count):
                processors[f"{name}-{number}"] = {"type": "PublishKafka", "terminate": ["success", "failure"],
                                                  "properties": {"Topic Name": f"{name}-{number}", "Kafka Key": "${key}", **way}}
                connections.append({"from": "key.matched", "to": f"{name}-{number}"})
            services = {"cluster": {"type": "Kafka3ConnectionService", "properties": {"Bootstrap Servers": self.kafka.bootstrap}}}
            agents[name] = self.start(name, processors, connections, services if name == "shared" else None)
        for name in agents:
            for number in range(count):
                self.assert_whole(self.arrived(f"{name}-{number}", len(lines)), len(lines))
        own, shared = connections_of(agents["own"]), connections_of(agents["shared"])
        self.assertGreaterEqual(own, count)
        self.assertLessEqual(shared * count, own)
        self.append("shared", [line_of(number) for number in range(1000, 1100)])
        for number in range(count):
            self.assert_whole(self.arrived(f"shared-{number}", 1100), 1100)
        self.assert_balanced(agents["shared"])

    def test_a_full_queue_stops_the_source_and_nothing_is_dropped(self):
        self.kafka.pause()
        try:
            count = 5000
            agent = self.publish("full", [line_of(number) for number in range(count)], {}, limit=500)
            wait_until("a full queue", lambda: self.queued(agent, "full") >= 500)
            waiting = self.stand.agent_json(agent, "status")["loss"]["queued"]
            # Two connections, each at most one slice over its limit.
            self.assertLessEqual(waiting, 2 * (500 + 256))
            self.assertEqual(self.stand.agent_json(agent, "status")["loss"]["in"], waiting)
        finally:
            self.kafka.resume()
        self.assert_whole(self.arrived("full", count), count)
        self.assert_balanced(agent)

    def test_a_broker_that_is_killed_and_stopped_gets_every_message_once_and_in_order_with_sessions_in_flight(self):
        count, step, deepest = 0, 200, 0
        agent = self.publish("outage", [line_of(0)], {"Request Timeout": "2 sec"})
        self.arrived("outage", 1)
        count = 1
        for outage, end in ((self.kafka.kill, self.kafka.start), (self.kafka.pause, self.kafka.resume)):
            for tick in range(40):
                self.append("outage", [line_of(number) for number in range(count, count + step)])
                count += step
                if tick == 10:
                    outage()
                time.sleep(0.05)
            # A session takes 256 at most: so several of them are under way.
            deepest = max(deepest, self.processor(agent, "outage")["in_flight"])
            end()
        self.assertGreater(deepest, 3 * 256)
        self.assert_whole(self.arrived("outage", count, seconds=60), count)
        self.assert_balanced(agent)


class Consuming(KafkaTest):
    def test_each_way_to_take_in_gives_what_it_says(self):
        self.kafka.produce("many", ["old"], "-p", "1", "-k", "\u00fc", "-H", "h1=one", "-H", "h1=two", "-H", "other=x")
        mine = self.kafka.certificates
        headers = {"Headers To Add As Attributes": "h.*"}
        ways = [{**headers, "Group ID": "a"},
                {**headers, "Group ID": "b", "Duplicate Header Handling": "Comma-separated Merge", "Key Attribute Encoding": "Hex"},
                {**headers, "Group ID": "c", "Offset Reset": "latest", "Duplicate Header Handling": "Keep First"},
                {"Group ID": "d", "Message Demarcator": "|", "Max Poll Time": "2 sec"},
                {"Group ID": "e", "Kafka Brokers": self.kafka.bootstrap_sasl_ssl, "Security Protocol": "sasl_ssl", "Security CA": mine["ca.pem"],
                 "SASL Mechanism": "SCRAM-SHA-256", "Username": USER, "Password": PASSWORD},
                {"Group ID": "f", "Kafka Brokers": self.kafka.bootstrap_ssl, "Security Protocol": "ssl", "Security CA": mine["ca.pem"],
                 "Security Cert": mine["client.pem"], "Security Private Key": mine["client.key"], "Topic Names": "man.$", "Topic Name Format": "Patterns"},
                {"Group ID": "g", "Kafka Brokers": self.kafka.bootstrap_sasl, "Security Protocol": "sasl_plaintext", "Username": USER, "Password": "wrong"}]
        agent = self.start("many", *self.consume("many", *ways))
        self.arrived("many-out", 5)
        # Nobody tells when the one that begins at the end has found it: it gets what comes then.
        new = []

        def has_more_for_the_latest():
            new.append(f"new {len(new)}")
            self.kafka.produce("many", new[-1:], "-p", "1", "-k", "k", "-H", "h1=three", "-H", "h1=four")
            return self.processor(agent, "in-2")["made_count"] > 0
        wait_until("something for the one that begins at the end", has_more_for_the_latest, 30, every=0.5)
        new += [f"more {number}" for number in range(5)]
        self.kafka.produce("many", new[-5:], "-p", "1", "-k", "k", "-H", "h1=three", "-H", "h1=four")
        everything = ["old", *new]
        wait_until("the last message by all ways", lambda: self.ways_of(new[-1]) == {0, 1, 2, 3, 4, 5}, 20, every=0.5)
        got = collections.defaultdict(list)
        for row in self.read("many-out", "%s\t%h\n"):
            text, named = row.split("\t")[0], self.attributes(row)
            got[int(named["way"])].append((text, named))
        for way in (0, 1, 4, 5):
            self.assertEqual([text for text, _ in sorted(got[way], key=lambda one: int(one[1]["kafka.offset"]))], everything)
        latest = [text for text, _ in got[2]]
        self.assertEqual(sorted(latest), sorted(new[-len(latest):]))
        self.assertEqual({named["h1"] for text, named in got[2]}, {"three"})
        joined = sorted(got[3], key=lambda one: int(one[1]["kafka.offset"]))
        self.assertEqual("|".join(text for text, _ in joined).split("|"), everything)
        self.assertEqual([int(named["kafka.count"]) for _, named in joined], [text.count("|") + 1 for text, _ in joined])
        self.assertLess(len(joined), len(everything))
        old = {way: next(named for text, named in got[way] if text == "old") for way in (0, 1)}
        self.assertEqual([old[0][name] for name in ("kafka.key", "h1", "kafka.topic", "kafka.partition", "kafka.offset")],
                         ["\u00fc", "two", "many", "1", "0"])
        self.assertNotIn("other", old[0])
        self.assertEqual((old[1]["kafka.key"], old[1]["h1"]), ("c3bc", "one, two"))
        self.assertRegex(old[0]["kafka.timestamp"], r"^\d{13}$")
        self.told(agent, "in-6", "authentication")

    @staticmethod
    def attributes(row):
        return dict(part.split("=", 1) for part in re.split(r",(?=[a-z][\w.]*=)", row.split("\t")[1]))

    def ways_of(self, text):
        return {int(self.attributes(row)["way"]) for row in self.read("many-out", "%s\t%h\n") if text in row.split("\t")[0].split("|")}

    def test_an_agent_that_is_killed_again_and_again_loses_no_message(self):
        total = 6000
        lines = [line_of(number) for number in range(total)]
        flow = self.consume("killed", {}, sends=False)
        self.kafka.produce("killed", lines[:2000])
        for part in range(3):
            agent = self.start("killed", *flow)
            before = 0
            if part > 0:  # looked at first: or all that is new might have come before
                before = self.stand.agent_json(agent, "status")["loss"]["queued"]
                self.kafka.produce("killed", lines[part * 2000:(part + 1) * 2000])
            wait_until("messages", lambda: self.stand.agent_json(agent, "status")["loss"]["queued"] > before, every=0.01)
            agent.kill()
        processors, connections = self.consume("killed", {}, sends=True)
        agent = self.start("killed", processors, connections)
        wait_until("all messages", lambda: len(set(self.read("killed-out")) if self.count("killed-out") else ()) == total, 60, every=0.5)
        # Those of before the kills came out of the agent's own queue: the group had been told that they are safe.
        self.assert_balanced(agent)

    def test_members_share_the_partitions_and_the_last_one_takes_over(self):
        flow = self.consume("shared", {})
        first, second = (self.start(name, *flow) for name in ("first", "second"))
        lines = [line_of(number) for number in range(2000)]
        wait_until("both have some", lambda: self.gives(first, second, lines), 40, every=0.5)
        first.kill()
        known = self.count("shared-out")
        self.kafka.produce("shared", [f"after {number}" for number in range(400)])
        wait_until("the rest", lambda: len({line for line in self.read("shared-out") if line.startswith("after")}) == 400, 40, every=0.5)
        self.assertGreater(self.count("shared-out"), known)

    def gives(self, first, second, lines):
        """Produces, until each of the two has got something of it."""
        self.kafka.produce("shared", lines[:40])
        return all(self.processor(agent, "in-0")["made_count"] > 0 for agent in (first, second))


class Unknown(KafkaTest):  # runs last, by its name
    def test_an_unknown_topic_is_told_and_what_was_to_go_there_is_kept(self):
        self.assertIn("`unknown`", self.told(self.unknown, "unknown", "unknown topic", seconds=60))
        wait_until("failure", lambda: self.queued(self.unknown, "unknown refused") == 3)
        self.assertEqual(self.stand.agent_json(self.unknown, "status")["loss"]["queued"], 3)


if __name__ == "__main__":
    unittest.main()
