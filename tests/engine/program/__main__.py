"""A program that declares what ``resources.yaml`` beside it says, without the SDK, which takes a second to import.

``{name: {type, properties, after}}``; ``after`` is a resource to wait for; a property ``${name.id}`` or ``${name.name}`` is that of
a resource above it.
"""

import re

import pulumi
import yaml

made: dict[str, pulumi.CustomResource] = {}


def resolved(value: object) -> object:
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item) for item in value]
    found = re.fullmatch(r"\$\{([\w-]+)\.(\w+)\}", value) if isinstance(value, str) else None
    return getattr(made[found[1]], found[2]) if found else value


with open("resources.yaml") as file:
    for name, resource in yaml.safe_load(file).items():
        options = pulumi.ResourceOptions(depends_on=[made[resource["after"]]] if "after" in resource else [])
        properties = {"name": None, **resolved(resource["properties"])}  # type: ignore[dict-item]
        made[name] = pulumi.CustomResource(resource["type"], name, properties, options)
