from __future__ import annotations

import itertools
import re

import pytest

from infra import naming

PROJECTS = ("aml", "a", "My.Project_with-everything", "x" * 60, "99-bottles", "é")
STACKS = ("local", "dev", "prod", "feature--a.very.long.branch-name-of-somebody", "1")
REGIONS = ("westeurope", "eastus2", "germanywestcentral", "usgovvirginia")


@pytest.mark.parametrize("kind", naming.RULES)
def test_every_name_is_valid_for_its_type(kind: str) -> None:
    rule = naming.RULES[kind]
    for project, stack, region in itertools.product(PROJECTS, STACKS, REGIONS):
        name = naming.derive(kind, project=project, stack=stack, region=region, suffix="a1b2c3")
        assert re.fullmatch(rule.pattern, name), f"{name} from {project}, {stack}, {region}"
        assert len(name) <= rule.longest
        assert name.endswith("a1b2c3") or not rule.unique


@pytest.mark.parametrize("kind", naming.RULES)
def test_long_names_that_differ_only_in_what_is_cut_off_stay_apart(kind: str) -> None:
    names = {
        naming.derive(kind, project="p" * 300, stack=stack, region="westeurope", suffix="aa")
        for stack in ("dev", "prod")
    }
    assert len(names) == 2


def test_a_name_changes_with_each_of_its_parts_and_with_nothing_else() -> None:
    base = {"project": "aml", "stack": "dev", "region": "westeurope", "suffix": "aa11"}
    changes = ({"project": "lab"}, {"stack": "prod"}, {"region": "eastus"}, {"suffix": "bb22"})
    names = {naming.derive("storageAccount", **{**base, **change}) for change in changes}
    assert len(names | {naming.derive("storageAccount", **base)}) == 5
    assert naming.derive("vault", **base) == naming.derive("vault", **base) == "kv-aml-dev-weu-aa11"


@pytest.mark.parametrize("suffix", ["", "a", "UPPER", "with-hyphen", "toolongsuffix"])
def test_a_suffix_that_could_spoil_a_name_is_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match="2 to 8"):
        naming.derive("vault", project="aml", stack="dev", region="westeurope", suffix=suffix)


@pytest.mark.parametrize(
    ("region", "code"),
    [("westeurope", "weu"), ("eastus2", "eus2"), ("West US 3", "wus3"), ("southcentralus", "scus"), ("uksouth", "uks")],
)
def test_short_regions(region: str, code: str) -> None:
    assert naming.short(region) == code


def test_the_subscription_gives_a_suffix_whatever_its_case() -> None:
    assert naming.suffix_for("ABC") == naming.suffix_for("abc") != naming.suffix_for("abd")
    assert re.fullmatch(naming.SUFFIX, naming.suffix_for("abc"))
