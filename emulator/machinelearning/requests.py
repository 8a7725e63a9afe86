"""Requests that the emulator sends to itself for a caller, so that what one room needs of another is checked as any client's is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from emulator.http import Call, Reply
from emulator.management import arm
from emulator.management.ids import ResourceId

API_VERSION = "2024-10-01"


async def put(call: Call, id: ResourceId, properties: Any) -> Reply:
    """Create or update ``id`` as whoever made ``call``. Raises what Azure answers."""
    request = replace(
        call,
        method="PUT",
        host="management.azure.com",
        path=str(id),
        params={},
        query={"api-version": API_VERSION},
        headers={},
        body=json.dumps({"properties": properties}).encode(),
    )
    return await arm.dispatch(request)


async def registered(call: Call, id: ResourceId, properties: Any) -> str:
    """The id of a version of an asset whose name says its content: made where it is not there yet."""
    if call.cloud.store.get(str(id)) is None:
        await put(call, id, properties)
    return str(id)
