"""Databases of every released schema (tests/migrations) open and keep what is in them; those of a newer one are refused, and stay as they are."""

import os
import re
import sqlite3
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests", "support"), os.path.join(ROOT, "tests", "migrations")]
from hub_test import Operator, send  # noqa: E402
from make import FLOW, PASSWORD  # noqa: E402
from stand import Stand, wait_until  # noqa: E402

FIXTURES = os.path.join(ROOT, "tests", "migrations")
SCHEMAS = {"hub": "hub/store/schema", "ledger": "agent/runtime/schema", "uplink": "agent/uplink/schema"}
QUEUED = 21  # in the ledger's fixture


def fixtures(kind):
    return sorted(name for name in os.listdir(FIXTURES) if re.fullmatch(kind + r"-\d{4}\.sql", name))


def build(name, path):
    """The database of a fixture; returns its connection."""
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.remove(path + end)
    database = sqlite3.connect(path)
    with open(os.path.join(FIXTURES, name), encoding="utf-8") as sql:
        database.executescript(sql.read())
    return database


def schema_of(path):
    database = sqlite3.connect(path)
    version = database.execute("PRAGMA user_version").fetchone()[0]
    database.close()
    return version


class Migrations(unittest.TestCase):
    def setUp(self):
        self.stand = Stand()
        self.addCleanup(self.stand.__exit__, None, None, None)

    def newest(self, kind):
        return max(int(name[:4]) for name in os.listdir(os.path.join(ROOT, SCHEMAS[kind])) if name[:4].isdigit())

    def refused(self, *command):
        """What a program says that must not start."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("written by a newer version", done.stderr)
        self.assertIn("install that version again", done.stderr)

    def test_each_schema_has_the_fixture_that_came_before_its_last_migration(self):
        for kind in SCHEMAS:
            last = self.newest(kind)
            self.assertIn(f"{kind}-{max(last - 1, 1):04}.sql", fixtures(kind), "write it by tests/migrations/make.py of the programs before the migration")

    def test_a_hub_of_every_schema_opens_with_all_that_it_kept(self):
        for name in fixtures("hub"):
            with self.subTest(name):
                self.stand.start_hub(PASSWORD).end()
                path = self.stand.path("hub", "hub.db")
                build(name, path).close()
                hub = self.stand.start_hub()
                self.assertEqual(schema_of(path), self.newest("hub"))
                login = send(hub.operators, "POST", "/api/v1/login", f'{{"user": "admin", "password": "{PASSWORD}"}}', {"Content-Type": "application/json"}, hub.ca)
                self.assertEqual(login.status, 200)
                token = subprocess.run([self.stand.program("runnel-hub"), "token", "create", "test", "--data", self.stand.path("hub")], check=True, text=True,
                                       stdout=subprocess.PIPE).stdout.strip()
                operator = Operator(hub, token)
                self.assertEqual([operator.get(f"flows/demo/versions/{v}")["text"] for v in (1, 2)], [FLOW % "one", FLOW % "two"])
                self.assertEqual(operator.get("deployments/trucks")["version"], 2)
                self.assertIsNone(operator.get("classes/trucks")["run_wanted"])
                agent = operator.get("agents/truck-1")
                self.assertEqual((agent["class"], agent["agent_type"], agent["flow_reported"]), ("trucks", "runnel", {"name": "demo", "version": 2}))
                self.assertEqual([each["operation"] for each in operator.get("agents/truck-1/operations")["items"] if each["author"] == "admin"], ["stop", "stop", "update"])
                kinds = {each["kind"] for each in operator.get("events?limit=1000")["items"]}
                self.assertLessEqual({"agent_registered", "flow_pushed", "flow_deployed", "flow_applied"}, kinds)
                # And it goes on: what the newer schema adds can be written.
                operator.ask("POST", "classes/trucks/operations", {"operation": "stop", "operand": "flow"}, 202)
                self.assertEqual(operator.get("classes/trucks")["run_wanted"]["state"], "stopped")
                hub.end()

    def agent_state(self, kind, name):
        state = self.stand.path("state-" + name)
        os.makedirs(state, exist_ok=True)
        build(name, os.path.join(state, kind + ".db")).close()
        return state

    def test_a_ledger_of_every_schema_gives_out_all_that_was_queued(self):
        flow = self.stand.path("flow.yaml")
        with open(flow, "w", encoding="utf-8") as out:
            out.write((FLOW % "two").replace("every: 50 ms", "every: 1 hour"))
        for name in fixtures("ledger"):
            with self.subTest(name):
                self.agent_state("ledger", name)
                agent = self.stand.start_flow(name, flow)
                ended = wait_until("what was queued is through", lambda: self.ledger_when_empty(agent))
                self.assertEqual(ended["dropped_quarantined"], 0)
                self.assertGreaterEqual(ended["dropped_auto_terminated"], QUEUED)
                self.assertTrue(agent.is_running())
                agent.end()
                self.assertEqual(schema_of(os.path.join(agent.state, "ledger.db")), self.newest("ledger"))

    def ledger_when_empty(self, agent):
        try:
            status = self.stand.agent_json(agent, "status")
        except Exception:  # not listening yet
            return None
        line = next((each for each in status["connections"] if each["name"] == "line"), None)
        return status["loss"] if line is not None and line["count"] == 0 and status["loss"]["in"] >= QUEUED else None

    def test_a_journal_of_every_schema_opens_and_says_what_the_hub_sent_last(self):
        hub = self.stand.start_hub()
        for name in fixtures("uplink"):
            with self.subTest(name):
                state = self.agent_state("uplink", name)
                agent = self.stand.start_agent(name)
                agent.state = state
                wait_until("it registers", lambda: name in self.stand.ctl("agents"))
                agent.end()
                database = sqlite3.connect(os.path.join(state, "uplink.db"))
                self.assertEqual(database.execute("SELECT value FROM fact WHERE name = 'update.state'").fetchone(), ("applied",))
                self.assertGreaterEqual(database.execute("SELECT count(*) FROM operation").fetchone()[0], 2)
                database.close()
                self.assertEqual(schema_of(os.path.join(state, "uplink.db")), self.newest("uplink"))
        hub.end()

    def make_newer(self, path):
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version=4711")
        database.close()

    def test_a_hub_refuses_the_database_of_a_newer_one(self):
        self.stand.start_hub().end()
        self.make_newer(self.stand.path("hub", "hub.db"))
        self.refused(self.stand.program("runnel-hub"), "serve", "--data", self.stand.path("hub"), "--operators", "127.0.0.1:0", "--agents", "127.0.0.1:0")
        self.assertEqual(schema_of(self.stand.path("hub", "hub.db")), 4711)

    def test_an_agent_refuses_the_ledger_and_the_journal_of_a_newer_one(self):
        flow = self.stand.path("flow.yaml")
        with open(flow, "w", encoding="utf-8") as out:
            out.write(FLOW % "two")
        agent = self.stand.program("runnel-agent")
        for kind, more in (("ledger", ["--flow", flow]), ("uplink", ["--hub", "http://127.0.0.1:9"])):
            with self.subTest(kind):
                state = self.agent_state(kind, fixtures(kind)[-1])
                self.make_newer(os.path.join(state, kind + ".db"))
                self.refused(agent, "run", "--state", state, *more)
                self.assertEqual(schema_of(os.path.join(state, kind + ".db")), 4711)
                self.assertFalse(os.path.exists(os.path.join(state, "quarantine")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
