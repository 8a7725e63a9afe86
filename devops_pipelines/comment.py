"""Puts a file on the pull request that is built, as a comment: python devops_pipelines/comment.py FILE

A later build of the same pull request writes the same comment anew. Reads what Azure Pipelines sets, and SYSTEM_ACCESSTOKEN; the
build service needs "Contribute to pull requests" on the repository.
https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

VARIABLES = (
    "SYSTEM_COLLECTIONURI",
    "SYSTEM_TEAMPROJECT",
    "BUILD_REPOSITORY_ID",
    "SYSTEM_PULLREQUEST_PULLREQUESTID",
    "SYSTEM_ACCESSTOKEN",
)
LONGEST = 150_000  # Azure DevOps takes no longer comment
CLOSED = "closed"  # a thread that waits for no answer, so that no policy does either


def main(file: Path) -> str:
    """What was done, in words; raises ``SystemExit`` with the reason where nothing was."""
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        raise SystemExit(
            f"comment: {', '.join(missing)} not set; this is for a pull request's build in Azure Pipelines."
        )
    if not file.is_file() or not file.stat().st_size:
        raise SystemExit(f"comment: there is nothing in a file '{file}'; the step that writes it says why.")
    collection, project, repository, pull_request, token = (os.environ[name] for name in VARIABLES)
    threads = (
        f"{collection.rstrip('/')}/{quote(project)}/_apis/git/repositories/{quote(repository)}"
        f"/pullRequests/{quote(pull_request)}/threads"
    )
    mark = f"<!-- {file.name} -->"
    text = f"{mark}\n{file.read_text('utf-8')}"[:LONGEST]
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        session.params = {"api-version": "7.1"}
        for thread in _sent(session, "GET", threads)["value"]:
            first = (thread.get("comments") or [{}])[0]
            if str(first.get("content", "")).startswith(mark):
                _sent(session, "PATCH", f"{threads}/{thread['id']}/comments/{first['id']}", {"content": text})
                return f"wrote comment {thread['id']} of pull request {pull_request} anew"
        comment = {"parentCommentId": 0, "content": text, "commentType": "text"}
        made = _sent(session, "POST", threads, {"comments": [comment], "status": CLOSED})
        return f"wrote comment {made['id']} of pull request {pull_request}"


def _sent(session: requests.Session, method: str, url: str, body: Any = None) -> Any:
    answer = session.request(method, url, json=body, timeout=60, allow_redirects=False)
    if answer.status_code not in (200, 201):
        # Azure DevOps answers a token that may not do this with its sign-in page, by 203 or 302
        said = answer.text[:500] if "json" in answer.headers.get("Content-Type", "") else ""
        raise SystemExit(
            f"comment: {method} {url} was answered {answer.status_code}. {said}\n"
            'next: give the build service "Contribute to pull requests" on the repository (docs/devops.md)'
        )
    return answer.json()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python devops_pipelines/comment.py FILE")
    print(main(Path(sys.argv[1])))
