#!/usr/bin/env python3
"""Runs every test and counts them: `./dev test [NAME…]`.

A suite is a program that says how many of its cases passed: doctest programs (once as released, once under ASan and
UBSan, once under TSan), Python scripts that drive the real programs (tests/scripts), and the web UI's unit tests. As many suites run
side by side as there are cores, two at most, and beside them one of those that mostly wait for something (WAITING), also while the next
kind is built. Each has a time limit, its output goes to build/tests/<suite>.log and is shown when it fails; what stands behind its time is
how much of a core it took. The last line counts the cases of all suites: `N passed, N failed`.
"""

import argparse
import concurrent.futures
import itertools
import os
import re
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "tests")
JOBS = min(2, os.cpu_count() or 1)
SLOW = ("trial", "runtime", "processors_record", "conformance", "crash")  # begin first, so that none is left alone at the end
WAITING = ("processors_mqtt", "processors_http", "processors_kafka", "scripts/kafka", "mock_pages", "outage", "mounts")
SANITIZED = {
    "asan": {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1", "RUNNEL_CUTS": "100", "RUNNEL_DAMAGES": "20", "RUNNEL_SEEDS": "3", "RUNNEL_SOAK_HOURS": "2"},
    "tsan": {"RUNNEL_CUTS": "50", "RUNNEL_DAMAGES": "10", "RUNNEL_SEEDS": "1", "RUNNEL_SOAK_HOURS": "2", "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:suppressions=" + os.path.join(ROOT, "tests", "support", "tsan.supp")},
}


class Suite:
    def __init__(self, name, command, count, seconds=600, env=None):
        self.name, self.command, self.count, self.seconds, self.env = name, command, count, seconds, env or {}


def doctest_count(text):
    """(passed, failed) of a doctest summary, or None when there is none."""
    found = re.search(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed", text)
    return (int(found[2]), int(found[3])) if found else None


def unittest_count(text):
    ran = re.search(r"^Ran (\d+) tests?", text, re.M)
    if not ran:
        return None
    bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", text))
    skipped = sum(int(n) for n in re.findall(r"skipped=(\d+)", text))
    # A test that could not run is not a test that passed.
    return (int(ran[1]) - bad - skipped, bad + skipped)


def vitest_count(text):
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    line = re.search(r"^\s*Tests\s+(.*)$", text, re.M)
    if not line:
        return None
    passed = re.search(r"(\d+) passed", line[1])
    failed = re.search(r"(\d+) failed", line[1])
    return (int(passed[1]) if passed else 0, int(failed[1]) if failed else 0)


def unit_programs(kind):
    folder = os.path.join(ROOT, "build", kind, "bin")
    if not os.path.isdir(folder):
        return []
    return sorted(name for name in os.listdir(folder) if name.startswith("runnel_tests_"))


def doctest_suites(kind):
    suites = []
    for program in unit_programs(kind):
        room = program[len("runnel_tests_"):]
        name = ("unit/" if kind == "release" else kind + "/") + room
        if kind == "release" and room == "crash":
            name = "crash/disk"
        seconds = 600 if kind == "release" else 1200
        suites.append(Suite(name, [os.path.join(ROOT, "build", kind, "bin", program)], doctest_count, seconds,
                            SANITIZED.get(kind)))
    return suites


def script_suites(is_long=False):
    suites = []
    for folder in ("scripts", "crash", "ui") + (("soak",) if is_long else ()):
        path = os.path.join(ROOT, "tests", folder)
        if not os.path.isdir(path):
            continue
        for name in sorted(os.listdir(path)):
            if name.endswith("_test.py"):
                suites.append(Suite(f"{folder}/{name[:-len('_test.py')]}", [sys.executable, os.path.join(path, name)],
                                    unittest_count, 1200))
    ui = os.path.join(ROOT, "hub", "ui")
    if os.path.isfile(os.path.join(ui, "test.sh")):
        suites.append(Suite("ui/unit", ["bash", os.path.join(ui, "test.sh")], vitest_count, 600))
    return suites


def raced_kill_suite():
    """The crash load on an agent that is watched by TSan: it ends at its first report, and what it has reported fails the suite."""
    options = SANITIZED["tsan"]["TSAN_OPTIONS"] + ":exitcode=66"
    return Suite("tsan/kill", [sys.executable, os.path.join(ROOT, "tests", "crash", "kill_test.py")], unittest_count, 3600,
                 {"RUNNEL_BIN": os.path.join(ROOT, "build", "tsan", "bin"), "RUNNEL_KILLS": "50", "TSAN_OPTIONS": options})


def wanted(name, names):
    return not names or any(name.startswith(one) for one in names)


def kinds_wanted(names):
    if not names:
        return ["release", "asan", "tsan"]
    kinds = ["release"]
    for kind in ("asan", "tsan"):
        if any(one.startswith(kind) for one in names):
            kinds.append(kind)
    return kinds


def build(kind, names, is_long):
    """The programs that the wanted suites need: the unit tests alone need no more than themselves and the programs that they start."""
    began = time.monotonic()
    is_unit_only = bool(names) and all(name.startswith(("unit", "crash/disk")) for name in names)
    if kind != "release":
        target = ["runnel_unit_tests"] + (["runnel-agent"] if is_long and kind == "tsan" else [])
    else:
        target = ["runnel_unit_tests", "runnel-agent", "runnel-hub", "runnelctl"] if is_unit_only else ["all"]
    done = subprocess.run([os.path.join(ROOT, "dev"), "internal-build", kind, *target], cwd=ROOT)
    print(f"built {kind} in {time.monotonic() - began:.0f} s", flush=True)
    return done.returncode == 0


def wait_for(process, seconds):
    """(exit code, seconds of CPU); None as a code: it was stopped after so many seconds."""
    deadline = time.monotonic() + seconds
    pid, code = 0, None
    while not pid and time.monotonic() < deadline:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        time.sleep(0 if pid else 0.1)
    if not pid:
        os.killpg(process.pid, 9)
        _, status, used = os.wait4(process.pid, 0)
    else:
        code = os.waitstatus_to_exitcode(status)
    process.returncode = os.waitstatus_to_exitcode(status)
    return code, used.ru_utime + used.ru_stime


def run(suite):
    """Runs one suite; returns (passed, failed)."""
    log_path = os.path.join(LOGS, suite.name.replace("/", "_") + ".log")
    began = time.monotonic()
    env = dict(os.environ, **{"RUNNEL_BIN": os.path.join(ROOT, "build", "release", "bin"), **suite.env})
    with open(log_path, "wb") as log:
        process = subprocess.Popen(suite.command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        code, cpu_seconds = wait_for(process, suite.seconds)
    note = f"stopped after {suite.seconds} s" if code is None else f"exit code {code}" if code else ""
    with open(log_path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    counted = suite.count(text)
    passed, failed = counted if counted else (0, 1)
    if counted and passed + failed == 0:
        failed, note = 1, "ran no test"
    if code != 0 and failed == 0:
        failed = 1
    seconds = time.monotonic() - began
    busy = f"{cpu_seconds / max(seconds, 0.01):4.0%}"
    said = [f"{'FAILED' if failed else 'ok    '} {suite.name:40} {passed:5} passed {failed:3} failed {seconds:7.1f} s {busy} {note}".rstrip()]
    if failed:
        said += [*text.splitlines()[-60:], f"(the whole output: {os.path.relpath(log_path, ROOT)})"]
    print("\n".join(said), flush=True)
    return passed, failed


def main():
    parser = argparse.ArgumentParser(prog="./dev test", description="Build and run every test.")
    parser.add_argument("--list", action="store_true", help="say which suites there are, run none")
    parser.add_argument("--long", action="store_true", help="more power cuts, damages and kills (tests/crash), also under TSan, and twenty minutes under load (tests/soak)")
    parser.add_argument("--seed", type=int, help="of tests/crash: only what follows from this seed, as a failure has said it")
    parser.add_argument("names", nargs="*", help="only suites whose names begin so, e.g. unit/runtime, asan, scripts")
    options = parser.parse_args()
    os.makedirs(LOGS, exist_ok=True)
    if options.long:
        os.environ.update(RUNNEL_CUTS="10000", RUNNEL_DAMAGES="1000", RUNNEL_KILLS="1000")
    if options.seed is not None:
        os.environ["RUNNEL_SEED"] = str(options.seed)

    kinds = kinds_wanted(options.names)
    scripts = script_suites(options.long) + ([raced_kill_suite()] if options.long and "tsan" in kinds else [])
    pick = lambda some: [suite for suite in some if wanted(suite.name, options.names)]
    if options.list:
        units = itertools.chain.from_iterable(map(doctest_suites, kinds))
        print("\n".join(suite.name for suite in pick([*units, *scripts])))
        return 0
    failed_builds = 0
    results, later = [], []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as busy, concurrent.futures.ThreadPoolExecutor(1) as beside:
        for kind in kinds:
            if not build(kind, options.names, options.long):
                print(f"the {kind} build failed")
                failed_builds += 1
                continue
            for suite in pick(doctest_suites(kind) + (scripts if kind == "release" else [])):
                if options.long:
                    suite.seconds *= 10
                if suite.name.endswith(WAITING):
                    results.append(beside.submit(run, suite))
                else:
                    later.append(suite)
        later.sort(key=lambda suite: not suite.name.endswith(SLOW))  # else as they are
        results += [busy.submit(run, suite) for suite in later]
    if not results and not failed_builds:
        print(f"no suite begins with {' or '.join(options.names)}; see ./dev test --list")
        return 2
    passed = sum(one.result()[0] for one in results)
    failed = failed_builds + sum(one.result()[1] for one in results)
    if shutil.which("ccache"):
        subprocess.run(["ccache", "--show-stats"], stdout=open(os.path.join(LOGS, "ccache.log"), "w"), check=False)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
