"""Names of resources: one pure function, valid by construction for each type's rule.

Must live here: Azure's rules for names, and how a name is made from project, stack, region and suffix. Must not: any resource.

The rules are https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules; where the REST
specification is stricter, its pattern is the one taken. The abbreviations in front are
https://learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """``pattern`` is Azure's; ``join`` stands between a name's parts; ``unique`` names are shared with all of Azure
    (or of its region), and so end in the suffix, behind ``seam`` where ``join`` will not do."""

    prefix: str
    pattern: str
    longest: int
    join: str = "-"
    unique: bool = False
    seam: str | None = None


# https://learn.microsoft.com/azure/templates/microsoft.machinelearningservices/workspaces/computes
COMPUTE = r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}"

RULES: Mapping[str, Rule] = {
    # https://learn.microsoft.com/rest/api/resources/resource-groups/create-or-update#uri-parameters
    "resourceGroup": Rule("rg", r"[-\w.()]{0,89}[-\w()]", 90),
    # https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name
    "storageAccount": Rule("st", r"[a-z0-9]{3,24}", 24, join="", unique=True),
    # https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates#vault-name-and-object-name
    "vault": Rule("kv", r"(?=.{3,24}$)[a-zA-Z](-?[a-zA-Z0-9])+", 24, unique=True),
    # https://learn.microsoft.com/azure/templates/microsoft.operationalinsights/workspaces
    "logAnalytics": Rule("log", r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]", 63),
    # https://learn.microsoft.com/azure/templates/microsoft.insights/components
    "applicationInsights": Rule("appi", r"[^%&\\?/]{0,259}[^%&\\?/. ]", 260),
    # https://learn.microsoft.com/azure/templates/microsoft.managedidentity/userassignedidentities
    "clusterIdentity": Rule("id-cluster", r"[A-Za-z0-9][-\w]{2,127}", 128),
    "workspaceIdentity": Rule("id-workspace", r"[A-Za-z0-9][-\w]{2,127}", 128),
    # https://learn.microsoft.com/azure/templates/microsoft.containerregistry/registries
    "registry": Rule("cr", r"[a-zA-Z0-9]{5,50}", 50, join="", unique=True),
    # https://learn.microsoft.com/azure/templates/microsoft.network/virtualnetworks, and the other types beside it
    "network": Rule("vnet", r"[a-zA-Z0-9][\w.-]{0,62}\w", 64),
    "securityGroup": Rule("nsg", r"[a-zA-Z0-9][\w.-]{0,78}\w", 80),
    "natGateway": Rule("ng", r"[a-zA-Z0-9][\w.-]{0,78}\w", 80),
    "publicIp": Rule("pip", r"[a-zA-Z0-9][\w.-]{0,78}\w", 80),
    # 64 less room for what the endpoint is of
    "privateEndpoint": Rule("pep", r"[a-zA-Z0-9][\w.-]{0,52}\w", 54),
    # https://learn.microsoft.com/azure/templates/microsoft.consumption/budgets
    "budget": Rule("budget", r"[-\w]{1,63}", 63),
    # https://learn.microsoft.com/azure/templates/microsoft.machinelearningservices/workspaces
    "workspace": Rule("mlw", r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}", 33),
    # https://learn.microsoft.com/azure/machine-learning/reference-yaml-endpoint-batch: unique in its region
    "batchEndpoint": Rule("iris", r"[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]", 32, unique=True),
    # https://learn.microsoft.com/azure/machine-learning/how-to-create-compute-instance: unique in its region
    "computeInstance": Rule("ci", COMPUTE, 24, unique=True, seam="-x"),
}

# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata#container-names
CONTAINER = r"(?=.{3,63}$)[a-z0-9](-?[a-z0-9])+"
# https://learn.microsoft.com/python/api/azureml-core/azureml.core.datastore.datastore#parameters
DATASTORE = r"[a-zA-Z0-9_]{1,255}"
# https://learn.microsoft.com/azure/templates/microsoft.network/virtualnetworks/subnets
SUBNET = r"[a-zA-Z0-9]([\w.-]{0,78}\w)?"
SUFFIX = r"[a-z0-9]{2,8}"

COMPASS = ("north", "south", "east", "west", "central")


def derive(kind: str, *, project: str, stack: str, region: str, suffix: str) -> str:
    """The name of this stack's resource of ``kind`` (a key of ``RULES``); the same arguments give the same name.

    A name that would be too long loses its middle to a digest of what it lost, so two long names do not meet.
    ``suffix`` (``SUFFIX``) tells this name from everybody else's where the type's names are shared with all of Azure.
    """
    if not re.fullmatch(SUFFIX, suffix):
        raise ValueError(f"the suffix of names is '{suffix}', and must be 2 to 8 lower-case letters and digits")
    rule = RULES[kind]
    head = rule.join.join(filter(None, (rule.prefix, _plain(project, rule), _plain(stack, rule), short(region))))
    seam = rule.join if rule.seam is None else rule.seam
    tail = f"{seam}{suffix}" if rule.unique else ""
    room = rule.longest - len(tail)
    if len(head) > room:
        digest = hashlib.sha256(head.encode()).hexdigest()[:5]
        head = head[: room - len(digest)].rstrip("-") + digest
    return head + tail


def suffix_for(subscription: str) -> str:
    """The suffix where the stack names none: six characters of the subscription's digest, so stable and nobody else's."""
    return hashlib.sha256(subscription.lower().encode()).hexdigest()[:6]


def short(region: str) -> str:
    """``westeurope`` -> ``weu``, ``eastus2`` -> ``eus2``: a point of the compass gives its initial, another word two letters."""
    words = re.findall(rf"{'|'.join(COMPASS)}|(?:(?!{'|'.join(COMPASS)})[a-z])+|\d+", region.lower().replace(" ", ""))
    return "".join(word[0] if word in COMPASS else word if word.isdigit() else word[:2] for word in words)


def _plain(part: str, rule: Rule) -> str:
    """``part`` in the letters, digits and single joins that every type's rule allows."""
    return re.sub(r"[^a-z0-9]+", rule.join, part.lower()).strip("-")


def region(text: object) -> str:
    """A region's name as Azure compares it: ``West Europe`` is ``westeurope``."""
    return str(text).lower().replace(" ", "")
