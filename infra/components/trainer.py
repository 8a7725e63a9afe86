"""The compute cluster that jobs train on."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from infra.config import Compute
from infra.place import Place


@dataclass(frozen=True)
class TrainerArgs:
    """``subnet_id``: where its nodes are, in the stack's own network; ``public_nodes``: whether they have public addresses."""

    place: Place
    identity_id: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    compute: Compute
    subnet_id: pulumi.Input[str] | None
    public_nodes: bool


class Trainer(pulumi.ComponentResource):
    name: pulumi.Output[str]

    def __init__(self, name: str, args: TrainerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Trainer", name, None, opts)
        compute = args.compute
        cluster = ml.Compute(
            name,
            compute_name=compute.name,
            workspace_name=args.workspace_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            identity=ml.ManagedServiceIdentityArgs(
                type=ml.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[args.identity_id]
            ),
            properties=ml.AmlComputeArgs(
                compute_type="AmlCompute",
                disable_local_auth=True,
                properties=ml.AmlComputePropertiesArgs(
                    os_type=ml.OsType.LINUX,
                    vm_size=compute.size,
                    vm_priority=ml.VmPriority(compute.tier),
                    remote_login_port_public_access=ml.RemoteLoginPortPublicAccess.DISABLED,
                    enable_node_public_ip=args.public_nodes,
                    subnet=ml.ResourceIdArgs(id=args.subnet_id) if args.subnet_id is not None else None,
                    scale_settings=ml.ScaleSettingsArgs(
                        min_node_count=compute.min_instances,
                        max_node_count=compute.max_instances,
                        node_idle_time_before_scale_down=f"PT{compute.idle_seconds}S",
                    ),
                ),
            ),
            opts=args.place.stateful(self, opts),
        )
        self.name = cluster.name
        self.register_outputs({"name": self.name})
