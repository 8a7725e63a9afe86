"""A compute instance: one person's machine, which stops by itself."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import machinelearningservices as ml

from infra.config import Instance
from infra.place import Place, child


@dataclass(frozen=True)
class WorkstationArgs:
    """``subnet_id`` and ``public_nodes`` as for the cluster."""

    place: Place
    instance_name: str
    tenant_id: pulumi.Input[str]
    workspace_name: pulumi.Input[str]
    instance: Instance
    subnet_id: pulumi.Input[str] | None
    public_nodes: bool


class Workstation(pulumi.ComponentResource):
    name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkstationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("aml:infra:Workstation", name, None, opts)
        instance = args.instance
        hour, minute = map(int, instance.stop_at.split(":"))
        machine = ml.Compute(
            name,
            compute_name=args.instance_name,
            workspace_name=args.workspace_name,
            resource_group_name=args.place.resource_group_name,
            location=args.place.location,
            tags=args.place.tags,
            properties=ml.ComputeInstanceArgs(
                compute_type="ComputeInstance",
                disable_local_auth=True,
                properties=ml.ComputeInstancePropertiesArgs(
                    vm_size=instance.size,
                    application_sharing_policy=ml.ApplicationSharingPolicy.PERSONAL,
                    compute_instance_authorization_type=ml.ComputeInstanceAuthorizationType.PERSONAL,
                    personal_compute_instance_settings=(
                        ml.PersonalComputeInstanceSettingsArgs(
                            assigned_user=ml.AssignedUserArgs(object_id=instance.assigned_to, tenant_id=args.tenant_id)
                        )
                        if instance.assigned_to
                        else None
                    ),
                    ssh_settings=ml.ComputeInstanceSshSettingsArgs(ssh_public_access=ml.SshPublicAccess.DISABLED),
                    enable_node_public_ip=args.public_nodes,
                    subnet=ml.ResourceIdArgs(id=args.subnet_id) if args.subnet_id is not None else None,
                    idle_time_before_shutdown=f"PT{instance.idle_minutes}M",
                    schedules=ml.ComputeSchedulesArgs(
                        compute_start_stop=[
                            ml.ComputeStartStopScheduleArgs(
                                action=ml.ComputePowerAction.STOP,
                                status=ml.ScheduleStatus.ENABLED,
                                trigger_type=ml.ComputeTriggerType.CRON,
                                cron=ml.CronArgs(expression=f"{minute} {hour} * * *", time_zone=instance.time_zone),
                            )
                        ]
                    ),
                ),
            ),
            opts=child(self, opts),
        )
        self.name = machine.name
        self.register_outputs({"name": self.name})
