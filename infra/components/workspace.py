"""The Azure ML workspace."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from infra.place import Place


@dataclass(frozen=True)
class WorkspaceArgs:
    """``keyless``: its own datastores are reached with identities, otherwise with the account's key. ``isolation`` is of the
    network that Azure ML keeps for nodes; ``build_compute`` names the cluster that builds images, where the registry cannot.
    """

    place: Place
    public_access: str
    isolation: str
    workspace_name: str
    identity_id: pulumi.Input[str]
    storage_id: pulumi.Input[str]
    vault_id: pulumi.Input[str]
    application_insights_id: pulumi.Input[str]
    registry_id: pulumi.Input[str] | None
    build_compute: str | None
    keyless: bool


class Workspace(pulumi.ComponentResource):
    id: pulumi.Output[str]
    workspace_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkspaceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Workspace", name, None, opts)
        workspace = ml.Workspace(
            name,
            workspace_name=args.workspace_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            sku=ml.SkuArgs(name="Basic", tier=ml.SkuTier.BASIC),
            # An identity of its own making would be given far more than it needs, and only once the workspace is there.
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[args.identity_id]
            ),
            primary_user_assigned_identity=args.identity_id,
            friendly_name=args.workspace_name,
            storage_account=args.storage_id,
            key_vault=args.vault_id,
            application_insights=args.application_insights_id,
            container_registry=args.registry_id,
            image_build_compute=args.build_compute,
            system_datastores_auth_mode=(
                ml.SystemDatastoresAuthMode.IDENTITY if args.keyless else ml.SystemDatastoresAuthMode.ACCESS_KEY
            ),
            public_network_access=ml.PublicNetworkAccessType(args.public_access),
            managed_network=ml.ManagedNetworkSettingsArgs(isolation_mode=ml.IsolationMode(args.isolation)),
            v1_legacy_mode=False,
            opts=args.place.stateful(self, opts),
        )
        self.id = workspace.id
        self.workspace_name = workspace.name
        self.register_outputs({"id": self.id, "workspaceName": self.workspace_name})
