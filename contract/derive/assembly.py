"""Joins what two releases say and the ingress facts into the artifact."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from lowering import lower_document, merge, references

Document = dict[str, Any]
RULE_LANGUAGE = 1
SOURCE_COMMITS = {"3.0.0": "5b8e6dc"}
INGRESS_COMMIT = {"name": "spec-kitty-saas", "source_commit": "3a0e4af"}


class AssemblyError(Exception):
    """The sources contradict each other."""


def need(truth: bool, what: str) -> None:
    if not truth:
        raise AssemblyError(what)


def assemble(older: Document, newer: Document, ingress: Document) -> Document:
    need(older["version"] == "3.0.0" and newer["version"] == "6.1.0",
         f"expected releases 3.0.0 and 6.1.0, got {older['version']} and {newer['version']}")
    definitions: Document = {}
    payloads = {name: payload_shape(name, newer, ingress, definitions)
                for name in newer["event_types"]}
    apply_mission_scope(payloads, ingress["payload"]["mission_scoped"])
    dispatch = {key: ingress["payload"]["dispatch"][key] for key in ("type_field", "payload_field")}
    contexts = {
        "envelope": envelope_shape(older, newer, ingress),
        "payload": {"object": {
            "required": fields(ingress["payload"]["carrier"]["required"]),
            "properties": {dispatch["type_field"]: event_type_rule(older, newer, ingress),
                           dispatch["payload_field"]: {"object": {}}},
            "additional": False,
        }},
    }
    for name in ("body_sync", "tracker_bind", "orchestrator_api"):
        contexts[name] = section_shape(ingress[name])
    used = references([payloads, list(definitions.values())])
    need(used == set(definitions), f"definitions {sorted(used ^ set(definitions))} dangle")
    return {
        "artifact_version": ingress["artifact_version"],
        "contexts": contexts,
        "definitions": definitions,
        "dispatch": dispatch,
        "forbidden_anywhere": forbidden_anywhere(older, newer, ingress),
        "limits": {"max_depth": ingress["limits"]["max_depth"]},
        "payloads": payloads,
        "provenance": provenance(older, newer, ingress),
        "rule_language": RULE_LANGUAGE,
        "vocabulary": {"orchestrator_api": vocabulary(ingress["orchestrator_api"]["vocabulary"])},
    }


def payload_shape(name: str, newer: Document, ingress: Document, definitions: Document) -> Document:
    """One event type's payload: schema, model-level field rules, conditions, alternative."""
    shape, local = lower_document(newer["payload_schemas"][name], name)
    for key, definition in local.items():
        need(definitions.setdefault(key, definition) == definition,
             f"{name}: definition {key} differs between event types")
    need(set(shape) == {"object"}, f"{name}: a payload that is not an object")
    payload = shape["object"]
    for rule in newer["field_rules"].get(name, []):
        merge(payload["properties"][rule["field"]][rule["type"]], rule["constraint"], name)
    if name in newer["conditions"]:
        payload["conditions"] = newer["conditions"][name]
    if name in ingress["payload"]["alternatives"]:
        add_alternative(name, payload, ingress["payload"]["alternatives"][name])
    return shape


def add_alternative(name: str, payload: Document, other: Document) -> None:
    """Lets a payload have either shape, never a mixture: the keys that only one of them has
    decide which shape it is."""
    mine, theirs = payload["properties"], other["properties"]
    need(not payload.get("required") and payload.get("additional") is False
         and "conditions" not in payload, f"{name}: cannot take an alternative")
    need(not set(mine) & set(theirs) and set(other["shared"]) <= set(mine),
         f"{name}: the alternative's fields overlap")
    only_mine = sorted(set(mine) - set(other["shared"]))
    chosen = [{"any_present": sorted(theirs)}]
    payload["conditions"] = [
        {"id": f"{field}_required", "field": field, "when": chosen,
         "require": [{"any_present": [field]}], "text": f"this shape of the payload needs {field}"}
        for field in other["required"]
    ] + [{"id": "one_shape", "field": only_mine[0], "when": chosen,
          "require": [{"none_present": only_mine}],
          "text": "the payload mixes its two shapes"}]
    mine.update(copy.deepcopy(theirs))


