"""What a region offers: sizes of virtual machines and quotas. There is no quota on a laptop, so the limits are wide and say so.

https://learn.microsoft.com/rest/api/azureml/virtual-machine-sizes/list, …/usages/list
"""

from __future__ import annotations

from typing import Any

from emulator.errors import bad_request
from emulator.http import Call, Reply
from emulator.machinelearning import clusters, computes, names, vm_sizes
from emulator.management import namespaces

LIMIT = 100_000  # vCPUs of a family, and of all families


def _location(call: Call) -> str:
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    namespaces.check_version(call, names.PROVIDER, "locations")
    found = namespaces.location(call.params["location"])
    if found is None:
        raise bad_request(
            "LocationNotAvailableForResourceType",
            f"The provided location '{call.params['location']}' is not available.",
        )
    return found


async def list_sizes(call: Call) -> Reply:
    _location(call)
    return Reply(body={"value": [size.body() for size in vm_sizes.table().values()]})


async def list_usages(call: Call) -> Reply:
    """vCPUs in use by family, counted from the nodes of the clusters and the instances that run."""
    location = _location(call)
    used: dict[str, int] = {}
    for document in call.cloud.store.of_type(computes.TYPE):
        if document.body["properties"]["computeLocation"] != location:
            continue
        inner = document.body["properties"]["properties"]
        size = vm_sizes.find(inner["vmSize"])
        if size is None:
            continue
        if document.body["properties"]["computeType"] == computes.CLUSTER:
            count = len(clusters.nodes(call.cloud, document))
        else:
            count = 1 if inner["state"] == "Running" else 0
        used[size.family] = used.get(size.family, 0) + count * size.cpus
    rows = [("TotalDedicatedCores", "Total Dedicated Regional vCPUs", sum(used.values()))]
    rows += [(family, f"{family} Cluster Dedicated vCPUs", used.get(family, 0)) for family in vm_sizes.families()]
    scope = f"/subscriptions/{call.params['subscription']}/providers/{names.PROVIDER}/locations/{location}"
    return Reply(body={"value": [_usage(scope, location, *row) for row in rows]})


def _usage(scope: str, location: str, name: str, words: str, used: int) -> dict[str, Any]:
    return {
        "id": f"{scope}/usages/{name}",
        "type": f"{names.PROVIDER}/usages",
        "amlWorkspaceLocation": location,
        "unit": "Count",
        "currentValue": used,
        "limit": LIMIT,
        "name": {"value": name, "localizedValue": words},
    }
