"""Who may do what, and why: every role that a stack assigns is a row of ``GRANTS``, and no role is assigned that is not.

``docs/roles.md`` is written from this table.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ROLES = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "AzureML Data Scientist": "f6c7c914-8db3-469d-8ca1-694a8f32e121",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Key Vault Administrator": "00482a5a-887f-4fb3-b363-3b7fe8e74483",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage File Data Privileged Contributor": "69566ab7-960f-475b-8e7c-b3118f30c6bd",
}
SCOPES = {
    "storage": "the storage account",
    "vault": "the key vault",
    "registry": "the container registry",
    "insights": "Application Insights",
    "workspace": "the workspace",
}
# Facts of a stack that a grant may depend on.
KEYLESS, BUILDS, PULLS = "keyless", "builds", "pulls"
WHEN = {
    KEYLESS: "`datastoreAuth` is `identity`",
    BUILDS: "`network.mode` is `private`, so that images are built on the cluster",
    PULLS: "`network.mode` is `public`, so that the registry builds images itself",
}
WORKSPACE, CLUSTER, RUNNER, INVOKER, DATA = "workspace", "cluster", "runner", "invoker", "data contributor"
WHO = {
    WORKSPACE: "the workspace's user-assigned identity",
    CLUSTER: "the cluster's user-assigned identity",
    RUNNER: "who submits jobs and publishes endpoints: each of `runners`",
    INVOKER: "who calls the batch endpoint: each of `invokers`",
    DATA: "who looks after the data and nothing else: each of `dataContributors`",
}
# Parts of a system that have no row, so that nobody looks for one.
NOTHING = {
    "the batch endpoint": "a job behind it runs as whoever invoked it, and the cluster's identity reads and writes the data "
    "(https://learn.microsoft.com/azure/machine-learning/how-to-authenticate-batch-endpoint)",
    "a compute instance": "it has no identity of its own: who works on it signs in as themselves",
    "who applies the stack": "a stack cannot give its maker the right to make it: Contributor, and Role Based Access Control "
    "Administrator, on the resource group or the subscription",
}


@dataclass(frozen=True)
class Grant:
    who: str
    role: str
    on: str
    why: str
    when: str | None = None


# Of the workspace: https://learn.microsoft.com/azure/machine-learning/how-to-identity-based-service-authentication#workspace
GRANTS = (
    Grant(WORKSPACE, "Contributor", "storage", "makes its containers and shares, and reads the account's settings"),
    Grant(WORKSPACE, "Storage Blob Data Contributor", "storage", "keeps snapshots, logs and models; previews data"),
    Grant(
        WORKSPACE,
        "Storage File Data Privileged Contributor",
        "storage",
        "keeps notebooks in the file share, which it has no key for",
        KEYLESS,
    ),
    Grant(WORKSPACE, "Contributor", "vault", "reads the vault's settings before it uses it"),
    Grant(WORKSPACE, "Key Vault Administrator", "vault", "keeps the secrets of datastores and connections there"),
    Grant(WORKSPACE, "Contributor", "registry", "builds images there, and pushes them"),
    Grant(WORKSPACE, "Contributor", "insights", "reads where to send what endpoints and jobs report"),
    Grant(CLUSTER, "Storage Blob Data Contributor", "storage", "reads a job's inputs and writes its outputs"),
    Grant(CLUSTER, "AcrPull", "registry", "pulls the images of environments", PULLS),
    Grant(CLUSTER, "AcrPush", "registry", "pulls the images of environments, and pushes those that it builds", BUILDS),
    Grant(
        RUNNER,
        "AzureML Data Scientist",
        "workspace",
        "submits jobs, registers assets, publishes endpoints; may not change computes or the workspace",
    ),
    Grant(RUNNER, "Storage Blob Data Contributor", "storage", "uploads code and data, downloads outputs"),
    Grant(INVOKER, "AzureML Data Scientist", "workspace", "makes the job that an invocation is, and reads its state"),
    Grant(INVOKER, "Storage Blob Data Contributor", "storage", "puts the data to score there, and fetches the scores"),
    Grant(DATA, "Storage Blob Data Contributor", "storage", "reads and writes the data"),
)


def of(who: Collection[str], facts: frozenset[str]) -> list[Grant]:
    """Each role once, though one who is several may need it twice."""
    found = [grant for grant in GRANTS if grant.who in who and grant.when in (None, *facts)]
    return list({(grant.role, grant.on): grant for grant in reversed(found)}.values())[::-1]
