"""Where a URI lies, and what a reference means: asked of a store with a workspace, datastores, assets and a job in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emulator.errors import AzureError
from emulator.machinelearning import curated
from emulator.machinelearning.assets import content, resolve
from emulator.machinelearning.datastores import default_store, locate
from emulator.machinelearning.uris import BlobPath
from emulator.management.ids import ResourceId
from emulator.store import Store, Transaction

PROVIDER = "Microsoft.MachineLearningServices"
SCOPE = "/subscriptions/s/resourceGroups/g"
GUID = "0f000000-0000-0000-0000-000000000001"
WORKSPACE = ResourceId.parse(f"{SCOPE}/providers/{PROVIDER}/workspaces/w")
OTHER = ResourceId.parse(f"{SCOPE}/providers/{PROVIDER}/workspaces/other")

KEYLESS = {"credentials": {"credentialsType": "None"}}


def fill(tx: Transaction) -> None:
    def put(id: ResourceId, properties: dict[str, Any], **body: Any) -> None:
        tx.put(str(id), id.type, {"properties": properties, **body}, parent=str(id.parent or id.scope))

    for workspace, account in ((WORKSPACE, "account1"), (OTHER, "account2")):
        put(workspace, {"workspaceId": GUID if workspace is WORKSPACE else "x"}, location="westeurope")
        for name, container in (("workspaceblobstore", "blobs"), ("workspaceartifactstore", "azureml")):
            put(
                workspace.child("datastores", name),
                {"datastoreType": "AzureBlob", "accountName": account, "containerName": container, **KEYLESS},
            )
    lake = {"datastoreType": "AzureDataLakeGen2", "accountName": "account3", "filesystem": "files", **KEYLESS}
    put(WORKSPACE.child("datastores", "lake"), lake)
    share = {"datastoreType": "AzureFile", "accountName": "account3", "fileShareName": "share", **KEYLESS}
    put(WORKSPACE.child("datastores", "share"), share)
    for plural, name in (("data", "iris"), ("models", "forest"), ("codes", "code")):
        put(WORKSPACE.child(plural, name), {})
        for version in ("1", "2", "3"):
            member = {"data": "dataUri", "models": "modelUri", "codes": "codeUri"}[plural]
            uri = f"azureml://datastores/lake/paths/{name}/{version}"
            put(
                WORKSPACE.child(plural, name).child("versions", version),
                {member: uri, "isArchived": version == "3", "dataType": "uri_file"},
            )
    outputs = {"model": {"jobOutputType": "mlflow_model"}, "kept": {"uri": "azureml://datastores/lake/paths/kept/"}}
    put(WORKSPACE.child("jobs", "job1"), {"outputs": outputs})


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Any]:
    with Store(tmp_path / "store.db") as store:
        store.write_now(fill)
        yield SimpleNamespace(store=store, identity=SimpleNamespace(subscription="s"))


PLACES = {
    "azureml://datastores/lake/paths/a/b.csv": BlobPath("account3", "files", "a/b.csv"),
    "azureml://datastores/LAKE/paths/a": BlobPath("account3", "files", "a"),
    "azureml://datastores/workspaceblobstore": BlobPath("account1", "blobs", ""),
    "azureml://subscriptions/s/resourcegroups/g/workspaces/other/datastores/workspaceblobstore/paths/a": BlobPath(
        "account2", "blobs", "a"
    ),
    "azureml:iris:1": BlobPath("account3", "files", "iris/1"),
    "azureml:iris@latest": BlobPath("account3", "files", "iris/2"),
    f"{WORKSPACE}/data/iris/versions/2": BlobPath("account3", "files", "iris/2"),
    f"azureml://locations/westeurope/workspaces/{GUID}/models/forest/versions/1": BlobPath(
        "account3", "files", "forest/1"
    ),
    "azureml:forest:2": BlobPath("account3", "files", "forest/2"),
    f"{WORKSPACE}/codes/code/versions/1": BlobPath("account3", "files", "code/1"),
    "azureml://jobs/job1/outputs/kept/paths/x": BlobPath("account3", "files", "kept/x"),
    "azureml://jobs/job1/outputs/model": BlobPath("account1", "blobs", "azureml/job1/model/"),
    "azureml://jobs/job1/outputs/artifacts/paths/model": BlobPath(
        "account1", "azureml", "ExperimentRun/dcid.job1/model"
    ),
    "runs:/job1/model": BlobPath("account1", "azureml", "ExperimentRun/dcid.job1/model"),
    "https://account9.blob.core.windows.net/c/a.csv": BlobPath("account9", "c", "a.csv"),
    "wasbs://c@account9.blob.core.windows.net/a": BlobPath("account9", "c", "a"),
}


@pytest.mark.parametrize("uri", PLACES)
def test_a_place(cloud: Any, uri: str) -> None:
    assert locate(cloud, WORKSPACE, uri) == PLACES[uri]


@pytest.mark.parametrize(
    ("uri", "status", "word"),
    [
        ("azureml://datastores/none/paths/a", 404, "none"),
        ("azureml://subscriptions/s/resourcegroups/g/workspaces/none/datastores/lake/paths/a", 404, "none"),
        ("azureml:none:1", 404, "none"),
        ("azureml:iris:9", 404, "9"),
        ("azureml://locations/westeurope/workspaces/nobody/data/iris/versions/1", 404, "nobody"),
        ("azureml://jobs/none/outputs/model", 404, "none"),
        ("azureml://jobs/job1/outputs/none", 404, "none"),
        ("azureml://datastores/share/paths/a", 501, "AzureFile"),
        ("nonsense", 400, "nonsense"),
        (f"{WORKSPACE}/environments/e/versions/1", 400, "environments"),
    ],
)
def test_a_place_that_is_none(cloud: Any, uri: str, status: int, word: str) -> None:
    with pytest.raises(AzureError) as caught:
        locate(cloud, WORKSPACE, uri)
    assert caught.value.status == status and word in caught.value.message


def test_the_default_stores(cloud: Any) -> None:
    assert default_store(cloud, WORKSPACE) == BlobPath("account1", "blobs", "")
    assert default_store(cloud, WORKSPACE, "artifact") == BlobPath("account1", "azureml", "")


def test_references(cloud: Any) -> None:
    assert resolve(cloud, WORKSPACE, "azureml:iris:1", "data").name == "1"
    assert resolve(cloud, WORKSPACE, "iris@latest", "data").name == "2", "The archived one is not the latest."
    assert resolve(cloud, WORKSPACE, "azureml:iris:3", "data").name == "3", "An archived version can be named."
    assert resolve(cloud, WORKSPACE, f"{WORKSPACE}/data/iris/labels/latest", "data").name == "2"
    assert resolve(cloud, WORKSPACE, "forest:azureml_default", "models").name == "2"
    assert content(cloud, WORKSPACE, "azureml:forest:1") == "azureml://datastores/lake/paths/forest/1"
    guid = cloud.store.get(str(WORKSPACE)).body["properties"]["workspaceId"]
    elsewhere = f"azureml://locations/westeurope/workspaces/{guid}/data/iris/versions/1"
    assert resolve(cloud, OTHER, elsewhere, "data").parent.endswith("/workspaces/w/data/iris")


@pytest.mark.parametrize("version", ["versions/9", "labels/latest"])
def test_curated_environments(cloud: Any, version: str) -> None:
    newest = curated.find("sklearn-1.5")
    assert newest is not None
    number = "9" if version == "versions/9" else newest.version
    found = resolve(
        cloud, WORKSPACE, f"azureml://registries/azureml/environments/sklearn-1.5/{version}", "environments"
    )
    assert found.body["properties"]["image"].endswith(f"/sklearn-1.5:{number}") and found.name == number
    named = resolve(cloud, WORKSPACE, "azureml:AzureML-lightgbm-3.3@latest", "environments")
    assert named.body["properties"]["environmentType"] == "Curated"


@pytest.mark.parametrize(
    ("reference", "kind", "status"),
    [
        ("azureml:iris:1", "models", 404),
        (f"{WORKSPACE}/data/iris/versions/1", "models", 400),
        ("azureml://registries/azureml/environments/none/versions/1", "environments", 404),
        ("azureml://registries/mine/environments/sklearn-1.5/versions/1", "environments", 404),
        ("azureml://registries/azureml/components/a/versions/1", "components", 404),
        ("azureml:AzureML-none@latest", "environments", 404),
        ("azureml:iris@production", "data", 404),
        ("azureml://datastores/lake/paths/a", "data", 400),
    ],
)
def test_a_reference_to_nothing(cloud: Any, reference: str, kind: str, status: int) -> None:
    with pytest.raises(AzureError) as caught:
        resolve(cloud, WORKSPACE, reference, kind)
    assert caught.value.status == status
