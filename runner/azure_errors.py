"""What Azure's clients raise, in the runner's family: the known codes with their cause and the next command.

A row of ``KNOWN`` is a code as Azure sends it (ARM's ``error.code``, storage's ``x-ms-error-code``, Entra's ``AADSTS…``).
What is in no row is passed on in Azure's own words, with its code and request id.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner.errors import CloudError, Mistake, RunnerError

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError

FAMILIES = ("azure", "msal", "requests", "urllib3", "marshmallow")  # the packages whose exceptions are explained here
SHOWN = 1500  # characters of a service's own message


@dataclass(frozen=True)
class Known:
    """``kind`` decides the exit code; ``cause`` is a sentence, ``next`` what to type or to ask for."""

    kind: type[RunnerError]
    cause: str
    next: str


SIGN_IN = "az login"
DOCTOR = "aml doctor, with the same --stack as this command"
PRINCIPAL = "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET"
KNOWN: dict[str, Known] = {
    # Entra: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
    "AADSTS7000215": Known(
        Mistake, "The service principal's key is wrong.", "set AZURE_CLIENT_SECRET to the key's value, not its id"
    ),
    "AADSTS7000222": Known(
        Mistake, "The service principal's key has expired.", "az ad app credential reset --id $AZURE_CLIENT_ID"
    ),
    "AADSTS700016": Known(
        Mistake, "There is no such service principal in this tenant.", "check AZURE_CLIENT_ID and AZURE_TENANT_ID"
    ),
    "AADSTS90002": Known(
        Mistake, "There is no such tenant.", "check AZURE_TENANT_ID: az account show --query tenantId"
    ),
    "AADSTS900023": Known(
        Mistake, "The tenant's id is not one.", "check AZURE_TENANT_ID: az account show --query tenantId"
    ),
    "AADSTS700213": Known(
        Mistake, "The service connection's federated credential does not match.", "compare its subject with the app's"
    ),
    "AADSTS700082": Known(Mistake, "The sign-in has expired.", SIGN_IN),
    "AADSTS50173": Known(Mistake, "The sign-in has expired.", SIGN_IN),
    "AADSTS50076": Known(Mistake, "The sign-in needs a second factor.", SIGN_IN),
    # ARM: https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/common-deployment-errors
    "InvalidAuthenticationToken": Known(CloudError, "Azure does not take the token.", SIGN_IN),
    "ExpiredAuthenticationToken": Known(CloudError, "The token has expired.", SIGN_IN),
    "AuthenticationFailed": Known(CloudError, "Azure does not take the token.", SIGN_IN),
    "InvalidAuthenticationTokenTenant": Known(
        Mistake,
        "The sign-in belongs to another tenant than the subscription.",
        "az login --tenant <the subscription's tenant>",
    ),
    "SubscriptionNotFound": Known(
        Mistake, "The subscription does not exist, or this sign-in may not see it.", "az account list --output table"
    ),
    "InvalidSubscriptionId": Known(Mistake, "The subscription's id is not one.", "az account list --output table"),
    "ResourceGroupNotFound": Known(Mistake, "The resource group does not exist.", "az group list --output table"),
    "AuthorizationFailed": Known(CloudError, "This sign-in has no role that allows it.", DOCTOR),
    "LinkedAuthorizationFailed": Known(CloudError, "This sign-in may not use a resource that is referred to.", DOCTOR),
    "RequestDisallowedByPolicy": Known(
        CloudError, "A policy of the subscription forbids it.", "az policy assignment list --output table"
    ),
    "MissingSubscriptionRegistration": Known(
        CloudError,
        "The subscription does not know this kind of resource yet.",
        "az provider register --namespace Microsoft.MachineLearningServices --wait",
    ),
    "TooManyRequests": Known(CloudError, "Azure asks for fewer requests at once.", "wait a minute and try again"),
    "AnotherOperationInProgress": Known(
        CloudError, "Something else is at work on it.", "wait a minute, then the same command again"
    ),
    "ResourceDeploymentFailure": Known(
        CloudError, "Azure accepted it and then failed.", "the activity log says why; then the same command again"
    ),
    "NotImplemented": Known(CloudError, "The emulator can not do this; Azure can.", "the same command against Azure"),
    # Storage: https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
    "KeyBasedAuthenticationNotPermitted": Known(
        CloudError,
        "The storage account takes no account keys, and the datastore uses one.",
        "make the datastore identity-based, and give its users 'Storage Blob Data Contributor'",
    ),
    "AuthorizationPermissionMismatch": Known(
        CloudError,
        "This sign-in has no role on the data of the storage account.",
        "az role assignment create --role 'Storage Blob Data Contributor' --assignee <you> --scope <the storage account's id>",
    ),
    "AuthorizationFailure": Known(
        CloudError,
        "The storage account's firewall refuses this network.",
        "allow it in the account's networking settings",
    ),
    "ContainerNotFound": Known(CloudError, "The datastore's container does not exist in its storage account.", DOCTOR),
    "AccountIsDisabled": Known(CloudError, "The storage account is disabled.", "ask the subscription's owner"),
    # Azure Machine Learning: https://learn.microsoft.com/azure/machine-learning/how-to-manage-quotas
    "ClusterCoreQuotaReached": Known(CloudError, "The region's quota of cores is used up.", DOCTOR),
    "QuotaExceeded": Known(CloudError, "The region's quota of cores is used up.", DOCTOR),
    "InvalidVMSize": Known(
        Mistake, "The VM size does not exist in this region.", "az ml compute list-sizes --output table"
    ),
}
SOFT_DELETED = Known(
    CloudError,
    "A deleted workspace or key vault still holds the name.",
    "aml doctor --stack NAME has the commands that recover or purge it; or take another name",
)


def belongs(error: BaseException) -> bool:
    """Whether ``error`` comes from one of Azure's clients or what they stand on."""
    return type(error).__module__.split(".")[0] in FAMILIES


