"""The program itself, each of its stacks brought up and taken down by the real engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

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
    stacks: Callable[..., Project], arm: Arm, stack: str, config: Mapping[str, Any]
) -> None:
    project = stacks(stack, **config)
    said = project.up()
    assert all(name in said for name in OUTPUTS), said
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


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The resources of a state whose inputs or outputs are not what they were."""
    return [
        name
        for name in {**before, **after}
        if any(before.get(name, {}).get(part) != after.get(name, {}).get(part) for part in ("inputs", "outputs"))
    ]
