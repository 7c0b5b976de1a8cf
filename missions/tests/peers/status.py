"""Asks the status core of spec-kitty-cli what it makes of logs, rows, transitions and lanes.

    status.py < REQUEST

Reads one JSON object and prints one:

    {"missions": [DIRECTORY]}     each `status.json` as `materialize` writes it, and each row of the
                                  log as it is read and written again
    {"transitions": [CASE]}       for each case the refusal, or null
    {"events": [CASE]}            the same from the shared event contract
    {"lanes": [CASE]}             the text of each `lanes.json`, or the refusal
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace


def missions(directories: list[str]) -> list[dict[str, object]]:
    from specify_cli.events import sanitize_event_for_log
    from specify_cli.status import reducer, store

    answers = []
    for directory in map(Path, directories):
        reducer.materialize(directory)
        stream = store.read_event_stream(directory)
        rows = [*stream.transitions, *stream.annotations]
        lines = [json.dumps(sanitize_event_for_log(row.to_dict()), sort_keys=True) for row in rows]
        text = (directory / "status.json").read_text(encoding="utf-8")
        answers.append({"status": text, "rows": lines})
    return answers


def plain(fields: dict | None) -> SimpleNamespace | None:
    if fields is None:
        return None
    return SimpleNamespace(
        **{key: plain(value) if isinstance(value, dict) else value for key, value in fields.items()}
    )


def transitions(cases: list[dict]) -> list[str | None]:
    from specify_cli.status.models import GuardContext
    from specify_cli.status.transitions import validate_transition

    answers = []
    for case in cases:
        fields = dict(case["fields"])
        for key in ("evidence", "review_result"):
            fields[key] = plain(fields[key])
        ok, message = validate_transition(case["from"], case["to"], GuardContext(**fields))
        answers.append(None if ok else message)
    return answers


def events(cases: list[dict]) -> list[list[str]]:
    from spec_kitty_events.status import StatusTransitionPayload, validate_transition
    from pydantic import ValidationError

    evidence = {
        "repos": [{"repo": "r", "branch": "b", "commit": "c"}],
        "review": {"reviewer": "r", "verdict": "approved", "reference": "r"},
    }
    answers = []
    for case in cases:
        try:
            payload = StatusTransitionPayload(
                mission_slug="m",
                wp_id="WP01",
                actor="a",
                execution_mode="worktree",
                evidence=evidence,
                from_lane=case["from"],
                to_lane=case["to"],
                **case["fields"],
            )
        except ValidationError:
            answers.append(["force=True requires a non-empty reason"])
            continue
        answers.append(list(validate_transition(payload).violations))
    return answers


def lanes(cases: list[dict]) -> list[dict[str, str]]:
    from specify_cli.lanes.compute import LaneComputationError, compute_lanes
    from specify_cli.lanes.persistence import read_lanes_json, write_lanes_json
    from specify_cli.ownership.models import OwnershipManifest, WorkProductKind

    answers = []
    for case in cases:
        manifests = {
            wp_id: OwnershipManifest(
                execution_mode=WorkProductKind(package["kind"]),
                owned_files=tuple(package["owned_files"]),
                authoritative_surface="",
            )
            for wp_id, package in case["packages"].items()
        }
        graph = {wp_id: package["needs"] for wp_id, package in case["packages"].items()}
        bodies = {wp_id: package["body"] for wp_id, package in case["packages"].items()}
        try:
            manifest = compute_lanes(
                graph, manifests, case["slug"], "main", bodies, mission_id=case["mission_id"]
            )
        except (LaneComputationError, ValueError) as error:
            answers.append({"error": str(error)})
            continue
        with tempfile.TemporaryDirectory() as directory:
            write_lanes_json(Path(directory), manifest)
            text = (Path(directory) / "lanes.json").read_text(encoding="utf-8")
            assert read_lanes_json(Path(directory)).to_dict() == manifest.to_dict()
        answers.append({"text": text})
    return answers


def main() -> None:
    request = json.load(sys.stdin)
    [(question, cases)] = request.items()
    answer = {"missions": missions, "transitions": transitions, "events": events, "lanes": lanes}
    json.dump(answer[question](cases), sys.stdout)


if __name__ == "__main__":
    main()
