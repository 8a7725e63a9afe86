"""The program itself, each of its stacks brought up and taken down by the real engine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Arm
from tests.engine.conftest import Project

pytestmark = pytest.mark.engine

OUTPUTS = (
    """AZURE_WORKSPACE_NAME AZURE_SUBSCRIPTION_ID AZURE_RESOURCE_GROUP AZURE_ML_COMPUTE_TRAINER AZURE_ML_EXPERIMENT_NAME
AZURE_ML_DATASTORE_NAME AZURE_ML_ENDPOINT_NAME AZURE_ML_ENVIRONMENT_NAME AZURE_ML_ENVIRONMENT_VERSION""".split()
)


@pytest.mark.parametrize("stack", ("local", "dev", "prod"))
def test_a_stack_comes_up_stays_as_it_is_and_goes(stacks: Callable[..., Project], arm: Arm, stack: str) -> None:
    project = stacks(stack)
    said = project.up()
    assert all(name in said for name in OUTPUTS), said
    before = project.state()
    made = [item["id"] for item in before.values() if item.get("custom") and item["type"].startswith("azure-native:")]
    assert all(arm.get(id).status_code == 200 for id in made if "/providers/" in id)

    project.up("--refresh", "--expect-no-changes")
    assert project.state().keys() == before.keys()
    assert {name: item.get("outputs") for name, item in project.state().items()} == {
        name: item.get("outputs") for name, item in before.items()
    }

    project.pulumi("destroy", "--yes", "--skip-preview")
    assert not project.state()
    assert [id for id in made if arm.get(id).status_code != 404] == []
