"""A job's process tree: starts it, reports it, ends all of it. A program of its own, ``python -I -S warden.py``.

The program is the wardens' nursery: for each socket that the emulator passes to it, it forks a warden that serves this one. A
Python of its own for every warden would cost more than all else that is done for a short job.

The emulator writes one line of JSON to the warden's socket, the processes to start, and later perhaps ``stop``. The warden answers
with one line of JSON for each process that ends, ``{"index", "code"}``, and with ``"over"`` when nothing of the job is left. Must
not: import anything but the standard library, or know what a job is.

    the socket's input ends  the emulator is gone, by whatever death: everything is killed at once
    stop                     SIGTERM to everything, SIGKILL to what is left after ``grace`` seconds
    SIGTERM to the warden    everything is killed at once
    a process fails          the others are stopped likewise: no rank waits for a dead one
    all have ended           what they left behind is killed, as it is when Azure removes a job's container

On Linux the warden is the *subreaper* of its tree (prctl(2), PR_SET_CHILD_SUBREAPER): a process that left its session, its group
or its parent becomes the warden's own child, so nothing can hide by daemonizing. Its direct children die with it
(PR_SET_PDEATHSIG). Elsewhere the tree is what ``ps`` shows at the time, together with the sessions of the processes started.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any

LINUX = sys.platform.startswith("linux")
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
C = ctypes.CDLL(None)


def prctl(option: int, value: int) -> None:
    C.prctl(option, value, 0, 0, 0)


def start(process: dict[str, Any]) -> int:
    """The pid of ``argv`` in a session of its own, writing to ``log``; it exits with 127 where it cannot be executed."""
    log = os.open(process["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    handled = {signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, handled)  # a SIGTERM must not be lost on the copy's handler
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(log)
        return pid
    try:
        os.setsid()
        if LINUX:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(process["cwd"])
        os.execvpe(process["argv"][0], process["argv"], process["env"])
    except BaseException as error:  # noqa: B036 - nothing of this copy of the warden may go on, whatever happened
        os.write(log, f"{process['argv'][0]}: {error}\n".encode())
    finally:
        os._exit(127)


def parents() -> dict[int, int]:
    """Every process's parent."""
    found: dict[int, int] = {}
    if LINUX:
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open(f"/proc/{name}/stat", "rb") as stat:
                        found[int(name)] = int(stat.read().rpartition(b")")[2].split()[1])
                except OSError:
                    continue  # it ended meanwhile
        return found
    import subprocess

    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        pid, parent = line.split()
        found[int(pid)] = int(parent)
    return found


def descendants(root: int) -> list[int]:
    """Everything below ``root``, nearest first."""
    below: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        below.setdefault(parent, []).append(pid)
    found, position = list(below.get(root, ())), 0
    while position < len(found):
        found.extend(below.get(found[position], ()))
        position += 1
    return found


class Warden:
    def __init__(self, order: dict[str, Any]) -> None:
        self.grace: float = order["grace"]
        self.running = {start(process): index for index, process in enumerate(order["processes"])}
        self.started = list(self.running)
        self.waited = {index for index, process in enumerate(order["processes"]) if process["awaited"]}
        self.deadline: float | None = None  # of the grace after a stop
        self.orphaned = False

    def watch(self, woken: int) -> None:
        """Until every awaited process has ended, or the grace after a stop has."""
        inputs = [0, woken]
        while self.waited & set(self.running.values()):
            left = None if self.deadline is None else self.deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            ready = select.select(inputs, [], [], left)[0]
            if woken in ready:
                if signal.SIGTERM in os.read(woken, 4096):
                    return
                self.reap()
            if 0 in ready:
                line = os.read(0, 4096)
                if not line:
                    self.orphaned = True
                    return
                self.stop()

    def stop(self) -> None:
        if self.deadline is None:
            self.deadline = time.monotonic() + self.grace
            self.send(signal.SIGTERM)

    def reap(self) -> bool:
        """Take note of what has ended; whether the warden still has children, without which a subreaper has no descendants."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            index = self.running.pop(pid, None)
            if index is None:
                continue
            code = os.waitstatus_to_exitcode(status)
            self.say({"index": index, "code": code})
            if code != 0:
                self.stop()

    def end(self) -> None:
        """Kill what is left, until nothing is."""
        pause = 0.002
        while (self.reap() or not LINUX) and self.send(signal.SIGKILL):
            time.sleep(pause)
            pause = min(pause * 2, 0.1)
        self.reap()
        self.say("over")

    def send(self, number: int) -> int:
        """Send to the whole tree; how many were found that still live."""
        found = descendants(os.getpid())
        for pid in found:
            kill(os.kill, pid, number)
        if not LINUX:
            for session in self.started:
                kill(os.killpg, session, number)
        return len(found)

    def say(self, what: object) -> None:
        if not self.orphaned:
            try:
                os.write(1, json.dumps(what).encode() + b"\n")
            except OSError:
                self.orphaned = True


def kill(how: Any, pid: int, number: int) -> None:
    try:
        how(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it ended meanwhile, or is not ours to end


def serve() -> None:
    """The warden of the socket that is its standard input and output."""
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # the byte in the wake-up pipe says it
    told = b""
    while b"\n" not in told:
        part = os.read(0, 1 << 20)
        if not part:
            return  # the emulator went before it had anything to run
        told += part
    order, _, more = told.partition(b"\n")
    warden = Warden(json.loads(order))
    if more:
        warden.stop()
    warden.watch(woken)
    warden.end()


def main() -> None:
    """The nursery, until there is nobody who could ask for a warden. Standard input is the socket on which sockets come."""
    os.setsid()  # an interrupt at the terminal is the emulator's to handle
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # a warden says itself how it ended
    with socket.socket(fileno=0) as asked:
        while passed := socket.recv_fds(asked, 1, 1)[1]:
            if os.fork() == 0:
                try:
                    os.setsid()
                    os.dup2(passed[0], 0)
                    os.dup2(passed[0], 1)
                    os.close(passed[0])
                    serve()
                except Exception:  # noqa: B902 - to whoever reads the emulator's log, and to nobody's socket
                    sys.excepthook(*sys.exc_info())
                finally:
                    os._exit(0)  # nothing is left to tidy, and the emulator waits for this end
            os.close(passed[0])


if __name__ == "__main__":
    main()
