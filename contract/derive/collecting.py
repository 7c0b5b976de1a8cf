"""What one installed spec-kitty-events release says, as one JSON document."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import pathlib
from typing import Any

import spec_kitty_events
from spec_kitty_events import cutover
from spec_kitty_events.conformance import validators
from spec_kitty_events.models import Event
from spec_kitty_events.schemas import load_schema

import probing

DISTRIBUTION = "spec-kitty-events"
ROOT = pathlib.Path(spec_kitty_events.__file__).parent

# The types that spec-kitty emits, and a few whose rules cost next to nothing.
EVENT_TYPES = (
    "BuildHeartbeat",
    "BuildRegistered",
    "DecisionInputAnswered",
    "DecisionInputRequested",
    "DependencyResolved",
    "DiffSummaryRecorded",
    "ErrorLogged",
    "FollowUpRecorded",
    "HistoryAdded",
    "MissionCancelled",
    "MissionClosed",
    "MissionCompleted",
    "MissionCreated",
    "MissionDossierArtifactIndexed",
    "MissionDossierArtifactMissing",
    "MissionDossierParityDriftDetected",
    "MissionDossierSnapshotComputed",
    "MissionOriginBound",
    "MissionReopened",
    "MissionRunCompleted",
    "MissionRunStarted",
    "MissionStarted",
    "NextStepAutoCompleted",
    "NextStepIssued",
    "PhaseEntered",
    "PlanCompleted",
    "PlanStarted",
    "ProfileInvocationStarted",
    "ProjectInitialized",
    "ReviewRollback",
    "SpecifyCompleted",
    "SpecifyStarted",
    "TasksCompleted",
    "TasksStarted",
    "TokenUsageRecorded",
    "WPAssigned",
    "WPCreated",
    "WPStatusChanged",
)


def collect() -> dict[str, Any]:
    known = [name for name in EVENT_TYPES if name in validators._EVENT_TYPE_TO_MODEL]
    models = {name: validators._EVENT_TYPE_TO_MODEL[name] for name in known}
    document: dict[str, Any] = {
        "package": DISTRIBUTION,
        "version": importlib.metadata.version(DISTRIBUTION),
        "envelope_schema": load_schema("event"),
        "cutover": cutover_policy(),
        "event_types": known,
    }
    files = source_files(models)
    if not document["version"].startswith("6."):
        probing.check_validators([Event], ())
    else:
        # Payloads have the shape of the newer release; the older one governs the envelope only.
        semantics = getattr(validators, "_SEMANTIC_VALIDATORS", {})
        probing.check_validators([Event, *models.values()], semantics)
        lanes = load_schema("status_transition_payload")["$defs"]["Lane"]["enum"]
        document["payload_schemas"] = {name: payload_schema(name, models[name]) for name in known}
        document["field_rules"] = probing.field_rules(complaints)
        document["conditions"] = probing.conditions(complaints, lanes)
        files |= schema_files(known)
    document["files"] = {path.relative_to(ROOT).as_posix(): digest(path) for path in sorted(files)}
    return document


def payload_schema(event_type: str, model: Any) -> Any:
    """The package's schema file, or the schema of its model where it ships no file."""
    name = validators._EVENT_TYPE_TO_SCHEMA.get(event_type)
    generated = model.model_json_schema()
    if name is None:
        return generated
    shipped = load_schema(name)
    if without_notes(shipped) != without_notes(generated):
        raise probing.ProbeError(f"{event_type}: schema file and model disagree")
    return shipped


def without_notes(schema: Any) -> Any:
    if isinstance(schema, dict):
        notes = ("title", "description", "$id", "$schema")
        return {
            key: without_notes(value)
            for key, value in schema.items()
            if not (key in notes and isinstance(value, str))
        }
    return [without_notes(item) for item in schema] if isinstance(schema, list) else schema


def complaints(event_type: str, payload: dict[str, Any]) -> list[str]:
    """What the package's model and its semantic checks have against a payload."""
    model = validators._EVENT_TYPE_TO_MODEL[event_type]
    found = list(validators._validate_with_model(payload, model))
    semantic = getattr(validators, "_SEMANTIC_VALIDATORS", {}).get(event_type)
    if not found and semantic:
        found = list(semantic(model.model_validate(payload), payload))
    return [violation.message for violation in found]


def cutover_policy() -> dict[str, Any]:
    """The cutover policy, after a canonical envelope and one breach of each rule were tried."""
    policy = cutover.CUTOVER_ARTIFACT
    keys = set(policy.forbidden_legacy_keys)
    if hasattr(cutover, "FORBIDDEN_LEGACY_KEYS"):
        keys |= set(cutover.FORBIDDEN_LEGACY_KEYS)
    signal = policy.signal_field_name
    sample = {signal: policy.cutover_contract_version, "event_type": "x", "aggregate_id": "a/b"}
    breaches: list[dict[str, Any]] = [{**sample, signal: "3.0.1"}, {**sample, signal: None}]
    breaches += [{**sample, "payload": {key: None}} for key in keys]
    breaches += [{**sample, "event_type": name} for name in policy.forbidden_legacy_event_names]
    for name in policy.forbidden_legacy_aggregate_names:
        breaches += [{**sample, "aggregate_id": name}, {**sample, "aggregate_id": f"{name}/1"}]
    if refuses(sample) or not all(map(refuses, breaches)):
        raise probing.ProbeError("the cutover check does not follow the cutover policy")
    if policy.signal_location != "event_envelope":
        raise probing.ProbeError("the cutover signal has left the envelope")
    return {
        "artifact_version": policy.artifact_version,
        "signal_field": signal,
        "value": policy.cutover_contract_version,
        "forbidden_keys": sorted(keys),
        "forbidden_event_types": list(policy.forbidden_legacy_event_names),
        "forbidden_first_segments": list(policy.forbidden_legacy_aggregate_names),
    }


def refuses(envelope: dict[str, Any]) -> bool:
    try:
        cutover.assert_canonical_cutover_signal(envelope)
    except (TypeError, ValueError):
        return True
    return False


def source_files(models: dict[str, Any]) -> set[pathlib.Path]:
    """The modules that were read: those of the models, the cutover policy, the registry."""
    files = {ROOT / "schemas" / "event.schema.json", pathlib.Path(cutover.__file__)}
    files |= {pathlib.Path(validators.__file__), pathlib.Path(inspect.getfile(Event))}
    if (ROOT / "forbidden_keys.py").exists():
        files.add(ROOT / "forbidden_keys.py")
    return files | {pathlib.Path(inspect.getfile(model)) for model in models.values()}


def schema_files(event_types: list[str]) -> set[pathlib.Path]:
    names = [validators._EVENT_TYPE_TO_SCHEMA.get(name) for name in event_types]
    return {ROOT / "schemas" / f"{name}.schema.json" for name in names if name}


def digest(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
