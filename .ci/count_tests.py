"""Fails when a test binary ran fewer tests than .ci/minimum-tests demands.

    cargo test --no-run --message-format=json | count_tests.py MINIMUM-TESTS LOG

LOG is the output of `cargo test`; the messages of cargo say which package and target each binary
of that log is. Cargo alone calls it a success when a binary has lost all of its tests.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys

RUNNING = re.compile(r"Running .*\((?P<path>[^()]+)\)$")
RESULT = re.compile(r"test result: \w+\. (?P<passed>\d+) passed;")


def binaries(messages: list[str]) -> dict[str, str]:
    """The file name of each test binary, and its package and target."""
    found = {}
    for line in messages:
        message = json.loads(line) if line.startswith("{") else {}
        if message.get("executable") and message["profile"]["test"]:
            manifest = pathlib.Path(message["manifest_path"]).read_text()
            package = re.search(r'^name = "(.+)"$', manifest, re.MULTILINE)
            assert package, message["manifest_path"]
            name = f"{package[1]}/{message['target']['name']}"
            found[pathlib.Path(message["executable"]).name] = name
    return found


def passed(log: str, names: dict[str, str]) -> dict[str, int]:
    """How many tests passed in each binary."""
    counts: dict[str, int] = {}
    current = None
    for line in log.splitlines():
        if running := RUNNING.search(line.strip()):
            current = names.get(pathlib.Path(running["path"]).name)
        elif (result := RESULT.search(line)) and current:
            counts[current] = int(result["passed"])
            current = None
    return counts


def main() -> int:
    minimum_file, log = map(pathlib.Path, sys.argv[1:])
    counts = passed(log.read_text(errors="replace"), binaries(sys.stdin.readlines()))
    wrong = 0
    for line in minimum_file.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, minimum = line.split()
        ran = counts.pop(name, 0)
        wrong += ran < int(minimum)
        verdict = "" if ran >= int(minimum) else "  too few"
        print(f"{ran:6} of at least {minimum:>5}  {name}{verdict}")
    for name, ran in counts.items():
        wrong += 1
        print(f"{ran:6} without a minimum  {name}: add a line to {minimum_file}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
