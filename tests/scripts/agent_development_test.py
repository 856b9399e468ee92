"""The commands of runnel-agent for whoever writes flows, on the real program: test, once, graph, schema, completion, top, and taps that sample and
mask."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest
import xml.etree.ElementTree

# Debian's packages, also for a Python that is not Debian's.
sys.path.append("/usr/lib/python3/dist-packages")
import jsonschema  # noqa: E402
import yaml  # noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
from stand import ROOT, Program, Stand, wait_until  # noqa: E402

FILTER = """flow: filter
parameters: {limit: "80"}
processors:
  in: {type: GenerateFlowFile}
  fields:
    type: EvaluateJsonPath
    properties: {Destination: flowfile-attribute, speed: $.speed}
    terminate: [unmatched, failure]
  fast:
    type: RouteOnAttribute
    properties: {alarm: "${speed:toDecimal():gt(#{limit})}"}
    terminate: [unmatched]
  out:
    type: PutFile
    properties: {Directory: /nowhere}
    terminate: [success, failure]
connections:
  - {from: in, to: fields}
  - {from: fields.matched, to: fast, name: line}
  - {from: fast.alarm, to: out}
"""


class CoreLoader(yaml.SafeLoader):
    """YAML 1.2's core schema, as editors read: `on` and `yes` are texts."""