def explain(error: Exception) -> RunnerError:
    """The error of our family that says what ``error`` says. ``error`` is one that ``belongs``."""
    from azure.core import exceptions as azure

    entra = re.search(r"AADSTS\d+", str(error))
    if entra:
        known = KNOWN.get(entra[0])
        said = _words(str(error))
        if known:
            return known.kind(f"{known.cause} ({entra[0]})", details=[said], next=known.next)
        return CloudError(f"Entra refused the sign-in ({entra[0]}).", details=[said], next=SIGN_IN)
    answered = isinstance(error, azure.HttpResponseError) and error.response is not None
    if not answered and "CERTIFICATE_VERIFY_FAILED" in str(error):
        trusted = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or "certifi's own list"
        return CloudError(
            f"The certificate of the other side is signed by nobody whom '{trusted}' names.",
            details=[_words(str(error))],
            next="a company's proxy: its CA's file in REQUESTS_CA_BUNDLE; the emulator: aml local env has its own",
        )
    if not answered and _unreachable(error):
        proxy = urlsplit(os.environ.get("HTTPS_PROXY", "")).hostname
        next = "aml local up" if proxy == "127.0.0.1" else "check network and proxy; aml doctor says more"
        return CloudError("Azure could not be reached.", details=[_words(str(error))], next=next)
    if isinstance(error, azure.ClientAuthenticationError) and error.response is None:  # azure-identity's own
        words = _words(str(error))
        if "authority configuration" in words:  # what MSAL makes of Entra's answer for a tenant that it does not know
            known = KNOWN["AADSTS90002"]
            return known.kind(known.cause, details=[words], next=known.next)
        next = f"install the Azure CLI, then {SIGN_IN}; or set {PRINCIPAL}" if "not found on path" in words else SIGN_IN
        return Mistake("There is no sign-in.", details=[words], next=next)
    if isinstance(error, azure.HttpResponseError):
        return _of_answer(error)
    module = type(error).__module__
    if module.startswith("azure.ai.ml") or module.startswith("marshmallow"):
        return _of_sdk(error)
    return CloudError(f"{type(error).__name__}: {_words(str(error))}", next="the same command with --debug shows where")


def codes(error: HttpResponseError) -> Iterator[str]:
    """Every code of the answer, the innermost first: Azure ML wraps the real one in ``UserError``."""
    storage = getattr(error, "error_code", None)
    if storage:
        yield str(getattr(storage, "value", storage))
    model = getattr(error, "error", None)
    if model is None:
        return
    inner = getattr(model, "innererror", None)
    found = []
    while isinstance(inner, dict):
        if inner.get("code"):
            found.append(str(inner["code"]))
        inner = inner.get("innererror") or inner.get("innerError")
    yield from reversed(found)
    for detail in getattr(model, "details", None) or ():
        if getattr(detail, "code", None):
            yield str(detail.code)
    if getattr(model, "code", None):
        yield str(model.code)


def _of_answer(error: HttpResponseError) -> RunnerError:
    given = list(codes(error))
    message = _words(_message(error))
    known = next((KNOWN[code] for code in given if code in KNOWN), None)
    if known is None and re.search(r"soft.?deleted|in deleted state", message, re.IGNORECASE):
        known = SOFT_DELETED
    details = [message] if message else []
    request = getattr(error.response, "headers", {}).get("x-ms-request-id")
    if known:
        return known.kind(
            f"{known.cause} ({given[-1] if given else error.status_code})", details=details, next=known.next
        )
    if request:
        details.append(f"request id: {request}")
    code = given[-1] if given else "no code"
    status = error.status_code
    caller = status is not None and 400 <= status < 500 and status not in (401, 403, 408, 429)
    kind = Mistake if caller else CloudError
    return kind(f"Azure answered {status} {error.reason or ''} ({code}).".replace("  ", " "), details=details)


def _message(error: HttpResponseError) -> str:
    model = getattr(error, "error", None)
    return str(getattr(model, "message", None) or error.message)


def _of_sdk(error: Exception) -> RunnerError:
    category = getattr(error, "error_category", None)
    kind = CloudError if category == "SystemError" else Mistake
    return kind(_words(str(getattr(error, "message", None) or error)) or type(error).__name__)


def _unreachable(error: BaseException | None) -> bool:
    """Whether no answer came at all; azure-identity wraps that in an error of its own."""
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    while error is not None:
        if isinstance(error, ServiceRequestError | ServiceResponseError):
            return True
        if type(error).__module__.split(".")[0] in ("requests", "urllib3"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _words(text: str) -> str:
    """A message without colours, on one line, of a length that people read."""
    plain = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())
    return plain if len(plain) <= SHOWN else f"{plain[:SHOWN]} …"
