"""The conditions that a request makes of what it changes, against the resource as it is."""

from __future__ import annotations

from emulator.errors import AzureError
from emulator.http import Call
from emulator.store import Document


def check(call: Call, document: Document | None) -> None:
    """``If-Match`` and ``If-None-Match`` of a request that changes something."""
    wanted, unwanted = call.headers.get("if-match"), call.headers.get("if-none-match")
    if wanted is not None and not _etag_in(wanted, document):
        found = f"is '{document.etag}'" if document else "does not exist"
        raise AzureError(
            412,
            "PreconditionFailed",
            (
                f"The condition 'If-Match: {wanted}' is not met: the resource {found}."
                if document is None
                else f"The condition 'If-Match: {wanted}' is not met: the resource's ETag {found}."
            ),
        )
    if unwanted is not None and document is not None and _etag_in(unwanted, document):
        raise AzureError(
            412, "PreconditionFailed", f"The condition 'If-None-Match: {unwanted}' is not met: the resource exists."
        )


def _etag_in(header: str, document: Document | None) -> bool:
    if document is None:
        return False
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in header.split(",")]
    return "*" in tags or document.etag in tags
