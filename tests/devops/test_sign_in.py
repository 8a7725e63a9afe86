"""The sign-in of a build agent: whoever runs the job hands out a federated token, and Azure takes it for one of its own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError

from emulator import Emulator
from runner import credentials, token_file
from runner.errors import CloudError
from tests.devops.conftest import Agent
from tests.waiting import until

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


def test_pulumi_reads_a_fresh_token_for_as_long_as_it_works(
    azure: Emulator, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the file that the store of its state signs in with; azure-identity reads it as that does."""
    here = {credentials.CLIENT: azure.settings.client_id, credentials.TENANT: azure.settings.tenant}
    asking = {credentials.GITHUB_REQUEST: f"http://127.0.0.1:{agent.server_port}/oidc", credentials.GITHUB_TOKEN: "job"}
    monkeypatch.setattr(token_file, "SECONDS", 0.01)
    good, agent.token = agent.token, "one that has ended"
    with token_file.kept({**here, **asking}) as more:
        file = Path(more[credentials.TOKEN_FILE])
        assert more["ARM_USE_OIDC"] == "true" and file.read_text() == agent.token
        agent.token = good
        until(lambda: file.read_text() == good)
        assert credentials.choose({**here, **more}).make().get_token(ARM).token
    assert not file.exists()
    for other in (here, {**here, **asking, credentials.SECRET: "key"}):
        with token_file.kept(other) as nothing:
            assert nothing == {}
