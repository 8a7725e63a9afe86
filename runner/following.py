"""Following a job: its status and its log as they come, until it has ended.

Both are asked of run history, as azure-ai-ml's own ``jobs.stream`` does: ``details`` has the status and, for each log, an address
with its own signature. Ours waits less at first, asks only for what is new of a log, and gives the error as a value.
"""

from __future__ import annotations

import codecs
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runner.errors import Mistake
from runner.paths import JobPaths
from runner.polling import Poller
from runner.progress import Progress
from runner.rest import ML_SCOPE

if TYPE_CHECKING:
    from runner.workspace import Workspace

# https://learn.microsoft.com/rest/api/azureml/jobs/get#jobstatus
ENDED = frozenset({"Completed", "Failed", "Canceled", "NotResponding"})
LAST_LINES = 20


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``error`` is Azure's code and message, ``last`` its log's last lines, ``seconds`` it ran for; ``told_by`` is
    the step whose log that is, for a pipeline."""

    status: str
    error: str | None
    last: tuple[str, ...]
    seconds: float | None
    told_by: str | None = None


def details(workspace: Workspace, name: str) -> dict[str, Any] | None:
    """Run history's details of a job: ``status``, ``logFiles``, ``error``, times; ``None`` when it does not know the job."""
    from azure.core.exceptions import HttpResponseError

    try:
        return workspace.rest.get(f"{workspace.service('history')}/runs/{quote(name, safe='')}/details", ML_SCOPE)
    except HttpResponseError as error:
        if error.status_code == 404:
            return None
        raise


class Log:
    """One log of a job, read from where reading ended last."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._offset = 0
        self._line = ""

    def new(self, url: str) -> Iterator[str]:
        """The whole lines that were written since; each ends with a newline."""
        while content := self._workspace.rest.tail(url, self._offset):
            self._offset += len(content)
            *lines, self._line = (self._line + self._decoder.decode(content)).split("\n")
            yield from (f"{line}\n" for line in lines)

    def rest(self) -> str:
        """What was written after the last newline, at the end of the job."""
        last, self._line = self._line, ""
        return f"{last}\n" if last else ""


def follow(
    workspace: Workspace,
    name: str,
    write: Callable[[str], None],
    progress: Progress,
    *,
    file: str | None = None,
    poller: Poller | None = None,
) -> Outcome:
    """Give ``write`` the job's log until the job has ended. ``file`` names another log than the one that tells its story."""
    poller = poller or Poller()
    logs: dict[str, Log] = {}  # while an environment is built, its build's log stands in for the job's
    last, status = deque[str](maxlen=LAST_LINES), ""

    def take(text: str) -> None:
        last.append(text.rstrip("\n"))
        write(text)

    for elapsed in poller:
        now = details(workspace, name) or {"status": status or "NotStarted"}
        if now["status"] != status:
            status = str(now["status"])
            poller.hurry()
        files = now.get("logFiles") or {}
        chosen = file if file is not None else JobPaths.streamed(list(files))
        if chosen is not None and chosen in files:
            if chosen not in logs:
                last.clear()
            log = logs.setdefault(chosen, Log(workspace))
            for line in log.new(files[chosen]):
                take(line)
                poller.hurry()
            if status in ENDED and (end := log.rest()):
                take(end)
        if status in ENDED:
            return outcome(now, tuple(last))
        progress.at(f"{name} · {status}", elapsed)
    raise AssertionError("a poller never ends by itself")


def printed(workspace: Workspace, name: str, write: Callable[[str], None], file: str | None = None) -> None:
    """The log as it is now; raises ``Mistake`` for one that does not exist, naming those that do."""
    files = (details(workspace, name) or {}).get("logFiles") or {}
    chosen = file or JobPaths.streamed(list(files))
    if chosen is None or chosen not in files:
        wanted = f"no log '{file}'" if file else "no log yet"
        raise Mistake(f"Job '{name}' has {wanted}. There are: {', '.join(sorted(files)) or 'none'}.")
    log = Log(workspace)
    for line in log.new(files[chosen]):
        write(line)
    write(log.rest())


def status_of(job: Any) -> str:
    """The status of one of azure-ai-ml's jobs, in Azure's word for it: there it is at times an enumeration's member."""
    return str(getattr(job.status, "value", job.status))


def error_of(details: dict[str, Any]) -> str | None:
    """``UserError: the message`` of run history's error, one level deeper than ARM's."""
    error = (details.get("error") or {}).get("error") or {}
    if not error:
        return None
    return ": ".join(str(error[key]).strip() for key in ("code", "message") if error.get(key)) or None


def outcome(details: dict[str, Any], last: tuple[str, ...] = ()) -> Outcome:
    """Of the details of a job that has ended."""
    begin, end = time(details.get("startTimeUtc")), time(details.get("endTimeUtc"))
    seconds = (end - begin).total_seconds() if begin and end else None
    return Outcome(str(details["status"]), error_of(details), last, seconds)


def time(text: str | None) -> datetime | None:
    """A time as Azure writes it: seven digits of a second are more than Python 3.10 reads."""
    if not text:
        return None
    whole, _, fraction = text.rstrip("Z").removesuffix("+00:00").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}+00:00")
