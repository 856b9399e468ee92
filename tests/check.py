#!/usr/bin/env python3
"""What a reviewer should not have to see: `./dev check [NAME…]`.

  format     the C++ code is formatted as .clang-format says
  generated  no generated file is stale
  floors     every include goes down or stays in its room; third-party libraries stay behind their doors
  threads    clang's -Wthread-safety has nothing to say (and no other warning)
  tidy       clang-tidy finds none of the mistakes of .clang-tidy
  fuzz       each fuzz target runs for 30 seconds (RUNNEL_FUZZ_SECONDS) without a crash

Each judges the whole tree (threads and tidy: agent, processors and hub, without the tests). What threads and tidy have once found clean
is not looked at again until it, or a header that it includes, or the rules change. The last line says what was judged.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
FUZZ_SECONDS = os.environ.get("RUNNEL_FUZZ_SECONDS", "30")
JOBS = min(2, os.cpu_count() or 1)
JUDGE = os.path.join(BUILD, "judge")


def run(command, **how):
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **how)


def sources(*endings):
    listed = run(["git", "ls-files", "--cached", "--others", "--exclude-standard"]).stdout.split("\n")
    return [name for name in listed if name.endswith(endings) and os.path.exists(os.path.join(ROOT, name))]


def build(kind, *targets):
    done = run([os.path.join(ROOT, "dev"), "internal-build", kind, *targets])
    return [] if done.returncode == 0 else ["\n".join(done.stdout.splitlines()[-40:])]


def check_format():
    files = sources(".cc", ".h")
    bad = run(["clang-format-14", "--dry-run", "--Werror", *files])
    names = sorted({line.split(":")[0] for line in bad.stdout.splitlines() if "error:" in line})
    trouble = [f"{name} is not formatted: run ./dev fmt" for name in names]
    return trouble or ([bad.stdout] if bad.returncode != 0 else []), f"{len(files)} files"


def check_generated():
    trouble = build("release", "runnel-agent", "runnel-hub")
    if trouble:
        return trouble, "nothing"
    done = run([sys.executable, "tests/generated.py"])
    return done.stdout.splitlines() if done.returncode != 0 else [], "all files that ./dev generate writes"


def check_floors():
    trouble = build("release", "runnel_tests_conformance")
    if trouble:
        return trouble, "nothing"
    done = run([os.path.join(BUILD, "release", "bin", "runnel_tests_conformance"), "--source-file=*floors*"])
    return [] if done.returncode == 0 else [done.stdout], "every include"


def units():
    """What clang judges: the code of agent, processors and hub, up to eight files of a room in one unit, as the sanitizers build it.
    Each: its name, the files in it, where and how it is compiled. Nothing is built."""
    done = run([os.path.join(ROOT, "dev"), "internal-judge"])
    if done.returncode != 0:
        raise SystemExit(done.stdout)
    with open(os.path.join(JUDGE, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    found = []
    for one in commands:
        path = one["file"]
        if "/tests/" in path or path.endswith(".c"):
            continue
        files = [path]
        if path.startswith(JUDGE):
            with open(path, encoding="utf-8") as unit:
                files = re.findall(r'^#include "(.*)"$', unit.read(), re.M)
        words = shlex.split(one["command"])
        at = words.index("-o")
        del words[at:at + 2]
        words = [word for word in words if word != "-c" and not word.endswith("ccache")]
        found.append({"path": path, "files": files, "folder": one["directory"], "words": words})
    return found


class Memory:
    """Which units were found clean, and of what they were made then: what has not changed since is not judged again."""

    def __init__(self, name, rules):
        self.path = os.path.join(JUDGE, name + ".json")
        self.rules = rules
        self.digests = {}
        try:
            with open(self.path, encoding="utf-8") as file:
                self.clean = json.load(file)
        except (OSError, ValueError):
            self.clean = {}

    def digest(self, path):
        if path not in self.digests:
            try:
                with open(path, "rb") as file:
                    self.digests[path] = hashlib.sha256(file.read()).hexdigest()
            except OSError:
                self.digests[path] = ""
        return self.digests[path]

    def how(self, unit):
        return hashlib.sha256("\0".join([self.rules, *unit["words"]]).encode()).hexdigest()

    def knows(self, unit):
        known = self.clean.get(unit["path"])
        return bool(known) and known["how"] == self.how(unit) and all(
            self.digest(path) == digest for path, digest in known["made_of"].items())

    def made_of(self, unit):
        """Its files and all headers of ours that they include: those in quotes, from the root of the tree or generated."""
        found, left = set(), [unit["path"]]
        while left:
            path = left.pop()
            if path in found or not os.path.isfile(path):
                continue
            found.add(path)
            with open(path, encoding="utf-8", errors="replace") as file:
                names = re.findall(r'^\s*#\s*include\s*"(.*)"', file.read(), re.M)
            left += [os.path.join(folder, name) for name in names for folder in (ROOT, os.path.join(JUDGE, "generated"))]
        return found

    def keep(self, unit):
        self.clean[unit["path"]] = {"how": self.how(unit), "made_of": {path: self.digest(path) for path in self.made_of(unit)}}
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            json.dump(self.clean, file)
        os.replace(self.path + ".new", self.path)


def judged(name, rules, judge):
    """Has each unit judged that is not known to be clean; `judge` returns what is wrong with one."""
    memory = Memory(name, rules)
    all_units = units()
    fresh = sorted((unit for unit in all_units if not memory.knows(unit)), key=lambda unit: -len(unit["files"]))
    trouble = []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for unit, text in zip(fresh, pool.map(judge, fresh)):
            if text:
                trouble.append(text)
            else:
                memory.keep(unit)
    files = sum(len(unit["files"]) for unit in all_units)
    again = sum(len(unit["files"]) for unit in fresh)
    return trouble, f"{files} files of agent, processors and hub" + ("" if again == files else f", {again} of them changed since they were last found clean")


def check_threads():
    """Each unit by clang 14, without code: warnings and thread safety."""

    def judge(unit):
        done = subprocess.run(["nice", *unit["words"], "-fsyntax-only"], cwd=unit["folder"], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace")
        return done.stdout if done.returncode != 0 or "warning:" in done.stdout else ""

    return judged("threads", "", judge)


def check_tidy():
    with open(os.path.join(ROOT, ".clang-tidy"), encoding="utf-8") as file:
        rules = "".join(line for line in file if not line.startswith("#"))

    def judge(unit):
        done = run(["nice", "clang-tidy-14", "-p", JUDGE, "--quiet", "--warnings-as-errors=*", unit["path"]])
        text = re.sub(r"^\d+ warnings? (and \d+ errors? )?generated\.\n", "", done.stdout, flags=re.M)
        return (text or unit["path"] + " could not be judged") if done.returncode != 0 else ""

    return judged("tidy", rules, judge)


def check_fuzz():
    trouble = build("fuzz", "runnel_fuzz")
    if trouble:
        return trouble, "nothing"
    folder = os.path.join(BUILD, "fuzz", "bin")
    names = sorted(name for name in os.listdir(folder) if name.startswith("runnel-fuzz-"))
    executions = 0
    for name in names:
        target = name[len("runnel-fuzz-"):]
        corpus = os.path.join(BUILD, "fuzz", "corpus", target)
        os.makedirs(corpus, exist_ok=True)
        seeds = [path for path in [os.path.join(ROOT, "tests", "fuzz", "corpus", target)] if os.path.isdir(path)]
        done = run(["nice", os.path.join(folder, name), f"-max_total_time={FUZZ_SECONDS}", "-rss_limit_mb=2048", "-timeout=20",
                    "-artifact_prefix=" + os.path.join(BUILD, "fuzz", target + "-"), corpus, *seeds])
        runs = re.findall(r"^Done (\d+) runs", done.stdout, re.M)
        print(f"  {target}: {runs[-1] + ' runs' if runs else 'crashed'}", flush=True)
        executions += int(runs[-1]) if runs else 0
        if done.returncode != 0:
            trouble.append("\n".join(done.stdout.splitlines()[-40:]))
    return trouble, f"{len(names)} targets, {FUZZ_SECONDS} s each, {executions} runs"


CHECKS = {"format": check_format, "floors": check_floors, "generated": check_generated, "threads": check_threads, "tidy": check_tidy,
          "fuzz": check_fuzz}


def main():
    parser = argparse.ArgumentParser(prog="./dev check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these: " + ", ".join(CHECKS))
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in CHECKS]
    if unknown:
        parser.error(f"no check is called {unknown[0]}; there are {', '.join(CHECKS)}")
    outcomes = []
    for name in options.names or CHECKS:
        began = time.monotonic()
        trouble, what = CHECKS[name]()
        for text in trouble[:20]:
            print(text)
        outcomes.append((name, what, not trouble))
        print(f"{'FAILED' if trouble else 'ok    '} {name:10} {time.monotonic() - began:7.1f} s  {what}", flush=True)
    failed = [name for name, _, is_good in outcomes if not is_good]
    left_out = [name for name in CHECKS if name not in [one for one, _, _ in outcomes]]
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed" + (f" ({', '.join(failed)})" if failed else "") +
          "; judged: " + "; ".join(f"{name}: {what}" for name, what, _ in outcomes) +
          (f"; not judged: {', '.join(left_out)}" if left_out else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
