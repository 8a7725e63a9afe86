"""What the engine said, read: its own JSON, recorded from ``pulumi preview --json`` and ``refresh --preview-only --json`` on the
stack ``dev`` and the emulator, without the stack traces and outputs that nobody reads.

``create``: from nothing; ``change``: other values for ``aml:compute`` and ``aml:datastoreAuth``; ``delete``: of a program with
fewer resources; ``quiet`` and ``drift``: before and after somebody changed the account and deleted the cluster.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import changes
from infra.changes import Change, Property

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.json").read_text("utf-8")


def test_what_is_made_is_listed_without_components() -> None:
    found = changes.planned(recorded("create"))
    assert {one.step for one in found} == {"create"} and len(found) == 11
    assert changes.summary(recorded("create")) == {"create": 11}
    assert Change("create", "storage:StorageAccount", "storage", "") in found
    assert changes.refused(found) == ()


def test_a_change_is_told_property_by_property_and_secrets_are_not() -> None:
    found = {(one.step, one.name): one for one in changes.planned(recorded("change"))}
    assert list(found)[0] == ("replace", "trainer")  # what is lost comes first
    assert found["update", "storage"].properties[0] == Property("allowSharedKeyAccess", "false", "true")
    properties = {one.path: one for one in found["replace", "trainer"].properties}
    assert properties["computeName"] == Property("computeName", "cpu-cluster", "gpu", replaces=True)
    assert not properties["properties.properties.scaleSettings.maxNodeCount"].replaces
    assert "[secret]" in str(found["update", "flatfilestorage"])


def test_the_gate_lets_nothing_guarded_go_that_nobody_named() -> None:
    found = changes.planned(recorded("change"))
    assert [one.name for one in changes.refused(found)] == ["trainer"]
    assert [one.name for one in changes.refused(found, ["storage"])] == ["trainer"]
    assert changes.refused(found, ["trainer"]) == changes.refused(found, ["cpu-cluster"]) == ()
    deleted = changes.planned(recorded("delete"))
    assert [one.step for one in deleted] == ["delete"] * 3 + ["create"] and changes.refused(deleted) == ()
    for kind in changes.GUARDED:
        for step, count in (("delete", 1), ("replace", 1), ("update", 0), ("create", 0)):
            assert len(changes.refused([Change(step, kind, "it", "its-name")])) == count


def test_nothing_drifted_is_nothing() -> None:
    assert changes.drifted(recorded("quiet")) == ()


def test_what_drifted_is_told_property_by_property() -> None:
    account, cluster = changes.drifted(recorded("drift"))
    assert (account.step, account.kind) == ("update", "storage:StorageAccount")
    assert Property("allowSharedKeyAccess", "false", "true") in account.properties
    assert Property("tags.extra", "", "x") in account.properties
    assert (cluster.step, cluster.kind, cluster.azure) == ("delete", "machinelearningservices:Compute", "cpu-cluster")


@pytest.mark.parametrize("kind", changes.NOISE)
def test_known_noise_is_left_out_and_what_stands_beside_it_is_not(kind: str) -> None:
    name, link = changes.NOISE[kind][0]
    assert link.startswith("https://github.com/pulumi/pulumi-azure-native/issues/")
    step = {"op": "update", "urn": f"urn:pulumi:dev::aml::azure-native:{kind}::it", "oldState": {"inputs": {}}}
    noise = {"inputs": {name: {"deep": "x"}}}
    assert changes.drifted(json.dumps({"steps": [{**step, "newState": noise}]})) == ()
    real = {"inputs": {name: {"deep": "x"}, f"{name}Other": "y"}}
    (found,) = changes.drifted(json.dumps({"steps": [{**step, "newState": real}]}))
    assert found.properties == (Property(f"{name}Other", "", "y"),)


def test_values_are_shown_as_people_read_them() -> None:
    assert [changes.shown(value) for value in (None, "a", True, 3, [1], {"b": changes.KNOWN_LATER})] == [
        "",
        "a",
        "true",
        "3",
        "[1]",
        '{"b": "known after apply"}',
    ]
    assert changes.shown({changes.SECRET: "1b47", "ciphertext": "v1:…"}) == "[secret]"
    sealed, opened = {"key": {changes.SECRET: "1", "ciphertext": "v1:a"}}, {
        "key": {changes.SECRET: "1", "ciphertext": "v1:b"}
    }
    assert list(changes.differing(sealed, opened)) == [Property("key", "[secret]", "[secret]")]


def test_a_path_with_a_quoted_name_or_an_index_is_followed() -> None:
    step = {
        "op": "update",
        "urn": "urn:pulumi:dev::aml::azure-native:storage:StorageAccount::it",
        "oldState": {"id": "/a/b", "inputs": {"tags": {"cost centre": "1"}, "rules": [{"ip": "1.1.1.1"}]}},
        "newState": {"inputs": {"tags": {"cost centre": "2"}, "rules": [{"ip": "2.2.2.2"}]}},
        "detailedDiff": {'tags["cost centre"]': {"kind": "update"}, "rules[0].ip": {"kind": "update"}},
    }
    (found,) = changes.planned(json.dumps({"steps": [step]}))
    assert found.azure == "b"
    assert [(one.old, one.new) for one in found.properties] == [("1.1.1.1", "2.2.2.2"), ("1", "2")]
