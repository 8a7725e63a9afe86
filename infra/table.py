"""One table: a Pulumi type token -> the ARM request that the vendor's azure-native provider sends for it.

What uses it: the in-process apply, and any other engine that turns a resource into a request. Pure: no client, no socket.
The path, the API version and what stands outside ``properties`` are the provider's for the SDK's version 3.29 (each resource's
docstring in ``pulumi_azure_native`` names its "Azure REST API version"); arguments arrive with the SDK's own camelCase names,
which are ARM's but for ``renamed``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from infra.errors import TableError

GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
ML = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{{workspaceName}}"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{{accountName}}"

NETWORK = f"{GROUP}/providers/Microsoft.Network"

TRACKED = ("location", "tags")
# What stands beside ``properties`` in a part of a network that is a resource of its own as well.
PART = ("id", "name", "type", "etag")
SCOPES = ("scope", "resourceUri")  # arguments that are an id themselves


@dataclass(frozen=True)
class ResourceType:
    """``path`` has an argument's name in braces; ``top`` arguments stand beside ``properties``, ``query`` ones in the query,
    all others in ``properties``. ``items`` are lists whose members have ``properties`` too, each with what stands beside them;
    ``within`` are names further down that are not ARM's, by the argument that they are in; ``fixed`` are arguments for what the
    path says already. ``secrets`` are paths in the body that Azure takes and never gives back.
    """

    path: str
    api_version: str
    top: tuple[str, ...] = TRACKED
    query: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    within: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    on_delete: Mapping[str, str] = field(default_factory=dict)
    """What a DELETE says beside the API version."""

    @property
    def singleton(self) -> bool:
        """Comes and goes with its parent, which names it: ``blobServices/default``."""
        return not self.path.endswith("}")

    @property
    def type(self) -> str:
        return type_of(self.path)


RESOURCES: Mapping[str, ResourceType] = {
    "azure-native:resources:ResourceGroup": ResourceType(GROUP, "2024-03-01", (*TRACKED, "managedBy")),
    "azure-native:storage:StorageAccount": ResourceType(
        STORAGE,
        "2024-01-01",
        (*TRACKED, "sku", "kind", "identity", "extendedLocation"),
        renamed={
            "enableHttpsTrafficOnly": "supportsHttpsTrafficOnly",
            "enableNfsV3": "isNfsV3Enabled",
            "networkRuleSet": "networkAcls",
        },
        within={"networkRuleSet": {"iPAddressOrRange": "value", "virtualNetworkResourceId": "id"}},
    ),
    "azure-native:storage:BlobContainer": ResourceType(
        f"{STORAGE}/blobServices/default/containers/{{containerName}}", "2024-01-01", ()
    ),
    "azure-native:storage:BlobServiceProperties": ResourceType(
        f"{STORAGE}/blobServices/default", "2024-01-01", (), fixed=("blobServicesName",)
    ),
    "azure-native:keyvault:Vault": ResourceType(
        f"{GROUP}/providers/Microsoft.KeyVault/vaults/{{vaultName}}", "2024-11-01", (*TRACKED, "properties")
    ),
    "azure-native:operationalinsights:Workspace": ResourceType(
        f"{GROUP}/providers/Microsoft.OperationalInsights/workspaces/{{workspaceName}}",
        "2023-09-01",
        (*TRACKED, "identity"),
    ),
    "azure-native:applicationinsights:Component": ResourceType(
        f"{GROUP}/providers/Microsoft.Insights/components/{{resourceName}}",
        "2020-02-02",
        (*TRACKED, "kind"),
        # https://learn.microsoft.com/azure/templates/microsoft.insights/components: the type's own capitals
        renamed={
            "applicationType": "Application_Type",
            "disableIpMasking": "DisableIpMasking",
            "disableLocalAuth": "DisableLocalAuth",
            "flowType": "Flow_Type",
            "forceCustomerStorageForProfiler": "ForceCustomerStorageForProfiler",
            "hockeyAppId": "HockeyAppId",
            "immediatePurgeDataOn30Days": "ImmediatePurgeDataOn30Days",
            "ingestionMode": "IngestionMode",
            "requestSource": "Request_Source",
            "retentionInDays": "RetentionInDays",
            "samplingPercentage": "SamplingPercentage",
            "workspaceResourceId": "WorkspaceResourceId",
            "appId": "AppId",
            "applicationId": "ApplicationId",
            "connectionString": "ConnectionString",
            "creationDate": "CreationDate",
            "instrumentationKey": "InstrumentationKey",
            "tenantId": "TenantId",
        },
    ),
    "azure-native:managedidentity:UserAssignedIdentity": ResourceType(
        f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{{resourceName}}", "2023-01-31"
    ),
    "azure-native:authorization:RoleAssignment": ResourceType(
        "/{scope}/providers/Microsoft.Authorization/roleAssignments/{roleAssignmentName}", "2022-04-01", ()
    ),
    "azure-native:authorization:ManagementLockByScope": ResourceType(
        "/{scope}/providers/Microsoft.Authorization/locks/{lockName}", "2020-05-01", ()
    ),
    "azure-native:containerregistry:Registry": ResourceType(
        f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/{{registryName}}",
        "2023-01-01-preview",
        (*TRACKED, "sku", "identity"),
        within={"networkRuleSet": {"iPAddressOrRange": "value"}},
    ),
    "azure-native:monitor:DiagnosticSetting": ResourceType(
        "/{resourceUri}/providers/Microsoft.Insights/diagnosticSettings/{name}", "2021-05-01-preview", ()
    ),
    "azure-native:consumption:Budget": ResourceType(
        "/{scope}/providers/Microsoft.Consumption/budgets/{budgetName}", "2024-08-01", ("eTag",)
    ),
    "azure-native:network:NetworkSecurityGroup": ResourceType(
        f"{NETWORK}/networkSecurityGroups/{{networkSecurityGroupName}}",
        "2024-05-01",
        (*TRACKED, "id"),
        items={"securityRules": PART},
    ),
    "azure-native:network:PublicIPAddress": ResourceType(
        f"{NETWORK}/publicIPAddresses/{{publicIpAddressName}}",
        "2024-05-01",
        (*TRACKED, "id", "sku", "zones", "extendedLocation"),
    ),
    "azure-native:network:NatGateway": ResourceType(
        f"{NETWORK}/natGateways/{{natGatewayName}}", "2024-05-01", (*TRACKED, "id", "sku", "zones")
    ),
    "azure-native:network:VirtualNetwork": ResourceType(
        f"{NETWORK}/virtualNetworks/{{virtualNetworkName}}",
        "2024-05-01",
        (*TRACKED, "id", "extendedLocation"),
        items={"subnets": PART, "virtualNetworkPeerings": PART},
    ),
    "azure-native:network:PrivateEndpoint": ResourceType(
        f"{NETWORK}/privateEndpoints/{{privateEndpointName}}",
        "2024-05-01",
        (*TRACKED, "id", "extendedLocation"),
        items={
            "privateLinkServiceConnections": PART,
            "manualPrivateLinkServiceConnections": PART,
            "ipConfigurations": PART,
        },
    ),
    "azure-native:network:PrivateDnsZoneGroup": ResourceType(
        f"{NETWORK}/privateEndpoints/{{privateEndpointName}}/privateDnsZoneGroups/{{privateDnsZoneGroupName}}",
        "2024-05-01",
        ("id", "name"),
        items={"privateDnsZoneConfigs": ("name",)},
    ),
    "azure-native:privatedns:PrivateZone": ResourceType(f"{NETWORK}/privateDnsZones/{{privateZoneName}}", "2024-06-01"),
    "azure-native:privatedns:VirtualNetworkLink": ResourceType(
        f"{NETWORK}/privateDnsZones/{{privateZoneName}}/virtualNetworkLinks/{{virtualNetworkLinkName}}", "2024-06-01"
    ),
    "azure-native:machinelearningservices:Workspace": ResourceType(
        ML, "2025-12-01", (*TRACKED, "sku", "kind", "identity")
    ),
    "azure-native:machinelearningservices:Datastore": ResourceType(
        f"{ML}/datastores/{{name}}",
        "2025-12-01",
        ("properties",),
        query=("skipValidation",),
        secrets=("properties.credentials.secrets",),
    ),
    "azure-native:machinelearningservices:Compute": ResourceType(
        f"{ML}/computes/{{computeName}}",
        "2025-12-01",
        (*TRACKED, "sku", "identity", "properties"),
        on_delete={"underlyingResourceAction": "Delete"},
    ),
}

# Functions of the SDK that are one POST: token -> path and API version.
FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "azure-native:storage:listStorageAccountKeys": (f"{STORAGE}/listKeys", "2024-01-01"),
}


@dataclass(frozen=True)
class Request:
    """``path`` is the resource's id, percent-encoded where its names need it; ``query`` holds ``api-version``."""

    id: str
    path: str
    query: Mapping[str, str]
    body: Mapping[str, Any]


