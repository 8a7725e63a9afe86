"""Environments that are really made, by ``uv``, of wheels made here: no test but the one of the index needs a network."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from emulator.environments import builds, installer, interpreters
from emulator.environments.builds import Built, EnvironmentFailed
from emulator.home import Home
from tests.waiting import until

OWN = f"python={sys.version_info[0]}.{sys.version_info[1]}"
# conda's python brings pip along; where the tests' wheels are the whole index, these three are among them.
IMPLIED = (("pip", "25.0"), ("setuptools", "75.0"), ("wheel", "0.45"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: ``apple`` 1.0 and 2.0, ``pear`` that wants apple 1, and what conda's python implies. ``simple`` in it
    is an index of them."""
    folder = tmp_path_factory.mktemp("wheels")
    for name, version in (*IMPLIED, ("apple", "1.0"), ("apple", "2.0")):
        make_wheel(folder, name, version)
    make_wheel(folder, "pear", "1.0", requires="apple<2")
    for wheel in sorted(folder.glob("*.whl")):
        page = folder / "simple" / wheel.name.split("-")[0] / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("a") as file:
            file.write(f'<a href="{wheel.as_uri()}">{wheel.name}</a>\n')
    return folder


def make_wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}/__init__.py": f"VERSION = {version!r}\n\ndef main():\n    import sys\n    print({name!r}, VERSION, sys.prefix)\n",
        f"{info}/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,", ""])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def offline(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A state folder, and an index of nothing but ``wheels``."""
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", (wheels / "simple").as_uri())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    yield Home(tmp_path / "state").prepare()


def conda_file(*dependencies: object, **keys: object) -> dict[str, object]:
    return {
        "image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04",
        "condaFile": json.dumps({"dependencies": dependencies, **keys}),
    }


def build(home: Home, environment: dict[str, object]) -> tuple[Built, list[str]]:
    lines: list[str] = []
    return asyncio.run(builds.build(home, environment, lines.append)), lines


def output(*command: object) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout.strip()


def test_an_environment_is_made_once_for_its_content(offline: Home) -> None:
    first, log = build(offline, conda_file(OWN, "pear", {"pip": ["apple>=1"]}, variables={"FRUIT": "yes"}))
    assert output(first.python, "-c", "import apple, pear; print(apple.VERSION, pear.VERSION)") == "1.0 1.0"
    assert output(first.folder / "bin" / "pear") == f"pear 1.0 {first.folder}"
    assert any("+ pear==1.0" in line for line in log)
    assert "+ pear==1.0" in first.log
    assert first.variables == {"FRUIT": "yes"}
    inode = first.python.parent.stat().st_ino

    second, log = build(offline, conda_file("Pear", OWN, {"pip": ["Apple >= 1"]}, name="another spelling"))
    assert second.digest == first.digest
    assert second.python.parent.stat().st_ino == inode
    assert any("was built before" in line for line in log)
    third, _ = build(offline, conda_file(OWN, "pear"))
    assert third.digest != first.digest


def test_a_digest_that_is_there_costs_under_five_milliseconds(offline: Home) -> None:
    async def again() -> float:
        environment = conda_file(OWN, "apple")
        await builds.build(offline, environment, lambda _: None)
        taken = []
        for _ in range(5):
            started = time.perf_counter()
            await builds.build(offline, environment, lambda _: None)
            taken.append(time.perf_counter() - started)
        return min(taken)

    assert asyncio.run(again()) < 0.005


def test_callers_share_one_build_and_each_sees_its_log(offline: Home) -> None:
    async def together() -> list[list[str]]:
        logs: list[list[str]] = [[], [], []]
        said = asyncio.Event()

        def first(line: str) -> None:
            logs[0].append(line)
            said.set()

        listeners = [first, logs[1].append, logs[2].append]
        begun = [builds.build(offline, conda_file(OWN, "apple==2.0"), listener) for listener in listeners]
        tasks = [asyncio.ensure_future(build) for build in begun]
        await said.wait()
        tasks[0].cancel()  # a cancelled job takes nobody's environment away
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError)
        assert done[1] == done[2]
        return logs[1:]

    one, other = asyncio.run(together())
    assert one == other
    assert len([line for line in one if "+ apple==2.0" in line]) == 1


def test_two_processes_exclude_each_other(offline: Home) -> None:
    code = (
        "import asyncio, sys; from emulator.environments import builds; from emulator.home import Home; from pathlib import Path;"
        f"environment = {conda_file(OWN, 'apple', 'pear')!r};"
        "built = asyncio.run(builds.build(Home(Path(sys.argv[1])), environment, print)); print(built.digest)"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(offline.root)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert len({text.splitlines()[-1] for text in said}) == 1
    assert "".join(said).count("+ pear==1.0") == 1


def test_what_a_killed_build_left_is_swept(offline: Home) -> None:
    draft = offline.environments / "0123.draft"
    (draft / "bin").mkdir(parents=True)
    held = offline.environments / "4567.draft"
    held.mkdir()
    lock = builds._lock(held.with_suffix(""))
    try:
        build(offline, conda_file(OWN, "apple"))
        assert not draft.exists()
        assert held.exists()
    finally:
        os.close(lock)


def test_an_environment_whose_python_is_gone_is_made_anew(offline: Home) -> None:
    built, _ = build(offline, conda_file(OWN, "apple"))
    built.python.unlink()
    built.python.symlink_to("/nowhere/python")
    again, log = build(offline, conda_file(OWN, "apple"))
    assert output(again.python, "-c", "import apple; print(apple.VERSION)") == "2.0"
    assert not any("was built before" in line for line in log)


BACKEND = """
import os, pathlib, signal
def build_wheel(*_, **__):
    pathlib.Path(os.environ["STARTED"]).write_text(str(os.getpid()))
    signal.pause()
"""


def test_a_build_dies_with_its_emulator(
    offline: Home, tmp_path: Path, wheels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package whose build never ends, and an emulator that is killed meanwhile."""
    started = tmp_path / "started"
    with tarfile.open(tmp_path / "slow-1.0.tar.gz", "w:gz") as archive:
        for name, text in {
            "pyproject.toml": '[build-system]\nrequires = []\nbackend-path = ["."]\nbuild-backend = "backend"\n',
            "backend.py": BACKEND,
            "PKG-INFO": "Metadata-Version: 2.2\nName: slow\nVersion: 1.0\n",
        }.items():
            entry = tarfile.TarInfo(f"slow-1.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("STARTED", str(started))
    environment = conda_file(OWN, "slow")
    code = (
        "import asyncio; from emulator.environments import builds; from emulator.home import Home; from pathlib import Path;"
        f"asyncio.run(builds.build(Home(Path({str(offline.root)!r})), {environment!r}, print))"
    )
    emulator = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert any("Building slow==1.0" in line for line in emulator.stdout or ())
        until(lambda: started.exists() and started.read_text() != "")
        backend = psutil.Process(int(started.read_text()))
    finally:
        emulator.kill()
        emulator.communicate()
    until(lambda: not backend.is_running() or backend.status() == psutil.STATUS_ZOMBIE)


def test_a_curated_image_has_the_contents_that_microsoft_published() -> None:
    plan = builds.recipe({"image": "mcr.microsoft.com/azureml/curated/sklearn-1.5:54"})
    assert plan.python == "==3.10.*"
    assert "scikit-learn~=1.5.0" in plan.requirements
    assert any("left out" in note for note in plan.notes)
    with pytest.raises(EnvironmentFailed, match="curated/nothing:1' are not known here; known are .*sklearn-1.5"):
        builds.recipe({"image": "mcr.microsoft.com/azureml/curated/nothing:1"})


def test_what_a_job_installs_stays_in_its_layer(offline: Home, tmp_path: Path, wheels: Path) -> None:
    built, _ = build(offline, conda_file(OWN, "pear"))
    python = builds.layer(built, tmp_path / "layer")
    assert output(python, "-c", "import apple, sys; print(apple.VERSION, sys.prefix)") == f"1.0 {tmp_path / 'layer'}"
    assert output(tmp_path / "layer" / "bin" / "pear") == f"pear 1.0 {tmp_path / 'layer'}"
    install = [installer.uv.find_uv_bin(), "pip", "install", "--python", python, "--no-index", "--find-links", wheels]
    output(*install, "apple==2.0")
    assert output(python, "-c", "import apple; print(apple.VERSION)") == "2.0"
    assert output(built.python, "-c", "import apple; print(apple.VERSION)") == "1.0"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("aple", ["no package 'aple' on PyPI"]),
        ("sklearn", ["no package 'sklearn' on PyPI", "scikit-learn"]),
        ("apple==9.9", ["PyPI has no 'apple==9.9'"]),
    ],
)
def test_a_package_that_cannot_be_had_is_named(offline: Home, entry: str, told: list[str]) -> None:
    with pytest.raises(EnvironmentFailed) as failed:
        build(offline, conda_file(OWN, entry))
    assert all(text in str(failed.value) for text in told), failed.value
    assert not list(offline.environments.glob("*.draft"))


