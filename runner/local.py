"""The emulator on this machine and the stack applied to it: up, down, what is there, emptied.

The only part of the runner that imports ``emulator``, and ``infra``, both when they are needed. What a person is told stands
in ``runner.commands.local``. Everything is in one state folder; a command that is killed at any moment leaves
one that the next ``up`` goes on from.
"""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

from runner import project
from runner.errors import CloudError, Mistake
from runner.settings import CONNECTION

if TYPE_CHECKING:
    import psutil

    from emulator import Emulator
    from infra.apply import Applied
    from infra.outcome import Done

STACK = "local"
STOP_SECONDS = 30.0  # for what is being answered, and for the children
# What a reset keeps: who the emulator is (its CA, its principal), and the environments, which take minutes to build again.
KEPT = ("version", "lock", "up.lock", "shell.json", "ca", "identity", "environments", "logs")


@dataclass(frozen=True)
class Up:
    """``started`` is false where an emulator ran already; ``asked`` is the port that was taken, if one was asked for; ``applied``
    is ``None`` where no stack was to be."""

    address: str
    folder: Path
    file: Path
    started: bool
    asked: int | None
    start_seconds: float
    apply_seconds: float
    applied: Applied | None


@dataclass(frozen=True)
class Child:
    name: str
    pid: int
    megabytes: float


@dataclass(frozen=True)
class Status:
    """``since`` is in Unix seconds; ``jobs`` are those that run now; ``resources`` are of the stack as last applied."""

    running: bool
    folder: Path
    address: str | None = None
    pid: int | None = None
    since: float | None = None
    version: str | None = None
    children: tuple[Child, ...] = ()
    jobs: int = 0
    resources: int = 0
    outputs: Mapping[str, str] | None = None


def up(
    *,
    port: int | None = None,
    stack: bool = True,
    prune: bool = False,
    report: Callable[[Done], None] = lambda done: None,
) -> Up:
    """Start the emulator where none runs, apply the stack, write down its outputs. Sets this process's environment."""
    home = project.state_folder()
    emulator = _emulator(home, port or _last_port(home))
    with _known_errors(), _alone(emulator):
        machine = _leave_shell(home)
        ran = emulator.running() is not None
        started = time.monotonic()
        # The program's packages take as long to import as the emulator takes to start: side by side.
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(emulator.start, detached=True)
            from infra import apply

            before = apply.Memory.read(_read(_file(home)).get("memory"))
            if stack and not apply.remembers(STACK, before):
                from infra import inprocess

                inprocess.preload()
            starting.result()
        ready = time.monotonic()
        environment = emulator.environment()
        os.environ.update(environment)
        _write(_shell_file(home), {"given": environment, "machine": machine})
        applied = apply.apply(STACK, before=before, prune=prune, report=report) if stack else None
        if applied is not None:
            written = {"outputs": applied.outputs, "environment": environment, "memory": vars(applied.memory)}
            _write(_file(home), written)
    taken = port if port not in (None, emulator.port) else None
    address = f"http://127.0.0.1:{emulator.port}"
    return Up(address, home, _file(home), not ran, taken, ready - started, time.monotonic() - ready, applied)


def down() -> bool:
    """Stop the emulator and all that it started; whether there was any."""
    home = project.state_folder()
    daemons = _daemons(home)
    family = [process for daemon in daemons for process in _family(daemon)]
    for daemon in daemons:
        _signal(daemon, signal.SIGTERM)
    left = _wait(daemons, STOP_SECONDS)
    for process in [*left, *_wait(family, 0.5)]:
        _signal(process, signal.SIGKILL)
    still = _wait([*daemons, *family], 5.0)
    if still:
        raise CloudError(f"These processes do not end: {', '.join(str(process.pid) for process in still)}.")
    (home / "running.json").unlink(missing_ok=True)
    return bool(daemons)


def status() -> Status:
    home = project.state_folder()
    content = _read(_file(home))
    outputs, resources = content.get("outputs"), len(content.get("memory", {}).get("sent", ()))
    running = _emulator(home).running()
    if running is None:
        return Status(False, home, resources=resources, outputs=outputs)
    return Status(
        True,
        home,
        f"http://127.0.0.1:{running.port}",
        running.pid,
        running.started,
        running.version,
        tuple(_children(running.pid)),
        jobs_running(),
        resources,
        outputs,
    )


def environment() -> dict[str, str]:
    """What any client needs: proxy, CA files, credential, and the settings of the stack where it is applied."""
    home = project.state_folder()
    emulator = _emulator(home)
    with _known_errors():
        if emulator.running() is None:
            raise Mistake(f"No emulator runs on '{project.shown(home)}'.", next="aml local up")
        return {**emulator.environment(), **_read(_file(home)).get("outputs", {})}


def jobs_running() -> int:
    """A running job has a folder of its own."""
    runs = project.state_folder() / "runs"
    return sum(1 for run in runs.iterdir() if run.is_dir()) if runs.is_dir() else 0


def reset() -> bool:
    """Remove every resource, job and blob; whether an emulator ran, which is then stopped. Takes no question."""
    home = project.state_folder()
    if not home.exists():
        return False
    with _known_errors():
        _emulator(home).home.prepare()
    stopped = down()
    for entry in home.iterdir():
        if entry.name in KEPT:
            continue
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    return stopped


def faults() -> list[dict[str, Any]]:
    """The failures that are switched on."""
    return list(_control("/_emulator/faults")["value"])


