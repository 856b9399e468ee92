"""The commands of runnel-agent for whoever writes flows, on the real program: test, once, graph, schema, completion, top, and taps that sample and
mask."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

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
        self.assertIn(b"3 FlowFiles are left in `line`", done.stderr)
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

    def test_a_signal_ends_it_and_leaves_nothing(self):
        endless = self.write("endless.test.yaml", "flow: endless.yaml\ntests: [{name: n, unmocked: [in], runs_for: 366 days, counts: {out.success: 1}}]\n")
        self.write("endless.yaml", "flow: endless\nprocessors:\n  in: {type: GenerateFlowFile, schedule: {every: 1 ms}}\n"
                   "  out: {type: LogAttribute, terminate: [success]}\nconnections: [{from: in, to: out}]\n")
        with subprocess.Popen([self.agent, "test", endless], stdout=subprocess.DEVNULL, env=self.env) as process:
            wait_until("a state directory", lambda: os.listdir(self.temporary))
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=20), -signal.SIGINT)


if __name__ == "__main__":
    unittest.main()
