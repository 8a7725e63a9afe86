"""The command line's frame: lazy commands, exit codes, where errors go."""

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from runner import main as entry
from runner.errors import CloudError, JobFailed, Mistake
from runner.main import COMMANDS, main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"Usage: aml {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_the_table_stands_in_the_listing(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert COMMANDS[name][1].split()[0] in capsys.readouterr().out


def test_help_imports_no_azure_package() -> None:
    code = (
        "import sys; from runner.main import main; main(['--help'])\n"
        "heavy = {'azure', 'emulator', 'infra', 'omegaconf', 'pulumi', 'rich', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_help_of_a_command_imports_no_azure_package() -> None:
    lines = [f"main(['{name}', '--help'])" for name, (module, _) in COMMANDS.items() if ".commands." in module]
    code = "\n".join(
        ["import sys; from runner.main import main", *lines, "assert 'azure' not in sys.modules, 'azure is imported'"]
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_runner_does_not_know_the_emulator() -> None:
    allowed = {"local.py", "demo.py"}
    for file in (ROOT / "runner").rglob("*.py"):
        if file.name not in allowed:
            lines = file.read_text("utf-8").splitlines()
            assert not [line for line in lines if line.lstrip().startswith(("import emulator", "from emulator"))], file


def test_unknown_command_names_the_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setings"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "There is no command 'setings'. Did you mean 'settings'?" in err


def test_unknown_option_is_the_callers_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--jsno"]) == 1
    assert "--jsno" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"), [(Mistake("m", next="n"), 1), (CloudError("m"), 2), (JobFailed("m"), 3), (ValueError("m"), 2)]
)
def test_errors_become_exit_codes(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise error

    monkeypatch.setitem(COMMANDS, "settings", (__name__, "broken"))
    monkeypatch.setattr(sys.modules[__name__], "command", broken, raising=False)
    assert main(["settings"]) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and "Traceback" not in err
    assert main(["settings", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_a_commands_environment_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def setting() -> None:
        os.environ["AML_TEST_SET"] = "1"
        del os.environ["AML_TEST_THERE"]

    monkeypatch.setenv("AML_TEST_THERE", "kept")
    monkeypatch.setitem(COMMANDS, "settings", (__name__, ""))
    monkeypatch.setattr(sys.modules[__name__], "command", setting, raising=False)
    assert main(["settings"]) == 0
    assert "AML_TEST_SET" not in os.environ and os.environ["AML_TEST_THERE"] == "kept"


def test_the_installed_program_says_the_same() -> None:
    aml = Path(sys.executable).with_name("aml")
    ended = subprocess.run([aml, "settings", "--json"], capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0 and set(json.loads(ended.stdout)) == set(import_module("runner.settings").NAMES)
    assert subprocess.run([aml, "nothing"], capture_output=True).returncode == 1


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    aml = Path(sys.executable).with_name("aml")
    ended = subprocess.run(f"{aml} --help | true; exit ${{PIPESTATUS[0]}}", shell=True, executable="/bin/bash")
    assert ended.returncode == 0


def test_entry_is_callable_as_a_module() -> None:
    assert entry.main(["--version"]) == 0
