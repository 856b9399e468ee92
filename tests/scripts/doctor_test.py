"""runnel-agent doctor on the state directory of an agent that is not running, and what an agent does when its directory cannot be used: it starts, is red, and
says why."""

import json
import os
import signal
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "support"), HERE]
from agent_commands_test import AgentTest  # noqa: E402
from stand import wait_until  # noqa: E402


def crc32c(data):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Doctor(AgentTest):
    def doctor(self, *words, state=None):
        return subprocess.run([self.stand.program("runnel-agent"), "doctor", *words, "--state", state or self.state, "--json"], capture_output=True, text=True,
                              timeout=60)

    def make_large(self):
        """Contents of 20,000 B, which lie in a file of their own; returns the flow as it was."""
        with open(self.flow, encoding="utf-8") as flow:
            text = flow.read()
        self.flow = self.write("large.yaml", text.replace('Custom Text: "hello from #{agent.id}", ', "File Size: 20000, ").replace("Data Format: Text", "Data Format: Binary"))
        return text

    def test_it_is_refused_while_the_agent_runs(self):
        self.running()
        for words in (["check"], ["repair"], ["export", "/dev/null"]):
            done = self.doctor(*words)
            self.assertEqual(done.returncode, 1)
            self.assertIn("in use by another agent", done.stderr)

    def test_check_finds_a_flipped_bit_and_repair_counts_what_is_lost(self):
        count = self.queued(self.running())
        sound = self.doctor("check")
        self.assertEqual(sound.returncode, 0, sound.stderr)
        self.assertEqual(json.loads(sound.stdout), {"is_sound": True, "database": "ok", "queued_count": count, "unreadable_count": 0, "damaged_rows": 0,
                                                    "content_blocks": 0, "damaged_content_blocks": 0})
        database = os.path.join(self.state, "ledger.db")
        with open(database, "r+b") as file:
            whole = file.read()
            at = whole.rindex(b"hello from") if b"hello from" in whole else len(whole) - 2000
            file.seek(at)
            file.write(bytes([whole[at] ^ 1]))
        found = self.doctor("check")
        self.assertEqual(found.returncode, 1)
        repaired = self.doctor("repair")
        self.assertEqual(repaired.returncode, 0, repaired.stderr)
        said = json.loads(repaired.stdout)
        self.assertEqual(said["queued_count"] + said["quarantined_count"], count)

    def test_an_export_is_imported_on_another_device_with_all_attributes_and_contents(self):
        count = self.queued(self.running())
        file = self.stand.path("queued.ff3")
        exported = self.doctor("export", file)
        self.assertEqual(exported.returncode, 0, exported.stderr)
        self.assertEqual(json.loads(exported.stdout), {"exported_count": count, "is_encrypted": False, "unreadable_count": 0})
        self.assertEqual(os.stat(file).st_mode & 0o777, 0o600)
        with open(file, "rb") as opened:
            self.assertEqual(opened.read().count(b"NiFiFF3"), count + 1)
        # Half of it is not taken.
        with open(file, "rb") as opened, open(file + ".half", "wb") as half:
            half.write(opened.read()[:-100])
        other = self.stand.path("other")
        os.mkdir(other)
        refused = self.doctor("import", file + ".half", state=other)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("no whole export", refused.stderr)
        imported = self.doctor("import", file, state=other)
        self.assertEqual(imported.returncode, 0, imported.stderr)
        self.assertEqual(json.loads(imported.stdout), {"imported_count": count, "connections": 1})
        # There they wait in the connection of the same flow.
        self.state = other
        self.running()
        wait_until("all were logged", lambda: self.ask("status")["processors"][1]["in_count"] >= count)

    def test_an_export_is_imported_once_unless_asked_for_again(self):
        count = self.queued(self.running())
        file = self.stand.path("queued.ff3")
        self.assertEqual(self.doctor("export", file).returncode, 0)
        # One of an earlier version has no id.
        with open(file, "rb") as opened:
            whole = opened.read()
        name = b"runnel.export.id"
        at = whole.rindex(name) - 2
        last = whole.rindex(b"NiFiFF3")
        with open(file + ".old", "wb") as opened:
            opened.write(whole[:last] + b"NiFiFF3\0\2" + whole[last + 9:at] + whole[at + 2 + len(name) + 2 + 36:])
        other = self.stand.path("other")
        for i, export in enumerate((file, file + ".old")):
            with self.subTest(export):
                first = self.doctor("import", export, state=other)
                self.assertEqual(json.loads(first.stdout)["imported_count"], count, first.stderr)
                refused = self.doctor("import", export, state=other)
                self.assertEqual(refused.returncode, 78)
                self.assertRegex(refused.stderr, f"this export was imported at 20.*Z: its {count} FlowFiles would be queued twice; `--again` does so")
                again = self.doctor("import", export, "--again", state=other)
                self.assertEqual(json.loads(again.stdout)["imported_count"], count, again.stderr)
                self.assertEqual(json.loads(self.doctor("check", state=other).stdout)["queued_count"], 2 * (i + 1) * count)

    def test_an_import_that_was_killed_goes_on_where_it_stood(self):
        flowfile = lambda content: b"NiFiFF3\0\0" + len(content).to_bytes(8, "big") + content
        count = 20000
        body = b"".join(flowfile(b"%d" % i) for i in range(count))
        end = {"runnel.export.count": count, "runnel.export.crc32c": crc32c(body), "runnel.export.id": "one"}
        text = lambda value: len(str(value)).to_bytes(2, "big") + str(value).encode()
        file = self.stand.path("many.ff3")
        with open(file, "wb") as out:
            out.write(body + b"NiFiFF3\0\3" + b"".join(text(name) + text(value) for name, value in end.items()) + bytes(8))
        command = [self.stand.program("runnel-agent"), "doctor", "import", file, "--state", self.state, "--json"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        log = os.path.join(self.state, "ledger.db-wal")
        wait_until("some are there", lambda: os.path.exists(log) and os.path.getsize(log) > 200_000, every=0.001)
        process.kill()
        process.wait()
        before = json.loads(self.doctor("check").stdout)["queued_count"]
        self.assertGreater(before, 0)
        self.assertLess(before, count)
        done = self.doctor("import", file)
        self.assertEqual(json.loads(done.stdout)["imported_count"], count - before, done.stderr)
        self.assertEqual(json.loads(self.doctor("check").stdout)["queued_count"], count)

    def test_flowfiles_of_many_attributes_and_such_as_look_like_an_end_are_exported_and_imported(self):
        number = lambda value: value.to_bytes(2, "big") if value < 0xFFFF else b"\xff\xff" + value.to_bytes(4, "big")
        text = lambda value: number(len(value)) + value
        envelope = lambda attributes: b"NiFiFF3" + number(len(attributes)) + b"".join(text(name) + text(value) for name, value in sorted(attributes.items())) + bytes(8)
        place = {b"runnel.connection.id": b"line", b"runnel.connection.name": b"line"}
        queued = [envelope({b"%d" % i: b"x" for i in range(70_000)} | place), envelope({b"runnel.export.count": b"0"} | place)]
        end = {b"runnel.export.count": b"2", b"runnel.export.crc32c": b"%d" % crc32c(b"".join(queued)), b"runnel.export.id": b"one"}
        file, again = self.stand.path("odd.ff3"), self.stand.path("again.ff3")
        with open(file, "wb") as out:
            out.write(b"".join(queued) + envelope(end))
        imported = self.doctor("import", file)
        self.assertEqual(json.loads(imported.stdout)["imported_count"], 2, imported.stderr)
        self.assertEqual(json.loads(self.doctor("export", again).stdout)["exported_count"], 2)
        with open(again, "rb") as opened:
            whole = opened.read()
        self.assertEqual([whole.count(one) for one in queued], [1, 1])

    def test_what_cannot_be_imported_leaves_no_directory_behind(self):
        count = self.queued(self.running())
        file = self.stand.path("queued.ff3")
        self.assertEqual(json.loads(self.doctor("export", file).stdout)["exported_count"], count)
        with open(file, "rb") as opened, open(file + ".half", "wb") as half, open(file + ".sealed", "wb") as sealed:
            half.write(opened.read()[:-100])
            sealed.write(b"RNLEXP1\n" + bytes(100))
        for bad in (file + ".half", file + ".sealed", file + ".missing", self.stand.folder, "/dev/null"):
            with self.subTest(bad):
                nowhere = self.stand.path("nowhere")
                refused = self.doctor("import", bad, state=nowhere)
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn("runnel-agent doctor: ", refused.stderr)
                self.assertFalse(os.path.exists(nowhere))
        for words in (["check"], ["repair"], ["export", file + ".nothing"]):
            refused = self.doctor(*words, state=nowhere)
            self.assertEqual(refused.returncode, 1)
            self.assertIn(f"there is no state directory `{nowhere}`", refused.stderr)
            self.assertFalse(os.path.exists(nowhere) or os.path.exists(file + ".nothing"))

    def test_repair_counts_flowfiles_whose_content_is_missing_and_check_is_sound_then(self):
        self.make_large()
        count = self.queued(self.running())
        self.assertEqual(self.doctor("check").returncode, 0)
        contents = os.path.join(self.state, "content")
        file = os.path.join(contents, sorted(os.listdir(contents))[0])
        with open(file, "r+b") as opened:
            # In the last content: the first ones may have been taken before the flow stood still.
            opened.seek((os.path.getsize(file) // (5 * 4096) - 1) * 5 * 4096 + 100)
            opened.write(b"rotten")
        found = json.loads(self.doctor("check").stdout)
        self.assertEqual((found["is_sound"], found["queued_count"], found["unreadable_count"]), (False, count, 1))
        repaired = json.loads(self.doctor("repair").stdout)
        self.assertEqual(repaired, {"repaired": "1 FlowFile that could not be read: counted as quarantined", "queued_count": count - 1, "quarantined_count": 1})
        sound = json.loads(self.doctor("check").stdout)
        self.assertEqual((sound["is_sound"], sound["queued_count"]), (True, count - 1))
        os.remove(file)
        self.assertEqual(json.loads(self.doctor("repair").stdout)["quarantined_count"], count)
        self.assertEqual(json.loads(self.doctor("check").stdout)["is_sound"], True)
        self.assertEqual(json.loads(self.doctor("repair").stdout)["repaired"], "nothing")

    def test_flush_and_sigpwr_have_everything_on_disk_and_say_how_long_it_took(self):
        agent = self.running()
        done = self.command("flush", "--within", "5 sec", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertGreaterEqual(json.loads(done.stdout)["took_ms"], 0)
        os.kill(agent.process.pid, signal.SIGPWR)
        def said():
            with open(agent.log, encoding="utf-8") as log:
                return "SIGPWR: everything is on disk" in log.read()

        wait_until("it says so", said)
        self.assertEqual(self.command("status").returncode, 0)

    def test_parked_flowfiles_are_listed_exported_attached_and_purged(self):
        count = self.queued(self.running())
        other = """flow: demo
processors:
  source:
    type: GenerateFlowFile
    stopped: true
  sink:
    type: LogAttribute
    stopped: true
    terminate: [success]
connections:
  - {name: new line, from: source, to: sink}
"""
        self.flow = self.write("other.yaml", other)
        agent = self.running()
        parked = json.loads(self.command("queue", "parked", "list", "--json").stdout)
        self.assertEqual([one["count"] for one in parked], [count])
        # The flow was changed while no agent ran.
        self.assertIn("FlowFiles, of an earlier flow\n", self.command("queue", "parked", "list").stdout)
        file = self.stand.path("parked.ff3")
        refused = self.command("queue", "parked", "export", "other", file)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("nothing is parked under the id `other`", refused.stderr)
        exported = self.command("queue", "parked", "export", parked[0]["id"], file, "--json")
        self.assertEqual(exported.returncode, 0, exported.stderr)
        self.assertEqual(json.loads(exported.stdout), {"exported_count": count, "is_encrypted": False, "unreadable_count": 0})
        other_device = self.stand.path("other device")
        os.mkdir(other_device)
        imported = self.doctor("import", file, state=other_device)
        self.assertEqual(json.loads(imported.stdout), {"imported_count": count, "connections": 1}, imported.stderr)
        attached = self.command("queue", "parked", "attach", parked[0]["id"], "new line")
        self.assertEqual(attached.returncode, 0, attached.stderr)
        self.assertIn(f"{count} FlowFiles now wait in `new line`", attached.stdout)
        # What was answered is on disk.
        agent.kill()
        agent = self.running()
        self.assertEqual(self.connection()["count"], count)
        self.assertEqual(json.loads(self.command("queue", "parked", "list", "--json").stdout), [])
        self.assertEqual(self.command("queue", "purge", "new line").returncode, 0)
        agent.kill()
        self.running()
        self.assertEqual(self.connection()["count"], 0)

    def test_an_export_of_what_is_purged_meanwhile_does_not_pass_for_a_damaged_one(self):
        text = self.make_large()
        self.queued(self.running())
        self.flow = self.write("other.yaml", text.replace("name: line", "name: new line").replace("    schedule: {every: 20 ms}", "    stopped: true"))
        self.running()
        parked = json.loads(self.command("queue", "parked", "list", "--json").stdout)[0]["id"]
        pipe = self.stand.path("pipe")
        os.mkfifo(pipe)
        export = subprocess.Popen([self.stand.program("runnel-agent"), "queue", "parked", "export", parked, pipe, "--state", self.state], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        with open(pipe, "rb") as taken:
            taken.read(1000)  # it has begun, and waits for room
            self.assertEqual(self.command("queue", "parked", "purge", parked).returncode, 0)
            self.assertEqual(self.command("flush").returncode, 0)
            taken.read()
        said = export.communicate(timeout=30)
        self.assertEqual(export.returncode, 1, said)
        self.assertIn("what is parked has changed meanwhile", said[1])


@unittest.skipUnless(os.geteuid() == 0, "needs root to be somebody else")
class SomebodyElses(AgentTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.stand.folder, 0o755)
        self.nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", self.stand.program("runnel-agent")]

    def as_nobody(self, *words):
        done = subprocess.run([*self.nobody, *words, "--state", self.state], capture_output=True, text=True, timeout=30)
        self.assertGreater(done.returncode, 0, done.stdout)
        return done.stderr

    def test_a_directory_of_somebody_else_is_refused_by_name_and_left_as_it_is(self):
        probe = subprocess.run([*self.nobody, "--version"], capture_output=True, timeout=30)
        if probe.returncode != 0:
            self.skipTest("the program cannot be reached by another user")
        count = self.queued(self.running())
        key = self.stand.path("key")
        self.assertEqual(self.command("key", "rotate").returncode, 0)
        for mode in (0o700, 0o755):
            with self.subTest(oct(mode)):
                os.chmod(self.state, mode)
                before = {name: os.stat(os.path.join(self.state, name)).st_mtime_ns for name in os.listdir(self.state)}
                for words in (["doctor", "check"], ["doctor", "repair"], ["doctor", "export", "/dev/null"], ["key", "rotate", "--new-key", "file:" + key]):
                    said = self.as_nobody(*words)
                    self.assertRegex(said, "ermission denied|unable to open database file", words)
                self.assertIn("ermission denied", self.as_nobody("key", "status"))
                self.assertEqual(before, {name: os.stat(os.path.join(self.state, name)).st_mtime_ns for name in os.listdir(self.state)})
        self.assertEqual(json.loads(self.command("doctor", "check", "--json").stdout)["queued_count"], count)


class Unusable(AgentTest):
    def test_a_state_directory_that_cannot_be_used_is_red_until_it_can(self):
        os.mkdir(self.state)
        # As good as a disk that takes nothing: a file stands where contents go.
        blocked = os.path.join(self.state, "content")
        with open(blocked, "w", encoding="utf-8"):
            pass
        agent = self.run_agent("--metrics", "127.0.0.1:0")
        address = agent.line("metrics http://").split("http://")[1].split("/")[0]
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{address}/healthz", timeout=10)
        self.assertEqual(refused.exception.code, 503)
        said = json.loads(refused.exception.read())
        self.assertIn("ledger", said["reason"])
        status = json.loads(self.command("status", "--json").stdout)
        self.assertFalse(status["ledger"]["is_healthy"])
        self.assertEqual(status["processors"], [])
        os.remove(blocked)
        agent.line("running demo")
        self.assertTrue(json.loads(self.command("status", "--json").stdout)["ledger"]["is_healthy"])


if __name__ == "__main__":
    unittest.main()
