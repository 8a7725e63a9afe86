"""The emulator's own controls, on the gateway's own port below ``/_emulator/``: nothing here looks like Azure's.

What changes something asks for the header ``X-Emulator``, which a web page cannot send here.
"""

from __future__ import annotations

from emulator.errors import AzureError
from emulator.gateway.hosts import CONTROLS
from emulator.management import deleted
from emulator.http import Call, Reply
from emulator.routes import Route
from emulator.store import Transaction
from emulator.version import VERSION


async def health(call: Call) -> Reply:
    return Reply(
        body={
            "status": "ready" if call.cloud.ready else "starting",
            "version": VERSION,
            "subscription": call.cloud.identity.subscription,
            "tenant": call.cloud.identity.tenant,
        }
    )


async def reset(call: Call) -> Reply:
    """Remove every resource group, and with it every resource."""
    guarded(call)
    cloud = call.cloud
    for group in cloud.store.of_type("Microsoft.Resources/resourceGroups"):
        for document in reversed(cloud.store.below(group.id)):
            kind = cloud.kinds.get(document.type)
            if kind is not None and kind.deleting is not None:
                await kind.deleting(call, document)

    def change(tx: Transaction) -> None:
        tx.delete(f"/subscriptions/{cloud.identity.subscription}")
        deleted.forget(tx)
        tx.delete("/vaults")  # their secrets
        for group in tx.of_type("Microsoft.Resources/resourceGroups"):
            tx.delete(group.id)

    await cloud.store.write(change)
    return Reply(204)


def guarded(call: Call) -> None:
    if not call.headers.get("x-emulator"):
        raise AzureError(403, "Forbidden", "Send the header 'X-Emulator: 1' to change the emulator.")


ROUTES = (
    Route(CONTROLS, "GET", "/_emulator/health", health),
    Route(CONTROLS, "POST", "/_emulator/reset", reset),
)
