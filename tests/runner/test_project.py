"""What is found from where, and how ``aml`` is to be typed."""

import shutil
import sys
from pathlib import Path

import pytest

from runner import project


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a folder below it, and the runner's own checkout elsewhere."""
    monkeypatch.setattr(project, "TOP", ("mark",))
    monkeypatch.setattr(project, "CHECKOUT", tmp_path / "checkout")
    monkeypatch.delenv("AML_LOCAL_HOME", raising=False)
    for folder in ("mine/below", "checkout", "nowhere"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("mine/mark", "checkout/mark", "mine/.env", "checkout/.env", ".env"):
        (tmp_path / file).touch()
    return tmp_path


def test_a_project_s_own_come_before_the_checkout_s(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(places / "mine" / "below")
    assert project.find(".env") == places / "mine" / ".env"
    assert project.state_folder() == places / "mine" / ".local"
    (places / "mine" / ".env").unlink()
    assert project.find(".env") is None, "what lies above the project's top is somebody else's"


def test_outside_of_any_project_it_is_the_checkout_s(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An IDE starts ``main.py`` in whatever folder it likes; a home folder has a ``.local`` that is no emulator's."""
    monkeypatch.chdir(places / "nowhere")
    (places / "nowhere" / ".local").mkdir()
    assert project.find(".env") == places / "checkout" / ".env"
    assert project.state_folder() == places / "checkout" / ".local"
    monkeypatch.setenv("AML_LOCAL_HOME", str(places / "named"))
    assert project.state_folder() == places / "named"


def test_aml_is_typed_by_its_path_where_it_is_not_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("aml")
    said = "aml local up; 'aml' is not /usr/bin/aml local, and az login"
    assert shutil.which("aml") == str(program) and project.typed(said) == said
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert project.typed(said) == said.replace("aml local up", f"{program} local up")
    monkeypatch.chdir(program.parents[2])
    assert project.typed("aml local up") == f"{program.relative_to(program.parents[2])} local up"