CoreLoader.yaml_implicit_resolvers = {}
for tag, pattern, first in (("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"), ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
                            ("int", r"^[-+]?[0-9]+$", "-+0123456789"), ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")):
    CoreLoader.add_implicit_resolver("tag:yaml.org,2002:" + tag, re.compile(pattern), list(first))


class DevelopmentTest(unittest.TestCase):
    def setUp(self):
        self.stand = Stand()
        self.addCleanup(self.stand.__exit__, None, None, None)
        self.agent = self.stand.program("runnel-agent")
        self.flow = self.write("filter.yaml", FILTER)
        # What a command leaves behind is seen here.
        self.temporary = tempfile.mkdtemp(dir=self.stand.folder)
        self.env = dict(os.environ, TMPDIR=self.temporary)

    def tearDown(self):
        self.assertEqual(os.listdir(self.temporary), [])

    def write(self, name, text):
        path = self.stand.path(name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def run_agent(self, *words, given=b"", **how):
        return subprocess.run([self.agent, *words], input=given, capture_output=True, timeout=60, env=self.env, **how)


class Once(DevelopmentTest):
    LINES = b'{"speed": 99}\n{"speed": 3}\n{"speed": 100}'

    def test_lines_go_through_the_flow_from_stdin_to_stdout(self):
        done = self.run_agent("once", self.flow, "--lines", given=self.LINES)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b'{"speed": 99}\n{"speed": 100}\n', b""))
        done = self.run_agent("once", self.flow, "--lines", "--separator", r"\0\x41", "--param", "limit=2", given=self.LINES + b"\n")
        self.assertEqual((done.returncode, done.stdout), (0, b'{"speed": 99}\0A{"speed": 3}\0A{"speed": 100}\0A'))

    def test_without_lines_the_whole_input_is_one_flowfile_also_an_empty_one(self):
        plain = self.write("plain.yaml", FILTER.replace("fields.matched", "fields.unmatched").replace(
            "terminate: [unmatched, failure]", "terminate: [matched, failure]").replace("fast.alarm", "fast.unmatched").replace(
            "terminate: [unmatched]", "terminate: [alarm]"))
        done = self.run_agent("once", plain, given=b'{"a":\n1}\n')
        self.assertEqual((done.returncode, done.stdout), (0, b'{"a":\n1}\n'))
        passing = self.write("pass.yaml", "flow: pass\nprocessors:\n  in: {type: GenerateFlowFile}\n  out: {type: LogAttribute, terminate: [success]}\n"
                             "connections: [{from: in, to: out}]\n")
        done = self.run_agent("once", passing, "--separator", "|", given=b"")
        self.assertEqual((done.returncode, done.stdout), (0, b"|"))
        done = self.run_agent("once", passing, "--lines", given=b"")
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        done = self.run_agent("once", passing, "--lines", given=b"\n\na")
        self.assertEqual((done.returncode, done.stdout), (0, b"\n\na\n"))

    def test_what_went_to_a_failure_is_told_and_the_rest_is_delivered(self):
        began = time.monotonic()
        done = self.run_agent("once", self.flow, "--lines", given=self.LINES + b"\nno JSON\n")
        self.assertEqual((done.returncode, done.stdout), (1, b'{"speed": 99}\n{"speed": 100}\n'))
        self.assertIn(b"1 FlowFile went to `fields.failure`", done.stderr)
        self.assertIn(b"no JSON", done.stderr)
        self.assertLess(time.monotonic() - began, 20)  # nobody waits for the end of its penalty

    def test_what_is_left_is_told_and_can_be_kept(self):
        stuck = self.write("stuck.yaml", FILTER.replace("    type: RouteOnAttribute", "    stopped: true\n    type: RouteOnAttribute"))
        done = self.run_agent("once", stuck, "--lines", "--patience", "100 ms", given=self.LINES)
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"3 FlowFiles left in `line`", done.stderr)
        state = self.stand.path("state")
        self.assertEqual(self.run_agent("once", stuck, "--lines", "--patience", "100 ms", "--state", state, given=self.LINES).returncode, 1)
        done = self.run_agent("once", self.flow, "--lines", "--state", state, given=b"")
        self.assertEqual((done.returncode, done.stdout), (0, b'{"speed": 99}\n{"speed": 100}\n'))

    def test_ends_are_named_and_wrong_names_are_usage(self):
        done = self.run_agent("once", self.flow, "--lines", "--input", "fast", "--attribute", "speed=90", given=b"raw\n")
        self.assertEqual((done.returncode, done.stdout), (0, b"raw\n"))
        done = self.run_agent("once", self.flow, "--lines", "--output", "fast.unmatched", "--output", "out", given=self.LINES)
        self.assertEqual((done.returncode, sorted(done.stdout.splitlines())), (0, sorted(self.LINES.splitlines())))
        for words, text in ((("--input", "inn"), b"did you mean `in`?"), (("--output", "out.ghost"), b"no relationship `ghost`"),
                            (("--output", "in"), b"is a source"), (("--attribute", "x"), b"is not NAME=VALUE"), (("--separator", r"\q"), b"--separator"),
                            (("--patience", "soon"), b"--patience")):
            with self.subTest(words):
                done = self.run_agent("once", self.flow, *words)
                self.assertEqual(done.returncode, 2)
                self.assertIn(text, done.stderr)
        two = self.write("two.yaml", FILTER.replace("  fields:", "  in2: {type: GenerateFlowFile}\n  fields:").replace(
            "connections:", "connections:\n  - {from: in2, to: fields}"))
        done = self.run_agent("once", two)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"several sources: `in` and `in2`", done.stderr)
        bad = self.run_agent("once", self.write("bad.yaml", "flow: x\nnonsense: 1\n"))
        self.assertEqual(bad.returncode, 78)
        self.assertIn(b"bad.yaml:2:1: ", bad.stderr)

    def test_a_reader_that_has_gone_ends_it_silently_and_a_full_disk_is_told(self):
        with subprocess.Popen([self.agent, "once", self.flow, "--lines"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=self.env) as process:
            process.stdout.close()
            process.stdin.write(self.LINES + b"\n")
            process.stdin.close()
            self.assertEqual(process.wait(timeout=20), -signal.SIGPIPE)
            self.assertEqual(process.stderr.read(), b"")
        with open("/dev/full", "wb") as full:
            done = subprocess.run([self.agent, "once", self.flow, "--lines"], input=self.LINES, stdout=full, stderr=subprocess.PIPE, env=self.env, timeout=20)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"writing the output: No space left on device", done.stderr)

    def test_an_end_that_is_closed_is_not_taken_for_a_file_of_the_state_directory(self):
        for closed, text in (("<&-", "standard input is closed"), (">&-", "standard output is closed")):
            with self.subTest(closed):
                done = subprocess.run(["sh", "-c", f'exec "$0" once "$1" --lines {closed}', self.agent, self.flow], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self.env, timeout=20)
                self.assertEqual(done.returncode, 1)
                self.assertIn(text, done.stderr)

    def test_a_signal_ends_it_at_once_and_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen([self.agent, "once", self.flow, "--lines"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env) as process:
                process.stdin.write(b'{"speed": 99}\n')
                process.stdin.flush()
                self.assertEqual(process.stdout.readline(), b'{"speed": 99}\n')  # it does not wait for the end
                process.send_signal(number)
                self.assertEqual(process.wait(timeout=20), -number)
                process.stdin.close()
            self.assertEqual(os.listdir(self.temporary), [])

    def test_a_hundred_megabytes_go_through_in_little_memory(self):
        passing = self.write("pass.yaml", "flow: pass\nprocessors:\n  in: {type: GenerateFlowFile}\n  out: {type: LogAttribute, terminate: [success]}\n"
                             "connections: [{from: in, to: out}]\n")
        for words in ((), ("--lines",)):
            with self.subTest(words):
                # One line of 20 MB among many short ones.
                feeder = ("import sys\nfor _ in range(80): sys.stdout.buffer.write((b'x' * 99 + b'\\n') * 10000)\n"
                          "sys.stdout.buffer.write(b'y' * 20_000_000 + b'\\n')\n")
                script = (f"import resource, subprocess, sys\n"
                          f"feed = subprocess.Popen([sys.executable, '-c', {feeder!r}], stdout=subprocess.PIPE)\n"
                          f"once = subprocess.Popen([{self.agent!r}, 'once', {passing!r}, *{words!r}], stdin=feed.stdout, stdout=subprocess.PIPE)\n"
                          "size = 0\n"
                          "while True:\n"
                          "    block = once.stdout.read(1 << 16)\n"
                          "    if not block: break\n"
                          "    size += len(block)\n"
                          "code = once.wait(); feed.wait()\n"
                          "print(code, size, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n")
                done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=self.env, timeout=120, check=True)
                code, size, rss_kib = (int(word) for word in done.stdout.split())
                self.assertEqual((code, size), (0, 100_000_001))
                self.assertLess(rss_kib, 120 * 1024)


