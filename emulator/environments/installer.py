"""``uv``, run to fill an environment's folder, and its complaints in words that a person can act on.

It asks the index that this machine's pip asks (uv reads none of pip's settings by itself) and never downloads a Python.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

import uv

from emulator.environments import conda
from emulator.environments.conda import EnvironmentFailed, Recipe
from emulator.environments.interpreters import Interpreter
from emulator.jobs.processes import Process, Tree

# pip's settings that decide where packages come from and who is trusted, and uv's names for them.
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}
FOREIGN = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT", "UV_PYTHON")
TICK = 0.1  # seconds between two looks at uv's output
REASON = 700  # characters of uv's reasoning that a job's error quotes; the rest is in the log


async def install(folder: Path, python: Interpreter, plan: Recipe, log: Callable[[str], None]) -> None:
    """Make ``folder`` a virtual environment with the plan's requirements; raises ``EnvironmentFailed``."""
    variables = await environment()
    # Relocatable: the folder is renamed when it is complete, and a job's layer copies its scripts.
    said: list[str] = []
    code = await _run(
        ["venv", "--quiet", "--relocatable", "--python", str(python.path), str(folder)], variables, said.append
    )
    if code != 0:
        raise EnvironmentFailed(
            f"No environment can be made with {python.path}: {' '.join(said) or f'uv ended with {code}'}"
        )
    wanted = folder / "requirements.txt"
    wanted.write_text("".join(f"{line}\n" for line in plan.requirements), encoding="utf-8")
    log("Packages: " + ", ".join(plan.requirements))

    def tell(line: str) -> None:
        shown = redacted(line.replace(f"{folder}", "environment"))
        said.append(shown)
        log(shown)

    arguments = [
        *("pip", "install", "--python", str(folder / "bin" / "python"), "--color", "never", "--no-progress"),
        *("--index-strategy", "unsafe-best-match"),  # as pip: the best version of all indexes
        *plan.options,
        *("--requirements", str(wanted)),
    ]
    code = await _run(arguments, variables, tell)
    if code != 0:
        raise EnvironmentFailed(reason(said))


def reason(lines: list[str]) -> str:
    """What went wrong, from uv's output."""
    text = "\n".join(lines)
    causes = [" ".join(cause.split()) for cause in re.findall(r"^\s*cause: (.*(?:\n {6,}\S.*)*)", text, re.MULTILINE)]
    why = next((cause for cause in causes if cause.startswith("Because ")), "")
    if "network was disabled" in text:
        return (
            f"{_subject(why)} is not in uv's cache, and the network is switched off (UV_OFFLINE). "
            "Switch it on once, and run the job again."
        )
    unknown = re.search(r"([\w.\-]+) was not found in the package registry", why)
    if unknown:
        names = conda.near(unknown[1])
        hint = f" Near names: {', '.join(names)}." if names else ""
        return f"There is no package '{unknown[1]}' on PyPI.{hint} Correct the name in the conda file, or remove it."
    versions = re.fullmatch(r"Because (?:there (?:is|are) no versions? of|only) .+? and you require (\S+), .*", why)
    if versions:
        return f"PyPI has no '{versions[1]}'. Change the version in the conda file."
    if why:
        why = why.replace("we can conclude that your requirements are unsatisfiable", "no choice of versions is left")
        return f"The packages cannot be installed together. {_shortened(why)} Change one of these versions in the conda file."
    broken = re.search(r"Failed to (?:build|download and build) `([^`]+)`", text)
    if broken:
        lines = [line.strip() for line in text.split("\nhint:")[0].splitlines() if line.strip()]
        name = re.split(r"[=@ ]", broken[1])[0]
        meant = [other for other in conda.near(name)[:1] if other != name]
        question = f" Is {meant[0]} meant?" if meant else ""
        return (
            f"'{broken[1]}' has no wheel for this Python and machine, and building it from its source failed: "
            f"{_shortened(lines[-1])}{question} Name a version that has a wheel, or another Python version."
        )
    if re.search(r"error sending request|dns error|Failed to fetch|tcp connect|timed out", text):
        address = re.search(r"https?://[^\s`)]+", text)
        where = f" ({redacted(address[0])})" if address else ""
        return f"The package index cannot be reached{where}: {_shortened(causes[-1] if causes else text)}. Is there a network?"
    return f"uv could not install the packages: {_shortened(' '.join(text.split()))}"


def redacted(text: str) -> str:
    """Without user names and passwords in URLs."""
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1****@", text)


def _subject(why: str) -> str:
    match = re.search(r"Because (?:there (?:is|are) no versions? of )?([\w.\-]+)", why)
    return f"'{match[1]}'" if match else "A package"


def _shortened(text: str) -> str:
    return text if len(text) <= REASON else f"{text[:REASON].rpartition(' ')[0]} … (the build log has all of it)."


async def environment() -> dict[str, str]:
    """The variables that uv is run with."""
    inherited = {key: value for key, value in os.environ.items() if key not in FOREIGN}
    found = {uv_name: value for uv_name, value in (await _pip_settings()).items() if uv_name not in inherited}
    if "UV_INDEX_URL" in inherited:
        found.pop("UV_DEFAULT_INDEX", None)
    return {**inherited, **found, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}


async def _pip_settings() -> Mapping[str, str]:
    """Where this machine's pip is told to look, under uv's names."""
    # The machine's own Python, of which a virtual environment is made and which has a pip: 3.10 does not name it as its executable.
    base = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    process = await asyncio.create_subprocess_exec(
        *(base if base.exists() else sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    settings: dict[str, str] = {}
    lines = output.decode("utf-8", "replace").splitlines()  # global.index-url='https://…'
    for section in ("global.", "install.", ":env:."):  # the later wins, as in pip
        for line in lines:
            key, _, value = line.partition("=")
            name = SETTINGS.get(key.removeprefix(section)) if key.startswith(section) else None
            if name:
                with contextlib.suppress(ValueError, SyntaxError):
                    words = str(ast.literal_eval(value)).split()
                    settings[name] = (",".join if name == "UV_FIND_LINKS" else " ".join)(words)
    return settings


async def _run(arguments: list[str], environment: Mapping[str, str], log: Callable[[str], None]) -> int:
    """uv's exit code; its output goes to ``log`` line by line. It ends with everything that it started when this is cancelled, and
    when this process dies."""
    with tempfile.TemporaryDirectory(prefix="uv-") as folder:
        output = Path(folder, "output")
        output.touch()
        tree = await Tree.plant()
        command = Process([uv.find_uv_bin(), *arguments], Path(folder), environment, output)
        running = asyncio.create_task(tree.run([command]))
        try:
            with output.open(encoding="utf-8", errors="replace", newline="") as file:
                while not running.done():
                    await asyncio.wait({running}, timeout=TICK)
                    _tell(file, log, whole=running.done())
            ended = running.result()
        finally:
            await tree.fell()
            await asyncio.gather(running, return_exceptions=True)
    return ended[0].code if ended else -signal.SIGKILL


def _tell(file: TextIO, log: Callable[[str], None], *, whole: bool) -> None:
    """Log the lines that were added; the beginning of one is left for later, unless it is the ``whole`` that there will be."""
    while True:
        start = file.tell()
        line = file.readline()
        if not line:
            return
        if not line.endswith("\n") and not whole:
            file.seek(start)
            return
        log(line.rstrip())