def apply_mission_scope(payloads: Document, scope: Document) -> None:
    """The ingress wants these fields in mission-scoped payloads; the package must agree."""
    for name in scope["event_types"]:
        required = payloads[name]["object"]["required"]
        need(set(scope["required"]) <= set(required), f"{name}: {scope['required']} not required")


def envelope_shape(older: Document, newer: Document, ingress: Document) -> Document:
    shape, definitions = lower_document(older["envelope_schema"], "Event")
    need((shape, definitions) == lower_document(newer["envelope_schema"], "Event"),
         "the releases' envelope schemas differ; intersect them in assembly.py")
    need(not definitions, "envelope definitions are not supported")
    envelope, facts = shape["object"], ingress["envelope"]
    # Known as text or null upstream; a payload is any object here, its rules are per event type.
    envelope["properties"]["payload"] = {"object": {}}
    envelope["required"] += [field for field in fields(facts["required"])
                             if field not in envelope["required"]]
    envelope["forbidden"] = fields(facts["forbidden"])
    for field, fact in facts["properties"].items():
        add_property(envelope["properties"], field, fact["rule"])
    envelope["properties"]["event_type"] = event_type_rule(older, newer, ingress)
    for release in (older, newer):
        policy = release["cutover"]
        signal = {"string": {"value": policy["value"]}}
        add_property(envelope["properties"], policy["signal_field"], signal)
        segments = {"string": {"forbidden_first_segment": policy["forbidden_first_segments"]}}
        add_property(envelope["properties"], "aggregate_id", segments)
    return shape


def add_property(properties: Document, field: str, rule: Document) -> None:
    """Narrows a property, or adds it; both sides must name the same JSON types."""
    known = properties.setdefault(field, copy.deepcopy(rule))
    need(set(known) == set(rule), f"{field}: {sorted(known)} against {sorted(rule)}")
    for name, constraint in rule.items():
        merge(known[name], constraint, field)


def event_type_rule(older: Document, newer: Document, ingress: Document) -> Document:
    names = [fact["event_type"] for fact in ingress["forbidden_event_types"]]
    for release in (older, newer):
        missing = set(release["cutover"]["forbidden_event_types"]) - set(names)
        need(not missing, f"ingress facts lack forbidden event types {sorted(missing)}")
    return {"string": {"min_length": 1, "forbidden": names}}


def section_shape(section: Document) -> Document:
    constraint: Document = {"required": fields(section["required"])}
    if section["forbidden"]:
        constraint["forbidden"] = fields(section["forbidden"])
    constraint["properties"] = {k: fact["rule"] for k, fact in section["properties"].items()}
    return {"object": constraint}


def fields(facts: list[Document]) -> list[str]:
    return [fact["field"] for fact in facts]


def forbidden_anywhere(older: Document, newer: Document, ingress: Document) -> list[str]:
    keys = {fact["key"] for fact in ingress["forbidden_anywhere"]}
    for release in (older, newer):
        keys |= set(release["cutover"]["forbidden_keys"])
    return sorted(keys)


def vocabulary(facts: Document) -> Document:
    out: Document = {"contract_version": facts["contract_version"]["value"]}
    for name in ("commands", "error_codes", "cli_flags"):
        out[name] = {key: facts[name][key] for key in ("allowed", "reserved", "forbidden")}
    return out


def provenance(older: Document, newer: Document, ingress: Document) -> Document:
    packages = []
    for release in (older, newer):
        lines = [f"{digest}  {name}\n" for name, digest in sorted(release["files"].items())]
        entry = {
            "name": release["package"],
            "version": release["version"],
            "files": len(lines),
            "files_sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        }
        if release["version"] in SOURCE_COMMITS:
            entry["source_commit"] = SOURCE_COMMITS[release["version"]]
        packages.append(entry)
    return {"ingress": dict(INGRESS_COMMIT), "packages": packages,
            "schema_version": newer["cutover"]["value"]}
