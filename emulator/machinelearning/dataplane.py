"""The data plane's questions about data, at ``<region>.api.azureml.ms``: where a job's outputs lie, and how a datastore is reached.

azure/ai/ml/operations/_dataset_dataplane_operations.py and _model_dataplane_operations.py ask the first for ``jobs.download``;
``azureml-fsspec`` and ``mltable`` ask the second for each ``azureml://`` path that they read or write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.errors import AzureError, NotEmulated, invalid_content
from emulator.http import Call, Reply
from emulator.machinelearning import assets, datastores
from emulator.management import arm
from emulator.management.ids import ResourceId


def _workspace(call: Call) -> ResourceId:
    return ResourceId.parse(arm.get(call, f"/{call.params['workspace'].strip('/')}").id)


def _references(call: Call) -> list[str]:
    values = call.json().get("values")
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise invalid_content("The property 'values' must be a list of asset ids.", target="values")
    return values


async def data_uris(call: Call) -> Reply:
    return _told(call, "data", {"uri": "dataUri", "type": "dataType"})


async def model_uris(call: Call) -> Reply:
    return _told(call, "models", {"path": "modelUri", "type": "modelType"})


def _told(call: Call, kind: str, names: Mapping[str, str]) -> Reply:
    """``{"values": [id…]}`` -> ``{"values": {id: {…}}}``, some of an asset's properties under other names; an id that is not there
    is left out."""
    workspace, found = _workspace(call), {}
    for reference in _references(call):
        try:
            properties = assets.resolve(call.cloud, workspace, reference, kind).body["properties"]
        except AzureError:
            continue
        found[reference] = {name: properties[own] for name, own in names.items()}
    return Reply(body={"values": found})


async def datastore(call: Call) -> Reply:
    """A datastore with its secret, in the words of Azure ML's datastore service, which are older than Resource Manager's
    (``DataStoreDto`` of azureml-core)."""
    document = datastores.find(call.cloud.store, _workspace(call), call.params["name"])
    properties = document.body["properties"]
    account, container = datastores.place_of(document)
    credential = properties["credentials"]
    kind, secret = credential["credentialsType"], datastores.secrets(call.cloud, document)
    section: dict[str, Any] = {
        "accountName": account,
        "containerName": container,
        "endpoint": properties["endpoint"],
        "protocol": properties["protocol"],
        "credentialType": "ClientCredentials" if kind in ("ServicePrincipal", "Certificate") else kind,
        "credential": secret.get("key") or secret.get("sasToken"),
        "accountKey": secret.get("key"),
        "isSas": kind == "Sas",
        "sasToken": secret.get("sasToken"),
        "blobCacheTimeout": None,
        "serviceDataAccessAuthIdentity": properties["serviceDataAccessAuthIdentity"],
        "areWorkspaceManagedIdentitiesAllowed": False,
        "clientCredentials": None,
    }
    if section["credentialType"] == "ClientCredentials":
        section["clientCredentials"] = {
            "clientId": credential["clientId"],
            "tenantId": credential["tenantId"],
            "authorityUrl": credential.get("authorityUrl") or "https://login.microsoftonline.com",
            "resourceUri": credential.get("resourceUrl") or "https://storage.azure.com/",
            "isCertAuth": kind == "Certificate",
            **{name: secret[name] for name in ("clientSecret", "certificate") if name in secret},
            **({"thumbprint": credential["thumbprint"]} if kind == "Certificate" else {}),
        }
    return Reply(
        body={
            "name": document.name,
            "dataStoreType": properties["datastoreType"],
            "hasBeenValidated": True,
            "tags": properties["tags"],
            "properties": properties["properties"],
            "azureStorageSection": section,
        }
    )


async def index(call: Call) -> Reply:
    raise NotEmulated("the index of entities (POST /ml-index/v1.0/…/entities)")
