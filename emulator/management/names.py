"""Names that are unique in all of Azure, not only within their group: they are part of a host's name."""

from __future__ import annotations

from emulator.errors import conflict
from emulator.http import Call
from emulator.store import Document


def holder(call: Call, type: str, name: str) -> Document | None:
    """The resource of ``type`` that has the name, in whichever group."""
    wanted = name.lower()
    return next((one for one in call.cloud.store.of_type(type) if one.name.lower() == wanted), None)


def check_free(call: Call, type: str, name: str, code: str, message: str) -> None:
    if holder(call, type, name) is not None:
        raise conflict(code, message)
