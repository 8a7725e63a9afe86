"""What the engine, or the provider, refuses: the cause and the next step, from the module that commands run the engine by."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from emulator import Emulator
from infra import engine
from infra.errors import EngineError
from tests.engine.conftest import CHECKOUT, Project

pytestmark = pytest.mark.engine


def without(project: Project, *names: str, **others: str) -> engine.Engine:
    """The project's engine, with another environment."""
    kept = {name: value for name, value in project.engine.environment.items() if name not in names}
    return replace(project.engine, environment={**kept, **others})


def refused(asked: engine.Engine, *command: str, words: str, next: str) -> str:
    """What ``aml infra`` makes of a refusal, with ``next`` as what to do. Who types ``pulumi`` is told the cause in the engine's
    ``words``, and shown no traceback."""
    typed = subprocess.run(
        asked.command(*command),
        cwd=asked.folder,
        env=dict(asked.environment),
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = typed.stdout + typed.stderr
    assert typed.returncode and "Traceback" not in said and re.search(words, said), said
    told = asked.explained(said, command[0])
    assert next in str(told.next), told
    return str(told)


def test_what_is_missing_is_named_with_what_to_do(project: Project, tmp_path: Path) -> None:
    project.say({})
    path = project.engine.environment["PATH"].split(":")

    def path_without(program: str) -> str:
        return ":".join(folder for folder in path if not (Path(folder) / program).exists())

    passphrase = "PULUMI_CONFIG_PASSPHRASE"
    empty = tmp_path / "empty"
    empty.mkdir()
    for other, words, message, next in (
        (
            without(project, PULUMI_BACKEND_URL=""),
            "PULUMI_ACCESS_TOKEN must be set",
            "No backend is chosen",
            "PULUMI_BACKEND_URL",
        ),
        (
            without(project, PULUMI_BACKEND_URL=f"file://{empty}"),
            "no stack named 'test' found",
            "has no stack 'test'",
            "pulumi stack init test",
        ),
        (
            replace(project.engine, stack="nowhere"),
            "no stack named 'nowhere' found",
            "has no stack 'nowhere'",
            "pulumi stack init nowhere",
        ),
        (without(project, passphrase), f"must be set with {passphrase}", "missing or wrong", passphrase),
        (without(project, **{passphrase: "another"}), "incorrect passphrase", "missing or wrong", passphrase),
        (
            without(project, PATH=path_without("pulumi-language-python")),
            "pulumi-language-python",
            "'pulumi-language-python'",
            engine.INSTALL,
        ),
    ):
        assert message in refused(other, "preview", words=words, next=next)

    group = {"type": "azure-native:resources:ResourceGroup", "properties": {"resourceGroupName": "rg-@"}}
    project.say({"group": group})
    nobody = without(project, PATH=path_without("pulumi-resource-azure-native"))
    told = refused(nobody, "preview", words="pulumi-resource-azure-native", next="infra/provider/bin on PATH")
    assert "no provider 'pulumi-resource-azure-native'" in told
    azure = without(project, "HTTPS_PROXY", "https_proxy")
    alone = "for the emulator alone. https://management.azure.com would be reached without"
    assert alone in refused(azure, "up", "--yes", "--skip-preview", words=alone, next="")
    project.say({"group": {**group, "properties": {**group["properties"], "location": "atlantis"}}})
    said = project.up(fails=True)
    assert "'atlantis' is not available" in said and "next: set azure-native:location in the stack's file" in said

    described = tmp_path / "Pulumi.yaml"
    needed = f'requiredPulumiVersion: {yaml.safe_load(described.read_text())["requiredPulumiVersion"]!r}'
    assert needed == f"requiredPulumiVersion: '>={'.'.join(map(str, engine.OLDEST))}.0'"
    described.write_text(described.read_text().replace(needed, "requiredPulumiVersion: '>=99.0.0'"))
    assert 'does not satisfy the version range ">=99.0.0"' in project.pulumi("preview", fails=True)


def test_a_laptop_needs_no_backend_and_the_checkout_stays_as_it_is(
    program: engine.Program, azure: Emulator, tmp_path: Path, language_host: None
) -> None:
    files = {file: file.read_bytes() for file in (CHECKOUT / "stacks").iterdir()}
    for what, said in ((("preview",), "to create"), (("stack", "export"), "deployment")):
        opened = engine.open("local", tmp_path)
        assert opened.emulated and said in opened.run(*what).stdout
    nobody = replace(opened, environment={**opened.environment, "AZURE_CLIENT_SECRET": "wrong"})
    refused(nobody, "preview", words="error: .*getClientConfig: the credential in AZURE_TENANT_ID", next="")
    wrong = {
        "aml:nothing=1": "aml:nothing: there is no such key; there are .*compute",
        "aml:purgeProtection=maybe": "aml:purgeProtection: 'maybe' must be a valid boolean",
        "aml:suffix=much-too-long": "aml:suffix: 'much-too-long' must be 2 to 8",
        "azure-native:location=West Europe": "azure-native:location: 'West Europe' must be a region's short name",
    }
    given = [word for line in wrong for word in ("--config", line)]
    told = refused(opened, "preview", *given, words="error: .*", next="stacks/Pulumi.local.yaml")
    assert all(re.search(words, told) for words in wrong.values()), told
    with pytest.raises(EngineError, match="aml:nothing: there is no such key"):
        opened.run("preview", "--json", "--config", "aml:nothing=1")
    assert {file: file.read_bytes() for file in (CHECKOUT / "stacks").iterdir()} == files
