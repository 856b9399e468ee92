#!/usr/bin/env python3
"""The generated files of the tree: `./dev generate` writes them, a test says which are stale (tests/scripts/generated_test.py).

Each comes from who knows: processors/reference/, conf/agent.yaml and the functions of the expression language from runnel-agent; the OpenAPI
document and conf/hub.yaml from runnel-hub; current.sql of each schema from its migrations.
"""

import argparse
import filecmp
import os
import sqlite3
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SCHEMAS = ["agent/runtime/schema", "agent/uplink/schema", "hub/store/schema"]
BIN = os.environ.get("RUNNEL_BIN", os.path.join(ROOT, "build", "release", "bin"))


def generate(root):
    """Writes all generated files below `root`, as they must be."""
    subprocess.run([os.path.join(BIN, "runnel-agent"), "generate", root], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([os.path.join(BIN, "runnel-hub"), "generate", root], check=True, stdout=subprocess.DEVNULL)
    for folder in SCHEMAS:
        os.makedirs(os.path.join(root, folder), exist_ok=True)
        with open(os.path.join(root, folder, "current.sql"), "w", encoding="utf-8") as out:
            out.write(current_schema(os.path.join(ROOT, folder)))


def migrations(folder):
    """The numbered steps of a schema, in their order."""
    return sorted(name for name in os.listdir(folder) if name[:4].isdigit() and name.endswith(".sql"))


def current_schema(folder):
    """The schema that all migrations of a folder come to, as SQLite itself keeps it."""
    database = sqlite3.connect(":memory:")
    for name in migrations(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as sql:
            database.executescript(sql.read())
    rows = database.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type <> 'table', name").fetchall()
    database.close()
    head = f"-- Generated from {', '.join(migrations(folder))}; edit none of them, add one. This is the schema to read.\n"
    return head + "".join(f"\n{sql};\n" for (sql,) in rows)


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
