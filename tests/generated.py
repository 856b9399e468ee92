#!/usr/bin/env python3
"""The generated files of the tree: `./dev generate` writes them, a test says which are stale (tests/scripts/generated_test.py).

Each comes from the program that knows: processors/reference/, conf/agent.yaml and the functions of the expression language from runnel-agent; the OpenAPI
document and conf/hub.yaml from runnel-hub.
"""

import argparse
import filecmp
import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIN = os.environ.get("RUNNEL_BIN", os.path.join(ROOT, "build", "release", "bin"))


def generate(root):
    """Writes all generated files below `root`, as they must be."""
    subprocess.run([os.path.join(BIN, "runnel-agent"), "generate", root], check=True, stdout=subprocess.DEVNULL)
    hub = os.path.join(BIN, "runnel-hub")
    openapi = subprocess.run([hub, "openapi"], check=True, stdout=subprocess.PIPE).stdout
    os.makedirs(os.path.join(root, "hub", "http"), exist_ok=True)
    with open(os.path.join(root, "hub", "http", "openapi.json"), "wb") as out:
        out.write(openapi)


def stale(root=ROOT):
    """The generated files that are not as they must be, relative to the tree."""
    with tempfile.TemporaryDirectory(prefix="runnel-generated-") as fresh:
        generate(fresh)
        names = [os.path.relpath(os.path.join(folder, name), fresh) for folder, _, files in os.walk(fresh) for name in files]
        return sorted(name for name in names
                      if not os.path.exists(os.path.join(root, name))
                      or not filecmp.cmp(os.path.join(root, name), os.path.join(fresh, name), shallow=False))


def main():
    parser = argparse.ArgumentParser(prog="./dev generate", description="Write the generated files anew.")
    parser.add_argument("--write", action="store_true", help="write them; without it, only say which are stale")
    options = parser.parse_args()
    names = stale()
    if options.write:
        generate(ROOT)
    for name in names:
        print(("written " if options.write else "stale: ") + name)
    return 0 if options.write or not names else 1


if __name__ == "__main__":
    sys.exit(main())
