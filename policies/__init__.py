"""Rules that every stack must meet: small pure functions over a resource, each with its reason and a link.

One definition, run in two ways: ``policies/__main__.py`` is a policy pack for Pulumi's engine (``pulumi preview --policy-pack
policies``), ``judge`` is what ``aml infra check`` calls. Must not be known here: how a resource is made, or where it goes.
"""

from policies import access, data, governance, machinelearning, network, vaults
from policies.rule import Resource, Rule, Stack, Violation

RULES: tuple[Rule, ...] = (
    *data.RULES,
    *vaults.RULES,
    *machinelearning.RULES,
    *network.RULES,
    *access.RULES,
    *governance.RULES,
)


def judge(stack: Stack) -> list[Violation]:
    """Everything in ``stack`` that is against a rule."""
    return [violation for rule in RULES for one in stack.resources for violation in rule.violations(one, stack)]


__all__ = ["RULES", "Resource", "Rule", "Stack", "Violation", "judge"]
