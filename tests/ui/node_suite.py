"""Runs one of the *.test.mjs files beside this one and says how many of its tests passed, as unittest does."""

import os
import re
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))


def node():
    """The Node that builds the pages: the machine's, or the pinned one where that is too old."""
    script = f'source "{ROOT}/hub/ui/node.sh" && echo "$node"'
    return subprocess.run(["bash", "-euc", script], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def build_site():
    """Builds the pages (nothing is done where they are up to date); returns their folder."""
    out = os.path.join(ROOT, "build", "tests", "ui")
    subprocess.run([os.path.join(ROOT, "hub", "ui", "build.sh"), out], check=True)
    return os.path.join(out, "site")


def run(files, env):
    """Runs the test files one after the other; prints unittest's summary; returns the exit code."""
    began = time.monotonic()
    ran = failed = 0
    for name in files:
        done = subprocess.run([node(), "--test", "--test-reporter=spec", os.path.join(HERE, name)], env=dict(os.environ, **env),
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout, flush=True)
        counts = {word: int(number) for word, number in re.findall(r"^ℹ (tests|pass|skipped) (\d+)$", done.stdout, re.M)}
        here = counts.get("tests", 0) - counts.get("skipped", 0)
        ran += max(here, 1)
        failed += here - counts.get("pass", 0) if here else 1
        if done.returncode != 0 and here == counts.get("pass", 0):
            failed += 1
    print(f"Ran {ran} tests in {time.monotonic() - began:.1f}s\n\n{f'FAILED (failures={failed})' if failed else 'OK'}", flush=True)
    return 1 if failed else 0
