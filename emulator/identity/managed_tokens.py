"""The token endpoint of a managed identity, on the gateway's own port: what a process with a grant asks.

App Service's form (``X-IDENTITY-HEADER``, api-version 2019-08-01) and Azure ML's (``secret``, 2017-09-01):
https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
"""

from __future__ import annotations

import time

from emulator.errors import AzureError
from emulator.gateway.hosts import CONTROLS
from emulator.http import Call, Reply
from emulator.identity.login import check_resource
from emulator.identity.tenant import LIFETIME
from emulator.routes import Route


async def token(call: Call) -> Reply:
    secret = call.headers.get("x-identity-header") or call.headers.get("secret") or ""
    principal = call.cloud.identity.granted(secret)
    if principal is None:
        raise AzureError(401, "Unauthorized", "The identity header is missing, or not that of a running job.")
    if (call.option("api-version") or "") not in ("2019-08-01", "2017-09-01"):
        raise AzureError(400, "BadRequest", "The api-version must be 2019-08-01 or 2017-09-01.")
    asked = call.option("client_id") or call.option("clientid") or ""
    if asked and asked.lower() != principal.client_id.lower():
        raise AzureError(400, "BadRequest", f"No managed identity was found for the client id '{asked}'.")
    for name, own in (("mi_res_id", principal.resource_id), ("principal_id", principal.object_id)):
        asked = call.option(name) or call.option("object_id" if name == "principal_id" else name) or ""
        if asked and asked.lower() != own.lower():
            raise AzureError(400, "BadRequest", f"No managed identity was found for the {name} '{asked}'.")
    resource = call.option("resource")
    if not resource:
        raise AzureError(400, "BadRequest", "The parameter 'resource' is missing.")
    check_resource(resource, call.cloud.identity)
    now = int(time.time())
    return Reply(
        body={
            "access_token": call.cloud.identity.token(resource, principal),
            "client_id": principal.client_id,
            "expires_on": str(now + LIFETIME),
            "not_before": str(now),
            "resource": resource,
            "token_type": "Bearer",
        }
    )


ROUTES = (Route(CONTROLS, "GET", "/_emulator/identity", token),)
