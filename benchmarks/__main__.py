"""``python -m benchmarks [NAME…] [--write]``: run the benchmarks named (all when none is), print their tables, write them down."""

from __future__ import annotations

import argparse
import datetime
import importlib
import os
import platform
import sys
from pathlib import Path

from benchmarks.figure import table, write

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in {"__init__", "__main__", "figure", "laptop", "nonsense", "wire"}
)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(NAMES)}; all when none is named")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    parser.add_argument("--rows", type=int, default=10_000_000, help="how many scoring scores (10,000,000)")
    options = parser.parse_args(argv)
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    missed = 0
    for name in options.names or NAMES:
        print(f"{name} …", file=sys.stderr, flush=True)
        load = f"load {os.getloadavg()[0]:.1f} when it began"  # of others: on a busy machine only the ratios mean something
        given = {"rows": options.rows} if name == "scoring" else {}
        figures = list(importlib.import_module(f"benchmarks.{name}").run(**given))
        print(f"\n{name}\n\n{table(figures)}", flush=True)
        missed += sum(figure.met is False for figure in figures)
        if options.write:
            write(name, f"python -m benchmarks {name}", figures, f"{datetime.date.today()}, {machine}, {load}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
