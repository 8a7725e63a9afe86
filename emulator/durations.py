"""ISO 8601 durations of days to seconds, such as PT120S, as Azure's requests have them."""

from __future__ import annotations

import re

DURATION = re.compile(r"P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def seconds(text: str) -> float:
    """Its length; raises ``ValueError`` for what is no duration."""
    found = DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is not an ISO 8601 duration, such as PT120S.")
    days, hours, minutes, rest = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + rest
