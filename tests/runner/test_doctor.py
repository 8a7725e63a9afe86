"""The doctor's judgements, which are pure."""

import pytest

from runner import conda, doctor
from runner.doctor import ACTIONS, FAILURE, OK, missing_actions, mlflow_pin, packages, quota_left


def test_roles_that_allow_everything() -> None:
    assert missing_actions([{"actions": ["*"], "notActions": []}], ACTIONS) == []
    assert missing_actions([{"actions": ["Microsoft.MachineLearningServices/workspaces/*"]}], ACTIONS) == []


def test_what_a_reader_may_not_do() -> None:
    missing = missing_actions([{"actions": ["*/read"], "notActions": []}], ACTIONS)
    assert missing == ["submit jobs", "register environments", "make computes"]


def test_an_exclusion_of_one_role_is_not_another_roles() -> None:
    # 'AzureML Data Scientist' excludes computes: https://learn.microsoft.com/azure/machine-learning/how-to-assign-roles
    scientist = {
        "actions": ["Microsoft.MachineLearningServices/workspaces/*"],
        "notActions": ["Microsoft.MachineLearningServices/workspaces/computes/write"],
    }
    operator = {"actions": ["microsoft.machinelearningservices/workspaces/computes/*"]}
    assert missing_actions([scientist], ACTIONS) == ["make computes"]
    assert missing_actions([scientist, operator], ACTIONS) == []


def usage(name: str, used: int, limit: int) -> dict[str, object]:
    return {"name": {"value": name}, "currentValue": used, "limit": limit}


def test_quota_that_is_left() -> None:
    usages = [
        usage("Total Cluster Dedicated Regional vCPUs", 0, 350),
        usage("Standard D Family Cluster Dedicated vCPUs", 2, 10),
        usage("Standard DSv2 Family Cluster Low Priority vCPUs", 0, 99),
        usage("Standard DSv2 Family Cluster Dedicated vCPUs", 20, 24),
    ]
    assert quota_left(usages, "standardDSv2Family") == 4
    assert quota_left(usages, "standardNCFamily") is None


@pytest.mark.parametrize(
    ("line", "warned"), [("mlflow==2.16.2", False), ("mlflow", True), ("mlflow>=2,<3", False), ("mlflow==3.1.0", True)]
)
def test_the_pin_of_mlflow(line: str, warned: bool) -> None:
    wanted = conda.packages({"dependencies": [{"pip": [line]}]}, "x")
    assert (mlflow_pin(wanted) is not None) == warned


def test_packages_against_what_is_asked_for() -> None:
    asked = ["azure-ai-ml==1.35.2", "rich>=13", 'mlflow>=3; extra == "local"']
    (good,) = packages(asked, {"azure-ai-ml": "1.35.2", "rich": "14.0"}.get)
    assert good.level == OK
    (bad,) = packages(asked, {"azure-ai-ml": "1.20"}.get)
    assert bad.level == FAILURE and bad.code == 1 and bad.next
    assert "azure-ai-ml 1.20 (wanted ==1.35.2)" in bad.text and "rich is not installed" in bad.text


def test_the_project_itself_is_looked_up() -> None:
    from importlib import metadata

    assert metadata.requires(doctor.DISTRIBUTION)
