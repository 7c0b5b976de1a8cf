"""Rules that the installed package enforces in code, found and proved by probing it.

A JSON schema does not show them. Each rule is written here as data of the rule language and
believed only after the installed package has behaved that way: every single-field rule on
samples that pass and fail, every cross-field rule on the whole product of the values that it
reads. A validator of the package that this module does not know makes it fail.
"""

from __future__ import annotations

import itertools
import typing
from typing import Any, Callable, Iterable

Payload = dict[str, Any]
Condition = dict[str, Any]
# What the installed package has against a payload of an event type; nothing if it accepts it.
Complaints = Callable[[str, Payload], list[str]]

KNOWN_VALIDATORS = {
    "Event": {"_normalize_event_id"},
    "StatusTransitionPayload": {
        "_normalize_lane_aliases",
        "_validate_actor",
        "_check_business_rules",
    },
    "TokenUsageRecordedPayload": {"_validate_totals"},
    "FollowUpRecordedPayload": {"_check_discriminator"},
}
KNOWN_SEMANTICS = {"WPStatusChanged"}

EVIDENCE = {
    "repos": [{"repo": "acme/demo", "branch": "work", "commit": "abc123"}],
    "review": {"reviewer": "ann", "verdict": "approved", "reference": "pr/1"},
}
STATUS = {
    "mission_slug": "demo-01M7XAND",
    "wp_id": "WP01",
    "from_lane": "planned",
    "to_lane": "claimed",
    "actor": "claude",
    "execution_mode": "worktree",
}
TOKENS = {
    "mission_id": "m",
    "input_tokens": 1,
    "output_tokens": 2,
    "total_tokens": 3,
    "estimated_cost_usd": 0,
    "source": "cli",
}
FOLLOW_UP = {
    "mission_id": "m",
    "mission_slug": "demo",
    "follow_up_type": "commit",
    "commit_sha": "abc",
    "pr_number": 1,
    "recorded_by": "ann",
    "recorded_at": "2026-01-01T00:00:00Z",
}
ABSENT = object()


class ProbeError(Exception):
    """The installed package does not behave as the rule says."""


def check_validators(models: Iterable[Any], semantics: Iterable[str]) -> None:
    """Fails on a validator, reachable from the models, that no rule here accounts for."""
    for model in reachable(models):
        decorators = model.__pydantic_decorators__
        names = {
            name
            for kind in ("validators", "field_validators", "root_validators", "model_validators")
            for name in getattr(decorators, kind)
        }
        unknown = names - KNOWN_VALIDATORS.get(model.__name__, set())
        if unknown:
            raise ProbeError(f"{model.__name__} has validators without a rule: {sorted(unknown)}")
    unknown = set(semantics) - KNOWN_SEMANTICS
    if unknown:
        raise ProbeError(f"event types with semantic checks without a rule: {sorted(unknown)}")


def reachable(models: Iterable[Any]) -> list[Any]:
    """The models and every model their fields mention, each once."""
    found: dict[str, Any] = {}
    queue = list(models)
    while queue:
        model = queue.pop()
        if model.__name__ in found:
            continue
        found[model.__name__] = model
        annotations = [field.annotation for field in model.model_fields.values()]
        while annotations:
            annotation = annotations.pop()
            annotations.extend(typing.get_args(annotation))
            if isinstance(annotation, type) and hasattr(annotation, "model_fields"):
                queue.append(annotation)
    return list(found.values())


def expect(complaints: Complaints, event_type: str, payload: Payload, verdict: bool, rule: str) -> None:
    if (not complaints(event_type, payload)) is not verdict:
        raise ProbeError(f"{event_type}: rule {rule} does not hold for {payload!r}")


def field_rules(complaints: Complaints) -> dict[str, list[Payload]]:
    """Constraints on one field that only the model knows: type, field, JSON type, constraint."""
    for blank in ("", " ", "\t\u00a0\u001f\u3000"):
        expect(complaints, "WPStatusChanged", {**STATUS, "actor": blank}, False, "actor not blank")
    for word in ("x", " x ", "\u200b"):
        expect(complaints, "WPStatusChanged", {**STATUS, "actor": word}, True, "actor not blank")
    expect(complaints, "WPStatusChanged", {**STATUS, "actor": {}}, False, "actor has a key")
    expect(complaints, "WPStatusChanged", {**STATUS, "actor": {"role": "x"}}, True, "actor has a key")
    return {
        "WPStatusChanged": [
            {"field": "actor", "type": "string", "constraint": {"not_blank": True}},
            {"field": "actor", "type": "object", "constraint": {"min_properties": 1}},
        ]
    }


def conditions(complaints: Complaints, lanes: list[str]) -> dict[str, list[Condition]]:
    """All cross-field rules, each proved against the package."""
    return {
        "WPStatusChanged": prove(complaints, "WPStatusChanged", STATUS, *status_rules(complaints, lanes)),
        "TokenUsageRecorded": prove(complaints, "TokenUsageRecorded", TOKENS, *token_rules()),
        "FollowUpRecorded": prove(complaints, "FollowUpRecorded", FOLLOW_UP, *follow_up_rules()),
    }


