"""A stack's configuration: read once, typed, checked before any resource.

Keys stand in ``stacks/Pulumi.<stack>.yaml`` as ``aml:<key>``; what a stack does not name has the value written here. A key that
is not one of these is refused, and so is ``azure-native:location`` when it is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pulumi import RunError
from pulumi.runtime import config as given
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from infra import domain
from infra.domain import ObjectId, Words
from infra.errors import ConfigError

LOCATION = "azure-native:location"


class Refused(ConfigError, RunError):
    """Under ``pulumi up`` its message is all that a person sees of it: Pulumi shows no traceback for a ``RunError``."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "set it right in the stack's file; docs/stacks.md has every key")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class Compute(_Section):
    """The cluster that trains. Nothing runs, and nothing is paid for, while there is no job: ``min_instances`` is 0."""

    name: domain.ComputeName = "cpu-cluster"
    size: Words = "STANDARD_DS3_V2"
    min_instances: Annotated[int, Field(ge=0)] = 0
    max_instances: Annotated[int, Field(ge=1, le=1000)] = 4
    idle_seconds: Annotated[int, Field(ge=60)] = 600
    tier: Literal["Dedicated", "LowPriority"] = "Dedicated"

    @field_validator("max_instances")
    @classmethod
    def _room(cls, most: int, others: ValidationInfo) -> int:
        if most < others.data.get("min_instances", 0):
            raise ValueError(f"must be at least minInstances, {others.data['min_instances']}")
        return most


class Instance(_Section):
    """A workstation, stopped when nobody has used it for ``idle_minutes``, and every day at ``stop_at``. ``assigned_to`` is the
    object id of the one person who may use it; without it that is who applies the stack."""

    name: domain.Owner
    size: Words = "STANDARD_DS3_V2"
    assigned_to: ObjectId | None = None
    # Azure's own least and most: https://learn.microsoft.com/azure/machine-learning/how-to-create-compute-instance
    idle_minutes: Annotated[int, Field(ge=15, le=4320)] = 60
    stop_at: domain.Clock = "19:00"
    time_zone: Words = "UTC"


class Network(_Section):
    """``public``: reached from anywhere, or from ``allowed_ips`` alone. ``private``: through private endpoints in the stack's
    virtual network alone.

    ``managed`` is how isolated the network is that Azure ML keeps for its nodes, in Azure's own words; with ``Disabled`` they
    are in a subnet of the stack's network, where it has one.
    """

    mode: Literal["public", "private"] = "public"
    allowed_ips: tuple[domain.Addresses, ...] = ()
    managed: Annotated[
        Literal["Disabled", "AllowInternetOutbound", "AllowOnlyApprovedOutbound"], Field(validate_default=True)
    ] = "Disabled"
    address_space: domain.AddressSpace = "10.42.0.0/23"
    endpoints_subnet: domain.SubnetName = "endpoints"
    nodes_subnet: domain.SubnetName = "nodes"

    @property
    def private(self) -> bool:
        return self.mode == "private"

    @property
    def own_nodes(self) -> bool:
        """Whether nodes are in a subnet of the stack's network."""
        return self.private and self.managed == "Disabled"

    @field_validator("allowed_ips")
    @classmethod
    def _outside(cls, allowed: tuple[str, ...], others: ValidationInfo) -> tuple[str, ...]:
        if allowed and others.data.get("mode") == "private":
            raise ValueError("must be left out where mode is private: no address outside is let in")
        return allowed

    @field_validator("managed")
    @classmethod
    def _inside(cls, managed: str, others: ValidationInfo) -> str:
        if managed == "Disabled" and others.data.get("allowed_ips"):
            raise ValueError(
                "must be AllowInternetOutbound or AllowOnlyApprovedOutbound with allowedIps: they would keep the nodes out too"
            )
        return managed


class Existing(_Section):
    """Ids of what is there already and is somebody else's: used, and never changed. ``network`` has ``Network``'s subnets."""

    resource_group: domain.GroupId | None = None
    storage: domain.StorageId | None = None
    vault: domain.VaultId | None = None
    registry: domain.RegistryId | None = None
    network: domain.NetworkId | None = None


class Budget(_Section):
    """What the resource group may cost a month, in the currency of the bill. ``contacts`` are told at each of ``alert_at`` per
    cent of it, and as soon as Azure foresees the last of them."""

    monthly: Annotated[float, Field(gt=0)]
    contacts: Annotated[tuple[domain.Email, ...], Field(min_length=1)]
    alert_at: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(min_length=1, max_length=4)] = (80, 100)


