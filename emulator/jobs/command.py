"""The command line of a job: where inputs and outputs stand in it, and what it is with their values in place.

`${{inputs.x}}` and `${{outputs.x}}` are replaced as text, `$[[ … ]]` stays only where every input inside it has a value
(https://learn.microsoft.com/azure/machine-learning/how-to-read-write-data-v2,
https://learn.microsoft.com/azure/machine-learning/reference-yaml-component-command#define-optional-inputs-in-command-line).
Knows nothing of jobs, data or processes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

EXPRESSION = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")
OPTIONAL = re.compile(r"\$\[\[(.*?)\]\]", re.DOTALL)
PLAIN = re.compile(r"[^;&|<>()`$\n]*")  # no shell grammar: one program and its arguments
KINDS = ("inputs", "outputs")


class UnknownReference(ValueError):
    """``text`` is what stands between the braces; ``kind`` is ``inputs``, ``outputs`` or empty, for something else."""

    def __init__(self, text: str) -> None:
        self.text = text
        kind, _, self.name = text.partition(".")
        self.kind = kind if kind in KINDS else ""
        super().__init__(f"${{{{{text}}}}}")


def check(command: str, inputs: Iterable[str], outputs: Iterable[str]) -> None:
    """Raise ``UnknownReference`` for the first expression that names nothing; an optional part may name a missing input."""
    known = {f"inputs.{name}" for name in inputs} | {f"outputs.{name}" for name in outputs}
    required = OPTIONAL.sub("", command)
    for text in EXPRESSION.findall(command):
        missing = text not in known
        if missing and (text in EXPRESSION.findall(required) or not text.startswith("inputs.")):
            raise UnknownReference(text)


def fill(command: str, values: Mapping[str, str]) -> str:
    """The command with its values: ``{"inputs.x": "3", "outputs.model": "/…"}``. What has no value must be in an optional part."""

    def optional(part: re.Match[str]) -> str:
        names = EXPRESSION.findall(part[1])
        return part[1] if all(name in values for name in names) else ""

    def value(expression: re.Match[str]) -> str:
        if expression[1] not in values:
            raise UnknownReference(expression[1])
        return values[expression[1]]

    return EXPRESSION.sub(value, OPTIONAL.sub(optional, command))


def program(command: str) -> str:
    """What Azure calls the user's process in an error: the program of a plain command line, else the shell."""
    plain = EXPRESSION.sub("x", OPTIONAL.sub(r"\1", command)).strip()
    if PLAIN.fullmatch(plain):
        try:
            words = shlex.split(plain)
        except ValueError:
            words = []
        names = [word for word in words if "=" not in word]
        if names:
            return names[0]
    return "/bin/bash"