def prove(
    complaints: Complaints, event_type: str, base: Payload, rules: list[Condition], domain: Payload
) -> list[Condition]:
    """Compares rules and package on every combination of the domain's values."""
    passed: set[str] = set()
    failed: set[str] = set()
    names = list(domain)
    for values in itertools.product(*domain.values()):
        payload = {**base, **dict(zip(names, values))}
        payload = {key: value for key, value in payload.items() if value is not ABSENT}
        broken = [rule["id"] for rule in rules if not holds(rule, payload)]
        expect(complaints, event_type, payload, not broken, f"set ({broken or 'none broken'})")
        failed.update(broken[:1] if len(broken) == 1 else [])
        passed.update(rule["id"] for rule in rules if not broken and applies(rule, payload))
    for rule in rules:
        if rule["id"] not in passed or rule["id"] not in failed:
            raise ProbeError(f"{event_type}: no sample decides {rule['id']} alone")
    return rules


def status_rules(complaints: Complaints, lanes: list[str]) -> tuple[list[Condition], Payload]:
    """Transition rules; which pairs of lanes they name is read off the package."""
    full = {**STATUS, "reason": "why", "review_ref": "ref", "evidence": EVIDENCE}
    pairs = [(source, target) for source in [None, *lanes] for target in lanes]

    def select(complaint: str | None = None, **change: Any) -> set[tuple[str | None, str]]:
        """The pairs that the package accepts, or whose refusal mentions `complaint`."""
        sample = {k: v for k, v in {**full, **change}.items() if v is not ABSENT}
        chosen = set()
        for pair in pairs:
            found = complaints(
                "WPStatusChanged", {**sample, "from_lane": pair[0], "to_lane": pair[1]}
            )
            if any(complaint in text for text in found) if complaint else not found:
                chosen.add(pair)
        return chosen

    unforced, forced = select(force=False), select(force=True)
    if forced != set(pairs):
        raise ProbeError("force no longer opens every pair of lanes")
    needs_reference = forced - select(force=True, review_ref=ABSENT)
    rewinds = select("review-rejection", force=False)
    in_order = lambda chosen: [list(pair) for pair in pairs if pair in chosen]
    lane_pair = {"fields": ["from_lane", "to_lane"]}
    forced_is = {"field": "force", "in": [True]}
    return [
        condition("force_needs_reason", "reason", "a forced transition needs a reason",
                  [forced_is], [{"field": "reason", "blank": False}]),
        condition("evidence_required", "evidence", "approval and completion need evidence",
                  [{"field": "to_lane", "in": ["approved", "done"]}],
                  [{"field": "evidence", "not_in": [None]}]),
        condition("review_ref_required", "review_ref", "going back from review needs its reference",
                  [{**lane_pair, "in": in_order(needs_reference)}],
                  [{"field": "review_ref", "blank": False}]),
        condition("rewind_needs_force", "force", "going back to planned needs force",
                  [{**lane_pair, "in": in_order(rewinds)}], [forced_is]),
        condition("transition_allowed", "to_lane", "this transition needs force",
                  [{"field": "force", "not_in": [True]},
                   {**lane_pair, "not_in": in_order(rewinds)}],
                  [{**lane_pair, "in": in_order(unforced)}]),
    ], {
        "from_lane": [ABSENT, None, *lanes],
        "to_lane": lanes,
        "force": [ABSENT, False, True],
        "reason": [ABSENT, None, "", "\u2003", "why"],
        "review_ref": [ABSENT, None, " \n", "ref"],
        "evidence": [ABSENT, None, EVIDENCE],
    }


def token_rules() -> tuple[list[Condition], Payload]:
    rule = condition("total_is_sum", "total_tokens", "the total is input and output added up", [],
                     [{"sum_of": ["input_tokens", "output_tokens"], "equals": "total_tokens"}])
    counts = [0, 1, 2, 3, 2**40]
    return [rule], {name: counts for name in ("input_tokens", "output_tokens", "total_tokens")}


def follow_up_rules() -> tuple[list[Condition], Payload]:
    kind = lambda value: [{"field": "follow_up_type", "in": [value]}]
    return [
        condition("commit_needs_sha", "commit_sha", "a follow-up commit needs its hash",
                  kind("commit"), [{"field": "commit_sha", "not_in": [None]}]),
        condition("pr_needs_number", "pr_number", "a follow-up pull request needs its number",
                  kind("pr"), [{"field": "pr_number", "not_in": [None]}]),
    ], {
        "follow_up_type": ["commit", "pr"],
        "commit_sha": [ABSENT, None, "abc"],
        "pr_number": [ABSENT, None, 1],
    }


def condition(
    name: str, field: str, text: str, when: list[Payload], require: list[Payload]
) -> Condition:
    rule = {"id": name, "field": field, "text": text, "require": require}
    return {**rule, "when": when} if when else rule


def applies(rule: Condition, payload: Payload) -> bool:
    return all(atom_holds(atom, payload) for atom in rule.get("when", []))


def holds(rule: Condition, payload: Payload) -> bool:
    return not applies(rule, payload) or all(atom_holds(a, payload) for a in rule["require"])


def atom_holds(atom: Payload, payload: Payload) -> bool:
    """The truth of one atom; the atoms that `conditions` uses, no others."""
    if "sum_of" in atom:
        return sum(payload[name] for name in atom["sum_of"]) == payload[atom["equals"]]
    if "fields" in atom:
        pair = [payload.get(name) for name in atom["fields"]]
        return pair in atom["in"] if "in" in atom else pair not in atom["not_in"]
    value = payload.get(atom["field"])
    if "blank" in atom:
        return (value is None or value.strip() == "") is atom["blank"]
    return value in atom["in"] if "in" in atom else value not in atom["not_in"]
