"""The compute cluster that jobs train on, and the identity that they reach their data with."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml
from pulumi_azure_native import managedidentity

from infra.components import roles
from infra.config import Compute
from infra.place import Place


@dataclass(frozen=True)
class TrainerArgs:
    place: Place
    identity_name: str
    workspace_name: pulumi.Input[str]
    storage_id: pulumi.Input[str]
    compute: Compute


class Trainer(pulumi.ComponentResource):
    name: pulumi.Output[str]

    def __init__(self, name: str, args: TrainerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Trainer", name, None, opts)
        own = pulumi.ResourceOptions(parent=self)
        identity = managedidentity.UserAssignedIdentity(
            f"{name}-identity",
            resource_name_=args.identity_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            opts=own,
        )
        roles.assign(
            f"{name}-data",
            "Storage Blob Data Contributor",
            scope=args.storage_id,
            principal_id=identity.principal_id,
            principal_type="ServicePrincipal",
            parent=self,
        )
        compute = args.compute
        cluster = ml.Compute(
            name,
            compute_name=compute.name,
            workspace_name=args.workspace_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity.id]
            ),
            properties=ml.AmlComputeArgs(
                compute_type="AmlCompute",
                disable_local_auth=True,
                properties=ml.AmlComputePropertiesArgs(
                    os_type=ml.OsType.LINUX,
                    vm_size=compute.size,
                    vm_priority=ml.VmPriority(compute.tier),
                    remote_login_port_public_access=ml.RemoteLoginPortPublicAccess.DISABLED,
                    scale_settings=ml.ScaleSettingsArgs(
                        min_node_count=compute.min_instances,
                        max_node_count=compute.max_instances,
                        node_idle_time_before_scale_down=f"PT{compute.idle_seconds}S",
                    ),
                ),
            ),
            opts=own,
        )
        self.name = cluster.name
        self.register_outputs({"name": self.name})
