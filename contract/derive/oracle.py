#!/usr/bin/env python3
"""An independent reading of the contract artifact, written from contract/README.md.

    oracle.py [--compare] < CASES.jsonl > VERDICTS

A case is `{"context": C, "value": V}` or, for text that need not be JSON, `{"context": C,
"text": T}`; the context `event` is a whole event (`check_event`). One verdict per line: `pass`, or
`field|rule`, or `field|condition:id`. With --compare each case also has the other reading's
`verdict`; disagreements are printed instead, and the exit status is 1 if there were any.
Standard library only; imported by soundness.py.

One limit: of text that nests thousands of levels Python's parser reads only the beginning, so this
reading calls it `$|depth` without knowing whether the rest is JSON.
"""

from __future__ import annotations

import datetime
import json
import math
import pathlib
import re
import sys
from typing import Any, Iterator

ARTIFACT = pathlib.Path(__file__).resolve().parent.parent / "artifact" / "upstream_contract.json"
RULES = (
    "json depth duplicate forbidden_anywhere required forbidden unexpected type value allowed "
    "forbidden_value min_length max_length format blank first_segment minimum exclusive_minimum "
    "maximum min_items min_properties condition"
).split()
SPACE = set("\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000")
SPACE |= {chr(code) for code in range(0x2000, 0x200B)}
HEX = "[0-9A-Fa-f]"
UUID = f"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"
FORMATS = {
    "uuid": UUID,
    "ulid_or_uuid": f"[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{{26}}|{HEX}{{32}}|{UUID}",
    "semver": r"[0-9]+\.[0-9]+\.[0-9]+",
}
TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-]([0-9]{2}):([0-9]{2}))"
)
Path = tuple[Any, ...]


class Members(list):
    """An object as its list of (key, value), duplicates kept."""

    def get(self, key: str) -> Any:
        return next((value for name, value in self if name == key), None)

    def has(self, key: str) -> bool:
        return any(name == key for name, _ in self)


class NotJson(ValueError):
    pass


def parse(text: str) -> Any:
    """A document of members, lists, texts, booleans, None, ints (integers), floats (fractions)."""

    def integer(token: str) -> int | float:
        if token != "-0" and len(token) <= 20 and -(2**63) <= int(token) < 2**64:
            return int(token)
        return fraction(token)

    def fraction(token: str) -> float:
        number = float(token)
        if math.isinf(number):
            raise NotJson(token)
        return number

    def constant(token: str) -> None:
        raise NotJson(token)

    return json.loads(
        text, object_pairs_hook=Members, parse_int=integer, parse_float=fraction,
        parse_constant=constant,
    )


def lone_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, Members):
        return any(lone_surrogate(key) or lone_surrogate(member) for key, member in value)
    return isinstance(value, list) and any(map(lone_surrogate, value))


def kind(value: Any) -> str:
    if value is None:
        return "null"
    for python, name in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"),
                         (Members, "object")):
        if isinstance(value, python):
            return name
    return "array"


def blank(text: str) -> bool:
    return all(char in SPACE for char in text)


def formatted(text: str, name: str) -> bool:
    if name != "date_time":
        return re.fullmatch(FORMATS[name], text, re.ASCII) is not None
    match = TIME.fullmatch(text)
    if not match:
        return False
    year, month, day, hour, minute, second, off_hour, off_minute = (
        int(part or 0) for part in match.groups()
    )
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    return max(hour, off_hour) < 24 and max(minute, second, off_minute) < 60


