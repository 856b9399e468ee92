#!/usr/bin/env python3
"""Writes databases of the schema at hand, as SQL, beside this file: tests/scripts/migrations_test.py opens them for ever.

Run it with the programs of a release before the first migration after it is written: `RUNNEL_BIN=… tests/migrations/make.py`. What is there is never written anew.
"""

import os
import sqlite3
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))
from stand import Stand, wait_until  # noqa: E402

PASSWORD = "a-fixture-has-no-secrets"
FLOW = """flow: demo
processors:
  make:
    type: GenerateFlowFile
    properties: {Custom Text: "%s", Unique FlowFiles: "false", Data Format: Text}
    schedule: {every: 50 ms}
  log:
    type: LogAttribute
    terminate: [success]
connections:
  - {name: line, from: make, to: log}
"""


def dump(database, kind):
    """The database as SQL, with the numbers that SQLite's own dump leaves out."""
    connection = sqlite3.connect(database)
    application, version = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    path = os.path.join(HERE, f"{kind}-{version:04}.sql")
    if os.path.exists(path):
        print(f"{path} is there already")
    else:
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"PRAGMA application_id={application};\nPRAGMA user_version={version};\nPRAGMA foreign_keys=OFF;\n")
            out.writelines(line + "\n" for line in connection.iterdump())
        print(path)
    connection.close()


def main():
    with Stand() as stand:
        hub = stand.start_hub(PASSWORD)
        agent = stand.start_agent("truck-1")
        for text in ("one", "two"):
            flow = stand.path("demo.yaml")
            with open(flow, "w", encoding="utf-8") as out:
                out.write(FLOW % text)
            stand.ctl("flows", "push", flow, "--message", text)
        stand.ctl("deploy", "demo", "--class", "trucks", "--wait", "--timeout", "60")
        stand.ctl("stop", "truck-1", "--processor", "log")
        wait_until("twenty are queued", lambda: sum(each["count"] for each in stand.agent_json(agent, "status")["connections"]) >= 20, seconds=60)
        stand.ctl("stop", "truck-1")
        wait_until("it stands still", lambda: "stopped" in stand.ctl("agent", "truck-1"))
        agent.end()
        hub.end()
        dump(stand.path("hub", "hub.db"), "hub")
        dump(os.path.join(agent.state, "ledger.db"), "ledger")
        dump(os.path.join(agent.state, "uplink.db"), "uplink")
        print(sorted(os.listdir(agent.state)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
