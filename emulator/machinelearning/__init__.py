"""Azure Machine Learning's resources: workspaces, datastores, assets, computes, and the registry of curated environments.

The rows of this room. Jobs, endpoints, schedules and what runs are others'; what nobody emulates is answered by its name.
"""

from __future__ import annotations

from emulator.identity.tenant import ARM, MACHINE_LEARNING
from emulator.machinelearning import (
    assetrules,
    assets,
    computes,
    connections,
    dataplane,
    datastores,
    locations,
    names,
    registries,
    uploads,
    workspaces,
)
from emulator.routes import Route

HOST, PLANE = "management.azure.com", "*.api.azureml.ms"
ANY_OF_BOTH = (*ARM, *MACHINE_LEARNING)
REGION = f"/subscriptions/{{subscription}}/providers/{names.PROVIDER}/locations/{{location}}"
WORKSPACE = (
    f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{names.PROVIDER}/workspaces/{{workspace}}"
)
CODE = f"{WORKSPACE}/codes/{{name}}/versions/{{version}}"

KINDS = (workspaces.KIND, datastores.KIND, computes.KIND, *connections.KINDS, *assets.KINDS)

ROUTES = (
    Route(HOST, "GET", f"{REGION}/vmSizes", locations.list_sizes, ARM),
    Route(HOST, "GET", f"{REGION}/usages", locations.list_usages, ARM),
    Route(HOST, "POST", f"{CODE}/startPendingUpload", uploads.start, ARM),
    *(
        Route(HOST, "GET", f"{WORKSPACE}/{plural}/{{name}}/versions", assets.list_versions, ARM)
        for plural in assetrules.RULES
    ),
    Route(
        PLANE, "POST", "/data/v1.0/{workspace:path}/dataversion/batchGetResolvedUris", dataplane.data_uris, ANY_OF_BOTH
    ),
    Route(
        PLANE,
        "POST",
        "/modelregistry/v1.0/{workspace:path}/models/batchGetResolvedUris",
        dataplane.model_uris,
        ANY_OF_BOTH,
    ),
    Route(PLANE, "GET", "/datastore/v1.0/{workspace:path}/datastores/{name}", dataplane.datastore, ANY_OF_BOTH),
    Route(PLANE, "POST", "/ml-index/v1.0/{rest:path}", dataplane.index, ANY_OF_BOTH),
    Route(PLANE, "GET", "/registrymanagement/v1.0/registries/{registry}/discovery", registries.discovery, ANY_OF_BOTH),
    Route(PLANE, "GET", f"{registries.AT}/{{plural}}", registries.list_containers, ANY_OF_BOTH),
    Route(PLANE, "GET", f"{registries.AT}/{{plural}}/{{name}}", registries.get_container, ANY_OF_BOTH),
    Route(PLANE, "GET", f"{registries.AT}/{{plural}}/{{name}}/versions", registries.list_versions, ANY_OF_BOTH),
    Route(
        PLANE, "GET", f"{registries.AT}/{{plural}}/{{name}}/versions/{{version}}", registries.get_version, ANY_OF_BOTH
    ),
    *(
        Route(PLANE, method, f"{registries.AT}/{{rest:path}}", registries.not_emulated, ANY_OF_BOTH)
        for method in ("PUT", "POST")
    ),
)
