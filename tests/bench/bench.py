#!/usr/bin/env python3
"""The benchmarks, each beside its raw limit in the same run: `./dev bench [--json] [NAME[=ARGUMENT]…]`.
`./dev bench --record` counts instructions instead (instructions.py), and keeps them for the test that holds others against them.

A benchmark is a program build/release/bin/runnel-bench-NAME, or a script tests/bench/NAME_bench.py where servers are needed; its last line is one JSON object with
at least "value", "unit", "raw" and "ratio". What stands behind `=` is its argument: a number of FlowFiles or GiB, smaller than usual.
"""

import argparse
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import instructions  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))


def all_benches(folder):
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.startswith("runnel-bench-"):
            found[name[len("runnel-bench-"):]] = [os.path.join(folder, name)]
    for name in sorted(os.listdir(HERE)):
        if name.endswith("_bench.py"):
            found[name[:-len("_bench.py")]] = [sys.executable, os.path.join(HERE, name)]
    return found


def run(command, folder):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, RUNNEL_BIN=folder), timeout=3600)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        return {"error": (done.stderr or done.stdout).strip()[-500:] or f"exit code {done.returncode}"}
    return json.loads(lines[-1])


def shown(number):
    if not isinstance(number, (int, float)):
        return str(number)
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def main():
    parser = argparse.ArgumentParser(prog="./dev bench", description="Measure, each beside its raw limit in the same run.")
    parser.add_argument("--bin", default=os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "release", "bin"), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--record", action="store_true", help="count the instructions of the hottest paths, and keep them")
    parser.add_argument("names", nargs="*", metavar="NAME[=ARGUMENT]", help="one of them, perhaps smaller: `drain=500000`")
    options = parser.parse_args()
    folder = os.path.abspath(options.bin)
    if options.record:
        print(json.dumps(instructions.record(folder)))
        return 0
    benches = all_benches(folder)
    wanted = [name.partition("=") for name in options.names] or [(name, "", "") for name in benches]
    unknown = [name for name, _, _ in wanted if name not in benches]
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]}; there are {', '.join(benches)}")
    results = {}
    if not options.json:
        print(f"{'benchmark':12} {'value':>14} {'raw':>14} {'ratio':>7}  unit")
    for name, _, argument in wanted:
        result = results[name] = run(benches[name] + [argument] * bool(argument), folder)
        if options.json:
            continue
        if "error" in result:
            print(f"{name:12} FAILED: {result['error']}", flush=True)
            continue
        ratio = result.get("ratio")
        print(f"{name:12} {shown(result.get('value')):>14} {shown(result.get('raw')):>14} {ratio if ratio is None else format(ratio, '.2f'):>7}  "
              f"{result.get('unit', '')}", flush=True)
        for key, value in result.items():
            if key not in ("value", "raw", "ratio", "unit"):
                print(f"{'':12} {key}: {shown(value) if not isinstance(value, (dict, list)) else json.dumps(value)}", flush=True)
    if options.json:
        print(json.dumps(results))
    return 1 if any("error" in result for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
