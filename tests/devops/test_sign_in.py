"""The sign-in of a build agent: whoever runs the job hands out a federated token, and Azure takes it for one of its own."""

from __future__ import annotations

import time

import pytest
from azure.core.exceptions import ClientAuthenticationError

from emulator import Emulator
from runner import credentials
from runner.errors import CloudError
from tests.devops.conftest import Agent

ARM, ML = "https://management.azure.com/.default", "https://ml.azure.com/.default"


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
