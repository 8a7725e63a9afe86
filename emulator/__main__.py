"""``python -m emulator --home DIR [--port N]``: run the emulator in this process until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence

from emulator.daemon import PORT, serve
from emulator.errors import StateError, ToolError
from emulator.home import Home


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m emulator", description="Azure on the laptop.")
    parser.add_argument("--home", help="the state folder (AML_LOCAL_HOME, else .local)")
    parser.add_argument("--port", type=int, help=f"the port to ask for ({PORT}; another one where it is taken)")
    parser.add_argument("--detach", action="store_true", help="return when it is ready, and leave it running")
    parser.add_argument("--attached", action="store_true", help="stop when standard input ends")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    logging.getLogger("azure").setLevel(logging.WARNING)  # the emulator's own clients tell every request otherwise
    try:
        home = Home.find(options.home).prepare()
        ready = _detach() if options.detach else _nothing
        _run(serve(home, options.port, attached=options.attached, ready=ready))
    except (StateError, ToolError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    return 0


def _detach() -> Callable[[], None]:
    """Go on in a process of our own; the one that was started ends when that is ready (0), or has failed (1)."""
    read, write = os.pipe()
    if os.fork():
        os.close(write)
        os._exit(0 if os.read(read, 1) else 1)
    os.setsid()
    os.close(read)

    def ready() -> None:
        os.write(write, b"1")
        os.close(write)

    return ready


def _nothing() -> None:
    pass


def _run(work: object) -> None:
    try:
        import uvloop
    except ImportError:  # not on every platform
        asyncio.run(work)  # type: ignore[arg-type]
    else:
        uvloop.run(work)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
