"""The engine found, built and refused, with a ``pulumi`` and a ``go`` that are stand-ins: what the real one does is proved in
``tests/engine``."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest

from infra import engine, engine_build
from infra.errors import ConfigError, EngineError, NotTheEmulator

GO = """#!/bin/sh
echo "$1" >> "{calls}"
[ "$1" != list ] || { echo "{sdk}"; exit 0; }
while [ "$1" != -o ]; do shift; done
sleep 0.2
[ -z "$BROKEN" ] || { echo "no such module" >&2; exit 1; }
mkdir -p "$(dirname "$2")" && echo engine > "$2"
"""


class Machine:
    """A PATH and a cache of this test's own."""

    def __init__(self, root: Path) -> None:
        self.bin, self.calls = root / "bin", root / "calls"
        self.cache = root / "cache" / "azure-ml-as-code"
        sdk = root / "sdk" / "python" / "cmd"
        for folder in (self.bin, sdk):
            folder.mkdir(parents=True)
        (sdk / engine_build.PYTHON_EXEC).write_text("")
        for name in ("sh", "sleep", "mkdir", "dirname"):
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.go = GO.replace("{calls}", str(self.calls)).replace("{sdk}", str(root / "sdk"))

    def has(self, name: str, content: str) -> Path:
        (self.bin / name).write_text(content)
        (self.bin / name).chmod(0o700)
        return self.bin / name

    def pulumi(self, version: str) -> Path:
        return self.has("pulumi", f"#!/bin/sh\necho v{version}\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(made.bin))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return made


def test_the_engine_on_path_is_taken_where_it_is_new_enough(machine: Machine) -> None:
    with pytest.raises(EngineError, match="no 'pulumi' on PATH, and none was built") as missing:
        engine.find()
    assert "make engine" in str(missing.value.next) and engine.INSTALL in str(missing.value.next)
    old = machine.pulumi("3.100.0")
    with pytest.raises(EngineError, match=f"{old} is 3.100.0, and 3.255 is the oldest that will do"):
        engine.find()
    assert machine.has("pulumi", "#!/bin/sh\nexit 1\n")
    with pytest.raises(EngineError, match="is broken"):
        engine.find()
    new = machine.pulumi("3.300.1-alpha.7")
    found = engine.find()
    assert found == engine.Program(new, "3.300.1-alpha.7")
    assert found.python is None and machine.has("pulumi-language-python", "") and found.python is not None


def test_the_engine_is_built_once_and_whole(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match="no 'go' on PATH"):
        engine_build.build()
    machine.has("go", machine.go)
    monkeypatch.setenv("BROKEN", "1")
    with pytest.raises(EngineError, match="no such module"):
        engine_build.build()
    assert [entry.name for entry in machine.cache.iterdir()] == ["lock"]

    monkeypatch.delenv("BROKEN")
    machine.calls.unlink()
    both = [threading.Thread(target=engine_build.build) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert engine_build.build().read_text() == "engine\n"
    assert machine.calls.read_text().split() == ["build", "list"]
    assert sorted(entry.name for entry in engine_build.cached().parent.iterdir()) == [
        "pulumi",
        engine_build.PYTHON_EXEC,
    ]


def test_against_azure_nothing_of_ours_is_in_the_way(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE"):
        monkeypatch.delenv(name, raising=False)
    machine.pulumi("3.255.0")
    opened = engine.open("dev", Path("unused"))
    assert not opened.emulated and opened.folder == Path(__file__).parents[2]
    added = {name: value for name, value in opened.environment.items() if os.environ.get(name) != value}
    assert added.keys() <= {"PATH", "PULUMI_SKIP_UPDATE_CHECK"}
    assert shutil.which("pulumi-resource-azure-native", path=opened.environment["PATH"]) is None
    assert not (Path(engine.sys.prefix) / "bin" / "pulumi-resource-azure-native").exists()
    with pytest.raises(NotTheEmulator):
        engine.open("local", Path("unused"))
    with pytest.raises(ConfigError, match="There is no stack 'nowhere'; there are dev, local, prod"):
        engine.open("nowhere", Path("unused"))
