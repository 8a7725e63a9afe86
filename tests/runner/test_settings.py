"""Settings: their order, the target from one source, and what is said when something is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from runner import settings
from runner.errors import Mistake
from runner.main import main
from runner.settings import COMMAND_LINE, NAMES, PROCESS, TARGET, Given, Source, resolve

GUID = "00000000-0000-0000-0000-000000000001"
OTHER_GUID = "00000000-0000-0000-0000-000000000002"
HERE = {settings.SUBSCRIPTION: GUID, settings.GROUP: "rg-here", settings.WORKSPACE: "mlw-here"}
THERE = {settings.SUBSCRIPTION: OTHER_GUID, settings.GROUP: "rg-there", settings.WORKSPACE: "mlw-there"}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AML_LOCAL_HOME", str(tmp_path / "state"))
    yield


def test_order_of_the_sources() -> None:
    name = settings.DATASTORE
    sources = [
        Source(COMMAND_LINE, {name: "one"}),
        Source(PROCESS, {name: "two", settings.COMPUTE: "two"}),
        Source("'.env'", {name: "three", settings.COMPUTE: "three", settings.EXPERIMENT: "three"} | HERE),
    ]
    found = resolve(sources)
    assert [found[key] for key in (name, settings.COMPUTE, settings.EXPERIMENT)] == ["one", "two", "three"]
    assert found.origins[name] == COMMAND_LINE and found.origins[settings.EXPERIMENT] == "'.env'"


def test_the_target_is_the_first_whole_one() -> None:
    found = resolve([Source(PROCESS, THERE), Source("'.env'", HERE)])
    assert {name: found[name] for name in TARGET} == THERE


def test_half_a_target_of_two_sources_is_refused_naming_both() -> None:
    half = {settings.SUBSCRIPTION: OTHER_GUID}
    with pytest.raises(Mistake) as caught:
        resolve([Source(PROCESS, half), Source("'.env'", HERE)])
    said = "\n".join(caught.value.lines())
    assert PROCESS in said and "'.env'" in said and OTHER_GUID in said and "mlw-here" in said


def test_a_part_that_agrees_is_no_mixture() -> None:
    same = {settings.SUBSCRIPTION: GUID.upper(), settings.GROUP: "RG-HERE"}
    found = resolve([Source(PROCESS, same), Source("'.env'", HERE)])
    assert found[settings.WORKSPACE] == "mlw-here" and found.origins[settings.SUBSCRIPTION] == "'.env'"


def test_a_target_in_pieces_is_refused_even_when_they_make_a_whole() -> None:
    with pytest.raises(Mistake, match="mixed"):
        resolve(
            [
                Source(COMMAND_LINE, {settings.WORKSPACE: "mlw-here"}),
                Source(PROCESS, {settings.SUBSCRIPTION: GUID, settings.GROUP: "rg-here"}),
            ]
        )


def test_with_a_stack_the_target_is_the_stacks() -> None:
    stack = Source("the outputs of stack 'dev'", HERE, environment={"HTTPS_PROXY": "x"})
    found = resolve([Source(PROCESS, THERE), stack], stack="dev")
    assert {name: found[name] for name in TARGET} == HERE
    assert found.environment == {"HTTPS_PROXY": "x"} and "another" in found.notes[0]


def test_a_command_line_against_the_stack_is_refused() -> None:
    sources = [Source(COMMAND_LINE, {settings.WORKSPACE: "other"}), Source("the outputs of stack 'dev'", HERE)]
    with pytest.raises(Mistake, match="the command line and the outputs of stack 'dev'"):
        resolve(sources, stack="dev")


def test_what_goes_with_another_target_stays_out() -> None:
    found = resolve([Source(PROCESS, THERE), Source("'.env'", HERE, environment={"HTTPS_PROXY": "x"})])
    assert found.environment == {}


def test_all_missing_and_misspelt_keys_are_named_at_once(tmp_path: Path) -> None:
    text = f'AZURE_WORKSPCE_NAME = "mlw"\nAZURE_SUBSCRIPTION_ID = "{GUID}"\nAZURE_RESOURCEGROUP="rg"\nAZURE_ML_DATASTORE_NAME=\n'
    (tmp_path / ".env").write_text(text)
    with pytest.raises(Mistake) as caught:
        settings.load(Given(), needs=NAMES)
    said = "\n".join(caught.value.lines())
    assert "'AZURE_WORKSPCE_NAME'" in said and "'AZURE_RESOURCEGROUP'" in said and "empty in '.env'" in said
    for name in NAMES:
        assert (name in said) == (name != settings.SUBSCRIPTION), said


def test_the_file_people_have_works_unchanged(tmp_path: Path) -> None:
    lines = [f'{name} = "{value}"' for name, value in HERE.items()]
    (tmp_path / ".env").write_bytes(
        "\r\n".join(["\ufeff# mine", *lines, "export AZURE_ML_EXPERIMENT_NAME='iris'"]).encode()
    )
    found = settings.load(Given(), needs=(*TARGET, settings.EXPERIMENT))
    assert found[settings.EXPERIMENT] == "iris" and found[settings.GROUP] == "rg-here"


def test_the_way_to_a_target_is_that_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``aml local env --shell dotenv`` wrote works where the machine has a CA file of its own."""
    written = {**HERE, "SSL_CERT_FILE": "/emulator.pem", "AZURE_CLIENT_SECRET": "of the file", "AZURE_CLIENT_ID": "me"}
    (tmp_path / ".env").write_text("".join(f'{name}="{value}"\n' for name, value in written.items()))
    monkeypatch.setenv("SSL_CERT_FILE", "/company.pem")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "of the process")
    monkeypatch.delenv("AZURE_CLIENT_ID", raising=False)
    assert settings.load(Given()).environment == {"SSL_CERT_FILE": "/emulator.pem", "AZURE_CLIENT_ID": "me"}
    for name, value in THERE.items():
        monkeypatch.setenv(name, value)
    assert settings.load(Given()).environment == {}


