"""Lower a JSON schema (Draft 2020-12, as the events packages ship it) to the rule language.

The rule language is defined in contract/README.md. A schema construct that this module does
not know raises LoweringError: a rule that is silently dropped would let the gate accept what
upstream refuses.
"""

from __future__ import annotations

from typing import Any

Json = Any
Shape = dict[str, Any]

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
# Keywords that carry no constraint. `default` only says what an absent field means upstream.
ANNOTATIONS = {"title", "description", "default", "$id", "$schema", "$defs"}

ULID_OR_UUID = (
    "^[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{26}$|^[0-9a-fA-F]{32}$"
    "|^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
)
PATTERNS: dict[str, Shape] = {
    ULID_OR_UUID: {"format": "ulid_or_uuid"},
    r"^\d+\.\d+\.\d+$": {"format": "semver"},
    "^(human|llm|service)$": {"allowed": ["human", "llm", "service"]},
    "^(human|service|system)$": {"allowed": ["human", "service", "system"]},
}
FORMATS = {"date-time": "date_time", "uuid": "uuid"}


class LoweringError(Exception):
    """A schema construct that has no counterpart in the rule language."""


def refuse(where: str, what: str) -> None:
    raise LoweringError(f"{where}: {what}; teach contract/derive/lowering.py or drop the type")


def lower(schema: Json, where: str) -> Shape:
    """The shape a schema accepts, as `{json type: constraints}`."""
    if not isinstance(schema, dict):
        refuse(where, f"schema is {schema!r}, not an object")
    rest = {key: value for key, value in schema.items() if key not in ANNOTATIONS}
    if "$ref" in rest:
        return lower_reference(rest, where)
    if "anyOf" in rest:
        return lower_union(rest, where)
    if not rest:
        return {name: {} for name in TYPES if name != "integer"}
    name = rest.pop("type", None)
    if name not in TYPES:
        refuse(where, f"type {name!r} is unknown")
    lowered = {
        "string": lower_string,
        "array": lower_array,
        "object": lower_object,
        "integer": lower_number,
        "number": lower_number,
    }.get(name)
    constraint = lowered(rest, where) if lowered else {}
    if rest:
        refuse(where, f"unknown keywords {sorted(rest)} beside type {name}")
    return {name: constraint}


def lower_reference(rest: Json, where: str) -> Shape:
    target = rest.pop("$ref")
    prefix = "#/$defs/"
    if rest or not target.startswith(prefix):
        refuse(where, f"reference {target!r} with {sorted(rest)}")
    return {"ref": target[len(prefix) :]}


def lower_union(rest: Json, where: str) -> Shape:
    """anyOf over alternatives of different JSON types: one entry per type."""
    union: Shape = {}
    for index, alternative in enumerate(rest.pop("anyOf")):
        for name, constraint in lower(alternative, f"{where}/anyOf/{index}").items():
            if name in union or {name, *union} >= {"integer", "number"}:
                refuse(where, f"two alternatives for {name}")
            union[name] = constraint
    if "pattern" in rest:
        if "string" not in union:
            refuse(where, "a pattern beside anyOf without a string alternative")
        merge(union["string"], lower_pattern(rest.pop("pattern"), where), where)
    if rest:
        refuse(where, f"unknown keywords {sorted(rest)} beside anyOf")
    return union


def lower_string(rest: Json, where: str) -> Shape:
    out: Shape = {}
    for keyword, name in (("minLength", "min_length"), ("maxLength", "max_length")):
        if keyword in rest:
            out[name] = integer(rest.pop(keyword), where)
    if "pattern" in rest:
        merge(out, lower_pattern(rest.pop("pattern"), where), where)
    if "format" in rest:
        name = FORMATS.get(rest["format"])
        if name is None:
            refuse(where, f"unknown format {rest['format']!r}")
        merge(out, {"format": name}, where)
        rest.pop("format")
    if "enum" in rest:
        merge(out, {"allowed": texts(rest.pop("enum"), where)}, where)
    if "const" in rest:
        merge(out, {"value": texts([rest.pop("const")], where)[0]}, where)
    return out


def lower_pattern(pattern: str, where: str) -> Shape:
    if pattern not in PATTERNS:
        refuse(where, f"unknown pattern {pattern!r}")
    return dict(PATTERNS[pattern])


def lower_number(rest: Json, where: str) -> Shape:
    names = {"minimum": "minimum", "maximum": "maximum", "exclusiveMinimum": "exclusive_minimum"}
    return {
        name: integer(rest.pop(keyword), where) for keyword, name in names.items() if keyword in rest
    }


def lower_array(rest: Json, where: str) -> Shape:
    out: Shape = {}
    if "items" in rest:
        out["items"] = lower(rest.pop("items"), f"{where}/items")
    if "minItems" in rest:
        out["min_items"] = integer(rest.pop("minItems"), where)
    return out


def lower_object(rest: Json, where: str) -> Shape:
    out: Shape = {}
    properties = {
        name: lower(schema, f"{where}/{name}") for name, schema in rest.pop("properties", {}).items()
    }
    required = rest.pop("required", [])
    if not set(required) <= set(properties):
        refuse(where, f"required names without a property: {sorted(set(required) - set(properties))}")
    additional = rest.pop("additionalProperties", True)
    if not isinstance(additional, bool):
        additional = lower(additional, f"{where}/*")
    if properties:
        out["properties"] = properties
    if required:
        out["required"] = list(required)
    if additional is not True:
        out["additional"] = additional
    return out


def integer(value: Json, where: str) -> int:
    """A limit as an integer; the rule language has no fractional limits."""
    if isinstance(value, bool) or value != int(value):
        refuse(where, f"limit {value!r} is not an integer")
    return int(value)


def texts(values: list[Json], where: str) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        refuse(where, f"a fixed value that is not a string in {values!r}")
    return list(values)


def merge(into: Shape, other: Shape, where: str) -> None:
    """Adds the constraints of `other`; the same constraint twice must agree."""
    for key, value in other.items():
        if key in into and into[key] != value:
            refuse(where, f"constraint {key} is both {into[key]!r} and {value!r}")
        into[key] = value


def lower_document(schema: Json, where: str) -> tuple[Shape, dict[str, Shape]]:
    """A whole schema: its shape and the shapes of its `$defs`."""
    definitions = {
        name: lower(definition, f"{where}#{name}") for name, definition in schema.get("$defs", {}).items()
    }
    return lower(schema, where), definitions


def references(shape: Json) -> set[str]:
    """The names of all definitions a shape mentions, directly."""
    found: set[str] = set()
    if isinstance(shape, dict):
        for key, value in shape.items():
            if key == "ref" and isinstance(value, str):
                found.add(value)
            else:
                found |= references(value)
    elif isinstance(shape, list):
        for item in shape:
            found |= references(item)
    return found
