"""A YAML file as it is written, and what azure-ai-ml has against one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner.errors import Mistake


def read(file: Path) -> dict[str, Any]:
    """The file's mapping; raises ``Mistake`` for one that is not there, not YAML, or something else than a mapping."""
    import yaml

    if not file.is_file():
        raise Mistake(f"There is no file '{file}'.")
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Mistake(f"'{file}' is not YAML in UTF-8: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise Mistake(f"'{file}' has no mapping at its top.")
    return content


def reasons(text: str, most: int = 12) -> list[str]:
    """What azure-ai-ml has against a file, a line each: of the JSON in its message the errors, else its sentences."""
    try:
        errors = json.loads(text[text.index("{") : text.rindex("}") + 1])["errors"]
        said = [f"{error['path']}: {error['message']}" for error in errors]
    except (ValueError, KeyError, TypeError):
        lines = [line.strip(' {}[],"') for line in text.replace("\\n", "\n").replace('\\"', '"').splitlines()]
        said = [line for line in lines if any(map(str.isalpha, line)) and not line.endswith('"_schema":')]
    return list(dict.fromkeys(said))[:most]
