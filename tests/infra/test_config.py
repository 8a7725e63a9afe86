from __future__ import annotations

import re
from pathlib import Path

import pytest
from recorder import evaluate

from infra import config, stackfile
from infra.config import LOCATION
from infra.errors import ConfigError

HERE = {LOCATION: "westeurope"}
ELSEWHERE = "/subscriptions/99999999-9999-9999-9999-999999999999/resourceGroups/shared"


def test_a_stack_that_names_only_its_region_has_every_value() -> None:
    found = config.parse("aml", {**HERE, "other:key": "somebody else's"})
    assert (found.datastore, found.keyless, found.compute.min_instances) == ("flatfilestorage", True, 0)


def test_values_arrive_as_text_and_leave_typed() -> None:
    given = {
        "aml:compute": '{"maxInstances": 2, "tier": "LowPriority"}',
        "aml:purgeProtection": "true",
        "aml:suffix": "x1",
    }
    found = config.parse("aml", {**HERE, **given})
    assert (found.compute.max_instances, found.compute.tier, found.purge_protection) == (2, "LowPriority", True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"aml:datastorAuth": "identity"}, "aml:datastorAuth: there is no such key; meant is datastoreAuth"),
        ({"aml:colour": "red"}, "aml:colour: there is no such key; there are blobRetentionDays, .*, tags"),
        ({"aml:compute": '{"maxInstance": 2}'}, "aml:compute.maxInstance: there is no such key; meant is maxInstances"),
        ({"aml:instances": '[{"size": "X"}]'}, "aml:instances.0.name: missing"),
        ({"aml:instances": '[{"name": "a1"}, {"name": "a1"}]'}, "aml:instances: .*must have a name each: a1 is there"),
        ({"aml:instances": '[{"name": "anna", "stopAt": "25:00"}]'}, "aml:instances.0.stopAt: '25:00' must be a time"),
        ({"aml:network": '{"mode": "closed"}'}, "aml:network.mode: 'closed' must be 'public' or 'private'"),
        (
            {"aml:network": '{"mode": "private", "allowedIps": ["20.1.2.3"]}'},
            "aml:network.allowedIps: .* must be left out where mode is private",
        ),
        (
            {"aml:network": '{"allowedIps": ["20.1.2.3"]}'},
            "aml:network.managed: 'Disabled' must be AllowInternetOutbound or",
        ),
        (
            {"aml:network": '{"allowedIps": ["10.1.2.3"]}'},
            "aml:network.allowedIps.0: '10.1.2.3' must be an address that",
        ),
        (
            {"aml:network": '{"allowedIps": ["20.1.2.300"]}'},
            "aml:network.allowedIps.0: .* must be an IPv4 address or block",
        ),
        (
            {"aml:network": '{"addressSpace": "10.0.0.0/28"}'},
            "aml:network.addressSpace: .* must be a private block of /26",
        ),
        (
            {"aml:existing": '{"vault": "kv-other"}'},
            "aml:existing.vault: 'kv-other' must be the id of one: /subscriptions/",
        ),
        (
            {"aml:existing": f'{{"network": "{ELSEWHERE}/providers/Microsoft.Network/virtualNetworks/v"}}'},
            "aml:existing: .* unless network.mode is private",
        ),
        (
            {
                "aml:existing": f'{{"registry": "{ELSEWHERE}/providers/Microsoft.ContainerRegistry/registries/r"}}',
                "aml:registry": "false",
            },
            "aml:registry: 'false' must be true where existing.registry names one",
        ),
        ({"aml:budget": '{"monthly": 0, "contacts": []}'}, "aml:budget.monthly: '0' must be .*aml:budget.contacts: "),
        ({"aml:compute": '{"maxInstances": 0}'}, "aml:compute.maxInstances: '0' must be greater than or equal to 1"),
        (
            {"aml:compute": '{"minInstances": 5, "maxInstances": 3}'},
            "aml:compute.maxInstances: '3' must be at least minInstances, 5",
        ),
        ({"aml:compute": '{"name": "node-1"}'}, "aml:compute.name: 'node-1' must be 3 to 24 letters"),
        ({"aml:compute": "{"}, "aml:compute: not JSON"),
        ({"aml:datastoreAuth": "key"}, "aml:datastoreAuth: 'key' must be 'identity' or 'accountKey'"),
        ({"aml:datastore": "Flat_File"}, "aml:datastore: 'Flat_File' must be 3 to 63 lower-case letters and digits"),
        ({"aml:tags": '{"owner": ""}'}, "aml:tags.owner: '' must not be empty"),
        ({"aml:dataContributors": '["me"]'}, "aml:dataContributors.0: 'me' must be an object id"),
        ({"aml:purgeProtection": "maybe"}, "aml:purgeProtection: 'maybe' must be a valid boolean"),
        ({"aml:location": "westeurope"}, "the region is azure-native:location"),
        ({LOCATION: "West Europe"}, "azure-native:location: 'West Europe' must be a region's short name"),
        (
            {"aml:suffix": "-", "aml:logRetentionDays": "1"},
            "aml:suffix: '-' must be 2 to 8.*; aml:logRetentionDays: '1' must",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_key(given: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        config.parse("aml", {**HERE, **given})


def test_the_region_has_no_default() -> None:
    with pytest.raises(ConfigError, match="azure-native:location: missing"):
        config.parse("aml", {})


def test_a_wrong_key_stops_the_program_before_any_resource() -> None:
    with pytest.raises(ConfigError, match="aml:colour"):
        evaluate(colour="red")


def test_stack_files_are_read_as_the_engine_reads_them(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: aml\nstackConfigDir: stacks\n")
    (tmp_path / "stacks").mkdir()
    file = tmp_path / "stacks" / "Pulumi.dev.yaml"
    file.write_text("config:\n  azure-native:location: westeurope\n  suffix: ab\n  aml:compute:\n    maxInstances: 2\n")
    project, values = stackfile.read("dev", tmp_path)
    assert config.parse(project, values).compute.max_instances == 2
    assert values["aml:suffix"] == "ab"

    file.write_text("config:\n  aml:key:\n    secure: AAAB\n")
    with pytest.raises(ConfigError, match="aml:key: is encrypted.*pulumi up --stack dev"):
        stackfile.read("dev", tmp_path)
    file.write_text("config: [")
    with pytest.raises(ConfigError, match="Pulumi.dev.yaml is not YAML"):
        stackfile.read("dev", tmp_path)
    with pytest.raises(ConfigError, match="There is no stack 'qa'; there are dev"):
        stackfile.read("qa", tmp_path)


def test_installed_apart_from_a_checkout_the_one_worked_in_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stackfile, "ROOT", tmp_path / "site-packages")
    (tmp_path / "repo/jobs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repo/jobs")
    with pytest.raises(ConfigError, match="There is no Pulumi.yaml in .*work in one"):
        stackfile.read("dev")
    (tmp_path / "repo/Pulumi.yaml").write_text("name: aml\n")
    (tmp_path / "repo/Pulumi.dev.yaml").write_text("config:\n  aml:suffix: ab\n")
    assert stackfile.read("dev") == ("aml", {"aml:suffix": "ab"})


@pytest.mark.parametrize("file", sorted((stackfile.ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_every_stack_in_the_repository_is_valid(file: Path) -> None:
    project, values = stackfile.read(file.name.split(".")[1])
    config.parse(project, values)


def test_every_key_is_documented_with_its_default() -> None:
    text = (stackfile.ROOT / "docs" / "stacks.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", text, re.MULTILINE))
    top = {f"aml:{field.alias}": field for field in config.Config.model_fields.values()}
    inner = {
        f"aml:{name}.{field.alias}": field
        for name, section in config.SECTIONS.items()
        for field in section.model_fields.values()
    }
    own = {**top, **inner}
    sections = {f"aml:{name}" for name in config.SECTIONS}
    assert set(rows) - {LOCATION, "azure-native:subscriptionId"} == set(own) - {"aml:location"} - sections
    for key in set(rows) & set(own):
        if not own[key].is_required() and own[key].default not in (None, {}, ()):
            default = ", ".join(map(str, own[key].default)) if own[key].default == (80, 100) else own[key].default
            assert rows[key].strip("` ").lower() == str(default).lower(), key