def test_the_example_names_every_setting() -> None:
    example = Path(__file__).parents[2] / ".env.example"
    with pytest.raises(Mistake) as caught:
        settings.load(Given(env_file=example), needs=NAMES)
    assert "does not take these names" in str(caught.value), "placeholders are refused, and nothing is missing"
    assert len(caught.value.details) == len(TARGET)


def test_a_line_that_says_nothing_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ".env").write_text('AZURE_ML_EXPERIMENT_NAME = "iris"\nthis is no "setting\n')
    with pytest.raises(Mistake, match="line 2"):
        settings.load(Given())
    assert caplog.text == ""


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b'AZURE_ML_EXPERIMENT_NAME = "\xff\xfe"\n')
    with pytest.raises(Mistake, match="0xff"):
        settings.load(Given())


def test_names_against_azures_rules_are_all_named() -> None:
    bad = HERE | {settings.WORKSPACE: "a b", settings.COMPUTE: "1-cluster"}
    with pytest.raises(Mistake) as caught:
        resolve([Source(PROCESS, bad)], needs=(*TARGET, settings.COMPUTE))
    said = "\n".join(caught.value.lines())
    assert "'a b'" in said and "'1-cluster'" in said and "beginning with a letter" in said


def test_settings_shows_where_each_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in HERE.items()))
    monkeypatch.setenv(settings.DATASTORE, "mine")
    assert main(["settings", "--json", "--compute", "cpu"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown[settings.COMPUTE] == {"value": "cpu", "source": COMMAND_LINE}
    assert shown[settings.DATASTORE] == {"value": "mine", "source": PROCESS}
    assert shown[settings.WORKSPACE] == {"value": "mlw-here", "source": "'.env'"}
    assert shown[settings.ENDPOINT] == {"value": None, "source": None}


def test_write_env_writes_what_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = HERE | {name: "iris" for name in NAMES if name not in HERE}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    assert main(["settings", "--write-env", "written.env"]) == 0
    for name in NAMES:
        monkeypatch.delenv(name)
    assert settings.load(Given(env_file=tmp_path / "written.env"), needs=NAMES).values == values
    assert main(["settings", "--env-file", "written.env", "--compute", "cpu", "--write-env", "written.env"]) == 1
    assert 'TRAINER = "iris"' in (tmp_path / "written.env").read_text()
    again = ["settings", "--env-file", "written.env", "--compute", "cpu", "--write-env", "written.env", "--overwrite"]
    assert main(again) == 0
    assert 'TRAINER = "cpu"' in (tmp_path / "written.env").read_text()


def test_write_env_of_half_the_settings_writes_nothing(tmp_path: Path) -> None:
    assert main(["settings", "--write-env", "written.env"]) == 1
    assert not (tmp_path / "written.env").exists()


def test_write_variables_fills_in_a_file_of_the_pipelines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what the stack says, whatever the process works on."""
    values = HERE | {name: "iris" for name in NAMES if name not in HERE} | {settings.ENVIRONMENT_VERSION: "1"}
    for name, value in (THERE | {settings.COMPUTE: "other"}).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "state" / "stacks").mkdir(parents=True)
    stack = tmp_path / "state" / "stacks" / "dev.json"
    stack.write_text(json.dumps({"outputs": values | {"more": ["a"]}}))
    (tmp_path / "devops_pipelines" / "variables").mkdir(parents=True)
    file = tmp_path / "devops_pipelines" / "variables" / "dev.yaml"
    file.write_text(
        "# Of dev.\nvariables:\n  STACK: dev  # its name\n  AZURE_SUBSCRIPTION_ID: ''\n  AZURE_WORKSPACE_NAME: old\n"
    )
    assert main(["settings", "--write-variables", "dev"]) == 0
    text = file.read_text()
    assert text.startswith("# Of dev.\nvariables:\n  STACK: dev  # its name\n  AZURE_SUBSCRIPTION_ID: ")
    assert yaml.safe_load(text) == {"variables": {"STACK": "dev", **values}}
    capsys.readouterr()
    assert main(["infra", "outputs", "--stack", "dev"]) == 0
    assert json.loads(capsys.readouterr().out) == values
    assert main(["settings", "--stack", "dev", "--write-env", "dev.env"]) == 0
    assert 'TRAINER = "iris"' in (tmp_path / "dev.env").read_text()
    for name in ("test", "../dev"):
        assert main(["settings", "--stack", "dev", "--write-variables", name]) == 1
    file.write_text("stages: []")
    assert main(["settings", "--write-variables", "dev"]) == 1 and file.read_text() == "stages: []"
    stack.write_text(json.dumps({"outputs": HERE}))
    assert main(["settings", "--write-variables", "dev"]) == 1
    assert (
        "These settings are missing (looked in the command line, the outputs of stack 'dev')" in capsys.readouterr().err
    )


def test_entering_takes_the_place_of_the_lower_case_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("https_proxy", "http://elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://elsewhere")
    settings.Settings(HERE, {}, {"HTTPS_PROXY": "http://127.0.0.1:1"}).enter()
    assert "https_proxy" not in os.environ and os.environ["HTTPS_PROXY"] == "http://127.0.0.1:1"
