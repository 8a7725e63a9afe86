"""One emulator for the whole run, and for each test names of its own on it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from emulator import Emulator


@contextmanager
def spoken_to(azure: Emulator) -> Iterator[pytest.MonkeyPatch]:
    """Nothing else of Azure's is in this process's environment meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AZURE_", "AML_", "MLFLOW_"))]:
            patch.delenv(name)
        for name, value in azure.environment().items():
            patch.setenv(name, value)
        yield patch


@pytest.fixture(scope="session")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running emulator; this process's environment makes every client of Azure speak to it."""
    with Emulator(tmp_path_factory.mktemp("azure") / "home", port=0) as emulator, spoken_to(emulator):
        yield emulator


@pytest.fixture
def arm(azure: Emulator) -> Arm:
    """Resource Manager, spoken to with plain requests."""
    return Arm(azure)


@pytest.fixture
def group(arm: Arm) -> str:
    """The id of a resource group of this test's own."""
    return new_group(arm)


@pytest.fixture
def workspace(arm: Arm, group: str) -> Any:
    """An ``MLClient`` of a workspace of this test's own."""
    return new_workspace(arm, group)


API_VERSIONS = {
    "": "2024-03-01",
    "microsoft.authorization": "2022-04-01",
    "microsoft.containerregistry": "2023-07-01",
    "microsoft.insights": "2020-02-02",
    "microsoft.keyvault": "2024-11-01",
    "microsoft.machinelearningservices": "2025-12-01",
    "microsoft.managedidentity": "2023-01-31",
    "microsoft.network": "2024-05-01",
    "microsoft.operationalinsights": "2023-09-01",
    "microsoft.resources": "2024-03-01",
    "microsoft.storage": "2024-01-01",
}


class Arm:
    """``requests`` with a token: any verb on any id, and the whole answer."""

    host = "https://management.azure.com"

    def __init__(self, azure: Emulator) -> None:
        import requests
        from azure.identity import EnvironmentCredential

        self.azure = azure
        self.subscription = azure.settings.subscription
        self.session = requests.Session()
        token = EnvironmentCredential().get_token(f"{self.host}/.default").token
        self.session.headers["Authorization"] = f"Bearer {token}"

    def call(self, method: str, id: str, body: Any = None, *, version: str | None = "", **options: Any) -> Any:
        """``body`` is sent as JSON; ``options`` are ``requests``' own. The API version is one that the id's namespace has,
        where none is named; ``None`` sends none."""
        if version == "":
            version = API_VERSIONS[
                id.lower().rpartition("/providers/")[2].partition("/")[0] if "/providers/" in id else ""
            ]
        query = {"api-version": version, **options.pop("query", {})} if version else options.pop("query", {})
        url = id if id.startswith("https://") else f"{self.host}{id}"
        return self.session.request(method, url, params=query, json=body, timeout=30, **options)

    def get(self, id: str, **options: Any) -> Any:
        return self.call("GET", id, **options)

    def put(self, id: str, body: Any, **options: Any) -> Any:
        return self.call("PUT", id, body, **options)

    def patch(self, id: str, body: Any, **options: Any) -> Any:
        return self.call("PATCH", id, body, **options)

    def post(self, id: str, body: Any = None, **options: Any) -> Any:
        return self.call("POST", id, body, **options)

    def delete(self, id: str, **options: Any) -> Any:
        return self.call("DELETE", id, **options)


def new_group(arm: Arm) -> str:
    id = f"/subscriptions/{arm.subscription}/resourceGroups/g-{uuid.uuid4().hex[:10]}"
    answer = arm.put(id, {"location": "westeurope"}, version="2024-03-01")
    assert answer.status_code == 201, answer.text
    return id


def new_workspace(arm: Arm, group: str | None = None) -> Any:
    """An ``MLClient`` of a new workspace, in a new group where none is named."""
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Workspace
    from azure.identity import EnvironmentCredential

    name = f"w-{uuid.uuid4().hex[:10]}"
    client = MLClient(EnvironmentCredential(), arm.subscription, (group or new_group(arm)).rpartition("/")[2], name)
    client.workspaces.begin_create(Workspace(name=name, location="westeurope")).result()
    return client