class Test(DevelopmentTest):
    GOOD = ("flow: filter.yaml\ntests:\n  - name: fast & <good>\n    mock: {out: success}\n    given: [{at: in, content: '{\"speed\": 99}'}]\n"
            "    expect: [{at: out, content: {json: {$.speed: 99}}}]\n")

    def test_the_exit_code_says_whether_all_passed_and_each_difference_has_its_place(self):
        good = self.write("good.test.yaml", self.GOOD)
        done = self.run_agent("test", good)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(done.stdout.decode(), f"ok     {good}: fast & <good>\n1 passed, 0 failed\n")
        failing = self.write("failing.test.yaml", self.GOOD.replace("$.speed: 99", "$.speed: 98"))
        done = self.run_agent("test", good, failing)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"  {failing}:6:50: at `out`: content: expected `98` at `$.speed`, saw `99`\n", done.stdout.decode())
        bad = self.write("bad.test.yaml", self.GOOD.replace("mock: {out", "mock: {owt"))
        done = self.run_agent("test", bad, good)
        self.assertEqual(done.returncode, 78)
        self.assertIn(f"{bad}:4:12: the flow has no processor `owt`; did you mean `out`?\n".encode(), done.stderr)
        self.assertIn(b"1 passed, 0 failed; not all could be run\n", done.stdout)
        self.assertEqual(self.run_agent("test").returncode, 2)
        self.assertEqual(self.run_agent("test", self.stand.path("none.test.yaml")).returncode, 78)
        self.assertEqual(self.run_agent("test", self.temporary).returncode, 78)

    def test_json_and_junit_say_the_same(self):
        failing = self.write("failing.test.yaml", self.GOOD + self.GOOD[self.GOOD.index("  - name"):].replace("<good>", "bad").replace("99}}}", "98}}}"))
        bad = self.write("bad.test.yaml", "flow: filter.yaml\n")
        junit = self.stand.path("junit.xml")
        done = self.run_agent("test", failing, bad, "--json", "--junit", junit)
        self.assertEqual(done.returncode, 78)
        report = json.loads(done.stdout)
        self.assertEqual((report["passed"], report["failed"], report["is_valid"]), (1, 1, False))
        self.assertEqual([one["is_passed"] for one in report["tests"]], [True, False])
        self.assertEqual((report["tests"][1]["line"], report["tests"][1]["failures"][0]["line"]), (7, 10))
        self.assertEqual(report["complaints"][0]["file"], bad)
        suites = xml.etree.ElementTree.parse(junit).getroot()
        self.assertEqual([(suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in suites], [("2", "1", "0"), ("1", "0", "1")])
        self.assertEqual(suites[0][0].get("name"), "fast & <good>")
        self.assertIn("expected `98`", suites[0][1][0].get("message"))
        self.assertEqual(self.run_agent("test", failing, "--junit", "/nowhere/junit.xml").returncode, 1)

    def test_junit_is_xml_whatever_names_and_contents_hold(self):
        odd = self.write("odd.test.yaml", """flow: filter.yaml
tests:
  - name: "a\\ttab, \\U0001F697, \\uFFFE, \\uFFFF, ]]> & \\u0007"
    mock: {out: success}
    given: [{at: in, content: {base64: eyJzcGVlZCI6IDk5LCAieCI6ICLvv7/vv75dXT4ifQ==}}]
    expect: [{at: out, content: "\\uFFFF"}]
""")
        junit = self.stand.path("junit.xml")
        done = self.run_agent("test", odd, "--junit", junit)
        self.assertEqual(done.returncode, 1, done.stderr)
        case = xml.etree.ElementTree.parse(junit).getroot()[0][0]
        self.assertEqual(case.get("name"), "a\ttab, \U0001F697, \uFFFD, \uFFFD, ]]> & \uFFFD")
        self.assertIn("expected `\uFFFD`, saw", case[0].text)

    def test_a_signal_ends_it_and_leaves_nothing(self):
        endless = self.write("endless.test.yaml", "flow: endless.yaml\ntests: [{name: n, unmocked: [in], runs_for: 366 days, counts: {out.success: 1}}]\n")
        self.write("endless.yaml", "flow: endless\nprocessors:\n  in: {type: GenerateFlowFile, schedule: {every: 1 ms}}\n"
                   "  out: {type: LogAttribute, terminate: [success]}\nconnections: [{from: in, to: out}]\n")
        with subprocess.Popen([self.agent, "test", endless], stdout=subprocess.DEVNULL, env=self.env) as process:
            wait_until("a state directory", lambda: os.listdir(self.temporary))
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=20), -signal.SIGINT)