class Config(_Section):
    """``datastore`` names the container and the datastore on it; ``suffix`` ends the names that are shared with all of Azure
    (``naming.suffix_for`` the subscription, when the stack names none). Who gets roles (``infra.grants``) is named by object ids of
    users, groups or service principals: ``runners`` submit and publish, ``invokers`` call the endpoint, ``data_contributors``
    read and write the data and nothing else.

    ``protect`` keeps what holds state from being deleted, by Pulumi's engine and, with locks, by anybody.
    """

    location: domain.Region
    suffix: domain.Suffix | None = None
    tags: dict[Words, Words] = {}
    network: Network = Network()
    existing: Existing = Existing()
    datastore: domain.StoreName = "flatfilestorage"
    datastore_auth: Literal["identity", "accountKey"] = "identity"
    redundancy: Literal["LRS", "ZRS", "GRS", "GZRS"] = "LRS"
    blob_retention_days: Annotated[int, Field(ge=1, le=365)] = 7
    registry: bool = True
    runners: tuple[ObjectId, ...] = ()
    invokers: tuple[ObjectId, ...] = ()
    data_contributors: tuple[ObjectId, ...] = ()
    compute: Compute = Compute()
    instances: tuple[Instance, ...] = ()
    diagnostics: bool = True
    log_retention_days: Annotated[int, Field(ge=30, le=730)] = 30
    budget: Budget | None = None
    purge_protection: bool = False
    recover_vault: bool = False
    protect: bool = False
    experiment_name: Words = "iris"
    environment_name: Words = "iris"
    environment_version: Words = "1"

    @property
    def keyless(self) -> bool:
        return self.datastore_auth == "identity"

    @property
    def zones(self) -> bool:
        """Whether what is stored outlives a zone of its region."""
        return "Z" in self.redundancy

    @field_validator("existing")
    @classmethod
    def _used(cls, existing: Existing, others: ValidationInfo) -> Existing:
        network = others.data.get("network")
        if existing.network and network and not network.private:
            raise ValueError("has a network, which nothing uses unless network.mode is private")
        return existing

    @field_validator("registry")
    @classmethod
    def _either(cls, registry: bool, others: ValidationInfo) -> bool:
        existing = others.data.get("existing")
        if not registry and existing and existing.registry:
            raise ValueError("must be true where existing.registry names one")
        return registry

    @field_validator("instances")
    @classmethod
    def _distinct(cls, instances: tuple[Instance, ...]) -> tuple[Instance, ...]:
        names = [instance.name for instance in instances]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"must have a name each: {', '.join(sorted(twice))} is there twice")
        return instances


SECTIONS: Mapping[str, type[_Section]] = {
    "network": Network,
    "existing": Existing,
    "compute": Compute,
    "instances": Instance,
    "budget": Budget,
}


def read(project: str) -> Config:
    """The configuration that Pulumi was given for this run (``PULUMI_CONFIG``, or set in process), checked."""
    return parse(project, {**given.get_config_env(), **given.CONFIG.get()})


def parse(project: str, values: Mapping[str, str]) -> Config:
    """``values`` as Pulumi gives them: full keys (``aml:compute``), every value text, an object or list as JSON."""
    own: dict[str, Any] = {}
    for key, value in values.items():
        namespace, _, name = key.partition(":")
        if namespace == project and name != "location":
            own[name] = _value(key, value)
        elif namespace == project:
            raise Refused(f"{key}: the region is {LOCATION}, which the provider reads too")
    if LOCATION not in values:
        raise Refused(f"{LOCATION}: missing; the stack's region, such as westeurope")
    try:
        return Config.model_validate({**own, "location": values[LOCATION]})
    except ValidationError as error:
        raise Refused("; ".join(_lines(project, error))) from None


def check_subscription(project: str, config: Config, subscription: str) -> None:
    """What the stack makes something in must be in its own subscription."""
    for key in ("resource_group", "storage"):
        id = getattr(config.existing, key)
        if id and id.split("/")[2].lower() != subscription.lower():
            raise Refused(
                f"{project}:existing.{to_camel(key)}: '{id}' is in another subscription than the stack, {subscription}"
            )


def _value(key: str, text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused(f"{key}: not JSON: {error}") from None


def _lines(project: str, error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
        key = LOCATION if where == "location" else f"{project}:{where}"
        if fault["type"] == "extra_forbidden":
            model = SECTIONS[str(fault["loc"][0])] if len(fault["loc"]) > 1 else Config
            known = sorted({field.alias or name for name, field in model.model_fields.items()} - {"location"})
            near = get_close_matches(str(fault["loc"][-1]), known, n=1)
            yield f"{key}: there is no such key; " + (
                f"meant is {near[0]}?" if near else f"there are {', '.join(known)}"
            )
        elif fault["type"] == "missing":
            yield f"{key}: missing"
        else:
            yield f"{key}: '{fault['input']}' {_said(fault['msg'])}"


def _said(message: str) -> str:
    message = message.removeprefix("Value error, ").replace(
        "String should have at least 1 character", "must not be empty"
    )
    return message.replace("Input should be", "must be", 1)
