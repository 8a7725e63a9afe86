"""What a change of each key of a stack makes of its resources, by ``plans.yaml``; and that every provider is told so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from recorder import EVERYTHING, SUBSCRIPTION

from infra import config, evaluation, replacing, table
from infra.evaluation import Declared, evaluate
from infra.provider.resources import Resources

# By group of rows: a stack, and what is configured before; the rows of a group change at once.
GROUPS: Mapping[str, Any] = yaml.safe_load((Path(__file__).parent / "plans.yaml").read_text("utf-8"))
KINDS = {token: token.rpartition(":")[2] for token in table.RESOURCES}


@lru_cache(2)
def declared(stack: str, values: str) -> dict[tuple[str, str], Declared]:
    """``values`` by key, as JSON."""
    given = json.loads(values)
    found = evaluate(stack, {key if ":" in key else f"aml:{key}": _text(value) for key, value in given.items()})
    return {(one.type, one.name): one for one in found.declared}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def lines(stack: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """``Compute properties.properties.vmSize replaces``; ``NatGateway deleted``."""
    provider = Resources(cast(Any, None), SUBSCRIPTION)
    old, new = (declared(stack, json.dumps(values)) for values in (before, after))
    for key in {**old, **new}:
        kind = KINDS[key[0]]
        if key not in old or key not in new:
            yield f"{kind} {'created' if key in new else 'deleted'}"
            continue
        plan = provider.diff(key[0], old[key].inputs, new[key].inputs)
        for change in plan.changes:
            yield f"{kind} {change.path} {'replaces' if change.path in plan.replaces else 'updates'}"


def merged(base: Mapping[str, Any], rows: Mapping[str, Any]) -> dict[str, Any]:
    """``rows`` by dotted key put over ``base``."""
    result = json.loads(json.dumps({**{key: _object(value) for key, value in EVERYTHING.items()}, **base}))
    for key, row in rows.items():
        section, _, name = key.partition(".")
        if not name:
            result[section] = row["to"]
        elif section == "instances":
            result[section][0][name] = row["to"]
        else:
            result[section] = {**(result.get(section) or {}), name: row["to"]}
    return result


def _object(value: str) -> Any:
    return json.loads(value) if value.startswith(("{", "[")) else value


@pytest.mark.parametrize("name", GROUPS)
def test_a_change_of_a_key_updates_or_replaces(name: str) -> None:
    group = GROUPS[name]
    base = merged(group.get("before") or {}, {})
    found = set(lines(group["stack"], base, merged(group.get("before") or {}, group["rows"])))
    assert found == {line for row in group["rows"].values() for line in row["plan"]}


def test_every_key_has_a_row() -> None:
    top = {str(field.alias) for name, field in config.Config.model_fields.items() if name not in config.SECTIONS}
    inner = {
        f"{name}.{field.alias}" for name, section in config.SECTIONS.items() for field in section.model_fields.values()
    }
    rows = [key for group in GROUPS.values() for key in group["rows"]]
    assert sorted(rows) == sorted({*top, *inner} - {"location"} | {"azure-native:location"})


def test_a_property_that_cannot_be_changed_is_told_to_every_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, tuple[str, ...]] = {}
    before = evaluation._Engine.declared

    def looked_at(self: Any, request: Any, id: str) -> None:
        told[request.type] = tuple(request.replaceOnChanges)
        assert request.deleteBeforeReplace == bool(request.replaceOnChanges), request.name
        before(self, request, id)

    monkeypatch.setattr(evaluation._Engine, "declared", looked_at)
    evaluate("prod", {f"aml:{key}": value for key, value in EVERYTHING.items()})
    assert told == {token: replacing.REPLACING.get(token, ()) for token in table.RESOURCES}