class Graph(DevelopmentTest):
    NESTED = """flow: 'odd "names" <here>'
labels: ["note; with #hash & `ticks`"]
processors:
  'make "it"': {type: GenerateFlowFile, stopped: true}
groups:
  'in [brackets]':
    input_ports: [raw]
    funnels: [both]
    processors:
      log: {type: LogAttribute, terminate: [success]}
    connections:
      - {from: raw, to: both}
      - {from: both, to: log}
connections:
  - {from: 'make "it"', to: 'in [brackets].raw'}
"""

    def test_groups_are_subgraphs_and_every_label_is_escaped(self):
        flow = self.write("nested.yaml", self.NESTED)
        done = self.run_agent("graph", flow)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.decode(), """flowchart LR
  n1["make #34;it#34;<br/>GenerateFlowFile<br/>(stopped)"]
  subgraph n2["in [brackets]"]
    n3["log<br/>LogAttribute"]
    n4(["raw"])
    n5(("both"))
  end
  n1 -->|"success"| n4
  n4 --> n5
  n5 --> n3
  note1>"note#59; with #35;hash #38; #96;ticks#96;"]
""")
        done = self.run_agent("graph", flow, "--format", "dot")
        self.assertEqual(done.stdout.decode(), """digraph "odd \\"names\\" <here>" {
  rankdir=LR;
  node [shape=box, style=rounded];
  n1 [label="make \\"it\\"\\nGenerateFlowFile\\n(stopped)"];
  subgraph "cluster_n2" {
    label="in [brackets]";
    n3 [label="log\\nLogAttribute"];
    n4 [label="raw", shape=cds, style=solid];
    n5 [label="both", shape=circle];
  }
  n1 -> n4 [label="success"];
  n4 -> n5 [label=""];
  n5 -> n3 [label=""];
  note1 [shape=note, style=solid, label="note; with #hash & `ticks`"];
}
""")

    def test_what_is_wrong_is_told(self):
        self.assertEqual(self.run_agent("graph").returncode, 2)
        self.assertEqual(self.run_agent("graph", self.flow, "--format", "svg").returncode, 2)
        self.assertEqual(self.run_agent("graph", self.write("bad.yaml", "flow: x\nnonsense: 1\n")).returncode, 78)
        self.assertEqual(self.run_agent("graph", "--state", self.temporary).returncode, 1)


