"""``aml infra``: the stacks' own program, judged."""

import pytest

from tests.runner.conftest import Aml


def test_the_rules_find_what_a_change_of_the_configuration_breaks(aml: Aml) -> None:
    said = aml("infra", "check", "--stack", "dev", "-c", 'compute={"minInstances": 1}', "--json")
    (found,) = [one for one in said.json if one["rule"] == "cluster-scales-to-zero"]
    assert said.code == 1
    assert (found["resource"], found["value"]) == ("trainer", 1) and found["property"].endswith("minNodeCount")
    assert {"fix", "reason", "link", "type"} <= found.keys()

    shown = aml("infra", "check", "--stack", "prod", "-c", "aml:datastoreAuth=accountKey")
    assert shown.code == 1 and "allowSharedKeyAccess is True" in shown.out and "against them" in shown.err


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--stack", "prdo"), "There is no stack 'prdo'. Did you mean 'prod'?"),
        (("--stack", "prod", "-c", "computes=1"), "aml:computes: there is no such key; there are compute,"),
        (
            ("--stack", "prod", "-c", 'compute={"maxInstances": "x"}'),
            "aml:compute.maxInstances: 'x' must be a valid integer",
        ),
        (
            ("--stack", "prod", "-c", "azure-native:location=West Europe"),
            "azure-native:location: 'West Europe' must be",
        ),
        (
            ("--stack", "prod", "-c", 'compute={"name": "a-name-of-much-more-than-24-characters"}'),
            "aml:compute.name: 'a-name-of",
        ),
        (("--stack", "prod", "-c", "suffix"), "'suffix' of --config is not KEY=VALUE"),
        ((), "Missing option '--stack'"),
    ],
)
def test_what_cannot_be_judged_is_the_callers_mistake(aml: Aml, given: tuple[str, ...], said: str) -> None:
    found = aml("infra", "check", *given)
    assert found.code == 1 and said in found.err and not found.out


def test_a_region_that_is_not_allowed_is_named(aml: Aml) -> None:
    found = aml("infra", "check", "--stack", "dev", "-c", "azure-native:location=atlantis")
    assert found.code == 1 and "location is 'atlantis'" in found.out and "policies/allowed.yaml" in found.out
