#!/usr/bin/env python3
"""What a reviewer should not have to see: `./dev check [NAME…]`.

  format     the C++ code is formatted as .clang-format says
  generated  no generated file is stale
  floors     every include goes down or stays in its room; third-party libraries stay behind their doors
  threads    clang's -Wthread-safety has nothing to say (and no other warning)
  tidy       clang-tidy finds none of the mistakes of .clang-tidy
  fuzz       each fuzz target runs for 30 seconds (RUNNEL_FUZZ_SECONDS) without a crash
"""

import argparse
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
FUZZ_SECONDS = os.environ.get("RUNNEL_FUZZ_SECONDS", "30")
JOBS = os.cpu_count() or 2


def run(command, **how):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **how)


def sources(*endings):
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"]).stdout.split("\n")
    return [name for name in listed if name.endswith(endings) and os.path.exists(os.path.join(ROOT, name))]


def build(kind, *targets):
    done = run([os.path.join(ROOT, "dev"), "internal-build", kind, *targets])
    return [] if done.returncode == 0 else ["\n".join(done.stdout.splitlines()[-40:])]


def check_format():
    bad = run(["clang-format-14", "--dry-run", "--Werror", *sources(".cc", ".h")])
    names = sorted({line.split(":")[0] for line in bad.stdout.splitlines() if "error:" in line})
    return [f"{name} is not formatted: run ./dev fmt" for name in names]


def check_generated():
    trouble = build("release", "runnel-agent", "runnel-hub")
    return trouble or run([sys.executable, "tests/generated.py"]).stdout.splitlines()


def check_floors():
    trouble = build("release", "runnel_tests_conformance")
    if trouble:
        return trouble
    done = run([os.path.join(BUILD, "release", "bin", "runnel_tests_conformance"), "--source-file=*floors*"])
    return [] if done.returncode == 0 else [done.stdout]


def compile_commands():
    build("release", "runnel-agent", "runnel-hub")
    with open(os.path.join(BUILD, "release", "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    return [one for one in commands if "/tests/" not in one["file"] and "/generated/" not in one["file"] and one["file"].endswith(".cc")]


def check_threads():
    """Each file by clang 14, without code: warnings and thread safety."""

    def judge(one):
        words = shlex.split(one["command"])
        if "-o" in words:
            at = words.index("-o")
            del words[at:at + 2]
        words = [word for word in words if word != "-c" and not word.endswith("ccache")]
        words = ["clang++-14"] + words[1:] + ["-fsyntax-only", "-Wthread-safety", "-Wno-unused-command-line-argument", "-Wno-unknown-warning-option"]
        return subprocess.run(words, cwd=one["directory"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return [text for text in pool.map(judge, compile_commands()) if "warning:" in text or "error:" in text]


def check_tidy():
    def judge(one):
        done = run(["clang-tidy-14", "-p", os.path.join(BUILD, "release"), "--quiet", "--warnings-as-errors=*", one["file"]])
        return done.stdout if done.returncode != 0 else ""

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return [text for text in pool.map(judge, compile_commands()) if text]


def check_fuzz():
    trouble = build("fuzz", "runnel_fuzz")
    if trouble:
        return trouble
    folder = os.path.join(BUILD, "fuzz", "bin")
    for name in sorted(os.listdir(folder)):
        if not name.startswith("runnel-fuzz-"):
            continue
        target = name[len("runnel-fuzz-"):]
        corpus = os.path.join(BUILD, "fuzz", "corpus", target)
        os.makedirs(corpus, exist_ok=True)
        seeds = [path for path in [os.path.join(ROOT, "tests", "fuzz", "corpus", target)] if os.path.isdir(path)]
        done = run([os.path.join(folder, name), f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=2048", "-timeout=20",
                    "-artifact_prefix=" + corpus + "/", corpus, *seeds])
        runs = [line for line in done.stdout.splitlines() if line.startswith("Done ")]
        print(f"  {target}: {runs[-1] if runs else 'crashed'}", flush=True)
        if done.returncode != 0:
            trouble.append("\n".join(done.stdout.splitlines()[-40:]))
    return trouble


CHECKS = {"format": check_format, "floors": check_floors, "generated": check_generated, "threads": check_threads, "tidy": check_tidy,
          "fuzz": check_fuzz}


def main():
    parser = argparse.ArgumentParser(prog="./dev check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these: " + ", ".join(CHECKS))
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in CHECKS]
    if unknown:
        parser.error(f"no check is called {unknown[0]}; there are {', '.join(CHECKS)}")
    passed = failed = 0
    for name in options.names or CHECKS:
        began = time.monotonic()
        trouble = CHECKS[name]()
        for text in trouble[:20]:
            print(text)
        print(f"{'FAILED' if trouble else 'ok    '} {name:10} {time.monotonic() - began:7.1f} s", flush=True)
        passed, failed = passed + (not trouble), failed + bool(trouble)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
