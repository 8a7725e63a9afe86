"""Whoever runs the jobs of a pipeline, as far as they hand out federated tokens."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from emulator import Emulator
from tests.engine.conftest import language_host, program

__all__ = ["language_host", "program"]  # fixtures


class Agent(HTTPServer):
    """Azure DevOps and GitHub, as far as they hand out tokens: ``asked`` has the requests that were granted."""

    token: str
    asked: list[str]


class Handler(BaseHTTPRequestHandler):
    server: Agent

    def do_POST(self) -> None:  # https://learn.microsoft.com/rest/api/azure/devops/distributedtask/oidctoken/create
        self.say("serviceConnectionId=connection" in self.path, {"oidcToken": self.server.token})

    def do_GET(self) -> None:  # https://docs.github.com/actions/reference/security/oidc
        self.say("audience=api%3A%2F%2FAzureADTokenExchange" in self.path, {"value": self.server.token})

    def say(self, right: bool, answer: Any) -> None:
        granted = right and self.headers["Authorization"] == "Bearer job"
        if granted:
            self.server.asked.append(self.path)
        content = json.dumps(answer if granted else {"message": "401: no"}).encode()
        self.send_response(200 if granted else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def agent(azure: Emulator) -> Iterator[Agent]:
    server = Agent(("127.0.0.1", 0), Handler)
    server.token, server.asked = (azure.home.identity / "federated-token").read_text(), []
    threading.Thread(target=server.serve_forever).start()
    yield server
    server.shutdown()
    server.server_close()
