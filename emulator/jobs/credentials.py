"""Who a job is: the credential that its processes find, and the token endpoint of those who act on their user's behalf."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, bad_request
from emulator.gateway.hosts import CONTROLS
from emulator.http import Call, Reply
from emulator.identity.tenant import LIFETIME, Principal
from emulator.jobs.failures import JobFailed
from emulator.routes import Route

if TYPE_CHECKING:
    from emulator.cloud import Cloud


def grant(cloud: Cloud, job: Mapping[str, Any], compute: str) -> dict[str, str]:
    """Who the job is, to ``ManagedIdentityCredential`` and ``AzureMLOnBehalfOfCredential``.

    ``Managed`` is the identity it names, else the compute's own; ``UserIdentity`` and the default act as the user who submitted
    it (https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-service-authentication).
    """
    wanted = job.get("identity") or {}
    principal = cloud.identity.local
    if wanted.get("identityType") == "Managed":
        principal = _managed(cloud, wanted, compute)
    granted: dict[str, str] = cloud.identity.grant(principal, f"{cloud.endpoint}/_emulator/identity")
    granted["DEFAULT_IDENTITY_CLIENT_ID"] = principal.client_id  # without it ``azureml-fsspec`` asks nobody
    if wanted.get("identityType") == "UserIdentity":
        granted |= {
            "AZUREML_OBO_ENABLED": "True",
            "OBO_ENDPOINT": f"{cloud.endpoint}/_emulator/on-behalf-of/{granted['MSI_SECRET']}",
        }
    return granted


def of_data(cloud: Cloud, job: Mapping[str, Any], compute: str) -> Principal:
    """Who brings a job its data where the datastore has no credential: the identity that the job names; without one the
    compute's own, where it has one, and else the user."""
    wanted = job.get("identity") or {}
    document = cloud.store.get(compute) if compute else None
    attached = (document.body.get("identity") or {}) if document is not None else {}
    has_own = attached.get("userAssignedIdentities") or attached.get("principalId")
    if wanted.get("identityType") == "Managed" or (not wanted and has_own):
        return _managed(cloud, {"identityType": "Managed", **wanted}, compute)
    return cloud.identity.local


def _managed(cloud: Cloud, wanted: Mapping[str, Any], compute: str) -> Principal:
    document = cloud.store.get(compute) if compute else None
    attached = (document.body.get("identity") or {}) if document is not None else {}
    for id, one in (attached.get("userAssignedIdentities") or {}).items():
        named = {wanted.get("clientId"), wanted.get("objectId"), str(wanted.get("resourceId")).lower()}
        if not wanted.keys() - {"identityType"} or named & {one.get("clientId"), one.get("principalId"), id.lower()}:
            return Principal(one["principalId"], one["clientId"], id.rpartition("/")[2], id)
    if attached.get("principalId") and not wanted.keys() - {"identityType"}:
        return Principal(attached["principalId"], attached["principalId"], compute.rpartition("/")[2], compute)
    raise JobFailed(
        f"The compute '{compute.rpartition('/')[2] or 'serverless'}' has no such managed identity as the job's identity asks for. "
        "Assign it to the compute, or use the identity of type UserIdentity.",
        "IdentityNotFound",
    )


async def on_behalf_of(call: Call) -> Reply:
    """What ``AzureMLOnBehalfOfCredential`` asks for: a token of the job's user, by the secret in the job's own endpoint."""
    principal = call.cloud.identity.granted(call.params["secret"])
    if principal is None:
        raise AzureError(401, "Unauthorized", "The endpoint is not that of a running job.")
    resource = call.option("resource")
    if not resource:
        raise bad_request("BadRequest", "The parameter 'resource' is missing.")
    token = call.cloud.identity.token(resource, principal)
    expires = int(time.time()) + LIFETIME  # a number: ``azureml-fsspec`` hands it on as it is
    return Reply(body={"access_token": token, "expires_on": expires, "resource": resource, "token_type": "Bearer"})


ROUTES = (Route(CONTROLS, "GET", "/_emulator/on-behalf-of/{secret}", on_behalf_of),)
