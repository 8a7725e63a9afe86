"""``cfg/config.yaml``: what is made when the compute or the environment named in the settings does not exist.

Read with OmegaConf into the types below, so that an unknown key or a wrong type is named with its path. A file's own paths
are relative to the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

from runner import names
from runner.errors import Mistake


class Tier(Enum):
    """As Azure ML's YAML writes it."""

    dedicated = "dedicated"
    low_priority = "low_priority"


@dataclass
class Compute:
    """A cluster. ``idle_time_before_scale_down`` is in seconds."""

    size: str = "Standard_DS3_v2"
    min_instances: int = 0
    max_instances: int = 1
    idle_time_before_scale_down: int = 120
    tier: Tier = Tier.dedicated


@dataclass
class Environment:
    """An image, and the packages that a conda file puts on it."""

    image: str = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
    conda_file: str = "../environment/conda.yaml"
    description: str = ""


@dataclass
class Config:
    compute: Compute = field(default_factory=Compute)
    environment: Environment = field(default_factory=Environment)


@dataclass(frozen=True)
class Read:
    """A configuration, and the file that it stands in."""

    file: Path
    config: Config

    @property
    def conda_file(self) -> Path:
        return (self.file.parent / self.config.environment.conda_file).resolve()


def read(file: Path, overrides: Sequence[str] = ()) -> Read:
    """The configuration in ``file``, changed by ``overrides`` (``compute.max_instances=2``); raises ``Mistake``."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    if not file.is_file():
        raise Mistake(f"There is no configuration '{file}'.", next="name it: --config-path FILE")
    try:
        written = OmegaConf.load(file)
    except UnicodeDecodeError as error:
        raise Mistake(f"'{file}' is not UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}.") from None
    except (YAMLError, OSError) as error:
        raise Mistake(f"'{file}' is not YAML: {' '.join(str(error).split())}") from None
    if not OmegaConf.is_dict(written):
        raise Mistake(f"'{file}' has no mapping at its top: it begins with 'compute:' or 'environment:'.")
    where = {f"'{file}'": written}
    for override in overrides:
        key, sign, value = override.partition("=")
        if not sign or not key.strip():
            raise Mistake(f"--set {override}: it is written as compute.max_instances=2.")
        try:
            where[f"--set {override}"] = OmegaConf.from_dotlist([f"{key.strip()}={value.strip()}"])
        except YAMLError as error:
            raise Mistake(f"--set {override}: {' '.join(str(error).split())}") from None
    merged: Any = OmegaConf.structured(Config)
    for source, values in where.items():
        try:
            _check_keys(OmegaConf.to_container(values, resolve=True), Config, "", source)
            merged = OmegaConf.merge(merged, values)
        except OmegaConfBaseException as error:
            key = f"{error.full_key}: " if error.full_key else ""
            raise Mistake(f"{source}: {key}{str(error.msg).splitlines()[0]}.") from None
    config = OmegaConf.to_object(merged)
    assert isinstance(config, Config), "a structured configuration becomes its own type"
    _sensible(config, file)
    return Read(file.absolute(), config)


def _check_keys(values: Any, kind: type, path: str, source: str) -> None:
    """Every key is one of ``kind``'s, at every depth; OmegaConf names the path only of a wrong value."""
    if not dataclasses.is_dataclass(kind):
        if isinstance(values, dict):
            raise Mistake(f"{source}: {path} is one value, and has no key '{next(iter(values), '')}'.")
        return
    types = get_type_hints(kind)
    if not isinstance(values, dict):
        raise Mistake(f"{source}: {path} = {values!r}: it is a section with the keys {', '.join(types)}.")
    for key, value in values.items():
        whole = f"{path}.{key}" if path else str(key)
        if key not in types:
            raise Mistake(
                f"{source}: '{whole}' is not a key{f' of {path}' if path else ''}. {names.near(str(key), types)}"
            )
        _check_keys(value, types[key], whole, source)


def _sensible(config: Config, file: Path) -> None:
    compute = config.compute
    if not 0 <= compute.min_instances <= compute.max_instances or compute.max_instances < 1:
        raise Mistake(
            f"'{file}': compute.min_instances = {compute.min_instances} and compute.max_instances = {compute.max_instances}: "
            "0 <= min_instances <= max_instances and 1 <= max_instances."
        )
    if compute.idle_time_before_scale_down < 0:
        raise Mistake(
            f"'{file}': compute.idle_time_before_scale_down = {compute.idle_time_before_scale_down}: it is seconds, 0 or more."
        )
