"""The sizes of virtual machines that computes may have, as a table.

``vm_sizes.json`` has, per quota family, ``name: [vCPUs, memory in GB, temporary disk in MB, GPUs]``, as the pages below give them
(https://learn.microsoft.com/azure/virtual-machines/sizes/overview). Names are compared without case, as Azure does.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from emulator.errors import AzureError, invalid_content
from emulator.machinelearning import checks

OS_DISK_MB = 1047552


@dataclass(frozen=True)
class VmSize:
    """``memory`` in GB, ``disk`` (the temporary one) in MB."""

    name: str
    family: str
    cpus: int
    memory: float
    disk: int
    gpus: int

    @property
    def premium(self) -> bool:
        """Whether the size takes premium disks, which its name says by an ``s``: ``Standard_DS3_v2``, ``Standard_D4s_v3``."""
        word = self.name.split("_")[1]
        return "s" in word.lstrip("ABCDEFGHLMNVS").lower() or word.startswith(("DS", "GS"))

    def body(self) -> dict[str, Any]:
        """https://learn.microsoft.com/rest/api/azureml/virtual-machine-sizes/list"""
        return {
            "name": self.name,
            "family": self.family,
            "vCPUs": self.cpus,
            "gpus": self.gpus,
            "osVhdSizeMB": OS_DISK_MB,
            "maxResourceVolumeMB": self.disk,
            "memoryGB": self.memory,
            "lowPriorityCapable": not self.name.startswith(("Standard_ND96is", "Standard_DC")),
            "premiumIO": self.premium,
            "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
        }


@lru_cache(1)
def table() -> Mapping[str, VmSize]:
    """By lower-case name, in the order of the families."""
    families = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    sizes = [VmSize(name, family, *row) for family, rows in families.items() for name, row in rows.items()]
    return {size.name.lower(): size for size in sizes}


def find(name: str) -> VmSize | None:
    return table().get(name.lower())


def near(name: str) -> list[str]:
    """The names most like ``name``, best first; empty when none is."""
    found = difflib.get_close_matches(name.lower(), table(), n=5, cutoff=0.75)
    return [table()[key].name for key in found]


def families() -> list[str]:
    return list(dict.fromkeys(size.family for size in table().values()))


def read(inner: Mapping[str, Any], before: Mapping[str, Any], owner: str) -> str:
    """The size in Azure's spelling, upper case; its words for one that it has not list those that it has."""
    name = checks.text(inner, "vmSize") or before.get("vmSize")
    if name is None:
        raise invalid_content("The property 'vmSize' is required.", target="vmSize")
    size = find(name)
    if size is None:
        likely = near(name)
        hint = f" Did you mean {' or '.join(likely)}?" if likely else ""
        listed = ",".join(size.name.upper() for size in table().values())
        # Azure's words, and the details in which it lists every size:
        # https://github.com/Azure/MachineLearningNotebooks/issues/1169
        raise AzureError(
            400,
            "InvalidPropertyValue",
            f"The specified value {name} for property {owner}.Properties.VMSize is not a supported VM size.{hint} "
            "See additional details for supported VM sizes.",
            target="vmSize",
            details=[{"code": "SupportedVMSizes", "message": listed}],
        )
    return size.name.upper()
