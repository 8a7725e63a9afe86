"""Names: Azure's rules for those of the settings, and which ones are near to one that does not exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

SHOWN = 10  # names in one message at most


@dataclass(frozen=True)
class Rule:
    """A name's regular expression, and the same in words."""

    pattern: str
    words: str

    def fits(self, name: str) -> bool:
        return re.fullmatch(self.pattern, name) is not None


ASSET = Rule(
    "[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}", "1 to 255 letters, digits, '-' and '_', beginning with a letter or digit"
)

# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules and the patterns of
# https://learn.microsoft.com/azure/templates/microsoft.machinelearningservices/workspaces and its children.
RULES = {
    "AZURE_SUBSCRIPTION_ID": Rule(
        "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "a subscription's id is a GUID"
    ),
    "AZURE_RESOURCE_GROUP": Rule(
        r"[\w().-]{0,89}[\w()-]", "1 to 90 letters, digits, '_', '-', '.', '(' and ')', not ending with '.'"
    ),
    "AZURE_WORKSPACE_NAME": Rule(
        "[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}", "3 to 33 letters, digits, '-' and '_', beginning with a letter or digit"
    ),
    "AZURE_ML_COMPUTE_TRAINER": Rule(
        r"[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9-]{2,23}",
        "3 to 24 letters, digits and '-', beginning with a letter, not ending with '-' and digits",
    ),
    "AZURE_ML_EXPERIMENT_NAME": ASSET,
    "AZURE_ML_DATASTORE_NAME": ASSET,
    "AZURE_ML_ENDPOINT_NAME": Rule(
        "[a-zA-Z][a-zA-Z0-9-]{1,30}[a-zA-Z0-9]",
        "3 to 32 letters, digits and '-', beginning with a letter, ending with a letter or digit",
    ),
    "AZURE_ML_ENVIRONMENT_NAME": ASSET,
    "AZURE_ML_ENVIRONMENT_VERSION": Rule(
        r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,254}",
        "1 to 255 letters, digits, '.', '-' and '_', beginning with a letter or digit",
    ),
}


def nearest(name: str, existing: Iterable[str], *, most: int = 3, likeness: float = 0.6) -> list[str]:
    """The names most like ``name`` without regard to case, the likest first; ``likeness`` is from 0 to 1."""
    by_lower: dict[str, str] = {}
    for candidate in existing:
        by_lower.setdefault(candidate.lower(), candidate)
    found = difflib.get_close_matches(name.lower(), by_lower, n=most, cutoff=likeness)
    return [by_lower[lower] for lower in found]


def near(name: str, existing: Iterable[str]) -> str:
    """A sentence for an error message: what was probably meant, else what there is."""
    there = list(existing)
    meant = nearest(name, there)
    if meant:
        return f"Did you mean {_either(meant)}?"
    if not there:
        return "There are none."
    more = f" and {len(there) - SHOWN} more" if len(there) > SHOWN else ""
    return f"There are: {', '.join(there[:SHOWN])}{more}."


def _either(names: list[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
