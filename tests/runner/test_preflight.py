"""``aml doctor --stack``, before the stack is applied: what the emulator, as a subscription, would refuse."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from emulator import Emulator
from infra import evaluation
from runner import preflight
from runner.doctor import FAILURE, OK, Finding
from tests.conftest import Arm


@pytest.fixture(scope="module")
def evaluated() -> Callable[..., evaluation.Evaluation]:
    """The program's evaluation, which takes seconds and is the same for all of these tests."""
    known: dict[str, evaluation.Evaluation] = {}

    def evaluate(stack: str, config: Mapping[str, str]) -> evaluation.Evaluation:
        if stack not in known:
            known[stack] = real(stack, config)
        return known[stack]

    real = evaluation.evaluate
    return evaluate


@pytest.fixture(autouse=True)
def once(azure: Emulator, evaluated: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "evaluate", evaluated)


def found(check: str) -> Finding:
    return next(one for one in preflight.examine("dev") if one.check == check)


def vault_of(arm: Arm, group: str) -> tuple[str, str]:
    """A vault with the name that the stack would take, in another group."""
    name = found("vault").text.split()[2]
    id = f"{group}/providers/Microsoft.KeyVault/vaults/{name}"
    assert arm.put(id, {"location": "westeurope", **vault()}).status_code == 200
    return name, id


def vault() -> dict[str, object]:
    sku = {"family": "A", "name": "standard"}
    tenant = "00000000-0000-0000-0000-000000000000"
    return {"properties": {"tenantId": tenant, "sku": sku, "accessPolicies": []}}


def test_a_subscription_in_which_nothing_is_wrong(azure: Emulator) -> None:
    levels = {one.check: one.level for one in preflight.examine("dev") if one.check != "engine"}
    assert levels == dict.fromkeys(("providers", "deployer", "vault", "workspace", "storage", "quota"), OK)


def test_a_vault_that_holds_the_name_is_told_with_the_command(arm: Arm, group: str) -> None:
    name, id = vault_of(arm, group)
    taken = found("vault")
    assert taken.level == FAILURE and "is not free" in taken.text and taken.next and "aml:suffix" in taken.next
    arm.delete(id)
    deleted = found("vault")
    assert deleted.level == FAILURE and f"{name} was deleted softly" in deleted.text and deleted.next is not None
    assert "aml:recoverVault" in deleted.next
    assert f"az keyvault purge --name {name} --location westeurope" in deleted.next
    root = f"/subscriptions/{arm.subscription}/providers/Microsoft.KeyVault"
    arm.post(f"{root}/locations/westeurope/deletedVaults/{name}/purge")
    assert found("vault").level == OK


def test_a_workspace_that_was_deleted_is_recovered_and_purged_by_the_commands_that_are_told(arm: Arm) -> None:
    told = found("workspace").next or ""
    commands = {
        verb: (url, body) for verb, url, body in re.findall(r"--method (\w+) --url '(.+?)'(?: --body '(.+?)')?", told)
    }
    url, body = commands["PUT"]
    sent = json.loads(body)
    bound = {name: id for name, id in sent["properties"].items() if name != "allowRecoverSoftDeletedWorkspace"}
    id = url.removeprefix("https://management.azure.com").partition("?")[0]
    group = id.partition("/providers/")[0]
    (identity,) = sent["identity"]["userAssignedIdentities"]
    made = {
        group: {},
        identity: {},
        bound["storageAccount"]: {"kind": "StorageV2", "sku": {"name": "Standard_LRS"}},
        bound["keyVault"]: vault(),
        bound["containerRegistry"]: {"sku": {"name": "Basic"}},
        bound["applicationInsights"]: {"kind": "web", "properties": {"Application_Type": "web"}},
        id: {"identity": sent["identity"], "properties": bound},
    }
    try:
        for each, properties in made.items():
            assert arm.put(each, {"location": "westeurope", **properties}).status_code in (200, 201)
        arm.delete(id)
        assert arm.put(id, {"location": "westeurope", **made[id]}).status_code == 400
        assert arm.call("PUT", url, sent, version=None).status_code == 200
        arm.delete(id)
        assert arm.call("DELETE", commands["DELETE"][0], version=None).status_code == 200
        assert arm.put(id, {"location": "westeurope", **made[id]}).status_code == 201
    finally:
        arm.delete(id, query={"forceToPurge": "true"})
        arm.delete(group)
        arm.post(
            f"/subscriptions/{arm.subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults"
            f"/{bound['keyVault'].rpartition('/')[2]}/purge"
        )


def test_a_provider_that_is_not_registered_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(tmp_path / "home", port=0) as own:  # no other test has anything in its subscription
        for name, value in own.environment().items():
            monkeypatch.setenv(name, value)
        arm = Arm(own)
        provider = f"/subscriptions/{arm.subscription}/providers/Microsoft.ContainerRegistry"
        assert found("providers").level == OK
        assert arm.post(f"{provider}/unregister", version="2021-04-01").status_code == 200
        told = found("providers")
        assert told.level == FAILURE and "Microsoft.ContainerRegistry" in told.text
        assert told.next == "az provider register --namespace Microsoft.ContainerRegistry --wait"