def test_packages_that_exclude_each_other_are_named(offline: Home) -> None:
    log: list[str] = []
    with pytest.raises(EnvironmentFailed, match="cannot be installed together.*pear.*apple"):
        asyncio.run(builds.build(offline, conda_file(OWN, "pear", "apple==2.0"), log.append))
    assert any("No solution found" in line for line in log)


def test_a_python_that_is_not_there_is_said_with_those_that_are(offline: Home) -> None:
    own = ".".join(map(str, sys.version_info[:3]))
    with pytest.raises(EnvironmentFailed) as failed:
        build(offline, conda_file("python=3.99"))
    assert "3.99" in str(failed.value)
    assert own in str(failed.value)
    with pytest.raises(EnvironmentFailed, match="3.98"):
        build(offline, {"image": "docker.io/python:3.98-slim"})


def test_a_range_picks_the_newest_and_a_patch_release_may_be_stood_in_for() -> None:
    found = interpreters.found()
    newest = [python for python in found if python.version.release[:2] <= (3, 13)][0]
    assert interpreters.choose(">=3.7,<3.14")[0] == newest
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    python, said = interpreters.choose(f"=={own}.99.*")
    assert str(python.version).startswith(f"{own}.")
    assert "stands in" in said
    assert interpreters.choose("")[0].version.release == sys.version_info[:3]


