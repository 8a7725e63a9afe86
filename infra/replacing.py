"""What Azure cannot change in place: for each type of the table, the arguments whose change makes another resource.

A resource's place in its path (its name, its parents' names, its scope) and its location are the same for all types, and not
repeated here. What azure-native replaces by hand-written rule or by the specification's ``x-ms-mutability`` is
https://github.com/pulumi/pulumi-azure-native/blob/master/provider/pkg/gen/replacement.go; where Azure refuses a change that
azure-native would send, the property is here all the same: a plan that cannot be carried out is no plan. So that azure-native
plans it too, the program says it of each resource (``said``): of Azure ML's types the specification marks almost nothing, so
azure-native sends a cluster's other size, which Azure does not heed: https://github.com/Azure/azure-rest-api-specs/issues/18889.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import pulumi

from infra import table

# A path covers all that is below it; ``[]`` of a list is left out.
REPLACING: Mapping[str, tuple[str, ...]] = {
    # https://learn.microsoft.com/rest/api/storagerp/storage-accounts/create: none of these is in what an update takes, and of
    # kinds only an upgrade to StorageV2 is.
    "azure-native:storage:StorageAccount": (
        "kind",
        "isHnsEnabled",
        "enableNfsV3",
        "extendedLocation",
        "immutableStorageWithVersioning",
        "encryption.requireInfrastructureEncryption",
    ),
    # https://learn.microsoft.com/rest/api/storagerp/blob-containers/create
    "azure-native:storage:BlobContainer": (
        "defaultEncryptionScope",
        "denyEncryptionScopeOverride",
        "immutableStorageWithVersioning",
    ),
    # https://learn.microsoft.com/azure/role-based-access-control/troubleshooting: RoleAssignmentUpdateNotPermitted
    "azure-native:authorization:RoleAssignment": ("principalId", "principalType", "roleDefinitionId"),
    # https://learn.microsoft.com/azure/templates/microsoft.machinelearningservices/workspaces: "cannot be changed once the
    # workspace has been created"
    "azure-native:machinelearningservices:Workspace": (
        "storageAccount",
        "keyVault",
        "kind",
        "hbiWorkspace",
        "hubResourceId",
        "encryption",
    ),
    # https://learn.microsoft.com/azure/templates/microsoft.machinelearningservices/workspaces/datastores
    "azure-native:machinelearningservices:Datastore": ("properties.datastoreType",),
    # https://learn.microsoft.com/rest/api/azureml/compute/update takes the scale of a cluster alone
    "azure-native:machinelearningservices:Compute": (
        "properties.computeType",
        "properties.disableLocalAuth",
        *(
            f"properties.properties.{name}"
            for name in (
                "vmSize",
                "vmPriority",
                "osType",
                "subnet",
                "enableNodePublicIp",
                "isolatedNetwork",
                "remoteLoginPortPublicAccess",
                "userAccountCredentials",
                "sshSettings",
                "computeInstanceAuthorizationType",
                "personalComputeInstanceSettings",
            )
        ),
    ),
    "azure-native:network:PublicIPAddress": ("publicIPAddressVersion", "publicIPPrefix", "sku", "zones"),
    "azure-native:network:NatGateway": ("sku", "zones"),
    # https://github.com/pulumi/pulumi-azure-native/issues/3883
    "azure-native:network:PrivateEndpoint": ("subnet",),
    "azure-native:privatedns:VirtualNetworkLink": ("virtualNetwork",),
    # https://learn.microsoft.com/rest/api/consumption/budgets/create-or-update
    "azure-native:consumption:Budget": ("timeGrain", "category", "timePeriod.startDate"),
}


def said(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """A resource with its properties of ``REPLACING`` among its options: a transformation of the whole stack. The name stays, so
    the old one goes first: azure-native says that of itself only where it is itself that asks for a replacement."""
    paths = REPLACING.get(args.type_)
    if paths is None:
        return None
    own = pulumi.ResourceOptions(replace_on_changes=list(paths), delete_before_replace=True)
    return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, own))


def replaces(token: str, path: str) -> bool:
    """Whether a change at ``path`` of the arguments makes another resource."""
    plain = re.sub(r"\[\d+\]", "", path)
    fixed = (*re.findall(r"{(\w+)}", table.resource_type(token).path), "location", *REPLACING.get(token, ()))
    return any(plain == name or plain.startswith(f"{name}.") for name in fixed)
