#!/usr/bin/env python3
"""Tests of the derivation that need no installed package: `python3 -m unittest` in this folder."""

from __future__ import annotations

import copy
import json
import unittest

from assembly import AssemblyError, add_alternative, add_property
from lowering import LoweringError, lower
from oracle import ARTIFACT, Contract, load


class Lowering(unittest.TestCase):
    def test_known_constructs_become_rules(self) -> None:
        for schema, shape in [
            ({"type": "string", "minLength": 1, "title": "T"}, {"string": {"min_length": 1}}),
            ({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "default": None},
             {"integer": {"minimum": 0}, "null": {}}),
            ({"type": "string", "format": "date-time"}, {"string": {"format": "date_time"}}),
            ({"type": "string", "const": "a"}, {"string": {"value": "a"}}),
            ({"type": "object", "additionalProperties": {"type": "string"}},
             {"object": {"additional": {"string": {}}}}),
            ({"$ref": "#/$defs/Lane", "description": "D"}, {"ref": "Lane"}),
        ]:
            self.assertEqual(lower(schema, "x"), shape)

    def test_every_other_construct_is_refused(self) -> None:
        for schema in [
            {"type": "string", "contentEncoding": "base64"},
            {"type": "string", "pattern": "^x$"},
            {"type": "string", "format": "email"},
            {"type": "string", "minimum": 1},
            {"type": ["string", "null"]},
            {"type": "integer", "multipleOf": 2},
            {"type": "number", "minimum": 0.5},
            {"type": "array", "uniqueItems": True},
            {"type": "object", "patternProperties": {}},
            {"type": "object", "required": ["a"]},
            {"anyOf": [{"type": "string"}, {"type": "string", "minLength": 1}]},
            {"anyOf": [{"type": "integer"}, {"type": "number"}]},
            {"oneOf": [{"type": "string"}]},
            {"allOf": []},
            {"enum": [1, 2]},
            {"$ref": "https://example.invalid/x"},
            True,
        ]:
            with self.assertRaises(LoweringError, msg=str(schema)):
                lower(schema, "x")


class Assembly(unittest.TestCase):
    def test_contradicting_sources_are_refused(self) -> None:
        with self.assertRaises(LoweringError):
            add_property({"f": {"string": {"value": "a"}}}, "f", {"string": {"value": "b"}})
        with self.assertRaises(AssemblyError):
            add_property({"f": {"string": {}}}, "f", {"null": {}})
        other = {"required": [], "properties": {"a": {"string": {}}}, "shared": []}
        with self.assertRaises(AssemblyError):
            add_alternative("X", {"properties": {"a": {"string": {}}}, "additional": False}, other)


class Oracle(unittest.TestCase):
    def test_the_order_of_violations_is_that_of_the_readme(self) -> None:
        artifact = json.loads(ARTIFACT.read_text(encoding="utf-8"))
        shape = {"object": {"required": ["z"], "properties": {"a": {"null": {}}, "b": {"null": {}}}}}
        artifact["contexts"]["tracker_bind"] = shape
        contract = Contract(artifact)
        for text, verdict in [
            ('{"b":1,"a":1}', "z|required"),
            ('{"b":1,"z":1,"a":1}', "a|type"),
            ('{"z":{"feature_slug":1},"a":1}', "z.feature_slug|forbidden_anywhere"),
            ('{"feature_slug":1,"a":{"x":1,"x":2}}', "a.x|duplicate"),
            ('{"b":1,"b":2,', "$|json"),
            ("[" * 101 + "]" * 101, "$|depth"),
            ("[" * 100000 + "]" * 100000, "$|depth"),
            ('{"z":1,"a":null,"b":null}', "pass"),
        ]:
            self.assertEqual(contract.verdict("tracker_bind", text), verdict, text[:80])

    def test_a_changed_artifact_changes_the_verdict(self) -> None:
        contract = load()
        document = json.dumps({"event_type": "MissionClosed", "payload": {
            "mission_slug": "demo", "mission_number": 1, "mission_type": "x"}})
        self.assertEqual(contract.verdict("payload", document), "pass")
        changed = copy.deepcopy(contract.artifact)
        changed["payloads"]["MissionClosed"]["object"]["required"].append("wp_count")
        self.assertEqual(Contract(changed).verdict("payload", document), "payload.wp_count|required")


if __name__ == "__main__":
    unittest.main()
