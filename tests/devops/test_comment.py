"""The plan as a comment of a pull request, against a server that answers as Azure DevOps does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "devops_pipelines" / "comment.py"
THREADS = "/collection/My%20iris/_apis/git/repositories/repo/pullRequests/12/threads"


class DevOps(HTTPServer):
    """Keeps the threads of one pull request: https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads"""

    threads: list[dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: DevOps

    def do(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"{}")
        path, _, query = self.path.partition("?")
        if self.headers["Authorization"] != "Bearer good":
            return self.say(203, "<html>sign in</html>", "text/html")
        assert query == "api-version=7.1"
        if (self.command, path) == ("GET", THREADS):
            return self.say(200, {"value": self.server.threads})
        if (self.command, path) == ("POST", THREADS):
            comments = [{"id": 1, **comment} for comment in body["comments"]]
            self.server.threads.append({"id": 5, "status": body["status"], "comments": comments})
            return self.say(200, self.server.threads[-1])
        assert (self.command, path) == ("PATCH", f"{THREADS}/5/comments/1")
        self.server.threads[-1]["comments"][0]["content"] = body["content"]
        self.say(200, {"id": 1})

    do_GET = do_POST = do_PATCH = do

    def say(self, status: int, body: Any, kind: str = "application/json") -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def devops() -> Iterator[DevOps]:
    server = DevOps(("127.0.0.1", 0), Handler)
    server.threads = [{"id": 1, "comments": [{"id": 1, "content": "well done"}]}, {"id": 2, "comments": []}]
    threading.Thread(target=server.serve_forever).start()
    yield server
    server.shutdown()
    server.server_close()


def commented(devops: DevOps, file: Path, **changed: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "SYSTEM_COLLECTIONURI": f"http://127.0.0.1:{devops.server_port}/collection/",
        "SYSTEM_TEAMPROJECT": "My iris",
        "BUILD_REPOSITORY_ID": "repo",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "12",
        "SYSTEM_ACCESSTOKEN": "good",
        "PATH": os.environ["PATH"],
    }
    return subprocess.run([sys.executable, SCRIPT, file], env=variables | changed, capture_output=True, text=True)


def test_the_plan_is_one_comment_however_often_it_is_built(devops: DevOps, tmp_path: Path) -> None:
    plan = tmp_path / "plan.md"
    for text, said in (
        ("### Plan\nünïcode", "wrote comment 5 of"),
        ("### Another", "wrote comment 5 of pull request 12 anew"),
    ):
        plan.write_text(text, "utf-8")
        ended = commented(devops, plan)
        assert ended.returncode == 0 and said in ended.stdout, ended.stderr
        assert len(devops.threads) == 3
        assert devops.threads[-1]["comments"][0]["content"] == f"<!-- plan.md -->\n{text}"
    assert devops.threads[-1]["status"] == "closed"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"SYSTEM_ACCESSTOKEN": "bad"}, "Contribute to pull requests"),
        ({"SYSTEM_ACCESSTOKEN": ""}, "SYSTEM_ACCESSTOKEN not set"),
        ({"SYSTEM_PULLREQUEST_PULLREQUESTID": ""}, "SYSTEM_PULLREQUEST_PULLREQUESTID not set"),
    ],
)
def test_what_hinders_a_comment_is_named(changed: dict[str, str], said: str, devops: DevOps, tmp_path: Path) -> None:
    (tmp_path / "plan.md").write_text("x")
    ended = commented(devops, tmp_path / "plan.md", **changed)
    assert ended.returncode == 1 and said in ended.stderr and "Traceback" not in ended.stderr
    assert len(devops.threads) == 2
