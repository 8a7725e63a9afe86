"""``python -m emulator --home DIR [--port N]``: run the emulator in this process until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from emulator.daemon import PORT, serve
from emulator.errors import StateError, ToolError
from emulator.home import Home


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m emulator", description="Azure on the laptop.")
    parser.add_argument("--home", help="the state folder (AML_LOCAL_HOME, else .local)")
    parser.add_argument("--port", type=int, help=f"the port to ask for ({PORT}; another one where it is taken)")
    parser.add_argument("--attached", action="store_true", help="stop when standard input ends")
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    try:
        home = Home.find(options.home).prepare()
        _run(serve(home, options.port, attached=options.attached))
    except (StateError, ToolError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 1
    return 0


def _run(work: object) -> None:
    try:
        import uvloop
    except ImportError:  # not on every platform
        asyncio.run(work)  # type: ignore[arg-type]
    else:
        uvloop.run(work)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
