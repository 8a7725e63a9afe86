"""Roles that were given a moment ago: Azure does not heed them at once, and refuses meanwhile what they let.

It takes up to ten minutes (https://learn.microsoft.com/azure/role-based-access-control/troubleshooting), and nothing tells when
it is over. So whoever is refused data asks again until then, where it is likely that this is why, and is told so.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import PipelineRequest
from azure.storage.blob import ExponentialRetry

from runner.errors import CloudError
from runner.polling import Poller
from runner.progress import Progress, duration
from runner.rest import ARM, ARM_SCOPE
from runner.workspace import Workspace

SPREADS = 600.0  # seconds
REFUSED = "AuthorizationPermissionMismatch"
ASSIGNMENTS, VERSION = "providers/Microsoft.Authorization/roleAssignments", "2022-04-01"
# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
BLOB_ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
}


@dataclass(frozen=True)
class Fresh:
    """``what`` was given, ``age`` seconds ago."""

    what: str
    age: float


class Patient(ExponentialRetry):
    """The storage client's retries, and those of a refusal that a role will end which this sign-in was given a moment ago."""

    def __init__(self, workspace: Workspace, account: str) -> None:
        super().__init__()
        self._workspace, self._account = workspace, account

    def send(self, request: PipelineRequest[Any]) -> Any:
        body = request.http_request.body
        start = body.tell() if hasattr(body, "seek") else None
        options = dict(request.context.options)  # each attempt takes them out
        answer = super().send(request)  # type: ignore[no-untyped-call]
        fresh = fresh_role(self._workspace, self._account) if _refused(answer) else None
        if fresh is None:
            return answer
        with Progress() as progress:
            for elapsed in Poller(longest=5):
                if not _refused(answer):
                    return answer
                if fresh.age + elapsed > SPREADS:
                    raise CloudError(
                        f"Storage account '{self._account}' still refuses this sign-in, though {fresh.what} was given "
                        f"{duration(fresh.age + elapsed)} ago.",
                        next="sign in anew (az login), so that the token knows of groups joined since; then look whether "
                        f"the role is still there: az role assignment list --all --assignee {_me(self._workspace)}",
                    )
                progress.at(
                    f"storage account {self._account} does not heed {fresh.what} yet, given {duration(fresh.age)} ago: "
                    f"waiting, Azure takes up to {duration(SPREADS)}",
                    elapsed,
                )
                if start is not None:
                    body.seek(start)
                request.context.options.update(options)
                answer = super().send(request)  # type: ignore[no-untyped-call]
        raise AssertionError("a poller never ends by itself")


def fresh_role(workspace: Workspace, account: str) -> Fresh | None:
    """What was done so lately that Azure may not heed it yet; ``None`` where this sign-in's roles are old, or are none.

    Who may not see the roles of the account goes by the age of the workspace: its roles came with it.
    """
    try:
        given = list(_given(workspace, account))
    except HttpResponseError as error:
        if error.status_code not in (401, 403):
            raise
        made = str((workspace.resource.get("systemData") or {}).get("createdAt") or "")
        given = [Fresh("what came with the workspace", _age(made))] if made else []
    youngest = min(given, key=lambda one: one.age, default=None)
    return youngest if youngest is not None and youngest.age < SPREADS else None


def _given(workspace: Workspace, account: str) -> Iterator[Fresh]:
    """Each role on the account's blobs that this sign-in has, by itself or by a group."""
    own = str(workspace.resource["properties"].get("storageAccount") or "")
    scope = own if own.lower().endswith(f"/{account}") else "/".join(workspace.settings.workspace_id.split("/")[:3])
    query = {"api-version": VERSION, "$filter": f"assignedTo('{_me(workspace)}')"}
    for found in workspace.rest.pages(f"{ARM}{scope}/{ASSIGNMENTS}", **query):
        assignment: Mapping[str, Any] = found["properties"]
        role = BLOB_ROLES.get(str(assignment["roleDefinitionId"]).rpartition("/")[2].lower())
        elsewhere = re.search(
            r"/storageAccounts/(?!" + re.escape(account) + r"(/|$))", assignment["scope"], re.IGNORECASE
        )
        if role and not elsewhere:
            yield Fresh(f"the role '{role}'", _age(assignment["createdOn"]))


def _me(workspace: Workspace) -> str:
    """The object id of whoever is signed in, as the token says it."""
    body = workspace.credential.get_token(ARM_SCOPE).token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["oid"])


def _age(moment: str) -> float:
    then = datetime.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return (datetime.now(timezone.utc) - then).total_seconds()


def _refused(answer: Any) -> bool:
    response = answer.http_response
    return bool(response.status_code == 403 and response.headers.get("x-ms-error-code") == REFUSED)