def test_without_a_network_the_message_says_so(offline: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(
        EnvironmentFailed, match=r"'\S+' is not in uv's cache, and the network is switched off \(UV_OFFLINE\)"
    ):
        build(offline, conda_file(OWN, "apricot"))


def test_uv_is_told_what_this_machine_s_pip_is_told(offline: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CERT", "/etc/company.pem")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    told = asyncio.run(installer.environment())
    assert told["SSL_CERT_FILE"] == "/etc/company.pem"
    assert told["UV_DEFAULT_INDEX"] != "http://127.0.0.1:9/simple"  # uv's own variable comes first
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    assert asyncio.run(installer.environment())["UV_DEFAULT_INDEX"] == "http://127.0.0.1:9/simple"


def test_an_index_that_does_not_answer_is_named_without_its_password(
    offline: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    environment = conda_file(OWN, {"pip": ["--index-url http://me:secret@127.0.0.1:9/simple", "apricot"]})
    with pytest.raises(
        EnvironmentFailed, match="package index cannot be reached.*127.0.0.1:9.*Is there a network"
    ) as failed:
        build(offline, environment)
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        (
            {"build": {"contextUri": "https://x/y", "dockerfilePath": "docker/Dockerfile"}},
            "'docker/Dockerfile'.*container engine",
        ),
        ({"image": "x", "osType": "Windows"}, "osType is 'Windows'"),
    ],
)
def test_what_needs_an_engine_is_refused(environment: dict[str, object], told: str) -> None:
    with pytest.raises(EnvironmentFailed, match=told):
        builds.recipe(environment)


@pytest.mark.parametrize(
    ("image", "python"),
    [
        ("python:3.10-slim", "==3.10.*"),
        ("docker.io/library/python:3.9.18", "==3.9.*"),
        ("library/python:latest", ""),
        ("mcr.microsoft.com/azureml/minimal-ubuntu20.04-py38-cpu-inference:latest", "==3.8.*"),
        ("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest", ""),
    ],
)
def test_an_image_may_name_its_python(image: str, python: str) -> None:
    assert builds.recipe({"image": image}).python == python
    assert builds.recipe({"image": image, "condaFile": "dependencies: [python=3.12]"}).python == "==3.12.*"


def test_a_plain_image_runs_on_the_default_environment_from_the_index(tmp_path: Path) -> None:
    """The one that asks the machine's real index, with this machine's settings of pip."""
    built, log = build(
        Home(tmp_path / "state").prepare(), {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"}
    )
    assert output(built.python, "-c", "import pip, requests, tqdm; print('ok')") == "ok"
    assert any("is not run" in line for line in log)
