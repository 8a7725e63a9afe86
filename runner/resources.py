"""The compute and the environment of a job: found by name, compared with the configuration, made when they do not exist.

Looking changes nothing, so that a job whose environment is refused has no cluster made for it: first ``look``, then ``make``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner import conda, names, settings, talk
from runner.conda import Difference, Package
from runner.config import Read
from runner.errors import CloudError, Mistake
from runner.polling import awaited
from runner.rest import ARM

if TYPE_CHECKING:
    from runner.workspace import Workspace


@dataclass(frozen=True)
class Found:
    """Which of the things that a job needs are there already."""

    environment: bool
    compute: bool


def look(workspace: Workspace, config: Read) -> Found:
    """What is there; raises for what cannot be used, or could not be made."""
    return Found(look_at_environment(workspace, config), look_at_compute(workspace, config))


def make(workspace: Workspace, config: Read, found: Found) -> None:
    """Make the environment and the compute that do not exist."""
    if not found.environment:
        make_environment(workspace, config)
    if not found.compute:
        make_compute(workspace, config)


def find_environment(workspace: Workspace) -> Any | None:
    """The environment that the settings name, ``None`` when it is not registered."""
    from azure.core.exceptions import ResourceNotFoundError

    name, version = workspace.settings[settings.ENVIRONMENT], workspace.settings[settings.ENVIRONMENT_VERSION]
    try:
        return workspace.client.environments.get(name, version)
    except ResourceNotFoundError:
        return None


def registered_packages(registered: Any) -> dict[str, Package]:
    content: Mapping[str, Any] = registered.conda_file or {"dependencies": []}
    return conda.packages(content, f"the registered environment {registered.name}:{registered.version}")


def image_difference(registered: Any, config: Read) -> list[Difference]:
    image = config.config.environment.image
    return [] if (registered.image or "") == image else [Difference("(image)", image, registered.image or None)]


def environment_differences(registered: Any, config: Read) -> list[Difference]:
    """What the registered environment has otherwise than the configuration: the image, and packages."""
    here = conda.packages(conda.read(config.conda_file), f"'{config.conda_file}'")
    return [*image_difference(registered, config), *conda.differences(here, registered=registered_packages(registered))]


def look_at_environment(workspace: Workspace, config: Read) -> bool:
    """Whether the environment exists; raises ``Mistake`` with the difference when it exists with other dependencies."""
    registered = find_environment(workspace)
    if registered is None:
        return False
    found = environment_differences(registered, config)
    if found:
        rows = [row[:3] for row in conda.rows(found)]
        raise Mistake(
            f"Environment {registered.name}:{registered.version} is registered with other dependencies than the conda file's:",
            details=talk.table(conda.HEAD[:3], rows),
            next="take a new AZURE_ML_ENVIRONMENT_VERSION (a registered version never changes), or the registered dependencies",
        )
    return True


def make_environment(workspace: Workspace, config: Read) -> None:
    from azure.ai.ml.entities import Environment

    name, version = workspace.settings[settings.ENVIRONMENT], workspace.settings[settings.ENVIRONMENT_VERSION]
    talk.say(f"environment {name}:{version} does not exist: making it from {config.conda_file.name}")
    written = config.config.environment
    workspace.client.environments.create_or_update(
        Environment(
            name=name,
            version=version,
            image=written.image,
            conda_file=str(config.conda_file),
            description=written.description or None,
        )
    )


def look_at_compute(workspace: Workspace, config: Read) -> bool:
    """Whether the compute exists; raises when it exists and cannot be used, or does not and its size is none of the region's."""
    from azure.core.exceptions import ResourceNotFoundError

    name = workspace.settings[settings.COMPUTE]
    try:
        compute: Any = workspace.client.compute.get(name)
    except ResourceNotFoundError:
        check_size(workspace, config)
        return False
    if compute.provisioning_state == "Failed":
        errors = getattr(compute, "provisioning_errors", None)
        raise CloudError(
            f"Compute '{name}' exists and could not be provisioned{f': {errors}' if errors else ''}.",
            next=f"az ml compute delete --name {name}, then this command again; or another AZURE_ML_COMPUTE_TRAINER",
        )
    size = getattr(compute, "size", None)
    if size and size.lower() != config.config.compute.size.lower():
        talk.say(
            f"note: compute {name} exists with size {size}, and stays so; {config.file.name} has {config.config.compute.size}"
        )
    return True


def sizes(workspace: Workspace) -> dict[str, dict[str, Any]] | None:
    """The VM sizes of the workspace's region, by name; ``None`` when this sign-in may not ask: they belong to the subscription.

    https://learn.microsoft.com/rest/api/azureml/virtual-machine-sizes/list
    """
    found = of_location(workspace, "vmSizes")
    return None if found is None else {str(size["name"]): size for size in found}


def of_location(workspace: Workspace, list_name: str) -> list[dict[str, Any]] | None:
    """A list that Azure ML keeps for a subscription's region (``vmSizes``, ``usages``); ``None`` when it may not be asked for."""
    from azure.core.exceptions import HttpResponseError

    scope = (
        f"{ARM}/subscriptions/{workspace.settings[settings.SUBSCRIPTION]}/providers/Microsoft.MachineLearningServices"
    )
    try:
        return list(
            workspace.rest.pages(f"{scope}/locations/{workspace.region}/{list_name}", **{"api-version": "2024-10-01"})
        )
    except HttpResponseError as error:
        if error.status_code in (401, 403, 501):
            return None
        raise


def check_size(workspace: Workspace, config: Read) -> None:
    """Make sure that a cluster of the configuration's size can be made; raises ``Mistake`` with the near ones."""
    size, there = config.config.compute.size, sizes(workspace)
    if there is None or size.lower() in {name.lower() for name in there}:
        return
    raise Mistake(
        f"There is no VM size '{size}' in region {workspace.region}. {names.near(size, there)}",
        next=f"correct compute.size in {config.file.name}, or --set compute.size={(names.nearest(size, there) or ['NAME'])[0]}",
    )


def make_compute(workspace: Workspace, config: Read) -> None:
    """Make the cluster and wait for it."""
    from azure.ai.ml.entities import AmlCompute

    name, written = workspace.settings[settings.COMPUTE], config.config.compute
    talk.say(f"compute {name} does not exist: making it, {written.size}, at most {written.max_instances}")
    making = workspace.client.compute.begin_create_or_update(
        AmlCompute(
            name=name,
            size=written.size,
            min_instances=written.min_instances,
            max_instances=written.max_instances,
            idle_time_before_scale_down=written.idle_time_before_scale_down,
            tier=written.tier.value,
        )
    )
    awaited(making, f"compute {name} · creating")
    making.result()
