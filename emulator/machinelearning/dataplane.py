"""The data plane's questions about assets, at ``<region>.api.azureml.ms``: where the outputs of a job lie.

azure/ai/ml/operations/_dataset_dataplane_operations.py and _model_dataplane_operations.py ask them for ``jobs.download``.
"""

from __future__ import annotations

from collections.abc import Mapping

from emulator.errors import AzureError, NotEmulated, invalid_content
from emulator.http import Call, Reply
from emulator.machinelearning import assets
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


async def index(call: Call) -> Reply:
    raise NotEmulated("the index of entities (POST /ml-index/v1.0/…/entities)")
