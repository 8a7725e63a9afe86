"""Where a client puts a code asset before it registers it: a link into the workspace's default container.

https://learn.microsoft.com/rest/api/azureml/code-versions/create-or-get-start-pending-upload
"""

from __future__ import annotations

import uuid

from emulator import arm, namespaces
from emulator.errors import NotEmulated
from emulator.http import Call, Reply
from emulator.ids import ResourceId
from emulator.machinelearning import checks, datastores, names

PERMISSIONS = "racwl"
HOURS = 24


async def start(call: Call) -> Reply:
    """A link that reads, writes and lists. The container is the default datastore's, where the SDK keeps what it uploads below a
    digest of its content: the same code is there once."""
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    document = arm.get(call, call.path.rsplit("/codes/", 1)[0])
    names.ASSET.check(call.params["name"])
    names.VERSION.check(call.params["version"])
    asked = call.json() if call.body.strip() else {}
    kind = checks.one_of(asked, "pendingUploadType", ("TemporaryBlobReference", "None"), "TemporaryBlobReference")
    if kind == "None":
        raise NotEmulated("pending uploads of type None")
    place = datastores.default_store(call.cloud, ResourceId.parse(document.id))
    link = call.cloud.blobs.sas(place.account, place.container, permissions=PERMISSIONS, hours=HOURS)
    return Reply(
        body={
            "pendingUploadId": checks.text(asked, "pendingUploadId") or str(uuid.uuid4()),
            "pendingUploadType": kind,
            "blobReferenceForConsumption": {
                "blobUri": call.cloud.blobs.url(place.account, place.container),
                "storageAccountArmId": document.body["properties"]["storageAccount"],
                "credential": {"credentialType": "SAS", "sasUri": link},
            },
        }
    )
