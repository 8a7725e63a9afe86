"""Azure DevOps and GitHub, as far as a job of theirs speaks to them: federated tokens, and the threads of a pull request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, TypeVar

import pytest

from emulator import Emulator
from tests.engine.conftest import program

__all__ = ["program"]  # a fixture

THREADS = "/collection/My%20iris/_apis/git/repositories/repo/pullRequests/12/threads"


class Handler(BaseHTTPRequestHandler):
    """``say`` answers; what a test needs to know of the answers is the server's."""

    def say(self, status: int, body: Any, kind: str = "application/json") -> None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


class Agent(HTTPServer):
    """Hands out tokens: ``asked`` has the requests that were granted."""

    token: str
    asked: list[str]


class _OfAgent(Handler):
    server: Agent

    def do_POST(self) -> None:  # https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
        self.hand("serviceConnectionId=connection" in self.path, {"oidcToken": self.server.token})

    def do_GET(self) -> None:  # https://docs.github.com/actions/reference/security/oidc
        self.hand("audience=api%3A%2F%2FAzureADTokenExchange" in self.path, {"value": self.server.token})

    def hand(self, right: bool, answer: Any) -> None:
        granted = right and self.headers["Authorization"] == "Bearer job"
        if granted:
            self.server.asked.append(self.path)
        self.say(200 if granted else 401, answer if granted else {"message": "401: no"})


class DevOps(HTTPServer):
    """Keeps the threads of one pull request: https://learn.microsoft.com/rest/api/azure/devops/git/pull-request-threads"""

    threads: list[dict[str, Any]]

    @property
    def variables(self) -> dict[str, str]:
        """The predefined ones that a build of the pull request has beside those of every build."""
        return {
            "System.CollectionUri": f"http://127.0.0.1:{self.server_port}/collection/",
            "System.TeamProject": "My iris",
            "Build.Repository.ID": "repo",
            "System.PullRequest.PullRequestId": "12",
        }


class _OfDevOps(Handler):
    server: DevOps

    def do(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"{}")
        path, _, query = self.path.partition("?")
        if self.headers["Authorization"] != "Bearer job":
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


Server = TypeVar("Server", bound=HTTPServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    threading.Thread(target=server.serve_forever).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def tokens(azure: Emulator) -> Iterator[Agent]:
    with serving(Agent(("127.0.0.1", 0), _OfAgent)) as server:
        server.token, server.asked = (azure.home.identity / "federated-token").read_text(), []
        yield server


@pytest.fixture
def agent(azure: Emulator, tokens: Agent) -> Agent:
    """As a job finds it: nothing was asked for yet."""
    tokens.token, tokens.asked = (azure.home.identity / "federated-token").read_text(), []
    return tokens


@pytest.fixture(scope="module")
def pull_request() -> Iterator[DevOps]:
    with serving(DevOps(("127.0.0.1", 0), _OfDevOps)) as server:
        server.threads = []
        yield server


@pytest.fixture
def devops(pull_request: DevOps) -> DevOps:
    """With what people have said of the pull request."""
    pull_request.threads = [{"id": 1, "comments": [{"id": 1, "content": "well done"}]}, {"id": 2, "comments": []}]
    return pull_request
