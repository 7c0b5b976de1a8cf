#!/usr/bin/env python3
"""Holds that whatever the contract passes, the installed spec-kitty-events package accepts.

    PYTHON-OF-3.0.0 soundness.py [ROUNDS]    envelopes
    PYTHON-OF-6.1.0 soundness.py [ROUNDS]    envelopes and payloads

Mutates conforming events at random (fixed seed) and compares the oracle's verdict with the
package: model, semantic checks, cutover policy and JSON schema (package jsonschema). Exit 1 on an
event that the contract passes and the package refuses. The opposite is allowed, the contract being
stricter on purpose; it is counted by rule, so that an unintended strictness shows.
"""

from __future__ import annotations

import collections
import copy
import json
import pathlib
import random
import sys
from typing import Any

import jsonschema
from spec_kitty_events import cutover
from spec_kitty_events.conformance import validators
from spec_kitty_events.models import Event
from spec_kitty_events.schemas import load_schema

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import oracle  # noqa: E402

DATA = pathlib.Path(__file__).resolve().parent.parent / "testdata"
# Both shapes of these are deliberate; the package knows one.
TWO_SHAPES = {"BuildRegistered", "BuildHeartbeat"}
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 3, 4, 5, 2**53, 2**63, 2**64 - 1, 2**64, 0.0, 1.0, 0.5, 1e300,
    "", " ", "\u2003", "x", "1", "true", "null", "doing", "planned", "claimed", "in_progress",
    "for_review", "in_review", "approved", "done", "blocked", "canceled", "genesis", "worktree",
    "sha256", "human", "3.0.0", "3.0.1", "3", "feature/1", "feature", "featured/1", "mission/1",
    "FeatureCreated", "Feature", "MissionCreated", "01M7XAS67MT30DH0DY9EW5WFQY",
    "01m7xas67mt30dh0dy9ew5wfq\u212a", "\u017f" * 26, "c4ad781d049b5533a45964c1ad68b1ce",
    "c4ad781d-049b-5533-a459-64c1ad68b1ce", "urn:uuid:c4ad781d-049b-5533-a459-64c1ad68b1ce",
    "{c4ad781d-049b-5533-a459-64c1ad68b1ce}", "00000000-0000-0000-0000-000000000000",
    [], [""], ["x"], [None], [[]], {}, {"a": 1}, {"feature_slug": 1}, {"actor_id": "x"},
]
KEYS = ["feature_slug", "feature_number", "feature_type", "mission_key", "legacy_aggregate_id",
        "from_lane", "actor", "extra", "data_tier", "causation_id", "force", "reason", "evidence",
        "review_ref", "mission_number", "build_id", "git_branch", "created_at", "at"]
TIME_PARTS = ["2026", "0000", "0001", "9999", "-", "02", "29", "30", "12", "13", "T", "t", " ", ":",
              "00", "23", "24", "59", "60", ".", "123456789", "1", "Z", "z", "+", "+00:00", "-23:59",
              "+24:00", "+14:00", "-00:00"]


class Mutator:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def containers(self, value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [value, *(c for v in value.values() for c in self.containers(v))]
        if isinstance(value, list):
            return [value, *(c for v in value for c in self.containers(v))]
        return []

    def value(self, old: Any) -> Any:
        pick = self.random.random()
        if isinstance(old, str) and pick < 0.25 and old:
            at = self.random.randrange(len(old))
            return old[:at] + self.random.choice(["", " ", "0", "Z", "é", "-"]) + old[at + 1 :]
        if isinstance(old, str) and "T" in old and pick < 0.6:
            parts = ["2026", "-", "02", "-", "28", "T", "23", ":", "59", ":", "59", ".", "1", "Z"]
            for _ in range(self.random.randrange(1, 3)):
                parts[self.random.randrange(len(parts))] = self.random.choice(TIME_PARTS)
            return "".join(parts)
        return copy.deepcopy(self.random.choice(VALUES))

    def mutate(self, document: dict[str, Any]) -> dict[str, Any]:
        document = copy.deepcopy(document)
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 3))):
            place = self.random.choice(self.containers(document))
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            action = self.random.random()
            if action < 0.2 and isinstance(place, dict):
                place[self.random.choice(KEYS)] = self.value(None)
            elif keys and action < 0.35:
                del place[self.random.choice(keys)]
            elif keys:
                key = self.random.choice(keys)
                place[key] = self.value(place[key])
        return document


def accepted(model: Any, schema: dict[str, Any] | None, value: Any) -> bool:
    try:
        model.model_validate(value)
    except ValueError:
        return False
    return schema is None or schema_of(schema).is_valid(value)


def schema_of(schema: dict[str, Any]) -> Any:
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())


def envelope_accepted(envelope: Any, schema: dict[str, Any]) -> bool:
    try:
        cutover.assert_canonical_cutover_signal(envelope)
    except (TypeError, ValueError):
        return False
    return accepted(Event, schema, envelope)


def payload_accepted(event_type: str, payload: Any) -> bool:
    known = validators._EVENT_TYPE_TO_MODEL
    if event_type not in known or event_type == "Event" or not isinstance(payload, dict):
        return True
    result = validators.validate_event(payload, event_type, strict=True)
    return not result.model_violations and not result.schema_violations


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    contract, mutator = oracle.load(), Mutator(20261121)
    payload_rules = hasattr(validators, "_SEMANTIC_VALIDATORS")
    envelopes = [json.loads(line) for line in (DATA / "captured_envelopes.jsonl").open()]
    for envelope in envelopes:
        envelope["build_id"] = envelope["build_id"] or "c4ad781d-049b-5533-a459-64c1ad68b1ce"
    payloads = [json.loads(line) for line in (DATA / "payloads.jsonl").open()]
    schema, tally = load_schema("event"), collections.Counter()
    for number in range(rounds):
        template = mutator.random.choice(envelopes)
        envelope = {**template, **mutator.random.choice(payloads)} if payload_rules else template
        if number >= len(payloads):
            envelope = mutator.mutate(envelope)
        elif payload_rules:
            envelope = {**template, **payloads[number]}
        context = "event" if payload_rules else "envelope"
        verdict = contract.verdict(context, json.dumps(envelope))
        accepts = envelope_accepted(envelope, schema)
        event_type = envelope.get("event_type")
        if payload_rules and accepts and event_type not in TWO_SHAPES:
            accepts = payload_accepted(event_type, envelope.get("payload"))
        if verdict == "pass" and not accepts:
            print("passed, but refused upstream:", json.dumps(envelope))
            return 1
        if number < len(payloads) and verdict != "pass":
            print("a sample does not pass:", verdict, json.dumps(envelope))
            return 1
        tally["both accept" if verdict == "pass" else "both refuse" if not accepts
              else "stricter: " + verdict] += 1
    for name, count in tally.most_common(60):
        print(f"{count:7} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
