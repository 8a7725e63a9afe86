"""``aml infra``: the stacks' own program, judged."""

import pytest

from tests.runner.conftest import Aml


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_our_own_stacks_meet_the_rules(aml: Aml, stack: str) -> None:
    said = aml("infra", "check", "--stack", stack)
    assert (said.code, said.out) == (0, ""), said.out
    assert "nothing against them" in said.err


def test_the_rules_find_what_a_change_of_the_configuration_breaks(aml: Aml) -> None:
    said = aml("infra", "check", "--stack", "dev", "-c", 'compute={"minInstances": 1}', "--json")
    (found,) = [one for one in said.json if one["rule"] == "cluster-scales-to-zero"]
    assert said.code == 1
    assert (found["resource"], found["value"]) == ("trainer", 1) and found["property"].endswith("minNodeCount")
    assert {"fix", "reason", "link", "type"} <= found.keys()

    shown = aml("infra", "check", "--stack", "prod", "-c", "aml:datastoreAuth=accountKey")
    assert shown.code == 1 and "allowSharedKeyAccess is True" in shown.out and "against them" in shown.err


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_every_stack_is_within_the_rules(aml: Aml, stack: str) -> None:
    assert aml("infra", "check", "--stack", stack).code == 0


def test_a_stack_is_exported_as_a_template(aml: Aml) -> None:
    said = aml("infra", "export", "--stack", "prod", "-c", 'runners=["44444444-4444-4444-4444-444444444444"]')
    assert said.code == 0 and said.json["$schema"].endswith("deploymentTemplate.json#")
    found = {(one["type"], one["name"], one.get("scope")): one for one in said.json["resources"]}
    assert len(found) == len(said.json["resources"]) and all(one["apiVersion"] for one in found.values())
    account = next(one for (type, *_), one in found.items() if type == "Microsoft.Storage/storageAccounts")
    assert account["properties"]["publicNetworkAccess"] == "Disabled" and account["location"] == "westeurope"
    container = f"{account['name']}/default/flatfilestorage"
    assert ("Microsoft.Storage/storageAccounts/blobServices/containers", container, None) in found
    scopes = {scope for type, _, scope in found if type == "Microsoft.Authorization/roleAssignments"}
    assert f"Microsoft.Storage/storageAccounts/{account['name']}" in scopes
    assert aml("infra", "export", "--stack", "prod").out == aml("infra", "export", "--stack", "prod").out
    assert aml("infra", "export", "--stack", "none").code == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--stack", "prdo"), "There is no stack 'prdo'. Did you mean 'prod'?"),
        (("--stack", "prod", "-c", "computes=1"), "aml:computes: there is no such key; meant is compute?"),
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
