"""The stack, as a table of contents: configuration, names, components, outputs."""

from __future__ import annotations

from functools import partial

import pulumi
from pulumi_azure_native import authorization, resources

from infra import config, naming
from infra.components.monitoring import Monitoring, MonitoringArgs
from infra.components.storage import Storage, StorageArgs
from infra.components.trainer import Trainer, TrainerArgs
from infra.components.vault import Vault, VaultArgs
from infra.components.workspace import Workspace, WorkspaceArgs
from infra.place import Place

project, stack = pulumi.get_project(), pulumi.get_stack()
settings = config.read(project)
client = authorization.get_client_config()
name = partial(
    naming.derive,
    project=project,
    stack=stack,
    region=settings.location,
    suffix=settings.suffix or naming.suffix_for(client.subscription_id),
)
tags = {"project": project, "stack": stack, "managed-by": "pulumi", **settings.tags}

group = resources.ResourceGroup(
    "group", resource_group_name=name("resourceGroup"), location=settings.location, tags=tags
)
place = Place(group.name, settings.location, tags)

storage = Storage(
    "storage",
    StorageArgs(
        place=place,
        account_name=name("storageAccount"),
        container_name=settings.datastore,
        keyless=settings.keyless,
        contributors=settings.data_contributors,
    ),
)
vault = Vault(
    "vault",
    VaultArgs(
        place=place,
        vault_name=name("vault"),
        tenant_id=client.tenant_id,
        purge_protection=settings.purge_protection,
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
workspace = Workspace(
    "workspace",
    WorkspaceArgs(
        place=place,
        workspace_name=name("workspace"),
        storage_id=storage.id,
        vault_id=vault.id,
        application_insights_id=monitoring.application_insights_id,
        datastore_name=settings.datastore,
        account_name=storage.account_name,
        container_name=storage.container_name,
        keyless=settings.keyless,
    ),
)
trainer = Trainer(
    "trainer",
    TrainerArgs(
        place=place,
        identity_name=name("identity"),
        workspace_name=workspace.workspace_name,
        storage_id=storage.id,
        compute=settings.compute,
    ),
)

# The runner's settings, by their own names: what is written here is all that it needs to know of a stack.
pulumi.export("AZURE_WORKSPACE_NAME", workspace.workspace_name)
pulumi.export("AZURE_SUBSCRIPTION_ID", client.subscription_id)
pulumi.export("AZURE_RESOURCE_GROUP", group.name)
pulumi.export("AZURE_ML_COMPUTE_TRAINER", trainer.name)
pulumi.export("AZURE_ML_EXPERIMENT_NAME", settings.experiment_name)
pulumi.export("AZURE_ML_DATASTORE_NAME", workspace.datastore_name)
pulumi.export("AZURE_ML_ENDPOINT_NAME", name("batchEndpoint"))
pulumi.export("AZURE_ML_ENVIRONMENT_NAME", settings.environment_name)
pulumi.export("AZURE_ML_ENVIRONMENT_VERSION", settings.environment_version)
