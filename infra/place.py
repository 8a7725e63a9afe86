"""Where a stack's resources are and what all of them carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Place:
    """``tags`` are on every resource that can have any; none is empty, since Azure ML's endpoints refuse empty ones
    (https://github.com/Azure/azure-sdk-for-python/issues/41586)."""

    resource_group_name: pulumi.Input[str]
    location: str
    tags: Mapping[str, str]
