#!/usr/bin/env python3
"""How much of the agent its tests run: `./dev coverage [--unit] [FOLDER…]`.

Builds the tree once more, counted (build/coverage), and runs first the unit programs, then the suites that drive real programs (scripts and
crash). Lines of the folders (default: agent) are counted once, however many programs and templates they went into; what the compiler makes no
code of is no line. A table of rooms is printed with the files that are least covered; exit code 1 when a bar is missed: 80 % of lines by unit
programs alone, 90 % by all.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import run as tests  # noqa: E402

ROOT = tests.ROOT
FOLDER = os.path.join(ROOT, "build", "coverage")
UNIT_BAR, ALL_BAR = 80.0, 90.0
ENVIRONMENT = {"RUNNEL_BIN": os.path.join(FOLDER, "bin"), "RUNNEL_CUTS": "100", "RUNNEL_DAMAGES": "20", "RUNNEL_KILLS": "5", "RUNNEL_SOAK_HOURS": "2"}


def counters():
    """Where the compiler and the programs that have run keep their counts."""
    return [os.path.join(where, name) for where, _, names in os.walk(FOLDER) for name in names if name.endswith(".gcda")]


def read(path):
    """(file, line, whether it was run) of all lines of ours that went into one object."""
    done = subprocess.run(["gcov-12", "--json-format", "--stdout", path], cwd=os.path.dirname(path), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    found = []
    for text in done.stdout.splitlines():
        one = json.loads(text)
        for file in one["files"]:
            name = os.path.relpath(os.path.join(one["current_working_directory"], file["file"]), ROOT)
            if not name.startswith(("..", "build")):
                found += [(name, line["line_number"], line["count"] > 0) for line in file["lines"]]
    return found


def covered(folders):
    """By file: its lines, each with whether it was run."""
    files = collections.defaultdict(dict)
    with concurrent.futures.ProcessPoolExecutor(tests.JOBS) as pool:
        for found in pool.map(read, counters(), chunksize=8):
            for name, line, was_run in found:
                if any(name.startswith(folder.rstrip("/") + "/") for folder in folders):
                    files[name][line] = files[name].get(line, False) or was_run
    return files


def percent(lines):
    return 100.0 * sum(lines) / len(lines) if lines else 100.0


def show(title, files, bar):
    rooms = collections.defaultdict(list)
    for name, lines in files.items():
        rooms[os.path.dirname(name)] += lines.values()
    print(f"\n{title}")
    for room in sorted(rooms):
        print(f"  {room:32} {percent(rooms[room]):6.1f} %  of {len(rooms[room])} lines")
    worst = sorted(files, key=lambda name: sum(files[name].values()) - len(files[name]))[:12]
    for name in worst:
        missed = [line for line, was_run in sorted(files[name].items()) if not was_run]
        print(f"  not run: {name}: {len(missed)} of {len(files[name])}, from line {missed[0]} on" if missed else f"  whole: {name}")
    if not files:
        raise SystemExit("no line was counted")
    whole = percent([was_run for lines in files.values() for was_run in lines.values()])
    print(f"  {whole:.1f} % of lines (at least {bar:.0f})", flush=True)
    return whole >= bar


def run(suites):
    for suite in suites:
        suite.env = {**suite.env, **ENVIRONMENT}
        if not suite.name.startswith("coverage/"):
            suite.name = "coverage/" + suite.name
        suite.seconds *= 2  # nothing is optimized
    with concurrent.futures.ThreadPoolExecutor(tests.JOBS) as pool:
        return sum(failed for _, failed in pool.map(tests.run, suites))


def main():
    parser = argparse.ArgumentParser(prog="./dev coverage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unit", action="store_true", help="only the unit programs")
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="default: agent")
    options = parser.parse_args()
    os.makedirs(tests.LOGS, exist_ok=True)
    for path in counters():
        os.remove(path)
    if subprocess.run([os.path.join(ROOT, "dev"), "internal-build", "coverage", "all"], cwd=ROOT).returncode != 0:
        return 1
    folders = options.folders or ["agent"]
    failed = run(tests.doctest_suites("coverage"))
    is_enough = show("By unit programs alone", covered(folders), UNIT_BAR)
    if not options.unit:
        failed += run([suite for suite in tests.script_suites() if suite.name.startswith(("scripts/", "crash/")) and suite.name != "scripts/instructions"])
        is_enough = show("By all", covered(folders), ALL_BAR) and is_enough
    print(f"{failed} tests failed" if failed else "every test passed")
    return 0 if is_enough and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
