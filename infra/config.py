"""A stack's configuration: read once, typed, checked before any resource.

Keys stand in ``stacks/Pulumi.<stack>.yaml`` as ``aml:<key>``; what a stack does not name has the value written here. A key that
is not one of these is refused, and so is ``azure-native:location`` when it is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pulumi.runtime import config as given
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.alias_generators import to_camel

from infra import naming
from infra.errors import ConfigError

LOCATION = "azure-native:location"


def _matches(pattern: str, words: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"must be {words}")
        return value

    return AfterValidator(check)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class Compute(_Section):
    """The cluster that trains. Nothing runs, and nothing is paid for, while there is no job: ``min_instances`` is 0."""

    name: Annotated[str, _matches(naming.COMPUTE, "3 to 24 letters, digits and hyphens, a letter first")] = (
        "cpu-cluster"
    )
    size: Annotated[str, Field(min_length=1)] = "STANDARD_DS3_V2"
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


class Config(_Section):
    """``datastore`` names the container and the datastore on it; ``suffix`` ends the names that are shared with all of Azure
    (``naming.suffix_for`` the subscription, when the stack names none); ``data_contributors`` are the object ids of the users,
    groups or service principals who may read and write the data."""

    location: Annotated[str, _matches(r"[a-z0-9]+", "a region's short name, such as westeurope")]
    suffix: Annotated[str, _matches(naming.SUFFIX, "2 to 8 lower-case letters and digits")] | None = None
    tags: dict[Annotated[str, Field(min_length=1)], Annotated[str, Field(min_length=1)]] = {}
    datastore: Annotated[str, _matches(r"[a-z0-9]{3,63}", "3 to 63 lower-case letters and digits")] = "flatfilestorage"
    datastore_auth: Literal["identity", "accountKey"] = "identity"
    data_contributors: tuple[
        Annotated[str, _matches(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "an object id")], ...
    ] = ()
    compute: Compute = Compute()
    log_retention_days: Annotated[int, Field(ge=30, le=730)] = 30
    purge_protection: bool = False
    experiment_name: Annotated[str, Field(min_length=1)] = "iris"
    environment_name: Annotated[str, Field(min_length=1)] = "iris"
    environment_version: Annotated[str, Field(min_length=1)] = "1"

    @property
    def keyless(self) -> bool:
        return self.datastore_auth == "identity"


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
            raise ConfigError(f"{key}: the region is {LOCATION}, which the provider reads too")
    if LOCATION not in values:
        raise ConfigError(f"{LOCATION}: missing; the stack's region, such as westeurope")
    try:
        return Config.model_validate({**own, "location": values[LOCATION]})
    except ValidationError as error:
        raise ConfigError("; ".join(_lines(project, error))) from None


def _value(key: str, text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{key}: not JSON: {error}") from None


def _lines(project: str, error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        where = ".".join(str(part) for part in fault["loc"] if part != "[key]")
        key = LOCATION if where == "location" else f"{project}:{where}"
        if fault["type"] == "extra_forbidden":
            model: type[BaseModel] = Compute if len(fault["loc"]) > 1 else Config
            known = sorted({field.alias or name for name, field in model.model_fields.items()} - {"location"})
            yield f"{key}: there is no such key; there are {', '.join(known)}"
        else:
            yield f"{key}: '{fault['input']}' {_said(fault['msg'])}"


def _said(message: str) -> str:
    message = message.removeprefix("Value error, ").replace(
        "String should have at least 1 character", "must not be empty"
    )
    return message.replace("Input should be", "must be", 1)
