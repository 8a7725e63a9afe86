"""What becomes of a stack's resources when it is applied, and of an apply that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from azure.core.exceptions import AzureError, ClientAuthenticationError

from infra.arm import ArmError
from infra.errors import ApplyError

NOTHING: Mapping[str, str] = {}

REGION = "set azure-native:location in the stack's file to one of: az account list-locations --query '[].name' --output table"
NEXT = {
    "StorageAccountAlreadyTaken": "the name belongs to somebody else's account: set aml:suffix in the stack's file",
    "VaultAlreadyExists": "the name is taken, perhaps by a vault in soft-delete: set aml:suffix, or purge that vault",
    "AuthorizationFailed": "the credential may not do this: it needs Contributor, and Role Based Access Control Administrator",
    "NotImplemented": "the emulator does not do this yet: take the resource out of the stack, or apply it to Azure",
    "AnotherOperationInProgress": "wait until the other operation has ended, then the same command again",
    "OperationTimedOut": "look at it in the portal's activity log; the same command again goes on from here",
    "ResourceDeploymentFailure": "the activity log says why; the same command again sends it anew",
    "TooManyRequests": "wait a minute, then the same command again",
    "LocationNotAvailableForResourceGroup": REGION,
    "LocationNotAvailableForResourceType": REGION,
    "InvalidResourceLocation": "it exists in another region: delete it, or set azure-native:location back",
}
# What holds a name though it was deleted: Azure has no code of its own for it, but says so.
DELETED = {
    "already exists in deleted state": "to have it back, set aml:recoverVault to true in the stack's file; to begin anew, "
    "az keyvault purge --name {name}",
    "Soft-deleted workspace exists": "to have it back, recover it in the portal (Recently deleted) or as aml doctor --stack says, "
    "and pulumi import it; to begin anew, "
    "az rest --method DELETE --url 'https://management.azure.com{path}?api-version=2025-12-01&forceToPurge=true'",
}


@dataclass(frozen=True)
class Done:
    """What became of one resource. ``name`` is the program's own; ``change`` is ``created``, ``updated`` or ``unchanged``;
    ``differing`` are the paths at which an updated one was found to be otherwise; ``digest`` is that of what the program says.
    """

    name: str
    type: str
    id: str
    change: str
    seconds: float
    differing: tuple[str, ...]
    digest: str


def explained(error: Exception, what: str) -> Exception:
    if isinstance(error, ArmError):
        where = f", property {error.property}" if error.property and error.status != 501 else ""
        said = f"{what}{where}: Azure answered {error.status or ''} {error.code}: {error.message}"
        return ApplyError(said, _next(error))
    if isinstance(error, ClientAuthenticationError):
        return ApplyError(
            f"{what}: the credential in AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET is not taken: {error.message}"
        )
    if isinstance(error, AzureError):
        return ApplyError(f"{what}: no answer: {error.message}")
    return error


def _next(error: ArmError) -> str | None:
    for words, next in DELETED.items():
        if words in error.message:
            return next.format(name=error.path.rpartition("/")[2], path=error.path)
    return NEXT.get(error.code)
