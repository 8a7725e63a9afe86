"""The stack, as a table of contents: configuration, names, components, outputs."""

from __future__ import annotations

from functools import partial

import pulumi
from pulumi_azure_native import resources

from infra import config, deployer, grants, naming, replacing
from infra.components.access import Access, AccessArgs
from infra.components.datastore import Datastore, DatastoreArgs
from infra.components.guard import Budget, BudgetArgs, Locks, LocksArgs
from infra.components.identity import Identity, IdentityArgs
from infra.components.monitoring import Diagnostics, DiagnosticsArgs, Monitoring, MonitoringArgs
from infra.components.network import Network, NetworkArgs, PrivateEndpoint, PrivateEndpointArgs
from infra.components.registry import Registry, RegistryArgs
from infra.components.storage import Storage, StorageArgs
from infra.components.trainer import Trainer, TrainerArgs
from infra.components.vault import Vault, VaultArgs
from infra.components.workspace import Workspace, WorkspaceArgs
from infra.components.workstation import Workstation, WorkstationArgs
from infra.place import Door, Place, part_of

project, stack = pulumi.get_project(), pulumi.get_stack()
settings = config.read(project)
client = deployer.find()
config.check_subscription(project, settings, client.subscription_id)
name = partial(
    naming.derive,
    project=project,
    stack=stack,
    region=settings.location,
    suffix=settings.suffix or naming.suffix_for(client.subscription_id),
)
tags = {"project": project, "stack": stack, "managed-by": "pulumi", **settings.tags}
existing = settings.existing
pulumi.runtime.register_stack_transformation(replacing.said)
own = {kind for kind in ("storage", "vault", "registry") if getattr(existing, kind) is None}

# Where it is, and who reaches it.

if existing.resource_group is None:
    group = resources.ResourceGroup(
        "group",
        resource_group_name=name("resourceGroup"),
        location=settings.location,
        tags=tags,
        opts=pulumi.ResourceOptions(protect=settings.protect),
    )
    group_name, group_id = group.name, group.id
else:
    group_id = pulumi.Output.from_input(existing.resource_group)
    group_name = pulumi.Output.from_input(part_of(existing.resource_group, "resourceGroups"))
place = Place(group_name, settings.location, tags, settings.protect)
door = Door(settings.network.private, settings.network.allowed_ips)

# What the workspace is bound to.

storage = Storage(
    "storage",
    StorageArgs(
        place=place,
        door=door,
        account_name=name("storageAccount"),
        container_name=settings.datastore,
        keyless=settings.keyless,
        redundancy=settings.redundancy,
        retention_days=settings.blob_retention_days,
        existing=existing.storage,
    ),
)
monitoring = Monitoring(
    "monitoring",
    MonitoringArgs(
        place=place,
        log_analytics_name=name("logAnalytics"),
        application_insights_name=name("applicationInsights"),
        retention_days=settings.log_retention_days,
    ),
)
bound: dict[str, pulumi.Input[str]] = {"storage": storage.id, "insights": monitoring.application_insights_id}
if existing.vault is None:
    bound["vault"] = Vault(
        "vault",
        VaultArgs(
            place=place,
            door=door,
            vault_name=name("vault"),
            tenant_id=client.tenant_id,
            purge_protection=settings.purge_protection,
            recover=settings.recover_vault,
        ),
    ).id
else:
    bound["vault"] = existing.vault
if existing.registry is not None:
    bound["registry"] = existing.registry
elif settings.registry:
    bound["registry"] = Registry("registry", RegistryArgs(place, door, name("registry"), settings.zones)).id

# Who acts for it. A private registry has no builder of its own: the cluster is it.

facts = {grants.BUILDS if settings.network.private else grants.PULLS, *([grants.KEYLESS] if settings.keyless else [])}
identities = {
    who: Identity(
        f"{who}-identity",
        IdentityArgs(place, name(f"{who}Identity"), who, bound, frozenset(facts), client.subscription_id),
    )
    for who in (grants.WORKSPACE, grants.CLUSTER)
}

# The workspace, what is in it, and the way to it.

