"""The forms in which Azure ML names a thing, and text that is none of them."""

from __future__ import annotations

import pytest

from emulator.errors import AzureError
from emulator.machinelearning.uris import Asset, BlobPath, OutputPath, StorePath, Target, asset, parse

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"

FORMS: dict[str, Target] = {
    "azureml://datastores/d/paths/a/b.csv": StorePath("d", "a/b.csv"),
    "azureml://datastores/d": StorePath("d", ""),
    "azureml://datastores/d/paths/": StorePath("d", ""),
    "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/d/paths/a": StorePath("d", "a", WORKSPACE),
    f"azureml:/{WORKSPACE}/datastores/d/paths/a": StorePath("d", "a", WORKSPACE),
    f"azureml:{WORKSPACE}/datastores/d/paths/a": StorePath("d", "a", WORKSPACE),
    f"{WORKSPACE}/datastores/d/paths/a": StorePath("d", "a", WORKSPACE),
    "azureml:iris:3": Asset("", "iris", "3"),
    "iris:3": Asset("", "iris", "3"),
    "azureml:iris@latest": Asset("", "iris", "latest", labelled=True),
    "azureml:/iris@latest": Asset("", "iris", "latest", labelled=True),
    "azureml://locations/l/workspaces/0-1/data/iris/versions/labels/latest": Asset(
        "data", "iris", "latest", True, guid="0-1"
    ),
    f"{WORKSPACE}/data/iris/versions/3": Asset("data", "iris", "3", workspace=WORKSPACE),
    f"azureml:{WORKSPACE}/environments/e/labels/latest": Asset(
        "environments", "e", "latest", True, workspace=WORKSPACE
    ),
    "azureml://registries/azureml/environments/e/versions/1": Asset("environments", "e", "1", registry="azureml"),
    "azureml://registries/azureml/environments/e/labels/latest": Asset(
        "environments", "e", "latest", True, registry="azureml"
    ),
    "azureml://locations/westeurope/workspaces/0-1/data/iris/versions/1": Asset("data", "iris", "1", guid="0-1"),
    "azureml://jobs/j/outputs/model/paths/m/MLmodel": OutputPath("j", "model", "m/MLmodel"),
    "azureml://jobs/j/outputs/model": OutputPath("j", "model", ""),
    "runs:/j/model": OutputPath("j", "artifacts", "model"),
    "https://account1.blob.core.windows.net/c/a%20b.csv?sig=x": BlobPath("account1", "c", "a b.csv"),
    "wasbs://c@account1.blob.core.windows.net/a/b": BlobPath("account1", "c", "a/b"),
    "abfss://c@account1.dfs.core.windows.net/a/": BlobPath("account1", "c", "a/"),
}


@pytest.mark.parametrize("text", FORMS)
def test_a_form_is_read(text: str) -> None:
    assert parse(text) == FORMS[text]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "iris",
        "azureml:",
        "azureml://",
        "azureml://datastores/",
        "https://example.com/a.csv",
        "https://[",
        "s3://b/a",
        "../a:1",
    ],
)
def test_anything_else_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(AzureError) as caught:
        parse(text)
    assert (caught.value.status, caught.value.code) == (400, "InvalidUri") and f"'{text}'" in caught.value.message


@pytest.mark.parametrize(
    "text", ["adl://store.azuredatalakestore.net/a", "https://account1.file.core.windows.net/share/a"]
)
def test_a_storage_service_that_is_not_emulated_is_named(text: str) -> None:
    with pytest.raises(AzureError) as caught:
        parse(text)
    assert caught.value.status == 501


def test_a_path_is_no_asset() -> None:
    assert asset("azureml://datastores/d/paths/a") is None and asset("nonsense") is None
