"""A step as a program: how it refuses what it is given, and the arguments that every step has."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONFIG = Path(__file__).parents[1] / "cfg" / "train_config.yaml"
REPORT = "report.json"  # what ingest.py found, in the folder of its report


class Refused(Exception):
    """The step cannot do its work; the message says what is wrong, and the next step."""


def parser(file: str, doc: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=Path(file).name, description=doc.partition("\n")[0])
    made.add_argument("--config", type=Path, default=CONFIG, help="instead of cfg/train_config.yaml beside the code")
    return made


def boolean(text: str) -> bool:
    """Azure ML writes a boolean input as ``True`` or ``False``."""
    if text.lower() not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"{text} is neither true nor false")
    return text.lower() == "true"


def write_json(file: Path, content: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def run(main: Callable[[list[str]], None]) -> None:
    """Run ``main`` on the command line's arguments. A refusal is told on stderr, with exit code 1 and no traceback."""
    try:
        main(sys.argv[1:])
    except Refused as refused:
        sys.exit(f"{Path(sys.argv[0]).name}: {refused}")
