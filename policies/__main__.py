"""The rules as a policy pack for Pulumi's engine: ``pulumi preview --policy-pack policies``, and likewise ``up``.

The engine shows a rule one resource at a time before it is made, and those that need the whole stack all of them at the end.
What is not known before it is made is not judged in a preview: the engine says so, and ``aml infra check`` does judge it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from policies import RULES, Resource, Rule, Stack


def policies() -> list[Policy]:
    return [_policy(rule) for rule in RULES]


def _policy(rule: Rule) -> Policy:
    if rule.whole:
        return StackValidationPolicy(rule.name, rule.reason, partial(_whole, rule), EnforcementLevel.MANDATORY)
    return ResourceValidationPolicy(rule.name, rule.reason, partial(_one, rule), EnforcementLevel.MANDATORY)


def _one(rule: Rule, args: ResourceValidationArgs, report: ReportViolation) -> None:
    resource = Resource(args.resource_type, args.name, args.props, args.opts.protect)
    for violation in rule.violations(resource, _stack([resource])):
        report(str(violation), None)


def _whole(rule: Rule, args: StackValidationArgs, report: ReportViolation) -> None:
    stack = _stack([_resource(one) for one in args.resources])
    for resource, given in zip(stack.resources, args.resources, strict=True):
        for violation in rule.violations(resource, stack):
            report(str(violation), given.urn)


def _resource(given: PolicyResource) -> Resource:
    uses = {key: [one.name for one in used] for key, used in given.property_dependencies.items()}
    return Resource(
        given.resource_type, given.name, given.props, given.opts.protect, uses, frozenset(_unknown(given.props))
    )


def _unknown(properties: Mapping[str, Any]) -> Iterator[str]:
    for name in properties:
        try:
            properties[name]
        except UnknownValueError:
            yield name


def _stack(resources: list[Resource]) -> Stack:
    return Stack(pulumi.get_stack(), resources, pulumi.Config().get("datastoreAuth") == "accountKey")


if __name__ == "__main__":
    PolicyPack("azure-ml-as-code", policies())
