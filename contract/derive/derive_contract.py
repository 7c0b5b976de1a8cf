#!/usr/bin/env python3
"""Derives contract/artifact/upstream_contract.json; nothing else writes that file.

    PYTHON-OF-3.0.0 derive_contract.py collect > events-3.json
    PYTHON-OF-6.1.0 derive_contract.py collect > events-6.json
    derive_contract.py build --events-3 events-3.json --events-6 events-6.json \
        --ingress contract/artifact/ingress_facts.json --out contract/artifact/upstream_contract.json

`collect` runs in the virtual environment of one spec-kitty-events release and prints what that
release says: schemas, cutover policy, and the rules that it enforces in code, each proved by
probing. `build` joins two collections and the hand-recorded ingress facts. With `--check` it
writes nothing and exits 1, printing a diff, when the vendored artifact differs. Exit 2: the
upstream packages say something that the rule language cannot express, or contradict each other.
"""

from __future__ import annotations

import argparse
import difflib
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from assembly import AssemblyError, assemble  # noqa: E402
from lowering import LoweringError  # noqa: E402
from probing import ProbeError  # noqa: E402


def render(document: object) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def load(path: str) -> object:
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def build(options: argparse.Namespace) -> int:
    artifact = assemble(load(options.events_3), load(options.events_6), load(options.ingress))
    text = render(artifact)
    target = pathlib.Path(options.out)
    if not options.check:
        target.write_text(text, encoding="utf-8", newline="\n")
        return 0
    vendored = target.read_text(encoding="utf-8") if target.exists() else ""
    if vendored == text:
        return 0
    sys.stdout.writelines(
        difflib.unified_diff(
            vendored.splitlines(True), text.splitlines(True), "vendored", "derived"
        )
    )
    return 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("collect", help="print what the installed package says, as JSON")
    builder = commands.add_parser("build", help="join two collections and the ingress facts")
    for flag in ("--events-3", "--events-6", "--ingress", "--out"):
        builder.add_argument(flag, required=True)
    builder.add_argument("--check", action="store_true", help="compare, do not write")
    options = parser.parse_args()
    try:
        if options.command == "build":
            return build(options)
        from collecting import collect  # needs the installed package, which `build` does not

        sys.stdout.write(render(collect()))
        return 0
    except (AssemblyError, LoweringError, ProbeError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
