"""The commands of runnel-agent on the real program: run, check, describe, status, queues, taps, stop and start, signals, kill -9; and its line to a
hub, which a small server of this test plays."""

import http.server
import json
import os
import pty
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import Program, Stand, wait_until  # noqa: E402

FLOW = """flow: demo
processors:
  make:
    type: GenerateFlowFile
    properties: {Custom Text: "hello from #{agent.id}", Unique FlowFiles: "false", Data Format: Text}
    schedule: {every: 20 ms}
  log:
    type: LogAttribute
    terminate: [success]
connections:
  - {name: line, from: make, to: log}
"""


class AgentTest(unittest.TestCase):
    def setUp(self):
        self.stand = Stand()
        self.addCleanup(self.stand.__exit__, None, None, None)
        self.state = self.stand.path("state")
        self.flow = self.write("flow.yaml", FLOW)
        self.runs = 0

    def write(self, name, text):
        path = self.stand.path(name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def run_agent(self, *options, flow=True):
        self.runs += 1
        command = [self.stand.program("runnel-agent"), "run", "--state", self.state, *options]
        if flow:
            command += ["--flow", self.flow]
        return Program(self.stand, f"agent-{self.runs}", command)

    def running(self, *options):
        agent = self.run_agent(*options)
        agent.line("running demo")
        return agent

    def command(self, *words, state=True):
        words = [*words, "--state", self.state] if state else words
        return subprocess.run([self.stand.program("runnel-agent"), *words], capture_output=True, text=True, timeout=20)

    def ask(self, *words):
        done = self.command(*words, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def connection(self):
        return self.ask("status")["connections"][0]

    def queued(self, agent):
        """Fills the queue `line`, and ends the agent; returns how many are in it."""
        self.command("stop", "log")
        wait_until("some are queued", lambda: self.connection()["count"] >= 20)
        self.command("stop", "make")
        count = self.connection()["count"]
        agent.end()
        return count


class Commands(AgentTest):
    def test_check_says_all_complaints_with_their_places_and_exits_78(self):
        self.assertEqual(self.command("check", self.flow, state=False).returncode, 0)
        bad = self.write("bad.yaml", FLOW.replace("LogAttribute", "LogAtribute").replace("schedule:", "shedule:"))
        done = self.command("check", bad, state=False)
        self.assertEqual(done.returncode, 78)
        self.assertIn(f"{bad}:8:11: ", done.stderr)
        self.assertIn(f"{bad}:6:5: ", done.stderr)
        self.assertIn("did you mean `LogAttribute`", done.stderr)
        as_json = self.command("check", bad, "--json", state=False)
        self.assertEqual(as_json.returncode, 78)
        complaints = json.loads(as_json.stdout)["complaints"]
        self.assertEqual({one["line"] for one in complaints if one["severity"] == "error"}, {6, 8})

    def test_what_a_flowfile_holds_commands_no_terminal(self):
        text = FLOW.replace("hello from #{agent.id}", "\\e[31mred\\x9b2J").replace("type: LogAttribute", "type: LogAttribute\n    stopped: true")
        self.flow = self.write("hostile.yaml", text)
        self.running()
        wait_until("something is queued", lambda: self.connection()["count"] > 0)
        command = [self.stand.program("runnel-agent"), "queue", "peek", "line", "--state", self.state]
        piped = subprocess.run(command, capture_output=True, timeout=20)
        self.assertIn("\033[31mred\x9b2J".encode(), piped.stdout)
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        subprocess.run(command, stdout=slave, timeout=20, check=True)
        os.close(slave)
        shown = os.read(master, 65536)
        self.assertIn(b"\\u001b[31mred\\u009b2J", shown)
        self.assertNotIn(b"\033", shown)

    def test_run_refuses_a_bad_flow_with_78_and_bad_usage_with_2(self):
        self.flow = self.write("bad.yaml", "flow: x\nnonsense: 1\n")
        agent = self.run_agent()
        self.assertEqual(agent.process.wait(timeout=20), 78)
        self.assertTrue(agent.has_said("bad.yaml:2:1: "))
        self.assertEqual(self.command("run", state=False).returncode, 2)
        self.assertEqual(self.command("dance", state=False).returncode, 2)
        self.assertEqual(self.command("run", "--param", "x", "--flow", self.flow).returncode, 2)
        config = self.write("agent.yaml", f"stat: {self.state}\nheartbeat: soon\n")
        done = self.command("run", "--config", config, state=False)
        self.assertEqual(done.returncode, 78)
        self.assertIn("agent.yaml:1:1: ", done.stderr)
        self.assertIn("agent.yaml:2:12: ", done.stderr)

    def test_a_flow_in_a_pipe_is_refused_instead_of_waited_for(self):
        pipe = self.stand.path("pipe")
        os.mkfifo(pipe)
        for words in (("check", pipe), ("run", "--state", self.state, "--flow", pipe)):
            with self.subTest(words):
                done = self.command(*words, state=False)
                self.assertEqual(done.returncode, 78)
                self.assertIn("pipe: is a pipe; a flow is read from a file", done.stderr)
        for place, kind in ((self.stand.folder, "a folder"), ("/dev/null", "a device")):
            self.assertIn(f"is {kind}; ", self.command("check", place, state=False).stderr)

    def test_check_reads_what_the_shell_has_opened(self):
        for name in ("-", "/dev/stdin"):
            with self.subTest(name):
                done = subprocess.run([self.stand.program("runnel-agent"), "check", name], input=FLOW, capture_output=True, text=True, timeout=20)
                self.assertEqual((done.returncode, done.stdout), (0, f"{name}: flow `demo` is good: 2 processors, 1 connection\n"))
        shell = subprocess.run(["bash", "-c", f"{self.stand.program('runnel-agent')} check <(cat {self.flow})"], capture_output=True, text=True, timeout=20)
        self.assertEqual(shell.returncode, 0, shell.stderr)

    def test_check_complains_of_properties_that_are_not_right_together_as_run_does(self):
        said = "`Custom Text` needs `Unique FlowFiles` `false`"
        flow = self.write("together.yaml", "flow: together\nprocessors:\n  g: {type: GenerateFlowFile, properties: {Custom Text: x}, terminate: [success]}\n")
        done = self.command("check", flow, state=False)
        self.assertEqual(done.returncode, 78)
        self.assertIn("together.yaml:3:3: `g`: property " + said, done.stderr)
        self.assertIn(said, self.command("run", "--flow", flow).stderr)
        # What a provider has elsewhere is not judged.
        flow = self.write(
            "elsewhere.yaml",
            "flow: elsewhere\nparameter_contexts: {c: {provider: {type: file, path: /nonexistent}}}\nparameter_context: c\nprocessors:\n"
            "  g: {type: GenerateFlowFile, properties: {Custom Text: x, Unique FlowFiles: '#{u}'}, terminate: [success]}\n",
        )
        self.assertEqual(self.command("check", flow, state=False).returncode, 0)

    def test_a_flow_that_is_too_long_by_a_byte_is_not_said_to_be_as_long_as_it_may(self):
        limit = 8 * 1024 * 1024
        for extra, said in ((1, "the text is 8388609 bytes long; the most is 8388608"), (limit, "the text is 16 MB long; the most is 8 MB")):
            long = self.write("long.yaml", FLOW + "#" * (limit + extra - len(FLOW)))
            done = self.command("check", long, state=False)
            self.assertEqual(done.returncode, 78)
            self.assertIn(said, done.stderr)
        self.write("long.yaml", FLOW + "#" * (limit - len(FLOW)))
        self.assertEqual(self.command("check", long, state=False).returncode, 0)

    def test_a_class_that_the_hub_would_rename_is_refused_at_the_start(self):
        done = self.command("run", "--hub", "http://127.0.0.1:1", "--agent-class", "my trucks")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--agent-class: `my trucks` cannot name a class; a name is 1 to 64 of A-Z a-z 0-9 . _ -", done.stderr)

    def test_an_empty_name_does_not_stand_for_all_and_a_bad_number_is_no_empty_answer(self):
        self.running()
        for words in (("stop", ""), ("start", ""), ("queue", "purge", ""), ("queue", "list", "line", "--limit", "-1"), ("queue", "peek", "line", "--bytes", "-5"),
                      ("tap", "line", "--count", "0"), ("provenance", "--limit", "0"), ("provenance", "--limit", "1001")):
            with self.subTest(words):
                self.assertEqual(self.command(*words).returncode, 2)
        self.assertEqual(self.ask("status")["state"], "running")

    def test_an_answer_that_cannot_be_written_is_a_failure(self):
        self.running()
        for words in (("status", "--json"), ("tap", "line", "--count", "2")):
            with open("/dev/full", "w", encoding="utf-8") as full, self.subTest(words):
                done = subprocess.run([self.stand.program("runnel-agent"), *words, "--state", self.state], stdout=full, stderr=subprocess.PIPE, text=True,
                                      timeout=20)
                self.assertEqual(done.returncode, 1)
                self.assertIn("No space left on device", done.stderr)

    def test_a_ca_file_without_a_certificate_is_refused_at_the_start(self):
        done = self.command("run", "--flow", self.flow, "--hub", "https://127.0.0.1:1", "--hub-ca", self.flow)
        self.assertEqual(done.returncode, 78)
        self.assertIn("holds no certificate", done.stderr)

    def test_an_empty_token_file_is_called_empty(self):
        done = self.command("run", "--flow", self.flow, "--hub", "https://127.0.0.1:1", "--hub-token-file", self.write("token", ""))
        self.assertEqual(done.returncode, 2)
        self.assertIn("is empty", done.stderr)

    def test_describe_knows_every_processor(self):
        done = self.command("describe", "--json", state=False)
        types = [one["type"] for one in json.loads(done.stdout)]
        self.assertIn("ConsumeMQTT", types)
        for one in types:
            self.assertIn(one, self.command("describe", one, state=False).stdout)
        unknown = self.command("describe", "ConsumeMQT", state=False)
        self.assertEqual(unknown.returncode, 1)
        self.assertIn("ConsumeMQTT", unknown.stderr)

    def test_settings_come_from_a_file_too(self):
        config = self.write("agent.yaml", f"state: {self.state}\nflow: {self.flow}\nagent_id: truck-9\nlog_json: true\n")
        agent = Program(self.stand, "agent", [self.stand.program("runnel-agent"), "run", "--config", config])
        agent.line("running demo")
        self.command("stop", "log")
        wait_until("a FlowFile", lambda: self.connection()["count"] > 0)
        self.assertEqual(self.ask("queue", "peek", "line")["text"], "hello from truck-9")
        self.assertEqual(agent.end(), 0)
        with open(agent.log, encoding="utf-8") as log:
            lines = [json.loads(line) for line in log if line.startswith("{")]
        self.assertTrue(lines)

    def test_an_operator_looks_and_acts(self):
        agent = self.running("--replay-archive", "1 MB")
        wait_until("FlowFiles", lambda: self.ask("status")["processors"][1]["in_count"] > 3)
        status = self.ask("status")
        self.assertEqual((status["flow_name"], status["state"], status["health"]), ("demo", "running", "ok"))
        self.assertTrue(status["loss"]["is_balanced"])
        self.assertIn("make", self.command("status").stdout)

        tapped = self.command("tap", "line", "--count", "3", "--json")
        self.assertEqual(len(tapped.stdout.splitlines()), 3)
        self.assertIn("hello from", json.loads(tapped.stdout.splitlines()[0])["text"])

        self.assertEqual(self.command("stop", "log").returncode, 0)
        wait_until("a queue", lambda: self.connection()["count"] >= 5)
        listed = self.ask("queue", "list", "line", "--limit", "4")
        self.assertEqual(len(listed), 4)
        peeked = self.ask("queue", "peek", "line", listed[1]["uuid"])
        self.assertEqual(peeked["id"], listed[1]["id"])
        self.assertEqual(self.ask("queue", "peek", "line", str(listed[2]["id"]))["id"], listed[2]["id"])
        events = self.ask("provenance", "--flowfile", listed[1]["uuid"])["events"]
        self.assertEqual([one["kind"] for one in events], ["DOWNLOAD", "CREATE"])  # it was peeked at
        self.assertTrue(self.ask("provenance", "--component", "log", "--from", "1 hour", "--limit", "2")["events"])
        self.assertEqual(self.ask("provenance", "--to", "2020-01-01T00:00:00Z")["events"], [])
        by_name = self.ask("provenance", "--attribute", "filename=" + listed[1]["uuid"], "--kind", "CREATE")["events"]
        self.assertEqual([one["count"] for one in by_name], [1])
        refused = self.command("provenance", "--attribute", "colour=red")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("provenance_attributes", refused.stderr)
        self.assertEqual(self.command("provenance", "--attribute", "colour").returncode, 2)
        self.assertIn(listed[1]["uuid"], self.command("provenance", "lineage", listed[1]["uuid"]).stdout)

        # What ended is replayed into the connection where it stood, and counted as new.
        ended = self.ask("provenance", "--component", "log", "--kind", "DROP", "--limit", "1")["events"][0]["flowfiles"][0][0]
        self.assertEqual(self.command("stop", "make").returncode, 0)
        before = self.ask("status")["loss"]["in"]
        tried = self.ask("provenance", "replay", str(ended), "--dry-run")
        self.assertEqual((tried["replayed_count"], self.ask("status")["loss"]["in"]), (1, before))
        done = self.ask("provenance", "replay", str(ended))
        self.assertEqual((done["replayed_count"], done["refused_count"]), (1, 0))
        self.assertEqual((self.ask("status")["loss"]["in"], self.ask("status")["loss"]["is_balanced"]), (before + 1, True))
        tree = self.command("provenance", "lineage", str(ended)).stdout
        self.assertIn(f"└─ {done['replayed'][0]['replayed_as']}  REPLAY at line", tree)
        lineage = self.ask("provenance", "lineage", str(ended))
        self.assertEqual([one["child"] for one in lineage["descent"]], [done["replayed"][0]["replayed_as"]])
        self.assertIn("nothing is known of it", self.command("provenance", "replay", "99999999").stdout)
        self.assertEqual(self.command("provenance", "replay").returncode, 2)

        self.assertEqual(self.command("stop", "make").returncode, 0)
        queued = self.connection()["count"]
        self.assertEqual(self.ask("queue", "purge", "line")["removed_count"], queued)
        loss = self.ask("status")["loss"]
        self.assertEqual((loss["dropped_removed"], loss["queued"], loss["is_balanced"]), (queued, 0, True))

        self.assertEqual(self.command("start").returncode, 0)
        before = self.ask("status")["processors"][1]["in_count"]
        wait_until("FlowFiles again", lambda: self.ask("status")["processors"][1]["in_count"] > before)
        self.assertEqual(self.ask("bulletins"), [])
        for words in (["stop", "ghost"], ["queue", "list", "ghost"], ["tap", "ghost"], ["provenance", "--kind", "FLY"]):
            done = self.command(*words)
            self.assertEqual(done.returncode, 1, words)
            self.assertIn("`", done.stderr)
        self.assertEqual(agent.end(), 0)

    def test_what_stands_still_is_run_once_and_groups_show_what_they_hold(self):
        self.flow = self.write("groups.yaml", """flow: demo
processors:
  make:
    type: GenerateFlowFile
    properties: {Custom Text: hello, Unique FlowFiles: "false", Data Format: Text}
    stopped: true
  log: {type: LogAttribute, terminate: [success], stopped: true}
groups:
  single:
    flowfile_concurrency: single
    outbound_policy: batch
    input_ports: [in]
    output_ports: [out]
    processors: {mark: {type: UpdateAttribute, properties: {a: b}, stopped: true}}
    connections: [{from: in, to: mark}, {from: mark.success, to: out}]
connections:
  - {name: line, from: make, to: single.in}
  - {name: end, from: single.out, to: log}
""")
        agent = self.running()
        for _ in range(3):
            done = self.ask("start", "make", "--once")
            self.assertEqual([(one["path"], one["made_count"], one["error"]) for one in done["ran"]], [("make", 1, "")])
        wait_until("one is in the group", lambda: self.ask("status")["groups"][0]["inside_count"] == 1)
        status = self.command("status").stdout
        self.assertRegex(status, r"GROUP +IN +OUT +INSIDE +AT OUTPUT")
        self.assertRegex(status, r"single +single +batch +1 +0")
        self.assertIn("make ran once: 0 in, 1 out\n", self.command("start", "make", "--once").stdout)
        self.assertEqual(self.connection()["count"], 3)
        self.assertEqual(self.command("start", "single/mark", "--once").stdout, "single/mark ran once: 1 in, 1 out\n")
        wait_until("it is out and the next one in", lambda: {one["name"]: one["count"] for one in self.ask("status")["connections"]} ==
                   {"line": 2, "end": 1, "in -> mark": 1, "mark -> out": 0})
        out = self.ask("queue", "list", "end")[0]["attributes"]
        self.assertEqual((out["a"], out["batch.output.out"]), ("b", "1"))
        refused = self.command("start", "single/in", "--once")
        self.assertEqual((refused.returncode, refused.stderr.strip().split("\n")[-1].endswith("`single/in` runs; stop it first, then it can be run once")), (1, True))
        self.assertEqual(self.command("start", "ghost", "--once").returncode, 1)
        self.assertEqual([one["path"] for one in self.ask("start", "single", "--once")["ran"]], ["single/mark"])
        self.assertTrue(self.ask("status")["loss"]["is_balanced"])
        self.assertIn("(single in, batch out)", self.command("graph", self.flow, state=False).stdout)
        self.assertEqual(agent.end(), 0)

    def test_sigterm_ends_it_within_five_seconds_and_nothing_is_lost(self):
        agent = self.running()
        wait_until("FlowFiles", lambda: self.ask("status")["loss"]["in"] > 3)
        self.command("stop", "log")
        wait_until("a queue", lambda: self.connection()["count"] >= 3)
        began = time.monotonic()
        self.assertEqual(agent.end(), 0)
        self.assertLess(time.monotonic() - began, 5)
        self.assertFalse(os.path.exists(os.path.join(self.state, "control.sock")))
        done = self.command("status")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no agent runs on", done.stderr)
        again = self.running()
        wait_until("the queue to drain", lambda: self.connection()["count"] <= 1)
        loss = self.ask("status")["loss"]
        self.assertTrue(loss["is_balanced"])
        self.assertEqual(loss["dropped_removed"], 0)
        self.assertEqual(again.end(), 0)

    def test_a_second_agent_on_the_same_state_directory_is_refused(self):
        self.running()
        second = self.run_agent()
        self.assertEqual(second.process.wait(timeout=20), 1)
        self.assertTrue(second.has_said("in use by another agent"))
        self.assertEqual(self.command("status").returncode, 0)
        # Nor does it help to take the lock for one that was left behind.
        os.remove(os.path.join(self.state, "lock"))
        for _ in range(2):
            another = self.run_agent()
            self.assertEqual(another.process.wait(timeout=20), 1)
            self.assertTrue(another.has_said("in use by another agent; stop it first"))

    def test_kill_9_and_a_restart_leave_a_balanced_ledger(self):
        for _ in range(3):
            agent = self.running()
            wait_until("FlowFiles", lambda: self.ask("status")["processors"][1]["in_count"] > 2)
            agent.kill()
        agent = self.running()
        self.assertTrue(self.ask("status")["loss"]["is_balanced"])
        self.assertEqual(agent.end(), 0)

    def test_metrics_and_health_are_served_where_asked(self):
        agent = self.run_agent("--metrics", "127.0.0.1:0")
        url = agent.line("metrics ").split()[1]
        agent.line("running demo")
        with urllib.request.urlopen(url, timeout=10) as answer:
            self.assertIn("runnel_processor_out_flowfiles_total", answer.read().decode())
        with urllib.request.urlopen(url.replace("/metrics", "/healthz"), timeout=10) as answer:
            self.assertEqual(json.load(answer)["flow"], "demo")
        with self.assertRaises(urllib.error.HTTPError):
            urllib.request.urlopen(url.replace("/metrics", "/"), timeout=10)

    def test_an_idle_agent_uses_no_cpu(self):
        self.flow = self.write("idle.yaml", FLOW.replace("20 ms", "1 hour"))
        agent = self.running()

        def ticks():
            with open(f"/proc/{agent.process.pid}/stat", encoding="utf-8") as stat:
                words = stat.read().rsplit(")", 1)[1].split()
            return int(words[11]) + int(words[12])

        time.sleep(0.5)
        before = ticks()
        time.sleep(2)
        self.assertLessEqual(ticks() - before, 1)


TAIL = """flow: demo
processors:
  tail:
    type: TailFile
    properties: {{File to Tail: "{log}", Initial Start Position: Beginning of File}}
    schedule: {{every: 20 ms}}
  put:
    type: PutFile
    properties: {{Directory: "{out}", Conflict Resolution Strategy: replace}}
    terminate: [success, failure]
connections:
  - {{name: lines, from: tail, to: put}}
"""


class State(AgentTest):
    def states(self):
        return json.loads(self.command("state", "list", "--json").stdout)

    def lines_out(self, folder):
        lines = []
        for name in sorted(name for name in os.listdir(folder) if not name.startswith(".")):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                lines += file.read().split()
        return lines

    def test_a_tailed_file_is_read_from_its_beginning_again_after_its_state_was_cleared(self):
        log, out = self.write("app.log", "one\ntwo\n"), self.stand.path("out")
        os.makedirs(out)
        self.flow = self.write("flow.yaml", TAIL.format(log=log, out=out))
        agent = self.running()
        wait_until("the lines", lambda: self.lines_out(out) == ["one", "two"])
        wait_until("the position", lambda: self.states())
        shown = self.command("state", "show", "tail")
        self.assertIn(log, shown.stdout)
        refused = self.command("state", "clear", "tail")
        self.assertEqual((refused.returncode, refused.stderr), (1, "runnel-agent: `tail` runs; stop it first\n"))
        self.assertEqual(self.command("stop", "tail").returncode, 0)
        cleared = self.command("state", "clear", "tail")
        self.assertRegex(cleared.stdout, r"^\d+ keys? removed\n$")
        self.assertEqual(self.states(), [])
        self.assertIn("tail` was cleared", self.command("bulletins").stdout)
        for name in os.listdir(out):
            os.remove(os.path.join(out, name))
        self.assertEqual(self.command("start", "tail").returncode, 0)
        wait_until("the lines once more", lambda: self.lines_out(out) == ["one", "two"])
        agent.end()

    def test_a_position_waits_for_a_flow_that_has_its_component_again(self):
        log, out = self.write("app.log", "one\n"), self.stand.path("out")
        os.makedirs(out)
        self.flow = self.write("tail.yaml", TAIL.format(log=log, out=out))
        agent = self.running()
        wait_until("the line", lambda: self.lines_out(out) == ["one"])
        agent.end()
        other, tail = self.write("other.yaml", FLOW), self.flow
        self.flow = other
        agent = self.running()
        [removed] = [one for one in self.states() if one["is_removed"]]
        self.assertIn("no longer in the flow", self.command("state", "list").stdout)
        self.assertIn("app.log", self.command("state", "show", removed["id"]).stdout)
        agent.end()
        with open(log, "a", encoding="utf-8") as more:
            more.write("two\n")
        self.flow = tail
        agent = self.running()
        wait_until("what came meanwhile, and no more", lambda: self.lines_out(out) in (["one", "two"], ["two", "one"]))
        agent.end()


class FakeHub(http.server.ThreadingHTTPServer):
    """Speaks C2: keeps what it is told, hands out one operation after the other."""

    def __init__(self):
        self.heartbeats, self.acknowledgements, self.operations, self.flows = [], {}, [], {}
        super().__init__(("127.0.0.1", 0), FakeHub.Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def update(self, identifier, flow_id, text):
        self.flows[f"/efm/api/flows/{flow_id}/content"] = text
        self.operations.append({"identifier": identifier, "operation": "UPDATE", "operand": "configuration",
                                "args": {"relativeFlowUrl": f"flows/{flow_id}/content", "flowId": flow_id, "flowVersion": flow_id}})

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = {}
            if self.path.endswith("/heartbeat"):
                self.server.heartbeats.append(body)
                answer = {"requestedOperations": [self.server.operations.pop(0)] if self.server.operations else [], "runnel": {"heartbeat_ms": 100}}
            else:
                self.server.acknowledgements[body["operationId"]] = body["operationState"]
            self.reply(json.dumps(answer))

        def do_GET(self):
            text = self.server.flows.get(self.path.split("?")[0])
            self.reply(text or "", 200 if text else 404)

        def reply(self, text, code=200):
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())


class Hub(AgentTest):
    def setUp(self):
        super().setUp()
        self.hub = FakeHub()
        self.addCleanup(self.hub.server_close)
        self.addCleanup(self.hub.shutdown)

    def agent(self):
        return self.run_agent("--hub", self.hub.url, "--agent-class", "trucks", "--agent-id", "truck-1", flow=False)

    def acknowledged(self, identifier):
        return wait_until(f"the acknowledgement of {identifier}", lambda: self.hub.acknowledgements.get(identifier))

    def test_a_hub_gives_flows_and_the_last_that_worked_runs_without_it(self):
        agent = self.agent()
        first = wait_until("a heartbeat", lambda: self.hub.heartbeats)[0]
        self.assertEqual(first["agentInfo"]["identifier"], "truck-1")
        self.assertIn("agentManifest", first["agentInfo"])
        self.assertNotIn("flowId", first["flowInfo"])

        self.hub.update("op-1", "flow-1", FLOW)
        agent.line("running demo")
        self.assertEqual(self.acknowledged("op-1")["state"], "FULLY_APPLIED")
        self.hub.update("op-2", "flow-2", FLOW.replace("LogAttribute", "Ghost"))
        refused = self.acknowledged("op-2")
        self.assertEqual(refused["state"], "NOT_APPLIED")
        self.assertIn("the hub's flow:8:11: ", refused["failureCause"]["causedByMessages"][0])
        # Passes the check, but does not start.
        self.hub.update("op-3", "flow-3", FLOW.replace('Unique FlowFiles: "false", ', ""))
        self.assertEqual(self.acknowledged("op-3")["state"], "NOT_APPLIED")
        self.hub.operations.append({"identifier": "op-4", "operation": "STOP", "operand": "processor", "args": {"processorId": "log"}})
        self.assertEqual(self.acknowledged("op-4")["state"], "FULLY_APPLIED")
        beat = wait_until("the processor to stand still", lambda: next(
            (one for one in self.hub.heartbeats[-3:] if one["runnel"]["processors"][1]["run_state"] == "stopped"), None))
        self.assertEqual(beat["flowInfo"]["flowId"], "flow-1")
        self.assertEqual(beat["runnel"]["update"]["flow_id"], "flow-3")
        self.assertNotIn("agentManifest", beat["agentInfo"])

        # The hub is away for good: the agent boots with the flow that last worked.
        agent.kill()
        self.hub.shutdown()
        self.hub.server_close()
        again = self.agent()
        again.line("running demo")
        self.assertEqual(self.ask("status")["flow_version"], "flow-1")
        began = time.monotonic()
        self.assertEqual(again.end(), 0)
        self.assertLess(time.monotonic() - began, 5)

    def test_restart_begins_anew_in_the_same_process(self):
        agent = self.agent()
        self.hub.update("op-1", "flow-1", FLOW)
        agent.line("running demo")
        self.acknowledged("op-1")
        boot = self.hub.heartbeats[-1]["runnel"]["boot"]
        self.hub.operations.append({"identifier": "op-2", "operation": "RESTART"})
        self.assertEqual(self.acknowledged("op-2")["state"], "FULLY_APPLIED")
        agent.line("running demo")
        wait_until("a heartbeat after it", lambda: self.hub.heartbeats[-1]["runnel"]["boot"] != boot)
        self.assertTrue(agent.is_running())
        self.assertEqual(agent.end(), 0)


if __name__ == "__main__":
    unittest.main()
