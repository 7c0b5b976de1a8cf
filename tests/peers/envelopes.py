"""Holds envelopes against the installed release of spec-kitty-events, payloads included on request.

    envelopes.py [--payloads] < ENVELOPES

One envelope per line. Asks the release's model of an event, its JSON schema, its cutover policy and,
with --payloads, its strict check of the payload, of which every event type must be known. Prints
JSON: the release, how many envelopes of which type, and every complaint; exit 1 if there is one.
"""

from __future__ import annotations

import collections
import importlib.metadata
import json
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema
import pydantic
from spec_kitty_events import cutover, models, schemas
from spec_kitty_events.conformance import validators


def of_model(envelope: dict[str, Any]) -> Iterator[str]:
    try:
        models.Event.model_validate(envelope)
    except pydantic.ValidationError as error:
        for detail in error.errors():
            yield f"model: {'.'.join(map(str, detail['loc']))}: {detail['msg']}"


def of_schema(envelope: dict[str, Any]) -> Iterator[str]:
    checker = jsonschema.FormatChecker()
    schema = jsonschema.Draft202012Validator(schemas.load_schema("event"), format_checker=checker)
    for error in schema.iter_errors(envelope):
        yield f"schema: {error.json_path}: {error.message}"


def of_policy(envelope: dict[str, Any]) -> Iterator[str]:
    try:
        cutover.assert_canonical_cutover_signal(envelope)
    except (TypeError, ValueError) as error:
        yield f"policy: {error}"


def of_payload(envelope: dict[str, Any]) -> Iterator[str]:
    event_type = envelope["event_type"]
    try:
        result = validators.validate_event(envelope["payload"], event_type, strict=True)
    except ValueError as error:
        yield f"payload: {event_type}: {error}"
        return
    for complaint in (*result.model_violations, *result.schema_violations):
        yield f"payload: {event_type}: {complaint}"


def main() -> int:
    checks = [of_model, of_schema, of_policy]
    if "--payloads" in sys.argv[1:]:
        checks.append(of_payload)
    types: collections.Counter[str] = collections.Counter()
    complaints = []
    for line in filter(str.strip, sys.stdin):
        envelope = json.loads(line)
        types[envelope["event_type"]] += 1
        for check in checks:
            complaints += [f"{envelope['event_id']}: {text}" for text in check(envelope)]
    release = importlib.metadata.version("spec-kitty-events")
    json.dump({"release": release, "types": types, "complaints": complaints}, sys.stdout)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
