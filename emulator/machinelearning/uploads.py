"""Where a client puts a code asset before it registers it: a link into a container of the workspace's storage account.

https://learn.microsoft.com/rest/api/azureml/code-versions/create-or-get-start-pending-upload
"""

from __future__ import annotations

import uuid

from emulator.errors import NotEmulated
from emulator.http import Call, Reply
from emulator.machinelearning import checks, names
from emulator.management import arm, namespaces
from emulator.management.ids import ResourceId

PERMISSIONS = "racwl"
HOURS = 24


async def start(call: Call) -> Reply:
    """A link that reads, writes and lists, into a container of this version's own: the SDK puts a folder at the container's root,
    and two folders of one name must not meet."""
    namespaces.check_subscription(call.cloud, call.params["subscription"])
    document = arm.get(call, call.path.rsplit("/codes/", 1)[0])
    names.ASSET.check(call.params["name"])
    names.VERSION.check(call.params["version"])
    asked = call.json() if call.body.strip() else {}
    kind = checks.one_of(asked, "pendingUploadType", ("TemporaryBlobReference", "None"), "TemporaryBlobReference")
    if kind == "None":
        raise NotEmulated("pending uploads of type None")
    account = ResourceId.parse(document.body["properties"]["storageAccount"]).name
    guid = uuid.UUID(document.body["properties"]["workspaceId"])
    container = str(uuid.uuid5(guid, f"{call.params['name']}:{call.params['version']}"))
    await call.cloud.blobs.ensure_container(account, container)
    link = call.cloud.blobs.sas(account, container, permissions=PERMISSIONS, hours=HOURS)
    return Reply(
        body={
            "pendingUploadId": checks.text(asked, "pendingUploadId") or str(uuid.uuid4()),
            "pendingUploadType": kind,
            "blobReferenceForConsumption": {
                "blobUri": call.cloud.blobs.url(account, container),
                "storageAccountArmId": document.body["properties"]["storageAccount"],
                "credential": {"credentialType": "SAS", "sasUri": link},
            },
        }
    )
