"""The target, and every way in which it is not there: asked of the emulator by the real clients."""

from __future__ import annotations

import re

import certifi
import pytest

from emulator import Emulator
from runner import settings
from tests.conftest import Arm
from tests.runner.conftest import Aml, put

OTHER = "00000000-0000-0000-0000-000000000009"


@pytest.fixture
def target(azure: Emulator, group: str, unset: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    values = {
        settings.SUBSCRIPTION: azure.settings.subscription,
        settings.GROUP: group.rpartition("/")[2],
        settings.WORKSPACE: "mlw-nobody",
        settings.DATASTORE: "flatfilestorage",
    }
    put(monkeypatch, values)
    return values


def test_a_wrong_subscription_names_those_there_are(
    aml: Aml, target: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.SUBSCRIPTION, OTHER)
    said = aml("jobs", "list")
    assert said.code == 1 and said.out == ""
    assert f"no subscription '{OTHER}'" in said.err and target[settings.SUBSCRIPTION] in said.err, said.err


def test_a_wrong_group_names_the_near_one(aml: Aml, target: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.GROUP, target[settings.GROUP] + "x")
    said = aml("jobs", "list")
    assert said.code == 1 and f"Did you mean '{target[settings.GROUP]}'" in said.err, said.err


def test_a_wrong_workspace_is_named(aml: Aml, target: dict[str, str]) -> None:
    said = aml("jobs", "list")
    assert said.code == 1 and "There is no workspace 'mlw-nobody'" in said.err, said.err


def test_a_workspace_that_is_near_or_elsewhere_is_named(
    aml: Aml, place: dict[str, str], arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, group = place[settings.WORKSPACE], place[settings.GROUP]
    monkeypatch.setenv(settings.WORKSPACE, f"{name}x")
    said = aml("data", "list")
    assert said.code == 1 and f"Did you mean '{name}'?" in said.err, said.err

    other = f"/subscriptions/{arm.subscription}/resourceGroups/{group}-other"
    assert arm.put(other, {"location": "westeurope"}).status_code == 201
    monkeypatch.setenv(settings.WORKSPACE, name)
    monkeypatch.setenv(settings.GROUP, f"{group}-other")
    said = aml("experiment", "--input-data-path", "/x", "--output-data-path", "/")
    assert said.code == 1 and f"There is one in resource group '{group}'." in said.err, said.err


def test_a_wrong_key_is_explained_without_a_traceback(
    aml: Aml, target: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong")
    said = aml("jobs", "list")
    assert said.code == 1 and "key is wrong. (AADSTS7000215)" in said.err and "AZURE_CLIENT_SECRET" in said.err
    assert said.err.count("AADSTS7000215: ") == 1 and len(said.err.splitlines()) == 3, said.err


def test_a_tenant_that_does_not_exist(aml: Aml, target: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", "11111111-1111-1111-1111-111111111111")
    said = aml("jobs", "list")
    assert said.code == 1 and "There is no such tenant." in said.err and "next: check AZURE_TENANT_ID" in said.err


def test_a_certificate_that_is_not_trusted(aml: Aml, target: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    said = aml("jobs", "list")
    assert said.code == 2 and f"nobody whom '{certifi.where()}' names" in said.err, said.err
    assert len(said.err.splitlines()) == 3 and "next: a company's proxy" in said.err, said.err


def test_a_laptop_without_a_sign_in_is_told_so(
    aml: Aml, target: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", "/nowhere")
    said = aml("jobs", "list")
    assert said.code == 1 and "There is no sign-in." in said.err and "az login" in said.err, said.err


def test_an_emulator_that_was_killed_is_told(aml: Aml, target: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    said = aml("jobs", "list")
    assert said.code == 2 and "Azure could not be reached." in said.err and "next: aml local up" in said.err, said.err


def test_doctor_stops_where_the_ground_is_missing(aml: Aml, target: dict[str, str]) -> None:
    said = aml("doctor", "--json")
    findings = {finding["check"]: finding for finding in said.json}
    assert said.code == 1
    assert findings["sign-in"]["level"] == "ok" and "AZURE_CLIENT_SECRET" in findings["sign-in"]["text"]
    assert findings["target"]["level"] == "FAILED" and "mlw-nobody" in findings["target"]["text"]
    assert not {"roles", "tracking", "datastore"} & set(findings)
    assert re.search(r"azure-ai-ml 1\.\d+", findings["packages"]["text"])


def test_doctor_asks_what_the_sign_in_may_do(aml: Aml, place: dict[str, str], arm: Arm) -> None:
    findings = {finding["check"]: finding for finding in aml("doctor", "--json").json}
    assert findings["roles"]["level"] == "ok" and "submit jobs" in findings["roles"]["text"]
    path = "providers/Microsoft.Authorization/permissions"
    assert arm.get(f"{settings.Settings(place, {}).workspace_id}x/{path}").status_code == 404
    assert arm.get(f"/subscriptions/{arm.subscription}/resourceGroups/none/{path}").status_code == 404
