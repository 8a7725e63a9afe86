"""The sign-in of a build agent: whoever runs the job hands out a federated token, and Azure takes it for one of its own."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from emulator.handle import Emulator
from runner import credentials
from runner.errors import CloudError

ARM, ML = "https://management.azure.com/.default", "https://ml.azure.com/.default"


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


@pytest.fixture(params=["Azure Pipelines", "GitHub"])
def environ(
    request: pytest.FixtureRequest, azure: Emulator, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    address = f"http://127.0.0.1:{agent.server_port}/oidc"
    client, tenant = azure.settings.client_id, azure.settings.tenant
    if request.param == "GitHub":
        names = (credentials.CLIENT, credentials.TENANT, credentials.GITHUB_REQUEST, credentials.GITHUB_TOKEN)
        return dict(zip(names, (client, tenant, f"{address}?x=1", "job"), strict=True))
    monkeypatch.setenv(credentials.AGENT_REQUEST, address)  # which azure-identity reads itself
    return {
        credentials.CONNECTION: "connection",
        credentials.CONNECTION_CLIENT: client,
        credentials.CONNECTION_TENANT: tenant,
        credentials.AGENT_TOKEN: "job",
        credentials.AGENT_REQUEST: address,
    }


def test_a_new_token_is_asked_for_whenever_one_is_needed(environ: dict[str, str], agent: Agent) -> None:
    """A token that was handed out when the job began would have ended long before a training does."""
    credential = credentials.choose(environ).make()
    for count, scope in enumerate((ARM, ML), 1):
        assert credential.get_token(scope).expires_on > time.time()
        assert len(agent.asked) == count


def test_a_job_that_may_not_ask_is_told_so(environ: dict[str, str], agent: Agent) -> None:
    refused = {name: "other" if value == "job" else value for name, value in environ.items()}
    with pytest.raises((ClientAuthenticationError, CloudError)) as caught:
        credentials.choose(refused).make().get_token(ARM)
    assert "401" in str(caught.value) and not agent.asked
