"""Credentials: which one, and why. The choice is a pure function of the environment; the Azure package is imported when it is made.

On a build agent the federated token of the service connection, or of GitHub, or the service principal's id and key; on a laptop the
Azure CLI's sign-in. One is chosen and used: no chain of attempts, whose failures would all have to be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import CloudError, Mistake

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

CLIENT, TENANT, SECRET = "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"
CERTIFICATE, TOKEN_FILE = "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"
# What the tasks of Azure Pipelines set for a service connection with workload identity federation, and the agent's own token:
# https://learn.microsoft.com/python/api/azure-identity/azure.identity.azurepipelinescredential
CONNECTION_CLIENT, CONNECTION_TENANT = "AZURESUBSCRIPTION_CLIENT_ID", "AZURESUBSCRIPTION_TENANT_ID"
CONNECTION, AGENT_TOKEN, AGENT_REQUEST = (
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID",
    "SYSTEM_ACCESSTOKEN",
    "SYSTEM_OIDCREQUESTURI",
)
# What AzureCLI@2 sets for one with a key, where addSpnToEnvironment asks for it:
# https://learn.microsoft.com/azure/devops/pipelines/tasks/reference/azure-cli-v2
TASK = {CLIENT: "servicePrincipalId", SECRET: "servicePrincipalKey", TENANT: "tenantId"}
# What a job of GitHub's has that may ask for a token (permissions: id-token: write):
# https://docs.github.com/actions/reference/security/oidc#methods-for-requesting-the-oidc-token
GITHUB_REQUEST, GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
AUDIENCE = "api://AzureADTokenExchange"
GITHUB = "GitHub's token"
CLI_SECONDS = 60  # `az account get-access-token` on a cold laptop takes up to 20 s; azure-identity gives up after 10


@dataclass(frozen=True)
class Choice:
    """``name`` and ``why`` in words for people; ``make`` gives the credential."""

    name: str
    why: str
    make: Callable[[], TokenCredential]


def choose(environ: Mapping[str, str]) -> Choice:
    """The credential that this environment asks for; raises ``Mistake`` for a service principal that is named by halves."""

    def has(*names: str) -> bool:
        return all(environ.get(name) for name in names)

    if has(CLIENT, TENANT, SECRET):
        return Choice("service principal with its key", f"{CLIENT}, {TENANT} and {SECRET} are set", _principal(environ))
    if has(CLIENT, TENANT, CERTIFICATE):
        return Choice(
            "service principal with its certificate",
            f"{CLIENT}, {TENANT} and {CERTIFICATE} are set",
            _principal(environ),
        )
    if has(CLIENT, TENANT, TOKEN_FILE):
        return Choice("workload identity", f"{CLIENT}, {TENANT} and {TOKEN_FILE} are set", _workload(environ))
    if has(CONNECTION, CONNECTION_CLIENT, CONNECTION_TENANT, AGENT_TOKEN, AGENT_REQUEST):
        return Choice(
            "service connection of Azure Pipelines", f"{CONNECTION} and {AGENT_TOKEN} are set", _connection(environ)
        )
    if has(CONNECTION, CONNECTION_CLIENT) and not has(AGENT_TOKEN):
        raise Mistake(
            f"{CONNECTION} is set and {AGENT_TOKEN} is not: the agent may not ask for the service connection's token.",
            next="give the step  env: {SYSTEM_ACCESSTOKEN: $(System.AccessToken)}",
        )
    if has(CLIENT, TENANT, GITHUB_REQUEST, GITHUB_TOKEN):
        return Choice(GITHUB, f"{CLIENT}, {TENANT} and {GITHUB_REQUEST} are set", _github(environ))
    if has(*TASK.values()):
        given = {name: environ[variable] for name, variable in TASK.items()}
        why = f"{', '.join(TASK.values())} are set, by a task of Azure Pipelines"
        return Choice("service connection with a key", why, _principal(given))
    if has(SECRET) or has(CERTIFICATE):
        missing = [name for name in (CLIENT, TENANT) if not has(name)]
        which = SECRET if has(SECRET) else CERTIFICATE
        raise Mistake(
            f"{which} is set and {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not: half a service principal.",
            next=f"set all of {CLIENT}, {TENANT} and {which}, or none to use the Azure CLI's sign-in",
        )
    return Choice("the Azure CLI's sign-in", f"no service principal in the environment ({SECRET} is not set)", _cli)


def _principal(environ: Mapping[str, str]) -> Callable[[], TokenCredential]:
    def make() -> TokenCredential:
        from azure.identity import CertificateCredential, ClientSecretCredential

        if environ.get(SECRET):
            return ClientSecretCredential(environ[TENANT], environ[CLIENT], environ[SECRET])
        return CertificateCredential(environ[TENANT], environ[CLIENT], environ[CERTIFICATE])

    return make


def _workload(environ: Mapping[str, str]) -> Callable[[], TokenCredential]:
    def make() -> TokenCredential:
        from azure.identity import WorkloadIdentityCredential

        return WorkloadIdentityCredential(
            tenant_id=environ[TENANT], client_id=environ[CLIENT], token_file_path=environ[TOKEN_FILE]
        )

    return make


def _connection(environ: Mapping[str, str]) -> Callable[[], TokenCredential]:
    def make() -> TokenCredential:
        from azure.identity import AzurePipelinesCredential

        return AzurePipelinesCredential(
            tenant_id=environ[CONNECTION_TENANT],
            client_id=environ[CONNECTION_CLIENT],
            service_connection_id=environ[CONNECTION],
            system_access_token=environ[AGENT_TOKEN],
        )

    return make


def github_token(environ: Mapping[str, str]) -> str:
    """A federated token for Azure, of the job of GitHub's that this process is in; good for minutes."""
    import requests

    answer = requests.get(
        environ[GITHUB_REQUEST],
        params={"audience": AUDIENCE},
        headers={"Authorization": f"Bearer {environ[GITHUB_TOKEN]}"},
        timeout=30,
    )
    if answer.status_code != 200:
        raise CloudError(
            f"GitHub gave no token for Azure: it answered {answer.status_code}.",
            next="give the job  permissions: {id-token: write}",
        )
    return str(answer.json()["value"])


def _github(environ: Mapping[str, str]) -> Callable[[], TokenCredential]:
    def make() -> TokenCredential:
        from azure.identity import ClientAssertionCredential

        return ClientAssertionCredential(environ[TENANT], environ[CLIENT], lambda: github_token(environ))

    return make


def _cli() -> TokenCredential:
    from azure.identity import AzureCliCredential

    return AzureCliCredential(process_timeout=CLI_SECONDS)
