"""Encryption at rest with the real agent: nothing of a FlowFile and no secret lies in the state directory in plain; a wrong key is refused and changes
nothing; a rotation may be killed at any time."""

import json
import os
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "support"), HERE]
from agent_commands_test import FLOW, AgentTest  # noqa: E402
from stand import wait_until  # noqa: E402

PLAIN = b"hello from"


def files_of(folder):
    found = {}
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if os.path.isfile(path) and name != "lock":
                with open(path, "rb") as file:
                    found[path] = file.read()
    return found


class KeyTest(AgentTest):
    def key(self, *words):
        return self.command("key", *words)

    def drained(self, count, *options):
        """With an agent that only takes: all are there."""
        agent = self.running(*options)
        self.command("stop", "make")
        wait_until("all are taken", lambda: self.connection()["count"] == 0)
        loss = self.ask("status")["loss"]
        self.assertEqual(loss["dropped_quarantined"], 0)
        self.assertGreaterEqual(loss["dropped_auto_terminated"], count)
        agent.end()

    def has_plain(self):
        return [path for path, held in files_of(self.state).items() if PLAIN in held]


class Encryption(KeyTest):
    def test_nothing_of_a_flowfile_lies_on_disk_in_plain_and_all_of_it_comes_out_again(self):
        key = self.stand.path("key")
        self.assertEqual(self.command("key", "make", key, state=False).returncode, 0)
        options = ("--encryption-key", f"file:{key}", "--encrypt-content", "--replay-archive", "10 MB")
        count = self.queued(self.running("--log-level", "error", *options))
        self.assertGreater(len(files_of(self.state)), 3)
        self.assertEqual(self.has_plain(), [])
        with open(key, encoding="ascii") as file:
            secret = file.read().strip()
        for path, held in files_of(self.state).items():
            self.assertNotIn(secret.encode(), held, path)
            self.assertNotIn(bytes.fromhex(secret), held, path)
        self.drained(count, *options)

    def test_without_the_setting_content_lies_in_plain(self):
        """So that the search of the other test is known to find something."""
        self.queued(self.running("--log-level", "error", "--provenance-size", "0 B"))
        self.assertNotEqual(self.has_plain(), [])

    def test_a_wrong_key_is_refused_with_its_id_and_nothing_is_changed(self):
        right, wrong = self.stand.path("right"), self.stand.path("wrong")
        for key in (right, wrong):
            self.command("key", "make", key, state=False)
        options = ("--encryption-key", right, "--encrypt-content")
        count = self.queued(self.running("--log-level", "error", *options))
        master = json.loads(self.key("status", "--key", right, "--json").stdout)["master_key"]
        before = files_of(self.state)
        for given in (("--encryption-key", wrong), (), ("--encryption-key", self.stand.path("none"))):
            refused = subprocess.run([self.stand.program("runnel-agent"), "run", "--state", self.state, "--flow", self.flow, *given], capture_output=True,
                                     text=True, timeout=20)
            self.assertEqual(refused.returncode, 78, refused.stderr)
            if "none" not in "".join(given):
                self.assertIn(master, refused.stderr)
            self.assertEqual(files_of(self.state), before)
        for what in (["check"], ["repair"], ["export", "/dev/null"]):
            done = self.command("doctor", *what, "--key", wrong)
            self.assertEqual(done.returncode, 78, done.stderr)
            self.assertIn(master, done.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.state, "quarantine")))
        # And without the ring no key opens it; it is not begun anew over what is there.
        keys = os.path.join(self.state, "keys")
        shutil.move(keys, self.stand.path("away"))
        gone = self.key("status", "--key", right)
        self.assertEqual(gone.returncode, 1)
        refused = self.command("doctor", "check", "--key", right)
        self.assertEqual(refused.returncode, 78, refused.stderr)
        self.assertIn("keys/ring", refused.stderr)
        shutil.rmtree(keys, ignore_errors=True)
        shutil.move(self.stand.path("away"), keys)
        self.drained(count, *options)

    def test_an_export_of_encrypted_flowfiles_is_encrypted_unless_told_otherwise(self):
        key = self.stand.path("key")
        self.command("key", "make", key, state=False)
        count = self.queued(self.running("--log-level", "error", "--encryption-key", key, "--encrypt-content"))
        sound = self.command("doctor", "check", "--key", key, "--json")
        self.assertEqual(json.loads(sound.stdout)["queued_count"], count, sound.stderr)
        sealed, plain = self.stand.path("sealed"), self.stand.path("plain")
        self.assertEqual(self.command("doctor", "export", sealed, "--key", key).returncode, 0)
        self.assertEqual(self.command("doctor", "export", plain, "--key", key, "--plain").returncode, 0)
        with open(sealed, "rb") as file:
            self.assertNotIn(PLAIN, file.read())
        with open(plain, "rb") as file:
            self.assertEqual(file.read().count(PLAIN), count)
        self.state = self.stand.path("other")
        os.mkdir(self.state)
        self.assertEqual(self.command("doctor", "import", sealed).returncode, 78)
        shutil.rmtree(self.state)
        os.mkdir(self.state)
        done = self.command("doctor", "import", sealed, "--key", key, "--json")
        self.assertEqual(json.loads(done.stdout)["imported_count"], count, done.stderr)
        self.assertEqual(self.has_plain(), [])

    def test_an_encrypted_export_goes_to_a_device_with_another_key(self):
        key, other = (self.stand.path(name) for name in ("key", "other key"))
        for one in (key, other):
            self.command("key", "make", one, state=False)
        count = self.queued(self.running("--log-level", "error", "--encryption-key", key, "--encrypt-content"))
        sealed = self.stand.path("sealed")
        self.assertEqual(self.command("doctor", "export", sealed, "--key", key).returncode, 0)
        self.flow = self.write("still.yaml", FLOW.replace("    schedule: {every: 20 ms}", "    stopped: true"))
        for name, started_with, opened_with in (("new", None, ()), ("its own", (), ()),
                                                ("configured", ("--encryption-key", other, "--encrypt-content"), ("--key", other))):
            with self.subTest(name):
                self.state = self.stand.path(name)
                if started_with is not None:
                    self.running(*started_with).end()
                refused = self.command("doctor", "import", sealed, *opened_with)
                self.assertEqual(refused.returncode, 78)
                self.assertIn("--export-key SOURCE", refused.stderr)
                done = self.command("doctor", "import", sealed, *opened_with, "--export-key", key, "--json")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(json.loads(done.stdout)["imported_count"], count)
                self.assertEqual(self.has_plain(), [])
                self.drained(count, *(started_with or ()))

    def test_a_rotation_that_is_killed_leaves_everything_readable(self):
        count = self.queued(self.running("--log-level", "error", "--encrypt-content"))
        for wait in range(0, 24):
            rotation = subprocess.Popen([self.stand.program("runnel-agent"), "key", "rotate", "--state", self.state], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
            try:
                rotation.wait(0.004 + wait * 0.002)
            except subprocess.TimeoutExpired:
                rotation.kill()
                rotation.wait()
            checked = self.command("doctor", "check", "--json")
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
            self.assertEqual(json.loads(checked.stdout)["unreadable_count"], 0)
        self.drained(count, "--encrypt-content")

    def test_keys_are_rotated_while_the_agent_runs(self):
        options = ("--encrypt-content", "--provenance-size", "0 B")
        agent = self.running(*options)
        self.command("stop", "log")
        wait_until("some are queued", lambda: self.connection()["count"] >= 5)
        old = json.loads(self.key("status", "--json").stdout)
        fresh = json.loads(self.key("rotate", "--json").stdout)
        self.assertNotEqual(old["master_key"], fresh["master_key"])
        self.assertEqual(len(fresh["data_keys"]), 2)
        count = self.connection()["count"]
        agent.end()
        self.assertEqual(len(json.loads(self.key("status", "--json").stdout)["data_keys"]), 2)
        self.drained(count, *options)
        # Nothing of before is there any more: the next start forgets the old key.
        self.running(*options).end()
        self.assertEqual(json.loads(self.key("status", "--json").stdout)["data_keys"], fresh["data_keys"][1:])

    def test_until_the_agent_starts_with_a_new_key_whoever_looks_with_it_leaves_the_old_one(self):
        old, new = (self.stand.path(name) for name in ("old", "new"))
        for key in (old, new):
            self.command("key", "make", key, state=False)
        count = self.queued(self.running("--encryption-key", old, "--encrypt-content"))
        self.assertEqual(self.key("rotate", "--key", old, "--new-key", new).returncode, 0)
        for words in (["check"], ["export", self.stand.path("export")], ["repair"]):
            done = self.command("doctor", *words, "--key", new)
            self.assertEqual(done.returncode, 0, done.stderr)
        # The agent is not configured anew yet.
        self.drained(count, "--encryption-key", old, "--encrypt-content")
        done = self.command("once", self.flow, "--key", new)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.running("--encryption-key", old).end()
        self.assertTrue(json.loads(self.key("status", "--key", new, "--json").stdout)["is_rotation_unfinished"])
        self.running("--encryption-key", new).end()
        self.assertEqual(self.key("status", "--key", old).returncode, 78)

    def test_once_takes_up_what_lies_encrypted_and_leaves_nothing_in_plain(self):
        key = self.stand.path("key")
        self.command("key", "make", key, state=False)
        filter_flow = self.write("filter.yaml", """flow: demo
processors:
  make: {type: GenerateFlowFile, properties: {Custom Text: "hello from once", Data Format: Text, Unique FlowFiles: false}}
  log: {type: LogAttribute, terminate: [success]}
connections:
  - {name: line, from: make, to: log}
""")

        def once(*options):
            return subprocess.run([self.stand.program("runnel-agent"), "once", filter_flow, "--state", self.state, *options], input=b"hello from a pipe",
                                  capture_output=True, timeout=60)

        self.queued(self.running("--log-level", "error", "--encryption-key", key, "--encrypt-content"))
        before = files_of(self.state)
        for refused in (once(), once("--key", self.flow)):
            self.assertEqual(refused.returncode, 78, refused.stderr)
        self.assertEqual(files_of(self.state), before)
        done = once("--key", key)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"hello from a pipe", done.stdout)
        self.assertIn(b"hello from", done.stdout.replace(b"hello from a pipe", b""))
        self.assertEqual(self.has_plain(), [])
        alone = subprocess.run([self.stand.program("runnel-agent"), "once", filter_flow, "--key", key], input=b"", capture_output=True, timeout=60)
        self.assertEqual(alone.returncode, 78, alone.stderr)


if __name__ == "__main__":
    unittest.main()