workspace = Workspace(
    "workspace",
    WorkspaceArgs(
        place=place,
        public_access=door.public_access,
        isolation=settings.network.managed,
        workspace_name=name("workspace"),
        identity_id=identities[grants.WORKSPACE].id,
        storage_id=storage.id,
        vault_id=bound["vault"],
        application_insights_id=monitoring.application_insights_id,
        registry_id=bound.get("registry"),
        build_compute=settings.compute.name if settings.network.private and "registry" in bound else None,
        keyless=settings.keyless,
    ),
    pulumi.ResourceOptions(depends_on=[identities[grants.WORKSPACE]]),
)
ways: list[pulumi.Resource] = []
nodes_subnet_id: pulumi.Input[str] | None = None
if settings.network.private:
    targets = {"workspace": workspace.id, "blob": storage.id, "file": storage.id, "vault": bound["vault"]}
    if "registry" in bound:
        targets["registry"] = bound["registry"]
    network = Network(
        "network",
        NetworkArgs(
            place=place,
            network_name=name("network"),
            security_group_name=name("securityGroup"),
            nat_gateway_name=name("natGateway"),
            public_ip_name=name("publicIp"),
            address_space=settings.network.address_space,
            endpoints_subnet=settings.network.endpoints_subnet,
            nodes_subnet=settings.network.nodes_subnet,
            nodes=settings.network.own_nodes,
            services=tuple(targets),
            existing=existing.network,
        ),
    )
    nodes_subnet_id = network.nodes_subnet_id
    for service, target in targets.items():
        endpoint_name = f"{name('privateEndpoint')}-{service}"
        ways.append(
            PrivateEndpoint(f"{service}-endpoint", PrivateEndpointArgs(place, endpoint_name, service, target, network))
        )
inside = pulumi.ResourceOptions(depends_on=[*ways, identities[grants.CLUSTER]])
public_nodes = settings.network == config.Network()
datastore = Datastore(
    "datastore",
    DatastoreArgs(
        place=place,
        workspace_name=workspace.workspace_name,
        datastore_name=settings.datastore,
        account_name=storage.account_name,
        account_group=storage.group_name,
        container_name=storage.container_name,
        keyless=settings.keyless,
    ),
    inside,
)
trainer = Trainer(
    "trainer",
    TrainerArgs(
        place=place,
        identity_id=identities[grants.CLUSTER].id,
        workspace_name=workspace.workspace_name,
        compute=settings.compute,
        subnet_id=nodes_subnet_id,
        public_nodes=public_nodes,
    ),
    inside,
)
for instance in settings.instances:
    Workstation(
        f"workstation-{instance.name}",
        WorkstationArgs(
            place=place,
            instance_name=name("computeInstance", project=instance.name),
            tenant_id=client.tenant_id,
            workspace_name=workspace.workspace_name,
            instance=instance,
            subnet_id=nodes_subnet_id,
            public_nodes=public_nodes,
        ),
        inside,
    )

# People and pipelines, money, logs, locks.

# What lies below a lock can be taken away only when it is off: it is there before it.
below: list[pulumi.Resource] = [storage, *identities.values(), *ways]
roles = {
    grants.RUNNER: settings.runners,
    grants.INVOKER: settings.invokers,
    grants.DATA: settings.data_contributors,
}
for principal in sorted({*settings.runners, *settings.invokers, *settings.data_contributors}):
    who = tuple(role for role, principals in roles.items() if principal in principals)
    scopes = {"workspace": workspace.id, "storage": storage.id}
    below.append(
        Access(f"access-{principal}", AccessArgs(who, principal, scopes, frozenset(facts), client.subscription_id))
    )
if settings.budget is not None:
    Budget("budget", BudgetArgs(group_id, name("budget"), settings.budget))
made: dict[str, pulumi.Input[str]] = {
    kind: bound[kind] for kind in ("storage", "vault", "registry") if kind in own and kind in bound
}
if settings.diagnostics:
    sources = {**made, **({"storage": storage.blobs_id} if "storage" in made else {}), "workspace": workspace.id}
    below.append(Diagnostics("diagnostics", DiagnosticsArgs(monitoring.log_analytics_id, sources)))
if settings.protect:
    held = {**made, "logs": monitoring.log_analytics_id}
    Locks("lock", LocksArgs(held), pulumi.ResourceOptions(depends_on=below))

# The runner's settings, by their own names: what is written here is all that it needs to know of a stack.

pulumi.export("AZURE_WORKSPACE_NAME", workspace.workspace_name)
pulumi.export("AZURE_SUBSCRIPTION_ID", client.subscription_id)
pulumi.export("AZURE_RESOURCE_GROUP", group_name)
pulumi.export("AZURE_ML_COMPUTE_TRAINER", trainer.name)
pulumi.export("AZURE_ML_EXPERIMENT_NAME", settings.experiment_name)
pulumi.export("AZURE_ML_DATASTORE_NAME", datastore.datastore_name)
pulumi.export("AZURE_ML_ENDPOINT_NAME", name("batchEndpoint"))
pulumi.export("AZURE_ML_ENVIRONMENT_NAME", settings.environment_name)
pulumi.export("AZURE_ML_ENVIRONMENT_VERSION", settings.environment_version)