class Contract:
    """The artifact; `verdict` is the whole reading."""

    def __init__(self, artifact: dict[str, Any]) -> None:
        assert artifact["rule_language"] == 1
        self.artifact = artifact
        self.anywhere = set(artifact["forbidden_anywhere"])

    def verdict(self, context: str, text: str) -> str:
        try:
            value = parse(text)
        except RecursionError:
            return "$|depth"
        except ValueError:
            return "$|json"
        if lone_surrogate(value):
            return "$|json"
        found = [(self.group(rule, 2), RULES.index(rule), path, 0, rule)
                 for path, rule in self.document(value, (), 1)]
        root = "envelope" if context == "event" else context
        if root != "request":
            found += self.ranked(self.shape(value, self.artifact["contexts"][root], ()), 2)
        if context in ("event", "payload"):
            found += self.ranked(self.payload(value), 3)
        if not found:
            return "pass"
        _, _, path, _, rule = min(found, key=self.rank)
        return ".".join(map(str, path)) + "|" + rule if path else "$|" + rule

    @staticmethod
    def rank(found: tuple) -> tuple:
        group, rule, path, position, _ = found
        steps = tuple((isinstance(step, str), step) for step in path)
        return group, rule, steps, position

    @staticmethod
    def group(rule: str, otherwise: int) -> int:
        return {"depth": 0, "duplicate": 0, "forbidden_anywhere": 1}.get(rule, otherwise)

    def ranked(self, found: Iterator[tuple], group: int) -> list[tuple]:
        out = []
        for path, rule, *position in found:
            name = rule.split(":")[0]
            out.append((group, RULES.index(name), path, position[0] if position else 0, rule))
        return out

    def document(self, value: Any, path: Path, depth: int) -> Iterator[tuple[Path, str]]:
        """Depth, keys that come twice, and keys that are forbidden anywhere."""
        if not isinstance(value, list):
            return
        if depth > self.artifact["limits"]["max_depth"]:
            yield (), "depth"
            return
        members = value if isinstance(value, Members) else Members(enumerate(value))
        seen = set()
        for key, member in members:
            if key in seen:
                yield (*path, key), "duplicate"
            if key in self.anywhere:
                yield (*path, key), "forbidden_anywhere"
            seen.add(key)
            yield from self.document(member, (*path, key), depth + 1)

    def payload(self, root: Any) -> Iterator[tuple]:
        fields = self.artifact["dispatch"]
        if not isinstance(root, Members):
            return
        name, payload = root.get(fields["type_field"]), root.get(fields["payload_field"])
        if isinstance(name, str) and isinstance(payload, Members):
            shape = self.artifact["payloads"].get(name)
            if shape:
                yield from self.shape(payload, shape, (fields["payload_field"],))

    def types(self, shape: dict[str, Any]) -> dict[str, Any]:
        own = {name: rules for name, rules in shape.items() if name != "ref"}
        if "ref" in shape:
            return {**self.types(self.artifact["definitions"][shape["ref"]]), **own}
        return own

    def shape(self, value: Any, shape: dict[str, Any], path: Path) -> Iterator[tuple]:
        if len(path) >= self.artifact["limits"]["max_depth"] and isinstance(value, list):
            return
        types, name = self.types(shape), kind(value)
        if name == "integer" and "number" in types:
            name = "number"
        if name not in types:
            yield path, "type"
            return
        checks = {"string": self.string, "integer": self.number, "number": self.number,
                  "array": self.array, "object": self.object}
        if name in checks:
            yield from checks[name](value, types[name], path)

    def string(self, text: str, rules: dict[str, Any], path: Path) -> Iterator[tuple]:
        broken = {
            "value": text != rules.get("value", text),
            "allowed": "allowed" in rules and text not in rules["allowed"],
            "forbidden_value": text in rules.get("forbidden", ()),
            "min_length": len(text) < rules.get("min_length", 0),
            "max_length": len(text) > rules.get("max_length", len(text)),
            "format": "format" in rules and not formatted(text, rules["format"]),
            "blank": rules.get("not_blank", False) and blank(text),
            "first_segment": text.split("/")[0] in rules.get("forbidden_first_segment", ()),
        }
        yield from ((path, rule) for rule, is_broken in broken.items() if is_broken)

    def number(self, number: float, rules: dict[str, Any], path: Path) -> Iterator[tuple]:
        if "minimum" in rules and number < rules["minimum"]:
            yield path, "minimum"
        if "exclusive_minimum" in rules and number <= rules["exclusive_minimum"]:
            yield path, "exclusive_minimum"
        if "maximum" in rules and number > rules["maximum"]:
            yield path, "maximum"

    def array(self, items: list, rules: dict[str, Any], path: Path) -> Iterator[tuple]:
        if len(items) < rules.get("min_items", 0):
            yield path, "min_items"
        for index, item in enumerate(items):
            if "items" in rules:
                yield from self.shape(item, rules["items"], (*path, index))

    def object(self, members: Members, rules: dict[str, Any], path: Path) -> Iterator[tuple]:
        properties, forbidden = rules.get("properties", {}), rules.get("forbidden", ())
        required, additional = rules.get("required", ()), rules.get("additional", True)
        yield from (((*path, key), "required") for key in required if not members.has(key))
        if len(members) < rules.get("min_properties", 0):
            yield path, "min_properties"
        for key, value in members:
            here = (*path, key)
            if key in self.anywhere:
                continue
            if key in forbidden:
                yield here, "forbidden"
            elif key in properties:
                yield from self.shape(value, properties[key], here)
            elif key not in required and additional is False:
                yield here, "unexpected"
            elif key not in required and additional is not True:
                yield from self.shape(value, additional, here)
        for position, rule in enumerate(rules.get("conditions", ())):
            if all(holds(statement, members) for statement in rule.get("when", ())) and not all(
                holds(statement, members) for statement in rule["require"]
            ):
                yield (*path, rule["field"]), "condition:" + rule["id"], position