def request(token: str, inputs: Mapping[str, Any], *, subscription: str) -> Request:
    """The PUT that makes a resource of this type from the SDK's arguments."""
    kind = resource_type(token)
    id, used = _fill(token, kind.path, inputs, subscription)
    body: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for name, value in _whole(inputs).items():
        if name in used or name in kind.query or name in kind.fixed or value is None:
            continue
        if name in kind.top:
            body[name] = _identities(value) if name == "identity" else value
        elif name in kind.items:
            properties[name] = [_nested(item, kind.items[name]) for item in value]
        else:
            properties[kind.renamed.get(name, name)] = _renamed(value, kind.within.get(name, {}))
    if properties:
        body["properties"] = properties
    query = {name: str(inputs[name]).lower() for name in kind.query if inputs.get(name) is not None}
    return Request(id, quoted(id), {"api-version": kind.api_version, **query}, body)


def outputs(token: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """ARM's answer as the SDK's output properties: what stood under ``properties`` beside the rest, under the SDK's names."""
    kind = resource_type(token)
    back = {there: here for here, there in kind.renamed.items()}
    found = {name: value for name, value in answer.items() if name != "properties"}
    properties = answer.get("properties") or {}
    if "properties" in kind.top:
        found["properties"] = properties
    else:
        found.update({back.get(name, name): value for name, value in properties.items()})
    for name, inner in kind.within.items():
        found.update(
            {name: _renamed(found[name], {there: here for here, there in inner.items()})} if name in found else {}
        )
    for name in kind.items:
        if isinstance(found.get(name), list):
            found[name] = [{**item, **(item.pop("properties", None) or {})} for item in map(dict, found[name])]
    return found


def function(token: str, args: Mapping[str, Any], *, subscription: str) -> tuple[str, str]:
    """``(path, API version)`` of the POST behind a function of the SDK."""
    if token not in FUNCTIONS:
        raise TableError(f"{token} is not in infra/table.py: add its path and API version to FUNCTIONS")
    path, version = FUNCTIONS[token]
    return quoted(_fill(token, path, args, subscription)[0]), version


def resource_type(token: str) -> ResourceType:
    if token not in RESOURCES:
        raise TableError(
            f"{token} is not in infra/table.py: add its path, API version and top-level arguments to RESOURCES"
        )
    return RESOURCES[token]


def type_of(id: str) -> str:
    """``Microsoft.Storage/storageAccounts/blobServices/containers``, of an id or of a path of the table."""
    namespace, *rest = id.rpartition("/providers/")[2].split("/")
    return "/".join([namespace, *rest[::2]]) if "/providers/" in id else "Microsoft.Resources/resourceGroups"


def of_id(id: str) -> ResourceType:
    """The resource type of an id, so that one that left the program can still be asked for and deleted."""
    type = type_of(id)
    for kind in RESOURCES.values():
        if kind.type.lower() == type.lower():
            return kind
    raise TableError(f"{id}: its type, {type}, is not in infra/table.py")


def api_version(id: str) -> str:
    return of_id(id).api_version


def deletion(id: str) -> dict[str, str]:
    """The query of the DELETE."""
    kind = of_id(id)
    return {"api-version": kind.api_version, **kind.on_delete}


def quoted(id: str) -> str:
    """An id as a path, percent-encoded where its names need it."""
    return quote(id, safe="/")


def names_in(token: str, id: str) -> dict[str, str]:
    """The arguments that stand in an id: what ``request`` makes its path of, back."""
    path = resource_type(token).path
    pattern = re.sub(r"{(\w+)}", lambda match: f"(?P<{match[1]}>{'.+' if match[1] in SCOPES else '[^/]+'})", path)
    found = re.fullmatch(pattern, id, re.IGNORECASE)
    if found is None:
        raise TableError(f"'{id}' is not the id of a {token}: {path}")
    names = {name: value for name, value in found.groupdict().items() if name != "subscriptionId"}
    return {name: f"/{value}" if name in SCOPES else value for name, value in names.items()}


def _fill(token: str, path: str, inputs: Mapping[str, Any], subscription: str) -> tuple[str, set[str]]:
    values = {"subscriptionId": subscription, **{name: value for name, value in inputs.items() if value is not None}}
    names = re.findall(r"{(\w+)}", path)
    for name in names:
        if not isinstance(values.get(name), str) or not values[name]:
            raise TableError(
                f"{token}: {name} is not given; every name is derived by infra/naming.py, none is left to chance"
            )
        if name not in SCOPES and ("/" in values[name] or values[name] in (".", "..")):
            raise TableError(f"{token}: '{values[name]}' of {name} would be more than one part of the resource's path")
    filled = re.sub(r"{(\w+)}", lambda match: str(values[match[1]]).strip("/"), path)
    return filled, set(names)


def _whole(value: Any) -> Any:
    """Whole numbers as ARM takes them: they come from Pulumi as floats, since its wire format has no other number."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping) and names:
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value


def _nested(item: Mapping[str, Any], beside: tuple[str, ...]) -> dict[str, Any]:
    return {
        **{name: value for name, value in item.items() if name in beside},
        "properties": {name: value for name, value in item.items() if name not in beside},
    }


def _identities(value: Any) -> Any:
    """The provider takes user-assigned identities as a list of ids and sends ARM's map of id -> {}."""
    ids = value.get("userAssignedIdentities") if isinstance(value, Mapping) else None
    return {**value, "userAssignedIdentities": {id: {} for id in ids}} if isinstance(ids, list) else value
