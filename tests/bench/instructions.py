"""Instructions that the hottest paths take for one FlowFile (or document, or expression), counted by callgrind: the same on a busy machine.

instructions.json has what was last recorded, by `./dev bench --record`, and by which compiler; tests/scripts/instructions_test.py holds the
present counts against it."""

import json
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "instructions.json")
# Name -> how often the path is run, besides twice as often: the difference is without the start.
TIMES = {"hop": 8192, "hop_sessions": 4096, "commit": 2048, "json": 400, "equals": 2000}


def compiler():
    """The release build's, by its name and version; not by its packaging."""
    with open(os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "release", "CMakeCache.txt"), encoding="utf-8") as cache:
        path = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.*)$", cache.read(), re.M)[1]
    said = subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[0]
    return f"{said.split()[0]} {said.split()[-1]}"


def total(program, name, times):
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, name, str(times)],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    found = re.search(r"Collected\s*:\s*(\d+)", done.stdout)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"{name} below valgrind: exit code {done.returncode}\n{done.stdout[-2000:]}")
    return int(found[1])


def count(folder, name):
    """Instructions for one."""
    program, times = os.path.join(folder, "runnel-count"), TIMES[name]
    return round((total(program, name, 2 * times) - total(program, name, times)) / times)


def recorded():
    with open(RECORD, encoding="utf-8") as file:
        return json.load(file)


def record(folder):
    counts = {name: count(folder, name) for name in TIMES}
    with open(RECORD, "w", encoding="utf-8") as file:
        json.dump({"compiler": compiler(), "instructions": counts}, file, indent=2)
        file.write("\n")
    return counts
