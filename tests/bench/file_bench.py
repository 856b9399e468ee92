"""A file of lines to a real Kafka: TailFile, then PublishKafka; beside a bare librdkafka producer of the same lines.

The time is from the agent's start to the broker's having appended the last line."""

import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kafka_stand import measure  # noqa: E402

COUNT = 1_000_000
FLOW = """flow: file
processors:
  tail:
    type: TailFile
    properties: {{File to Tail: {path}}}
  to-kafka:
    type: PublishKafka
    properties: {{Known Brokers: "{bootstrap}", Topic Name: {topic}}}
    retry: {{failure: {{attempts: forever, backoff: 1s..1min}}}}
    terminate: [success]
connections:
  - {{from: tail, to: to-kafka}}
"""


def run(stand, path, number):
    topic = stand.make_topic(f"file{number}")
    flow = stand.path(f"flow{number}.yaml")
    with open(flow, "w", encoding="utf-8") as out:
        out.write(FLOW.format(path=path, bootstrap=stand.kafka.bootstrap, topic=topic))
    began = time.time()
    agent = stand.start_flow(f"agent{number}", flow)
    figures = stand.watch(agent, topic, COUNT, began)
    agent.end()
    return figures


if __name__ == "__main__":
    if len(sys.argv) > 1:
        COUNT = int(sys.argv[1])
    measure(COUNT, run)
