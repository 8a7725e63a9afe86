"""Stacks: their outputs from the state folder or from Pulumi, and every way in which there are none."""

import json
import os
import socket
from pathlib import Path

import pytest

from runner import settings, stacks
from runner.errors import CloudError, Mistake
from runner.settings import NAMES, Given

GUID = "00000000-0000-0000-0000-000000000001"
OUTPUTS = {name: "iris-name" for name in NAMES} | {settings.SUBSCRIPTION: GUID}


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "state"
    (folder / "stacks").mkdir(parents=True)
    monkeypatch.setenv("AML_LOCAL_HOME", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.chdir(tmp_path)
    return folder


def applied(state: Path, name: str, environment: dict[str, str]) -> None:
    (state / "stacks" / f"{name}.json").write_text(json.dumps({"outputs": OUTPUTS, "environment": environment}))


def pulumi(tmp_path: Path, script: str) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pulumi").write_text(f'#!/bin/sh\n[ "$1" = version ] && echo v3.300.0 && exit\n{script}\n')
    (folder / "pulumi").chmod(0o755)


def declared(tmp_path: Path, *names: str) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: x\n")
    for name in names:
        (tmp_path / "stacks" / f"Pulumi.{name}.yaml").write_text("")


def test_an_applied_stack_brings_its_outputs_and_its_way_there(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        applied(state, "local", {"HTTPS_PROXY": proxy})
        found = settings.load(Given(stack="local"), needs=NAMES)
    assert found.environment == {"HTTPS_PROXY": proxy} and dict(found.values) == OUTPUTS
    assert "stack 'local'" in found.target


def test_an_emulator_that_does_not_run_is_said(state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    applied(state, "local", {"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    with pytest.raises(CloudError, match="not running") as caught:
        stacks.read("local")
    assert caught.value.next == "aml local up"


def test_the_local_stack_before_its_first_time() -> None:
    with pytest.raises(Mistake) as caught:
        stacks.read("local")
    assert caught.value.next == "aml local up"


def test_an_unknown_stack_names_the_near_one(tmp_path: Path) -> None:
    declared(tmp_path, "dev", "prod")
    with pytest.raises(Mistake, match="There is no stack 'prd'. Did you mean 'prod'?"):
        stacks.read("prd")


def test_no_pulumi_is_said_with_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared(tmp_path, "dev")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(CloudError, match="no 'pulumi' on PATH") as caught:
        stacks.read("dev")
    assert "make engine" in (caught.value.next or "")


def test_pulumi_is_asked(tmp_path: Path) -> None:
    declared(tmp_path, "dev")
    pulumi(tmp_path, f'case "$*" in *"--stack dev"*) echo \'{json.dumps(OUTPUTS | {"n": 3, "o": {"x": 1}})}\';; esac')
    assert stacks.read("dev").outputs == OUTPUTS | {"n": "3"}


@pytest.mark.parametrize(
    "script, error, message, next",
    [
        (
            "echo \"error: no stack named 'dev' found\" >&2; exit 255",
            CloudError,
            "no stack 'dev'",
            "pulumi stack init dev",
        ),
        ('echo "error: get credentials" >&2; exit 1', CloudError, "get credentials", None),
        ("echo Hello", CloudError, "are not JSON", None),
        ("echo {}", Mistake, "was never applied", "pulumi up --stack dev"),
    ],
)
def test_what_pulumi_cannot_tell(
    tmp_path: Path, script: str, error: type[Exception], message: str, next: str | None
) -> None:
    declared(tmp_path, "dev")
    pulumi(tmp_path, script)
    with pytest.raises(error, match=message) as caught:
        stacks.read("dev")
    assert next is None or str(getattr(caught.value, "next", "")).startswith(next)


@pytest.mark.parametrize("name", ["../x", "a/../../b", "", "a b", "x" * 200, "..%2f"])
def test_a_stacks_name_is_never_a_path(name: str) -> None:
    with pytest.raises(Mistake, match="not a stack's name"):
        stacks.read(name)


def test_a_file_that_cannot_be_read_is_named(state: Path) -> None:
    (state / "stacks" / "local.json").write_text("{")
    with pytest.raises(CloudError, match="local.json"):
        stacks.read("local")


def test_a_stack_without_the_target_is_refused(state: Path) -> None:
    (state / "stacks" / "half.json").write_text(json.dumps({"outputs": {settings.GROUP: "rg"}}))
    os.environ.pop(settings.WORKSPACE, None)
    with pytest.raises(Mistake) as caught:
        settings.load(Given(stack="half"))
    assert settings.WORKSPACE in caught.value.details