class Running(DevelopmentTest):
    """What asks a running agent."""

    FLOW = """flow: demo
processors:
  make:
    type: GenerateFlowFile
    properties: {Custom Text: '{"driver": {"name": "Ann"}, "speed": 3}', Unique FlowFiles: "false", Data Format: Text, secret: hush}
    schedule: {every: 5 ms}
  mark: {type: UpdateAttribute, properties: {secret: hush, open: seen}}
  log: {type: LogAttribute, terminate: [success]}
connections:
  - {name: line, from: make, to: mark}
  - {name: to log, from: mark, to: log, back_pressure: {count: 20}}
"""

    def setUp(self):
        super().setUp()
        self.state = self.stand.path("state")
        flow = self.write("demo.yaml", self.FLOW.replace(", secret: hush}", "}", 1))
        self.program = Program(self.stand, "agent", [self.agent, "run", "--state", self.state, "--flow", flow])
        self.program.line("running demo")

    def tap(self, *words):
        done = self.run_agent("tap", "to log", "--state", self.state, "--json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def test_a_tap_masks_attributes_and_json_before_they_leave_the_agent(self):
        plain, = self.tap("--limit", "1")
        self.assertEqual((plain["attributes"]["secret"], json.loads(plain["text"])["driver"]["name"]), ("hush", "Ann"))
        masked, = self.tap("--limit", "1", "--mask", "secret", "--mask", "$.driver.name", "--mask", "$.ghost")
        self.assertEqual((masked["attributes"]["secret"], masked["attributes"]["open"]), ("***", "seen"))
        self.assertEqual(json.loads(masked["text"]), {"driver": {"name": "***"}, "speed": 3})
        done = self.run_agent("tap", "line", "--state", self.state, "--mask", "$.[")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"JSON path", done.stderr)

    def test_a_tap_samples_keeps_a_rate_and_ends_in_time(self):
        ids = [one["id"] for one in self.tap("--limit", "5", "--sample", "1/10")]
        self.assertEqual([b - a for a, b in zip(ids, ids[1:])], [10] * 4)
        began = time.monotonic()
        seen = self.tap("--limit", "1000", "--seconds", "1", "--rate", "5")
        self.assertLess(time.monotonic() - began, 10)
        self.assertTrue(1 <= len(seen) <= 8, len(seen))
        self.run_agent("stop", "make", "--state", self.state)
        self.assertEqual(self.tap("--seconds", "0.2"), [])
        for words in (("--sample", "0"), ("--sample", "2/3"), ("--seconds", "0"), ("--rate", "-1"), ("--limit", "0")):
            with self.subTest(words):
                self.assertEqual(self.run_agent("tap", "line", "--state", self.state, *words).returncode, 2)

    def test_the_graph_of_what_runs_shows_queues_and_states(self):
        self.assertEqual(self.run_agent("stop", "log", "--state", self.state).returncode, 0)
        full = wait_until("a full queue", lambda: next((text for text in [self.run_agent("graph", "--state", self.state).stdout.decode()] if "==>" in text), None))
        self.assertIn('"log<br/>LogAttribute<br/>(stopped)"', full)
        self.assertRegex(full, r'n2 ==>\|"success<br/>\d+ queued, [\d.]+ K?B, full"\| n3')
        self.assertIn("penwidth=3", self.run_agent("graph", "--state", self.state, "--format", "dot").stdout.decode())

    def test_top_without_a_terminal_prints_one_table(self):
        done = self.run_agent("top", "--state", self.state, "--interval", "500 ms")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        text = done.stdout.decode()
        self.assertNotIn("\033", text)
        self.assertRegex(text, r"(?m)^demo  running  health ok")
        self.assertRegex(text, r"(?m)^ledger  in \d+ \(\+[\d.]+/s\) = out ")
        self.assertRegex(text, r"(?m)^make +GenerateFlowFile +running +- +- +[\d.]+ ")
        self.assertRegex(text, r"(?m)^to log +\d+ ")
        self.assertEqual(self.run_agent("top", "--state", self.temporary).returncode, 1)
        self.assertEqual(self.run_agent("top", "--state", self.state, "--interval", "soon").returncode, 2)
        with open("/dev/full", "w", encoding="utf-8") as out:
            done = subprocess.run([self.agent, "top", "--state", self.state, "--interval", "100 ms"], stdout=out, stderr=subprocess.PIPE, timeout=20)
        self.assertEqual(done.returncode, 1)

    def terminal(self, rows, columns):
        """top on a terminal of this size: its process and the master's end."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        before = termios.tcgetattr(slave)
        self.addCleanup(lambda: self.assertEqual(termios.tcgetattr(master)[3] & termios.ICANON, before[3] & termios.ICANON))
        process = subprocess.Popen([self.agent, "top", "--state", self.state, "--interval", "200 ms"], stdin=slave, stdout=slave, stderr=slave)
        self.addCleanup(process.stdout.close if process.stdout else lambda: None)
        os.close(slave)
        return process, master

    @staticmethod
    def read_until(master, text, seconds=20):
        seen = b""
        deadline = time.monotonic() + seconds
        while text not in seen and time.monotonic() < deadline:
            if select.select([master], [], [], 0.2)[0]:
                try:
                    seen += os.read(master, 65536)
                except OSError:  # the program has ended, and all it said is read
                    break
        return seen

    def test_top_on_a_terminal_obeys_keys_and_leaves_it_as_it_was(self):
        process, master = self.terminal(12, 60)
        seen = self.read_until(master, b"q quit")
        self.assertIn(b"\033[?1049h", seen)
        lines = seen.split(b"\033[H")[-1].replace(b"\r", b"").split(b"\n")
        self.assertLessEqual(len(lines), 12)
        os.write(master, b"n")
        self.read_until(master, b"PROCESSOR")
        os.write(master, b"\033[B")
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 200, 0, 0))
        process.send_signal(signal.SIGWINCH)
        self.read_until(master, b"j/k, arrows: scroll")
        os.write(master, b"q")
        rest = self.read_until(master, b"\033[?1049l")
        self.assertEqual(process.wait(timeout=20), 0)
        self.assertIn(b"\033[?25h", rest)

    def test_top_draws_within_a_terminal_of_any_size(self):
        for rows, columns in ((1, 1), (1, 80), (24, 1), (2, 2), (24, 80), (1000, 1000)):
            with self.subTest(rows=rows, columns=columns):
                process, master = self.terminal(rows, columns)
                seen = self.read_until(master, b"\033[0m\033[K\033[H")  # the second screen has begun
                screen = seen.split(b"\033[H")[1]
                shown = re.sub(rb"\033\[[0-9;]*[a-zA-Z]", b"", screen.split(b"\033[J")[0]).decode()
                lines = shown.replace("\r", "").strip("\n").split("\n")
                self.assertTrue(lines[0].startswith("demo  running  health ok"[:columns]), lines)
                self.assertLessEqual(len(lines), max(rows - 1, 1))
                self.assertLessEqual(max(len(line) for line in lines), columns)
                os.write(master, b"q")
                self.read_until(master, b"\033[?1049l")
                self.assertEqual(process.wait(timeout=20), 0)

    def test_top_ends_by_a_signal_and_when_the_agent_goes(self):
        process, master = self.terminal(24, 80)
        self.read_until(master, b"q quit")
        process.send_signal(signal.SIGTERM)
        self.assertIn(b"\033[?1049l", self.read_until(master, b"\033[?1049l"))
        self.assertEqual(process.wait(timeout=20), -signal.SIGTERM)
        process, master = self.terminal(24, 80)
        self.read_until(master, b"q quit")
        self.assertEqual(self.program.end(), 0)
        # Which reason it gives depends on whether it was just asking when the agent went.
        seen = self.read_until(master, b"no agent runs on")
        self.assertEqual(process.wait(timeout=20), 1)
        self.assertTrue(seen.rsplit(b"\033[?1049l", 1)[-1].strip(), seen)

    def test_names_of_what_runs_are_completed(self):
        done = self.run_agent("complete", "tap", "--state", self.state, "t")
        self.assertEqual(done.stdout, b"to log\n")
        done = self.run_agent("complete", "stop", "--state", self.state, "")
        self.assertEqual(done.stdout, b"make\nmark\nlog\n")
        self.assertEqual(self.run_agent("complete", "tap", "--state", self.temporary, "").stdout, b"")


class Schema(DevelopmentTest):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "flows", "flow.schema.json"), encoding="utf-8") as file:
            cls.schema = json.load(file)
        jsonschema.Draft7Validator.check_schema(cls.schema)
        cls.validator = jsonschema.Draft7Validator(cls.schema)

    def errors(self, text):
        """Those of the schema, or that YAML itself has."""
        try:
            document = yaml.load(text, CoreLoader)
        except yaml.YAMLError as error:
            return [str(error)]
        return [error.message for error in self.validator.iter_errors(document)]

    @staticmethod
    def texts(*folder):
        folder = os.path.join(ROOT, *folder)
        for name in sorted(os.listdir(folder)):
            if name.endswith(".yaml") and not name.endswith(".test.yaml"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    yield name, file.read()

    def test_the_committed_schema_is_what_the_command_prints(self):
        done = self.run_agent("schema")
        self.assertEqual(json.loads(done.stdout), self.schema)

    def test_every_ready_flow_and_every_example_passes(self):
        with open(os.path.join(ROOT, "flows", "README.md"), encoding="utf-8") as file:
            blocks = file.read().split("```yaml\n")[1:]
        examples = [(f"block {number}", block.split("```")[0]) for number, block in enumerate(blocks)]
        examples = [one for one in examples if "\ntests:" not in one[1]]
        self.assertGreater(len(examples), 5)
        for name, text in [*self.texts("flows"), *examples]:
            with self.subTest(name):
                self.assertEqual(self.errors(text), [])

    def test_every_bad_flow_is_refused_but_where_only_the_whole_shows_it(self):
        accepted = [name for name, text in self.texts("tests", "agent", "flow", "bad") if not self.errors(text)]
        self.assertEqual(accepted, ["nothing_in_it.yaml", "warnings.yaml"])

    def test_parameters_and_expressions_may_stand_in_any_value(self):
        flow = ("flow: x\nprocessors:\n  a:\n    type: MergeContent\n    properties: {Minimum Number of Entries: %s, Max Bin Age: %s}\n"
                "    terminate: [merged, original, failure]\n")
        self.assertEqual(self.errors(flow % ("5", "1 min")), [])
        self.assertEqual(self.errors(flow % ('"#{rate}"', '"#{often}"')), [])
        self.assertNotEqual(self.errors(flow % ("often", "1 min")), [])
        self.assertNotEqual(self.errors(flow % ("5", "1 parsec")), [])

    def test_it_knows_the_keys_that_the_reader_knows(self):
        probes = {
            "flow": ("flow: x\nzzzz: 1\n", self.schema),
            "processor": ("flow: x\nprocessors: {a: {type: LogAttribute, zzzz: 1}}\n", self.schema["definitions"]["processor"]),
            "connection": ("flow: x\nconnections: [{from: a, to: b, zzzz: 1}]\n", self.schema["definitions"]["connection"]),
            "retry": ("flow: x\nprocessors: {a: {type: LogAttribute, retry: {b: {zzzz: 1}}}}\n", self.schema["definitions"]["retry"]),
            "group": ("flow: x\ngroups: {a: {zzzz: 1}}\n", self.schema["definitions"]["group"]),
            "service": ("flow: x\nservices: {a: {type: JsonTreeReader, zzzz: 1}}\n", self.schema["definitions"]["service"]),
            "context": ("flow: x\nparameter_contexts: {a: {zzzz: 1}}\n", self.schema["definitions"]["parameter context"]),
            "provider": ("flow: x\nparameter_contexts: {a: {provider: {type: environment, zzzz: 1}}}\n", self.schema["definitions"]["provider"]),
            "parameter": ("flow: x\nparameters: {a: {zzzz: 1}}\n", self.schema["definitions"]["parameter"]["anyOf"][1]),
        }
        for name, (text, part) in probes.items():
            with self.subTest(name):
                said = self.run_agent("check", self.write("probe.yaml", text)).stderr.decode()
                known = next(line for line in said.splitlines() if "`zzzz`" in line).split(" knows ")[1]
                keys = {word for word in known.replace(" and ", ", ").replace("`", "").split(", ")}
                rest = {word for word in keys if word.endswith(" more")}  # a complaint lists a dozen
                if name == "flow":
                    keys -= {"input_ports", "output_ports"}  # a flow has none; the reader says so
                self.assertLessEqual(keys - rest, set(part["properties"]))
                if not rest:
                    self.assertEqual(set(part["properties"]), keys)


class TestSchema(DevelopmentTest):
    """That of *.test.yaml."""

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "flows", "flow-test.schema.json"), encoding="utf-8") as file:
            cls.schema = json.load(file)
        jsonschema.Draft7Validator.check_schema(cls.schema)
        cls.validator = jsonschema.Draft7Validator(cls.schema)

    def errors(self, text):
        return [error.message for error in self.validator.iter_errors(yaml.load(text, CoreLoader))]

    def test_the_committed_schema_is_what_the_command_prints(self):
        self.assertEqual(json.loads(self.run_agent("schema", "--tests").stdout), self.schema)

    def test_every_test_of_a_ready_flow_and_every_example_passes(self):
        folder = os.path.join(ROOT, "flows")
        texts = {}
        for name in sorted(os.listdir(folder)):
            if name.endswith(".test.yaml"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    texts[name] = file.read()
        with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
            blocks = [block.split("```")[0] for block in file.read().split("```yaml\n")[1:]]
        texts.update((f"block {number}", block) for number, block in enumerate(blocks) if "\ntests:" in block)
        self.assertGreater(len(texts), 4)
        for name, text in texts.items():
            with self.subTest(name):
                self.assertEqual(self.errors(text), [])

    def test_what_the_reader_refuses_is_refused(self):
        test = "flow: f.yaml\ntests:\n  - name: x\n    expect: [{at: a}]\n"
        self.assertEqual(self.errors(test), [])
        for bad in ("flow: f.yaml\ntests: []\n", "tests: [{name: x, expect: [{at: a}]}]\n", "flow: f\ntests: [{name: x}]\n",
                    test + "    clock: yesterday\n", test + "    runs_for: 3 parsecs\n", test + "    given: [{at: a, count: 0}]\n",
                    test + "    given: [{at: a, content: {file: a, base64: b}}]\n", test + "    mock: {a: {in_turn: []}}\n",
                    test + "    provenance: [{at: a, kind: LOST}]\n", test + "    bulletins: [{at: a}]\n",
                    test + "    counts: {a: -1}\n", "flow: f\ntests: [{name: x, expect: [{at: a, content: {}}]}]\n"):
            with self.subTest(bad):
                self.assertNotEqual(self.errors(bad), [])

    def test_it_knows_the_keys_that_the_reader_knows(self):
        definitions = self.schema["definitions"]
        probes = {
            "zzzz: 1\ntests: []\n": self.schema,
            "tests: [{zzzz: 1}]\n": definitions["test"],
            "tests: [{given: [{zzzz: 1}]}]\n": definitions["given"],
            "tests: [{given: [{content: {zzzz: 1}}]}]\n": definitions["bytes from elsewhere"],
            "tests: [{expect: [{zzzz: 1}]}]\n": definitions["expected"],
            "tests: [{expect: [{content: {zzzz: 1}}]}]\n": definitions["content rule"],
            "tests: [{expect: [{attributes: {a: {zzzz: 1}}}]}]\n": definitions["pattern"],
            "tests: [{mock: {a: {zzzz: 1}}}]\n": definitions["answer with changes"],
            "tests: [{provenance: [{zzzz: 1}]}]\n": definitions["event"],
            "tests: [{bulletins: [{zzzz: 1}]}]\n": definitions["bulletin"],
        }
        for text, part in probes.items():
            with self.subTest(text):
                said = self.run_agent("test", self.write("probe.test.yaml", "flow: f.yaml\n" + text)).stderr.decode()
                known = next(line for line in said.splitlines() if "`zzzz`" in line).split(" knows ")[1]
                keys = {word for word in known.replace(" and ", ", ").replace("`", "").split(", ")}
                rest = {word for word in keys if word.endswith(" more")}  # a complaint lists a dozen
                self.assertLessEqual(keys - rest, set(part["properties"]))
                if not rest:
                    self.assertEqual(set(part["properties"]), keys)


class Completion(DevelopmentTest):
    """Each shell itself runs its script."""

    def script(self, shell):
        done = self.run_agent("completion", shell)
        self.assertEqual(done.returncode, 0)
        return self.write("completion." + shell, done.stdout.decode())

    def shell(self, *command):
        env = dict(self.env, PATH=os.path.dirname(self.agent) + ":" + os.environ["PATH"], HOME=self.stand.folder)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, cwd=self.stand.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def state_of_two(self):
        """Of an agent whose connections are `p -> qa` and `p -> qb`."""
        flow = self.write("two.yaml", "flow: two\nprocessors:\n  p: {type: GenerateFlowFile}\n  qa: {type: LogAttribute, terminate: [success]}\n"
                          "  qb: {type: LogAttribute, terminate: [success]}\nconnections: [{from: p, to: qa}, {from: p, to: qb}]\n")
        agent = self.stand.start_flow("of two", flow)
        agent.line("running two")
        return agent.state

    def test_bash(self):
        script = self.script("bash")

        def complete(*words):
            listed = " ".join(f"'{word}'" for word in ("runnel-agent", *words))
            return self.shell("bash", "-c", f"source {script}; COMP_WORDS=({listed}); COMP_CWORD={len(words)}; _runnel_agent; printf '%s\\n' \"${{COMPREPLY[@]}}\"")

        self.assertEqual(complete("sta"), ["status", "start", "state"])
        self.assertEqual(complete("queue", "l"), ["list"])
        self.assertEqual(complete("describe", "ConsumeM"), ["ConsumeMQTT"])
        self.assertEqual(complete("status", "--st"), ["--state"])
        self.assertEqual(complete("check", "filt"), ["filter.yaml"])
        self.assertEqual(complete("completion", ""), ["bash", "zsh", "fish"])
        self.assertIn("runnel-agent", self.shell("bash", "-c", f"source {script}; complete -p")[-1])
        # Words come as they were typed.
        self.write("my flow.yaml", FILTER)
        self.assertEqual(complete("check", "my\\ fl"), ["my flow.yaml"])
        self.assertEqual(complete("check", '"my fl'), ["my flow.yaml"])
        state = self.state_of_two().replace(" ", "\\ ")
        self.assertEqual(complete("tap", "--state", state, "p\\ -\\>\\ q"), ["p\\ -\\>\\ qa", "p\\ -\\>\\ qb"])
        self.assertEqual(complete("tap", "--state", state, '"p -> qb'), ["p -> qb"])
        self.assertEqual(complete("tap", "--state", state, '"$(touch it)'), [""])
        self.assertFalse(os.path.exists(self.stand.path("it")))

    def test_zsh(self):
        script = self.script("zsh")

        def complete(*words):
            listed = " ".join(f"'{word}'" for word in ("runnel-agent", *words))
            return self.shell("zsh", "-fc", "_describe() { print -l -- \"${(@P)3}\" }; _files() { print -l files \"$@\" }\n"
                              f"source {script}; words=({listed}); CURRENT={len(words) + 1}; PREFIX=${{words[-1]}}; _runnel_agent; true")

        self.assertEqual([line.split(":")[0] for line in complete("sta")], ["status", "start", "state"])
        self.assertEqual([line.split(":")[0] for line in complete("describe", "ConsumeM")], ["ConsumeMQTT"])
        self.assertEqual(complete("check", ""), ["files"])
        self.assertEqual(complete("status", "--state", ""), ["files", "-/"])
        state = self.state_of_two().replace(" ", "\\ ")
        self.assertEqual([line.split(":")[0] for line in complete("tap", "--state", state, "p\\ -\\>\\ q")], ["p -> qa", "p -> qb"])
        # As a user has it: compinit knows the function.
        self.assertEqual(self.shell("zsh", "-fc", f"autoload -U compinit && compinit -u -D; source {script}; print $_comps[runnel-agent]"), ["_runnel_agent"])

    def test_fish(self):
        script = self.script("fish")

        def complete(line):
            return [one.split("\t")[0] for one in self.shell("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'")]

        self.assertEqual(complete("runnel-agent sta"), ["start", "state", "status"])
        self.assertEqual(complete("runnel-agent describe ConsumeM"), ["ConsumeMQTT"])
        self.assertEqual(complete("runnel-agent queue list --st"), ["--state"])
        self.assertEqual(complete("runnel-agent check filt"), ["filter.yaml"])
        self.write("my flow.yaml", FILTER)
        self.assertEqual(complete("runnel-agent check my\\ fl"), ["my flow.yaml"])
        state = self.state_of_two().replace(" ", "\\ ")
        self.assertEqual(complete(f"runnel-agent tap --state {state} p\\ -\\>\\ q"), ["p -> qa", "p -> qb"])
        self.assertEqual(complete(f"runnel-agent tap --state {state} \"p -> qb"), ["p -> qb"])

    def test_the_hub_and_its_client_are_completed_as_the_agent_is(self):
        binaries = os.path.dirname(self.agent)
        for program, typed, offered in (("runnel-hub", ("tok",), ["token"]), ("runnel-hub", ("user", "add", "--role", "op"), ["operator"]),
                                        ("runnel-hub", ("serve", "--dat"), ["--data"]), ("runnelctl", ("flows", "pu"), ["push"]),
                                        ("runnelctl", ("agents", "conn"), ["connectivity="]), ("runnelctl", ("sta",), ["status", "start"]),
                                        ("runnelctl", ("completion", "z"), ["zsh"])):
            with self.subTest(" ".join((program, *typed))):
                done = subprocess.run([os.path.join(binaries, program), "complete", *typed], capture_output=True, text=True, timeout=60, env=self.env, check=True)
                self.assertEqual([line.split("\t")[0] for line in done.stdout.splitlines()], offered)
                script = subprocess.run([os.path.join(binaries, program), "completion", "bash"], capture_output=True, text=True, timeout=60, env=self.env, check=True)
                path = self.write(program + ".bash", script.stdout)
                words = " ".join(f"'{word}'" for word in (program, *typed))
                self.assertEqual(self.shell("bash", "-c", f"source {path}; COMP_WORDS=({words}); COMP_CWORD={len(typed)}; "
                                            f"_{program.replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\""), offered)
                refused = subprocess.run([os.path.join(binaries, program), "completion", "tcsh"], capture_output=True, timeout=60, env=self.env)
                self.assertEqual(refused.returncode, 2)

    def test_what_is_no_shell_is_refused(self):
        self.assertEqual(self.run_agent("completion", "tcsh").returncode, 2)
        self.assertEqual(self.run_agent("completion").returncode, 2)
        self.assertEqual(self.run_agent("complete").returncode, 0)


if __name__ == "__main__":
    unittest.main()