def holds(statement: dict[str, Any], members: Members) -> bool:
    if "any_present" in statement:
        return any(members.has(key) for key in statement["any_present"])
    if "none_present" in statement:
        return not any(members.has(key) for key in statement["none_present"])
    if "sum_of" in statement:
        values = [members.get(key) for key in [*statement["sum_of"], statement["equals"]]]
        return all(kind(value) == "integer" for value in values) and sum(values[:-1]) == values[-1]
    if "blank" in statement:
        value = members.get(statement["field"])
        return (value is None or isinstance(value, str) and blank(value)) is statement["blank"]
    names = statement.get("fields") or [statement["field"]]
    values = [members.get(name) for name in names]
    literal = all(kind(value) in ("null", "boolean", "string") for value in values)
    sets = statement["in"] if "in" in statement else statement["not_in"]
    entries = sets if "fields" in statement else [[entry] for entry in sets]
    inside = literal and any(
        all(kind(a) == kind(b) and a == b for a, b in zip(entry, values)) for entry in entries
    )
    return inside is ("in" in statement)


def load(path: pathlib.Path = ARTIFACT) -> Contract:
    return Contract(json.loads(path.read_text(encoding="utf-8")))


def main() -> int:
    sys.setrecursionlimit(3000)
    contract, compare = load(), "--compare" in sys.argv[1:]
    cases = passed = wrong = 0
    for line in sys.stdin:
        case = json.loads(line)
        text = case["text"] if "text" in case else raw_value(line)
        verdict = contract.verdict(case["context"], text)
        cases, passed = cases + 1, passed + (verdict == "pass")
        if not compare:
            print(verdict)
        elif verdict != case["verdict"]:
            wrong += 1
            print(f"oracle {verdict}, gate {case['verdict']}: {line.strip()[:2000]}")
    if compare:
        print(f"{cases} cases, {passed} passed, {wrong} disagreements")
    return 1 if wrong else 0


def raw_value(line: str) -> str:
    """The text of a case's value, as it stands in the line."""
    decoder = json.JSONDecoder()
    at = line.index('"value"') + len('"value"')
    at = line.index(":", at) + 1
    while line[at] in " \t":
        at += 1
    return line[at : decoder.raw_decode(line, at)[1]]


if __name__ == "__main__":
    sys.exit(main())
