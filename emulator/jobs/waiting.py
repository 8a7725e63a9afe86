"""What a job's Python does before its script when it was started early: import, and wait. Run by a ``.pth`` file of the job's own.

``AML_LOCAL_EARLY`` names a file of JSON: ``modules`` to import, each with the names that are wanted of it, from below ``packages``
and from nowhere else; ``order``, a FIFO on which a line of JSON comes when the job begins: the script's ``arguments`` and the
``environment`` that was not known before. Python then runs the script as it would have done at once.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import sys
from typing import Any


def wait(told: dict[str, Any]) -> None:
    order = os.open(
        told["order"], os.O_RDWR | os.O_CLOEXEC
    )  # also for writing: it must not end when nobody else has it
    for name, parts in told["modules"]:
        if select.select([order], [], [], 0)[0]:
            break  # the job begins: it imports what it still needs itself
        if _is_there(name.partition(".")[0], told["packages"]):
            try:
                __import__(name, fromlist=parts)
            except Exception:  # noqa: B902 - the script will say it, if it really comes to this import
                pass
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(order, 1 << 16)
    os.close(order)
    begins = json.loads(line)
    os.environ.update(begins["environment"])
    sys.argv[1:] = begins["arguments"]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[2:] = begins["arguments"]


def _is_there(name: str, packages: str) -> bool:
    """Whether importing it runs the environment's code: the job's own must not run before the job."""
    found = importlib.util.find_spec(name)
    places = [] if found is None else [found.origin, *(found.submodule_search_locations or ())]
    return any(str(place).startswith(packages + os.sep) for place in places)


if "AML_LOCAL_EARLY" in os.environ:
    try:
        with open(os.environ.pop("AML_LOCAL_EARLY"), encoding="utf-8") as file:
            wait(json.load(file))
    except BaseException:  # noqa: B036 - the script must not run before its job begins: the emulator starts another
        os._exit(1)
