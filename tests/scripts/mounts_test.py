"""The state directory on file systems of its own, mounted for real: one that becomes read-only, and one that is full and freed again under load.

They are mounted in a namespace of this process, so that nothing is left on the machine whatever becomes of it. Where mounting is not permitted (no root, a
container without CAP_SYS_ADMIN) the tests are skipped, and say so."""

import base64
import ctypes
import json
import os
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(HERE), "support"), HERE]
from agent_commands_test import AgentTest, FakeHub  # noqa: E402
from stand import Failed, free_port, wait_until  # noqa: E402

CLONE_NEWNS = 0x00020000


def mount(*words):
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"mount {' '.join(words)}: {done.stderr.strip()}")


class Mounted(AgentTest):
    MEGABYTES = 16

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest("only root may mount")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) != 0:
            raise unittest.SkipTest(f"no namespace of mounts of our own: {os.strerror(ctypes.get_errno())}")
        try:
            mount("--make-rprivate", "/")
        except RuntimeError as why:
            raise unittest.SkipTest(f"mounting is not permitted: {why}") from None

    def setUp(self):
        super().setUp()
        os.mkdir(self.state)
        try:
            mount("-t", "tmpfs", "-o", f"size={self.MEGABYTES}m", "tmpfs", self.state)
        except RuntimeError as why:
            self.skipTest(f"mounting is not permitted: {why}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.state], check=False)

    def loss(self):
        return self.ask("status")["loss"]


HTTP_FLOW = """flow: demo
processors:
  listen:
    type: ListenHTTP
    properties: {{Listening Port: "{port}", Base Path: in}}
  put:
    type: PutFile
    properties: {{Directory: {out}}}
    stopped: true
    terminate: [success, failure]
connections:
  - {{name: line, from: listen, to: put}}
"""


class ReadOnly(Mounted):
    def post(self, port, body):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/in", data=body)
        return urllib.request.urlopen(request, timeout=20).status

    def test_a_read_only_disk_is_red_at_the_hub_too_and_nothing_is_acknowledged(self):
        port = free_port()
        self.flow = self.write("http.yaml", HTTP_FLOW.format(port=port, out=self.stand.path("out")))
        agent = self.running()
        for number in range(20):
            self.assertEqual(self.post(port, b"number %d" % number), 200)
        agent.end()
        mount("-o", "remount,ro", self.state)
        hub = FakeHub()
        self.addCleanup(hub.server_close)
        self.addCleanup(hub.shutdown)
        hub.update("op-1", "flow-1", HTTP_FLOW.format(port=port, out=self.stand.path("out")))
        agent = self.run_agent("--metrics", "127.0.0.1:0", "--hub", hub.url, "--agent-class", "trucks", "--agent-id", "truck-1")
        address = agent.line("metrics http://").split("http://")[1].split("/")[0]
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{address}/healthz", timeout=10)
        self.assertEqual(refused.exception.code, 503)
        beats = wait_until("three heartbeats", lambda: hub.heartbeats if len(hub.heartbeats) >= 3 else None)
        health = beats[-1]["runnel"]["health"]
        self.assertEqual(health["state"], "degraded")
        self.assertIn("ledger", health["reason"])
        self.assertTrue(any("state directory" in one["message"] for one in beats[-1]["flowInfo"]["processorBulletins"]), beats[-1]["flowInfo"])
        # What the hub asked for is neither done nor refused.
        self.assertEqual(hub.acknowledgements, {})
        with self.assertRaises(urllib.error.URLError):
            self.post(port, b"not now")
        self.assertTrue(agent.is_running())
        hub.operations.clear()

        mount("-o", "remount,rw", self.state)
        agent.line("running demo")
        self.assertEqual(self.loss()["queued"], 20)
        self.assertTrue(self.ask("status")["ledger"]["is_healthy"])
        self.assertEqual(self.post(port, b"again"), 200)
        self.assertEqual(self.loss()["queued"], 21)
        wait_until("green at the hub", lambda: hub.heartbeats[-1]["runnel"]["health"]["state"] != "degraded")
        self.assertEqual(agent.end(), 0)


    def test_an_agent_that_waits_says_who_it_is_by_what_lies_on_the_disk_that_it_may_only_read(self):
        for ends in ("by itself", "killed"):  # killed, its name may stand in the log of the database alone
            with self.subTest(ends=ends):
                self.flow = self.write("http.yaml", HTTP_FLOW.format(port=free_port(), out=self.stand.path("out")))
                agent = self.running()
                known = self.ask("status")["agent_id"]
                agent.end() if ends == "by itself" else agent.kill()
                mount("-o", "remount,ro", self.state)
                hub = FakeHub()
                self.addCleanup(hub.server_close)
                self.addCleanup(hub.shutdown)
                agent = self.run_agent("--hub", hub.url, "--agent-class", "trucks")
                beat = wait_until("a heartbeat", lambda: hub.heartbeats[-1] if hub.heartbeats else None)
                self.assertEqual(beat["agentInfo"]["identifier"], known)
                self.assertEqual(beat["runnel"]["health"]["state"], "degraded")
                mount("-o", "remount,rw", self.state)
                agent.line("running demo")
                self.assertEqual(self.ask("status")["agent_id"], known)
                self.assertEqual(agent.end(), 0)

    def test_a_state_directory_that_cannot_be_made_yet_is_waited_for_and_a_wrong_path_is_refused(self):
        disk = self.state
        mount("-o", "remount,ro", disk)
        self.flow = self.write("http.yaml", HTTP_FLOW.format(port=free_port(), out=self.stand.path("out")))
        self.state = os.path.join(disk, "agent")
        agent = self.run_agent("--metrics", "127.0.0.1:0")
        address = agent.line("metrics http://").split("http://")[1].split("/")[0]
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://{address}/healthz", timeout=10)
        self.assertEqual(refused.exception.code, 503)
        wrong = self.command("run", "--flow", self.flow, "--state", os.path.join(disk, "no", "such"), state=False)
        self.assertEqual(wrong.returncode, 78, wrong.stderr)
        self.assertIn("is not there either", wrong.stderr)
        file = self.command("run", "--flow", self.flow, "--state", os.path.join(self.flow, "state"), state=False)
        self.assertEqual(file.returncode, 78, file.stderr)
        self.assertTrue(agent.is_running())
        mount("-o", "remount,rw", disk)
        agent.line("running demo", 30)
        self.assertTrue(self.ask("status")["ledger"]["is_healthy"])
        self.assertEqual(agent.end(), 0)


class TurnsReadOnly(Mounted):
    """A real file system, that its kernel makes read-only when it finds an error in it. `remount,ro` is refused while files are open for writing, and what
    has been made read-only by an error is writable again when it has been unmounted and mounted anew, not before."""

    def setUp(self):
        super(Mounted, self).setUp()
        os.mkdir(self.state)
        self.image = self.stand.path("disk")
        with open(self.image, "wb") as image:
            image.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        try:
            self.mount_image()
        except RuntimeError as why:
            self.skipTest(f"mounting an image is not permitted: {why}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.state], check=False, stderr=subprocess.DEVNULL)

    def mount_image(self):
        mount("-o", "loop,errors=remount-ro", self.image, self.state)
        with open("/proc/mounts", encoding="utf-8") as mounts:
            self.device = next(line.split()[0] for line in mounts if line.split()[1] == self.state)

    def post(self, port, body):
        """Whether it was acknowledged."""
        request = urllib.request.Request(f"http://127.0.0.1:{port}/in", data=body)
        try:
            return urllib.request.urlopen(request, timeout=3).status == 200
        except (urllib.error.URLError, TimeoutError):
            return False

    def test_a_disk_that_turns_read_only_while_it_is_used_is_red_acknowledges_nothing_and_loses_nothing(self):
        port = free_port()
        self.flow = self.write("http.yaml", HTTP_FLOW.format(port=port, out=self.stand.path("out")))
        agent = self.running()
        for number in range(20):
            self.assertTrue(self.post(port, b"number %d" % number))
        with open(f"/sys/fs/ext4/{os.path.basename(self.device)}/trigger_fs_error", "w", encoding="ascii") as trigger:
            trigger.write("a test\n")
        tried = 5
        for number in range(20, 20 + tried):
            self.assertFalse(self.post(port, b"number %d" % number), "acknowledged on a disk that takes nothing")
        status = wait_until("red", lambda: (lambda now: None if now["ledger"]["is_healthy"] else now)(self.ask("status")))
        self.assertRegex(status["ledger"]["trouble"], "(?i)read-?only|I/O error|Input/output")
        self.assertTrue(agent.is_running())
        self.assertTrue(status["loss"]["is_balanced"])
        agent.kill()
        subprocess.run(["umount", self.state], check=True)
        checked = subprocess.run(["e2fsck", "-fy", self.image], capture_output=True, text=True)
        self.assertLess(checked.returncode, 4, checked.stdout)
        self.mount_image()
        agent = self.running()
        loss = self.loss()
        # What was acknowledged, and maybe what was not: it could not be told.
        self.assertGreaterEqual(loss["queued"], 20)
        self.assertLessEqual(loss["queued"], 20 + tried)
        self.assertTrue(loss["is_balanced"])
        self.assertEqual(loss["dropped_quarantined"], 0)
        self.assertTrue(self.post(port, b"again"))
        self.assertEqual(agent.end(), 0)


MQTT_FLOW = """flow: demo
processors:
  bus:
    type: ConsumeMQTT
    properties: {{Broker URI: "{broker}", Topic: load, Quality of Service: 1, Clean Session: false, Client ID: full-disk}}
  put:
    type: PutFile
    properties: {{Directory: {out}, Conflict Resolution Strategy: replace}}
    terminate: [success]
    retry: {{failure: {{attempts: forever, backoff: 100ms..1s}}}}
connections:
  - {{name: line, from: bus, to: put, back_pressure: {{count: 1000000, size: 1 GB}}}}
"""
COUNT = 6000
FIRST = 500  # before the disk is full; well below its quota
BODY = 3000  # bytes that do not compress: all of it is more than the disk holds


class Full(Mounted):
    def setUp(self):
        super().setUp()
        self.broker = self.stand.start_mosquitto()
        self.out = self.stand.path("out")
        os.mkdir(self.out)
        self.flow = self.write("full.yaml", MQTT_FLOW.format(broker=self.broker.uri, out=self.out))

    def publish(self, first, end):
        """Messages of these numbers, at QoS 1; mosquitto keeps what the agent does not take."""
        lines = "".join(json.dumps({"number": n, "noise": base64.b64encode(os.urandom(BODY)).decode()}) + "\n" for n in range(first, end))
        port = self.broker.uri.rsplit(":", 1)[1]
        publisher = threading.Thread(target=subprocess.run, args=(["mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-t", "load", "-q", "1", "-l"],),
                                          kwargs={"input": lines.encode(), "check": True})
        publisher.start()
        self.addCleanup(publisher.join)

    def fill(self):
        """Others take what is left of the disk."""
        with open(os.path.join(self.state, "of-others"), "wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                pass

    def standing_still(self):
        """`in`, once it has not grown for two seconds."""
        last, since = -1, time.monotonic()
        deadline = since + 60
        while time.monotonic() < deadline:
            now = self.loss()["in"]
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since > 2:
                return now
            time.sleep(0.1)
        self.fail("sources do not wait")

    def arrived(self):
        numbers = []
        for name in os.listdir(self.out):
            if name.startswith("."):
                continue
            with open(os.path.join(self.out, name), encoding="utf-8") as file:
                numbers.append(json.load(file)["number"])
        return numbers

    def check_all_arrived(self):
        arrived = set()

        def have_all_arrived():
            arrived.update(self.arrived())
            return len(arrived) == COUNT and self.loss()["queued"] == 0

        try:
            wait_until("all have arrived", have_all_arrived, 60, 1)
        except Failed as failed:
            missing = sorted(set(range(COUNT)) - arrived)
            self.fail(f"{failed}: {len(missing)} are missing, {missing[:20]}…; {self.loss()}")
        loss = self.loss()
        self.assertTrue(loss["is_balanced"])
        self.assertEqual(loss["dropped_quarantined"], 0)

    def running_on_a_full_disk(self):
        """Its disk has been filled in the middle of the load."""
        agent = self.running()
        wait_until("the subscription", lambda: self.broker.has_said("load"))
        self.assertEqual(self.command("stop", "put").returncode, 0)
        self.publish(0, FIRST)
        wait_until("some have come", lambda: self.loss()["in"] == FIRST)
        self.fill()
        self.publish(FIRST, COUNT)
        return agent

    def test_a_disk_that_others_fill_and_free_under_load_loses_nothing_and_the_flow_goes_on_by_itself(self):
        agent = self.running_on_a_full_disk()
        held = self.standing_still()
        self.assertLess(held, COUNT)
        os.remove(os.path.join(self.state, "of-others"))
        wait_until("sources go on by themselves", lambda: self.loss()["in"] > held, 60)
        # Now by the quota alone: the flow's own backlog fills the disk.
        self.assertLess(self.standing_still(), COUNT)
        self.assertEqual(self.command("start", "put").returncode, 0)
        self.check_all_arrived()
        self.assertEqual(agent.end(), 0)

    def test_killed_on_a_full_disk_the_agent_starts_again_and_what_it_has_acknowledged_arrives(self):
        agent = self.running_on_a_full_disk()
        self.standing_still()
        agent.kill()
        self.fill()
        agent = self.run_agent()
        time.sleep(1)  # whatever it does on a full disk, it does not end
        self.assertTrue(agent.is_running())
        os.remove(os.path.join(self.state, "of-others"))
        agent.line("running demo", 30)
        self.check_all_arrived()
        self.assertEqual(agent.end(), 0)


if __name__ == "__main__":
    unittest.main()
