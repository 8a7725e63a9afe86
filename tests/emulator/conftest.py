"""A workspace for tests that leave nothing in it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from emulator import Emulator
from tests.conftest import Arm


@pytest.fixture(scope="session")
def shared(azure: Emulator) -> Any:
    """An ``MLClient`` of one workspace for all tests that ask for what is refused."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Workspace
    from azure.identity import EnvironmentCredential

    arm, suffix = Arm(azure), uuid.uuid4().hex[:10]
    answer = arm.put(f"/subscriptions/{arm.subscription}/resourceGroups/g-{suffix}", {"location": "westeurope"})
    assert answer.status_code == 201, answer.text
    client = MLClient(EnvironmentCredential(), arm.subscription, f"g-{suffix}", f"w-{suffix}")
    client.workspaces.begin_create(Workspace(name=f"w-{suffix}", location="westeurope")).result()
    return client
