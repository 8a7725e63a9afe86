"""The registry of curated environments, by every way that leads to it; unknown names are not there."""

from __future__ import annotations

from typing import Any

import pytest
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Environment
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import EnvironmentCredential

from emulator.machinelearning import curated
from tests.emulator.machinelearning import workspace_id


@pytest.fixture(scope="session")
def registry(azure: Any) -> Any:
    return MLClient(EnvironmentCredential(), registry_name="azureml")


def test_the_sdk_reads_it(registry: Any) -> None:
    assert "sklearn-1.5" in [one.name for one in registry.environments.list()]
    newest = registry.environments.get("sklearn-1.5", label="latest")
    assert newest.version == str(curated.find("sklearn-1.5").latest)  # type: ignore[union-attr]
    assert newest.image == f"mcr.microsoft.com/azureml/curated/sklearn-1.5:{newest.version}"
    assert newest.id == f"azureml://registries/azureml/environments/sklearn-1.5/versions/{newest.version}"
    assert registry.environments.get("sklearn-1.5", version="9").version == "9"


@pytest.mark.parametrize(
    ("name", "version"), [("sklearn-9.9", "1"), ("sklearn-1.5", "999"), ("sklearn-1.5", "0"), ("sklearn-1.5", "x")]
)
def test_what_it_has_not(registry: Any, name: str, version: str) -> None:
    with pytest.raises(ResourceNotFoundError):
        registry.environments.get(name, version=version)


def test_it_has_no_other_assets(registry: Any) -> None:
    assert not list(registry.models.list()) and not list(registry.components.list())
    with pytest.raises(ResourceNotFoundError):
        registry.models.get("a", version="1")
    with pytest.raises(HttpResponseError) as refused:
        registry.environments.create_or_update(Environment(name="mine", version="1", image="python:3.11"))
    assert refused.value.status_code == 501


def test_another_registry_is_not_there(azure: Any) -> None:
    with pytest.raises(ResourceNotFoundError, match="my-registry"):
        MLClient(EnvironmentCredential(), registry_name="my-registry")


@pytest.mark.parametrize(
    "name", ["AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "azureml-lightgbm-3.3", "AzureML-sklearn-1.5"]
)
def test_a_workspace_knows_them_by_their_names(shared: Any, arm: Any, name: str) -> None:
    known = curated.find(name)
    assert known is not None
    found = shared.environments.get(name, version=known.version)
    assert found.image == known.image
    container = arm.get(f"{workspace_id(shared)}/environments/{name}").json()
    assert container["properties"]["latestVersion"] == str(known.latest)


def test_a_workspace_knows_the_newest(shared: Any) -> None:
    found = shared.environments.get("AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", label="latest")
    assert found.version == curated.find(found.name).version  # type: ignore[union-attr]


def test_a_workspace_does_not_know_others(shared: Any) -> None:
    with pytest.raises(ResourceNotFoundError, match="AzureML-Nothing"):
        shared.environments.get("AzureML-Nothing", version="1")


def test_an_image_has_the_contents_of_its_environment() -> None:
    for image in (
        "mcr.microsoft.com/azureml/curated/sklearn-1.5:9",
        "mcr.microsoft.com/azureml/curated/sklearn-1.5:latest",
    ):
        found = curated.of_image(image)
        assert found is not None and "scikit-learn~=1.5.0" in found.packages and found.python == "3.10"
        assert "python=3.10" in found.conda_file
    for image in ("mcr.microsoft.com/azureml/curated/none:1", "python:3.11", ""):
        assert curated.of_image(image) is None
