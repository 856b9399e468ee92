"""After eight hours without Kafka: a fresh alarm arrives within a second, while what was gathered drains."""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from kafka import Kafka  # noqa: E402
from stand import Stand, wait_until  # noqa: E402

BACKLOG = 50 * 8 * 3600  # a vehicle's messages of eight hours, 50 a second


def flow_of(stand, kafka, order):
    tail = {"Include Delimiter": "false"}
    return {
        "flow": "outage",
        "processors": {
            "telemetry": {"type": "TailFile", "properties": {**tail, "File to Tail": stand.path("telemetry")}, "schedule": {"every": "100 ms"}},
            "alarms": {"type": "TailFile", "properties": {**tail, "File to Tail": stand.path("alarms")}, "schedule": {"every": "50 ms"}},
            "common": {"type": "UpdateAttribute", "properties": {"class": "2"}},
            "urgent": {"type": "UpdateAttribute", "properties": {"class": "1"}},
            "to-kafka": {"type": "PublishKafka", "terminate": ["success"], "retry": {"failure": {"attempts": "forever", "backoff": "100ms..1s"}},
                         "properties": {"Known Brokers": kafka.bootstrap, "Topic Name": "outage", "Kafka Key": "${class}"}}},
        "funnels": ["all"],
        "connections": [
            {"from": "telemetry", "to": "common"}, {"from": "alarms", "to": "urgent"}, {"from": "common", "to": "all"}, {"from": "urgent", "to": "all"},
            {"name": "backlog", "from": "all", "to": "to-kafka", "order": order, "back_pressure": {"count": 10_000_000, "size": "4 GB"}}]}


class Outage(unittest.TestCase):
    def test_what_comes_now_overtakes_the_backlog_of_eight_hours(self):
        self.alarm_after_outage("live-first")

    def test_a_higher_class_overtakes_a_lower_one(self):
        self.alarm_after_outage({"attribute": "class"})

    def alarm_after_outage(self, order):
        with Stand() as stand:
            kafka = Kafka(stand.path("kafka"), partitions=1, settings={"log.message.timestamp.type": "LogAppendTime"})
            self.addCleanup(kafka.kill)
            kafka.produce("outage", ["first"], "-k", "0")
            kafka.kill()
            with open(stand.path("telemetry"), "w", encoding="ascii") as out:
                out.writelines(f'{{"sequence":{number},"speed":{number % 900 / 10},"note":"telemetry of an hour ago"}}\n' for number in range(BACKLOG))
            open(stand.path("alarms"), "w", encoding="ascii").close()
            flow = stand.path("outage.yaml")
            with open(flow, "w", encoding="utf-8") as out:
                json.dump(flow_of(stand, kafka, order), out)
            agent = stand.start_flow("agent", flow)
            agent.line("running ")
            waiting = lambda: next(one["count"] for one in stand.agent_json(agent, "status")["connections"] if one["name"] == "backlog")
            wait_until("the backlog", lambda: waiting() == BACKLOG, 120, 0.5)
            time.sleep(10)  # older than what counts as live
            kafka.start()
            wait_until("the backlog to drain", lambda: waiting() < BACKLOG - 1000, 60, 0.02)
            sent_ms = time.time() * 1000
            with open(stand.path("alarms"), "a", encoding="ascii") as out:
                out.write('{"alarm":"smoke"}\n')
            wait_until("all", lambda: waiting() == 0, 120, 0.5)
            rows = [line.split() for line in kafka.read_all("outage", "%T %k\n")]
            at = next(number for number, (_, key) in enumerate(rows) if key == b"1")
            delay_ms = int(rows[at][0]) - sent_ms
            after = sum(1 for _, key in rows[at:] if key == b"2")
            print(f"{order}: the alarm was in Kafka after {delay_ms:.0f} ms, before {after} of {BACKLOG} messages of the backlog", flush=True)
            self.assertEqual(len(rows), BACKLOG + 2)
            self.assertGreater(after, BACKLOG // 10, "the backlog was gone before the alarm came: nothing was overtaken")
            self.assertLess(delay_ms, 1000)
            self.assertTrue(stand.agent_json(agent, "status")["loss"]["is_balanced"])


if __name__ == "__main__":
    unittest.main()
