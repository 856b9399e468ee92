"""A backlog out of a full ledger to a real Kafka through PublishKafka; beside a bare librdkafka producer of the same messages.

The backlog is on disk only: the agent that took it in has ended. The time is from the start of the one that sends it to the broker's having
appended the last message."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kafka_stand import measure, wait_until  # noqa: E402

COUNT = 500_000
FLOW = """flow: backlog
processors:
  tail:
    type: TailFile
    properties: {{File to Tail: {path}}}
  to-kafka:
    type: PublishKafka
    properties: {{Known Brokers: "{bootstrap}", Topic Name: {topic}}}{schedule}
    retry: {{failure: {{attempts: forever, backoff: 1s..1min}}}}
    terminate: [success]
connections:
  - {{from: tail, to: to-kafka, back_pressure: {{count: 100000000, size: 100 GB}}}}
"""
NEVER = '\n    schedule: {cron: "0 0 0 1 1 ? 2099"}'


def run(stand, path, number):
    topic = stand.make_topic(f"backlog{number}")
    flow = stand.path(f"flow{number}.yaml")

    def start(schedule):
        with open(flow, "w", encoding="utf-8") as out:
            out.write(FLOW.format(path=path, bootstrap=stand.kafka.bootstrap, topic=topic, schedule=schedule))
        return stand.start_flow(f"agent{number}", flow)

    agent = start(NEVER)
    agent.line("running ")
    wait_until("the backlog", lambda: stand.agent_json(agent, "status")["loss"]["queued"] == COUNT, seconds=120)
    agent.end(seconds=60)
    began = time.time()
    agent = start("")
    figures = stand.watch(agent, topic, COUNT, began)
    agent.end()
    return figures


if __name__ == "__main__":
    if len(sys.argv) > 1:
        COUNT = int(sys.argv[1])
    measure(COUNT, run)
