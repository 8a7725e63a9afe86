"""Where a stack's resources are and what all of them carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Place:
    """``tags`` are on every resource that can have any; none is empty, since Azure ML's endpoints refuse empty ones
    (https://github.com/Azure/azure-sdk-for-python/issues/41586). ``protect`` is for what holds state."""

    resource_group_name: pulumi.Input[str]
    location: str
    tags: Mapping[str, str]
    protect: bool = False

    def stateful(self, parent: pulumi.Resource, opts: pulumi.ResourceOptions | None = None) -> pulumi.ResourceOptions:
        """How a resource is declared whose loss is a loss of data, or of what took hours to make."""
        return pulumi.ResourceOptions.merge(child(parent, opts), pulumi.ResourceOptions(protect=self.protect))


def child(parent: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> pulumi.ResourceOptions:
    """How a component declares a resource of its own that must wait for what the component depends on: by itself it would not."""
    return pulumi.ResourceOptions(parent=parent, depends_on=opts.depends_on if opts else None)


@dataclass(frozen=True)
class Door:
    """Who reaches a resource through the network: nobody but private endpoints where ``private``, ``allowed`` addresses where
    there are any, else everybody. Azure's own services are let in as trusted ones."""

    private: bool = False
    allowed: tuple[str, ...] = ()

    @property
    def public_access(self) -> str:
        return "Disabled" if self.private else "Enabled"

    @property
    def otherwise(self) -> str:
        """What becomes of everybody else."""
        return "Deny" if self.private or self.allowed else "Allow"


def part_of(id: str, type: str) -> str:
    """The name that follows ``type`` in an id, whatever its case: ``g`` of ``/subscriptions/s/resourceGroups/g``."""
    parts = id.split("/")
    return parts[[part.lower() for part in parts].index(type.lower()) + 1]
