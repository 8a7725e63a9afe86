"""Steps whose Python starts before they begin: what they find then is what they would have found, and it is never too early."""

import os
import signal
import uuid
from pathlib import Path

import psutil
import pytest
from azure.ai.ml import MLClient

from emulator.jobs import imports
from tests.emulator.jobs import details, ended, log_of
from tests.emulator.test_pipelines import children, pipeline, step
from tests.waiting import until

SCRIPT = """
import os, sys
early = "packaging" in sys.modules
import packaging
import own

class Thing:
    pass

print(early, sys.argv[1:], own.NAME, __name__, os.path.isabs(__file__), getattr(sys, "path")[0] == os.getcwd())
print(open(sys.argv[1] + "/x").read(), os.environ["AZURE_ML_INPUT_made"] == sys.argv[1], sys.orig_argv[2:] == sys.argv[1:])
print([name for name in os.environ.keys() if name.startswith("AML_LOCAL_E")], Thing is sys.modules["__main__"].Thing)
"""
TWIN = SCRIPT.replace("import packaging", 'os.environ["COLUMNS"] = "80"\nimport packaging')
FAILS = "import packaging\ndef broken():\n    raise ValueError('no good')\nbroken()\n"


def code(folder: Path, **files: str) -> Path:
    path = folder / f"code-{uuid.uuid4().hex[:8]}"
    path.mkdir()
    for name, content in files.items():
        (path / f"{name}.py").write_text(content)
    return path


def waiting(script: str, folder: Path) -> list[psutil.Process]:
    """The Pythons that stand before ``script``, of the job whose folder has that file of the test's."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cmdline"] == ["python", script] and Path(process.info["cwd"], folder.name).exists():
            found.append(process)
    return found


def gated(gate: Path) -> str:
    return f"until [ -e {gate} ]; do sleep 0.05; done; echo it > ${{{{outputs.made}}}}/x"


MADE = {"made": "${{parent.jobs.first.outputs.made}}"}
OUT = {"made": {"type": "uri_folder"}}


def test_a_step_finds_what_it_would_have_found(client: MLClient, tmp_path: Path) -> None:
    gate, mark = tmp_path / "gate", tmp_path / f"m{uuid.uuid4().hex}"
    files = {"say": SCRIPT, "twin": TWIN, "own": "NAME = 'mine'\n", "fails": FAILS}
    source = code(tmp_path, **files)
    (source / mark.name).touch()
    last = "python {} ${{inputs.made}} --text 'two words'"
    jobs = {
        "first": step(gated(gate), {}, OUT),
        "say": step(last.replace("{}", "say.py"), MADE, code=str(source)),
        "twin": step(last.replace("{}", "twin.py"), MADE, code=str(source)),
    }
    job = client.jobs.create_or_update(pipeline(tmp_path, jobs))
    until(lambda: waiting("say.py", mark))
    assert children(client, job)["say"].status == "NotStarted"
    gate.touch()
    ended(client, job)
    steps = children(client, job)
    made = "/inputs/INPUT_made', '--text', 'two words']"
    for name, early in (("say", True), ("twin", False)):
        lines = log_of(client, steps[name]).replace("\n\n", "\n").splitlines()
        assert lines[0].startswith(f"{early} ['") and lines[0].endswith(f"{made} mine __main__ True True"), lines
        assert lines[1:] == ["it", " True True", "[] True"] or lines[1:] == ["it True True", "[] True"], lines


def test_what_waits_ends_with_its_pipeline_and_another_takes_its_place(client: MLClient, tmp_path: Path) -> None:
    gate, mark = tmp_path / "gate", tmp_path / f"m{uuid.uuid4().hex}"
    source = code(tmp_path, fails=FAILS)
    (source / mark.name).touch()
    second = step("python fails.py ${{inputs.made}}", MADE, code=str(source))
    job = client.jobs.create_or_update(pipeline(tmp_path, {"first": step(gated(gate), {}, OUT), "second": second}))
    until(lambda: waiting("fails.py", mark))
    client.jobs.begin_cancel(str(job.name)).result()
    ended(client, job, "Canceled")
    assert not waiting("fails.py", mark)

    nothing = step(f"until [ -e {gate} ]; do sleep 0.05; done", {}, OUT)
    job = client.jobs.create_or_update(pipeline(tmp_path, {"first": nothing, "second": second}))
    until(lambda: waiting("fails.py", mark))
    gate.touch()
    ended(client, job, "Failed")  # the second step before it began: there is nothing for it
    assert not waiting("fails.py", mark)
    gate.unlink()

    job = client.jobs.create_or_update(pipeline(tmp_path, {"first": step(gated(gate), {}, OUT), "second": second}))
    until(lambda: waiting("fails.py", mark))
    (process,) = waiting("fails.py", mark)
    os.kill(process.pid, signal.SIGKILL)
    gate.touch()
    ended(client, job, "Failed")
    log = log_of(client, children(client, job)["second"])
    assert log.startswith("Traceback (most recent call last):\n  File ") and log.endswith("ValueError: no good\n")
    assert log.count("  File ") == 2 and details(client, children(client, job)["second"]).status == "Failed"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("import os, packaging.version as v\nfrom requests import get", ["packaging.version", "requests"]),
        ("def late():\n    import requests\nimport packaging", ["packaging", "requests"]),
        ("from own import x\nfrom pack import part", ["packaging", "tqdm"]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import requests", []),
        ("import requests, os\nprint(os.environ['X'], os.environ.get('Y'), 'Z' in os.environ)", ["requests"]),
        (
            "import warnings, requests\nwith warnings.catch_warnings():\n    warnings.simplefilter('error')",
            ["requests"],
        ),
        ("import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport requests", []),
        ("import os\nos.environ.setdefault('A', '1')\nimport requests", []),
        ("import os\nmine = os.environ\nimport requests", []),
        ("import os\nos.putenv('A', '1')\nimport requests", []),
        ("import warnings\nwarnings.filterwarnings('ignore')\nimport requests", []),
        ("import sys\nsys.path.insert(0, 'lib')\nimport requests", []),
        ("from gevent import monkey\nmonkey.patch_all()\nimport requests", []),
        ("from sklearnex import patch_sklearn\npatch_sklearn()\nimport requests", []),
        ("import requests\nthis is no Python", []),
    ],
)
def test_only_imports_whose_time_makes_no_difference_come_early(tmp_path: Path, script: str, found: list[str]) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/part.py").write_text("from . import other\n")
    (tmp_path / "pack/other.py").write_text("import tqdm\n")
    (tmp_path / "own.py").write_text("import packaging\n")
    (tmp_path / "main.py").write_text(script)
    assert [module for module, _ in imports.of(tmp_path / "main.py")] == found