def add_fault(**fault: Any) -> dict[str, Any]:
    """Switch a failure on; what it takes stands in ``emulator.faults``."""
    return dict(_control("/_emulator/faults", method="POST", body=fault))


def remove_faults(id: int | None = None) -> None:
    """Switch one failure off, or all."""
    _control("/_emulator/faults" + ("" if id is None else f"?id={id}"), method="DELETE")


def _control(path: str, **how: Any) -> Any:
    home = project.state_folder()
    with _known_errors():
        if _emulator(home).running() is None:
            raise Mistake(f"No emulator runs on '{project.shown(home)}'.", next="aml local up")
        try:
            return _emulator(home).control(path, **how)
        except HTTPError as error:
            with error:
                raise Mistake(json.load(error)["error"]["message"], next="aml local fault list") from None


def log(which: str) -> Path:
    """The file that has a line for each request, or what the emulator itself says."""
    return project.state_folder() / "logs" / ("emulator.log" if which == "emulator" else "requests.log")


def follow(file: Path, lines: int, *, forever: bool) -> Iterator[str]:
    """The last ``lines`` of a log, then, ``forever``, what is added, also to the file that takes its place when it is full."""
    if not file.exists():
        raise Mistake(f"There is no log '{project.shown(file)}' yet.", next="aml local up")
    stream = file.open(encoding="utf-8", errors="replace")
    try:
        there = stream.readlines()
        yield from there[-lines:] if lines else ()
        while forever:
            line = stream.readline()
            if line:
                yield line
            elif file.exists() and os.fstat(stream.fileno()).st_ino != file.stat().st_ino:
                stream.close()
                stream = file.open(encoding="utf-8", errors="replace")
            else:
                time.sleep(0.2)
    finally:
        stream.close()


def _emulator(home: Path, port: int | None = None) -> Emulator:
    if importlib.util.find_spec("trustme") is None:
        raise Mistake(
            "The emulator's packages are not installed: they are an extra.",
            next="in a checkout of the repository: make setup, or uv pip install '.[local]' and npm ci",
        )
    from emulator import Emulator

    return Emulator(home, port=port)


@contextmanager
def _known_errors() -> Iterator[None]:
    """What the emulator and the stack raise, as the runner says it."""
    from emulator.errors import StateError
    from infra.errors import ConfigError, StackError

    try:
        yield
    except StateError as error:
        raise Mistake(str(error)) from None
    except ConfigError as error:
        raise Mistake(str(error), next=error.next) from None
    except StackError as error:
        raise CloudError(str(error), next=error.next) from error


@contextmanager
def _alone(emulator: Emulator) -> Iterator[None]:
    """Two ``up`` of one folder come one after the other."""
    home = emulator.home.prepare().root
    with open(os.open(home / "up.lock", os.O_RDWR | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _file(home: Path) -> Path:
    return home / "stacks" / f"{STACK}.json"


def _shell_file(home: Path) -> Path:
    """What the emulator gave to people's shells, and how the machine's own was before; stays through a reset."""
    return home / "shell.json"


def _read(file: Path) -> dict[str, Any]:
    """What the last ``up`` wrote; nothing where it cannot be read, since the next one writes it anew."""
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(file: Path, content: Mapping[str, Any]) -> None:
    from emulator.home import write_private

    write_private(file, json.dumps(content, indent=2).encode())


def _last_port(home: Path) -> int | None:
    """The port of the last time, so that a shell that was set up for it goes on working."""
    address = _read(_shell_file(home)).get("given", {}).get("HTTPS_PROXY", "")
    port = address.rpartition(":")[2]
    return int(port) if port.isdigit() else None


def _leave_shell(home: Path) -> dict[str, str]:
    """Take what this emulator itself gave to the shell (``aml local env``) out of this process, so that the emulator is started
    with the proxy and the roots of the machine, as they were when it was first started; returns those."""
    content = _read(_shell_file(home))
    machine = content.get("machine", {})
    for name, value in content.get("given", {}).items():
        if os.environ.get(name) == value:
            del os.environ[name]
            if name in machine:
                os.environ[name] = machine[name]
    return {name: os.environ[name] for name in CONNECTION if name in os.environ}


def _daemons(home: Path) -> list[psutil.Process]:
    """The emulators of this folder by their command lines: also one that starts, hangs, or whose ``running.json`` is gone."""
    import psutil

    announced = _read(home / "running.json").get("pid")
    found = []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words: Sequence[str] = process.info["cmdline"] or ()
        if "emulator" not in words:
            continue
        named = words[words.index("--home") + 1] if "--home" in words[:-1] else None
        if process.pid == announced or (named and Path(process.info["cwd"] or "/", named) == home):
            found.append(process)
    return found


def _family(process: psutil.Process) -> list[psutil.Process]:
    import psutil

    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _children(pid: int) -> Iterator[Child]:
    import psutil

    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for child in children:
        try:
            yield Child(_shown(child.cmdline(), child.name()), child.pid, child.memory_info().rss / 2**20)
        except psutil.NoSuchProcess:
            continue


def _shown(words: Sequence[str], name: str) -> str:
    """A process as people know it: the file or module that it runs rather than its interpreter."""
    known = {"azurite": "Azurite (blobs)", "mlflow": "MLflow (tracking)"}
    line = " ".join(words).lower()
    return next((title for word, title in known.items() if word in line), name)


def _wait(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    import psutil

    return list(psutil.wait_procs(processes, timeout=seconds)[1])


def _signal(process: psutil.Process, number: int) -> None:
    import psutil

    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass
