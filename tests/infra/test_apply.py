"""The program applied to a running emulator, through azure-core and azure-identity as they are."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from typing import Any

import pytest
from recorder import EVERYTHING, Own

from emulator import Emulator
from infra import stackfile, table
from infra.apply import Applied, Memory
from infra.errors import ApplyError
from infra.inprocess import differences
from infra.outcome import Done

# What the local stack declares, and what of it Azure has made already, with an account.
RESOURCES, COMPANIONS = 22, 1


@pytest.fixture
def own(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> Own:
    stack = Own()
    monkeypatch.setattr(stackfile, "read", stack.read)
    return stack


def changes(applied: Applied) -> Counter[str]:
    return Counter(done.change for done in applied.resources)


def test_a_stack_is_applied_and_its_resources_are_azures(own: Own, arm: Any) -> None:
    seen: list[Done] = []
    applied = own.apply(report=seen.append)
    assert changes(applied) == {"created": RESOURCES - COMPANIONS, "updated": COMPANIONS}
    assert sorted(seen, key=lambda done: done.id) == sorted(applied.resources, key=lambda done: done.id)
    for done in applied.resources:
        answer = arm.get(done.id, version=table.api_version(done.id))
        assert answer.status_code == 200, answer.text
        assert answer.json()["id"].lower() == done.id.lower()
    assert applied.outputs["AZURE_SUBSCRIPTION_ID"] == arm.subscription


def test_a_program_that_nothing_changed_for_is_not_evaluated_again(own: Own, arm: Any) -> None:
    first = own.apply()
    remembered = Memory.read(json.loads(json.dumps(vars(first.memory))))
    again = own.apply(before=remembered)
    assert again.memory is remembered and changes(again) == {"unchanged": RESOURCES}

    cluster = next(done.id for done in first.resources if done.type.endswith("/computes"))
    assert arm.call("DELETE", f"{cluster}?underlyingResourceAction=Delete", version="2025-12-01").status_code < 300
    assert changes(own.apply(before=remembered)) == {"unchanged": RESOURCES - 1, "created": 1}
    assert Memory.read({"of": "another version"}) == Memory.read(None) == Memory()


def test_a_second_apply_writes_nothing(own: Own, azure: Emulator) -> None:
    first = own.apply()
    journal = azure.home.logs / "requests.log"
    before = journal.stat().st_size
    second = own.apply(before=first.memory)
    assert changes(second) == {"unchanged": RESOURCES}
    assert (second.outputs, second.left) == (first.outputs, ())
    sent = journal.read_text()[before:]
    assert " GET management.azure.com" in sent and " PUT " not in sent


def test_a_change_of_configuration_changes_what_it_is_about(own: Own, arm: Any) -> None:
    own.apply()
    changed = own.apply({"compute": '{"maxInstances": 2}'})
    assert changes(changed) == {"unchanged": RESOURCES - 1, "updated": 1}
    (cluster,) = (done for done in changed.resources if done.change == "updated")
    found = arm.get(cluster.id, version="2025-12-01").json()
    assert found["properties"]["properties"]["scaleSettings"]["maxNodeCount"] == 2


def test_what_was_changed_by_hand_is_set_back(own: Own, arm: Any) -> None:
    applied = own.apply()
    account = next(done for done in applied.resources if done.type == "Microsoft.Storage/storageAccounts")
    answer = arm.call("PATCH", account.id, {"properties": {"allowBlobPublicAccess": True}}, version="2024-01-01")
    assert answer.status_code == 200, answer.text
    again = own.apply()
    assert [done.id for done in again.resources if done.change == "updated"] == [account.id]
    assert arm.get(account.id, version="2024-01-01").json()["properties"]["allowBlobPublicAccess"] is False


def test_an_account_key_is_sent_again_when_it_changed_or_nobody_knows(own: Own, arm: Any) -> None:
    keyed = {"datastoreAuth": "accountKey"}
    first = own.apply(keyed)
    # The workspace has the key, and no role for the files of the account.
    assert changes(own.apply(keyed, before=first.memory)) == {"unchanged": RESOURCES - 1}
    (unknown,) = (done for done in own.apply(keyed).resources if done.change == "updated")
    assert unknown.differing == ("properties.credentials.secrets",)

    account = next(done.id for done in first.resources if done.type == "Microsoft.Storage/storageAccounts")
    renewed = arm.call("POST", f"{account}/regenerateKey", {"keyName": "key1"}, version="2024-01-01")
    assert renewed.status_code == 200, renewed.text
    (datastore,) = (done for done in own.apply(keyed, before=first.memory).resources if done.change == "updated")
    assert datastore.type == "Microsoft.MachineLearningServices/workspaces/datastores"


def test_a_change_of_nothing_but_case_is_a_change(own: Own, arm: Any) -> None:
    first = own.apply({"tags": '{"owner": "Anna"}'})
    second = own.apply({"tags": '{"owner": "ANNA"}'}, before=first.memory)
    assert changes(second)["updated"] >= 1
    group = next(done.id for done in second.resources if done.name == "group")
    assert arm.get(group, version="2024-03-01").json()["tags"]["owner"] == "ANNA"


def test_what_left_the_program_is_named_and_deleted_only_when_asked_to(own: Own, arm: Any) -> None:
    first = own.apply()
    renamed = {"datastore": "otherstore"}
    before = first.memory
    second = own.apply(renamed, before=before)
    assert {id.rpartition("/")[2] for id in second.left} == {"flatfilestorage"} and len(second.left) == 2
    assert all(arm.get(id, version=table.api_version(id)).status_code == 200 for id in second.left)

    third = own.apply(renamed, before=before, prune=True)
    assert set(third.deleted) == set(second.left) and third.left == ()
    assert all(arm.get(id, version=table.api_version(id)).status_code == 404 for id in second.left)


def test_a_refusal_names_the_resource_what_azure_said_and_leaves_the_rest_for_the_next_time(own: Own, arm: Any) -> None:
    wrong = {"compute": '{"size": "STANDARD_NOT_A_SIZE"}'}
    with pytest.raises(
        ApplyError, match=r"trainer \(azure-native:machinelearningservices:Compute\).*STANDARD_NOT_A_SIZE"
    ):
        own.apply(wrong)
    applied = own.apply()
    assert changes(applied)["unchanged"] >= 8 and changes(applied)["created"] >= 1


def test_a_wrong_secret_is_said_to_be_one(azure: Emulator, own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong")
    with pytest.raises(ApplyError, match="AZURE_CLIENT_SECRET is not taken: .*AADSTS7000215"):
        own.apply()


def test_another_subscription_is_not_there(own: Own) -> None:
    elsewhere = {"azure-native:subscriptionId": str(uuid.uuid4())}
    with pytest.raises(
        ApplyError, match=r"group \(azure-native:resources:ResourceGroup\): Azure answered 404 SubscriptionNotFound"
    ):
        own.apply(elsewhere)


@pytest.mark.parametrize(
    ("wanted", "found", "paths"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 3}]}}, ["a.b[1].c"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a"]),
        ({"a": None}, {}, []),
        ({"a": "x"}, {}, ["a"]),
        ({"location": "westeurope"}, {"location": "West Europe"}, []),
        ({"id": "/subscriptions/S/x"}, {"id": "/subscriptions/s/X"}, []),
        ({"tag": "x"}, {"tag": "X"}, []),
        ({"Tag": "x"}, {"tag": "x"}, []),
    ],
)
def test_differences(wanted: Any, found: Any, paths: list[str]) -> None:
    assert list(differences(wanted, found)) == paths


def test_a_private_stack_is_applied_and_can_be_opened(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a stack can ask for, twice; then another cluster outside, and the network gone in the order of what needs what."""
    stack = Own("prod")
    monkeypatch.setattr(stackfile, "read", stack.read)
    first = stack.apply(EVERYTHING)
    assert changes(first)["updated"] == COMPANIONS
    assert changes(stack.apply(EVERYTHING)) == {"unchanged": len(first.resources)}

    opened = {"network": "{}", "compute": '{"name": "other-cluster"}', "protect": "false"}
    last = stack.apply(opened, before=first.memory, prune=True)
    assert last.left == () and {"vnet", "pip", "pep"} <= {
        id.rpartition("/")[2].partition("-")[0] for id in last.deleted
    }
