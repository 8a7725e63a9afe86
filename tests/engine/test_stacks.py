"""The program itself, each of its stacks brought up and taken down by the real engine."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from azure.identity import EnvironmentCredential

import infra.arm
from emulator import Emulator
from infra import inprocess, stackfile
from tests.conftest import Arm
from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

OUTPUTS = (
    """AZURE_WORKSPACE_NAME AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP AZURE_ML_COMPUTE_TRAINER AZURE_ML_EXPERIMENT_NAME
AZURE_ML_DATASTORE_NAME AZURE_ML_ENDPOINT_NAME AZURE_ML_ENVIRONMENT_NAME AZURE_ML_ENVIRONMENT_VERSION""".split()
)


@pytest.mark.parametrize(
    "stack, config",
    [("local", {}), ("dev", {"aml:datastoreAuth": "accountKey"}), ("prod", {})],
    ids=("local", "dev", "prod"),
)
def test_a_stack_comes_up_stays_as_it_is_and_goes(
    stacks: Callable[..., Project], azure: Emulator, arm: Arm, stack: str, config: Mapping[str, Any]
) -> None:
    """``dev`` is finished by its second up: in the first, one resource is refused, and another is accepted and fails. In the second
    no role counts yet: nothing that the program makes waits for one."""
    project = stacks(stack, **config)
    if stack == "local":
        take_over(project, apply_in_process(project))
    if config:
        for kind, path in (("forbidden", "/registries/"), ("operation-fails", "/storageAccounts/")):
            azure.control("/_emulator/faults", method="POST", body={"kind": kind, "path": path, "methods": ["PUT"]})
        said = project.up(fails=True)
        assert "AuthorizationFailed" in said and "terminal provisioning state 'Failed'" in said, said
        assert project.state(whole=True)
        late = {"kind": "role-delay", "path": project.word, "seconds": 3600}
        azure.control("/_emulator/faults", method="POST", body=late)
    said = project.up()
    assert all(name in said for name in OUTPUTS) and "replaced" not in said, said
    before = project.state(whole=True)
    made = [item["id"] for item in before.values() if item["type"].startswith("azure-native:")]
    assert len(made) > 10

    said += project.up("--refresh", "--expect-no-changes")
    assert differing(before, project.state(whole=True)) == []
    if config:  # the account's key is a secret: in nobody's plain output or state
        account = next(item["id"] for item in before.values() if item["type"].endswith(":StorageAccount"))
        key = arm.post(f"{account}/listKeys").json()["keys"][0]["value"]
        assert key in json.dumps(before) and key not in said + json.dumps(project.state())

    if stack == "prod":
        assert "protect" in project.pulumi("destroy", "--yes", "--skip-preview", fails=True)
        project.pulumi("state", "unprotect", "--all", "--yes")
    project.pulumi("destroy", "--yes", "--skip-preview")
    assert not project.state()
    group = next(id for id in made if "/providers/" not in id)
    assert arm.get(group).status_code == 404
    vault = next(id.rpartition("/")[2] for id in made if re.search("/vaults/[^/]+$", id))
    deleted = (
        f"/subscriptions/{arm.subscription}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/{vault}"
    )
    assert arm.get(deleted).status_code == 200


def apply_in_process(project: Project) -> Mapping[tuple[str, str], str]:
    """What ``aml local up`` does, which leaves nothing in the engine's state; the ids, by type and name."""
    made: dict[tuple[str, str], str] = {}

    class Engine(inprocess.Engine):
        def declared(self, request: Any, id: str) -> None:
            made[request.type, request.name] = id

    _, values = stackfile.read("local")
    own = {key.replace("aml:", f"{project.word}:"): value for key, value in values.items()}
    Engine(infra.arm.Arm(EnvironmentCredential()), own).evaluate(project.word, "local")
    return made


def take_over(project: Project, ids: Mapping[tuple[str, str], str]) -> None:
    """As docs/stacks.md says under "What exists already"."""
    said = project.up(fails=True)
    assert "cannot create already existing resource" in said and "aml local reset --no-stack" in said, said
    project.pulumi("preview", "--import-file", "import.json")
    file = project.folder / "import.json"
    content = json.loads(file.read_text())
    for resource in content["resources"]:
        if resource.get("id"):
            assert resource["id"] == "<PLACEHOLDER>", resource
            resource["id"] = ids[resource["type"], resource.get("logicalName") or resource["name"]]
    file.write_text(json.dumps(content))
    project.pulumi(
        "import", "--file", "import.json", "--yes", "--skip-preview", "--generate-code=false", "--protect=false"
    )


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The resources of a state whose inputs or outputs are not what they were."""
    return [
        name
        for name in {**before, **after}
        if any(before.get(name, {}).get(part) != after.get(name, {}).get(part) for part in ("inputs", "outputs"))
    ]
