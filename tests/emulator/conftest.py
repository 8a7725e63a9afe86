"""A workspace for tests that leave nothing in it, and storage accounts of which each test has its containers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob import ContainerClient

from emulator import Emulator
from tests.conftest import Arm, new_workspace
from tests.emulator.jobs import IMAGE
from tests.emulator.storage import ACCOUNTS, Storage

if TYPE_CHECKING:
    from tests.emulator.rooms import Rooms


@pytest.fixture(scope="session")
def shared(azure: Emulator) -> Any:
    """An ``MLClient`` of one workspace for all tests that ask for what is refused."""
    return new_workspace(Arm(azure))


@pytest.fixture(scope="session")
def storage(azure: Emulator) -> Storage:
    """The accounts ``first`` and ``second``, whose keys and containers may be anybody's."""
    arm, keys = Arm(azure), {}
    group = f"/subscriptions/{arm.subscription}/resourceGroups/storage"
    assert arm.put(group, {"location": "westeurope"}).status_code == 201
    body = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    for name in ACCOUNTS:
        id = f"{group}/providers/Microsoft.Storage/storageAccounts/{name}"
        assert arm.put(id, {**body, "properties": {"allowBlobPublicAccess": True}}).ok
        keys[name] = arm.post(f"{id}/listKeys").json()["keys"][0]["value"]
    return Storage(azure, keys)


@pytest.fixture
def container(storage: Storage) -> ContainerClient:
    """One of a test's own, in the account ``first``."""
    return storage.service().create_container(f"c-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rooms]:
    from tests.emulator.rooms import Rooms

    rooms = Rooms(tmp_path_factory.mktemp("rooms") / "home")
    yield rooms
    rooms.close()


@pytest.fixture
def below(rooms: Rooms) -> str:
    """A folder of this test's own in the default datastore: ``a.csv``, ``sub/b.csv``."""
    folder = f"t{uuid.uuid4().hex[:8]}"
    rooms.blobs.upload_blob(f"{folder}/a.csv", b"a,b\n1,2\n")
    rooms.blobs.upload_blob(f"{folder}/sub/b.csv", b"b")
    return folder


@pytest.fixture(scope="session")
def client(azure: Emulator) -> Any:
    """An ``MLClient`` of one workspace for jobs, which have names of their own; its environment ``plain:1`` is built once."""
    from azure.ai.ml.entities import Environment

    client = new_workspace(Arm(azure))
    client.environments.create_or_update(Environment(name="plain", version="1", image=IMAGE))
    return client
