"""Which credential, by the environment alone."""

import pytest

from runner import credentials
from runner.credentials import choose
from runner.errors import Mistake

PRINCIPAL = {credentials.CLIENT: "c", credentials.TENANT: "t", credentials.SECRET: "s"}
CONNECTION = {
    credentials.CONNECTION: "id",
    credentials.CONNECTION_CLIENT: "c",
    credentials.CONNECTION_TENANT: "t",
    credentials.AGENT_TOKEN: "token",
    credentials.AGENT_REQUEST: "https://dev.azure.com/x",
}


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, "the Azure CLI's sign-in"),
        ({credentials.TENANT: "t"}, "the Azure CLI's sign-in"),
        (PRINCIPAL, "service principal with its key"),
        (PRINCIPAL | CONNECTION, "service principal with its key"),
        (CONNECTION, "service connection of Azure Pipelines"),
        ({"servicePrincipalId": "c", "servicePrincipalKey": "k", "tenantId": "t"}, "service connection with a key"),
        ({credentials.CLIENT: "c", credentials.TENANT: "t", credentials.TOKEN_FILE: "f"}, "workload identity"),
        (
            {credentials.CLIENT: "c", credentials.TENANT: "t", credentials.CERTIFICATE: "f"},
            "service principal with its certificate",
        ),
    ],
)
def test_the_choice_and_its_reason(environ: dict[str, str], name: str) -> None:
    choice = choose(environ)
    assert choice.name == name and choice.why


@pytest.mark.parametrize("missing", [credentials.CLIENT, credentials.TENANT])
def test_half_a_service_principal_is_refused(missing: str) -> None:
    with pytest.raises(Mistake, match=missing):
        choose({name: value for name, value in PRINCIPAL.items() if name != missing})


def test_an_agent_without_its_token_is_told_how_to_get_it() -> None:
    with pytest.raises(Mistake) as caught:
        choose({name: value for name, value in CONNECTION.items() if name != credentials.AGENT_TOKEN})
    assert caught.value.next is not None and "System.AccessToken" in caught.value.next


@pytest.mark.parametrize(
    ("environ", "kind"),
    [(PRINCIPAL, "ClientSecretCredential"), (CONNECTION, "AzurePipelinesCredential"), ({}, "AzureCliCredential")],
)
def test_the_credential_made_is_azures_own(environ: dict[str, str], kind: str) -> None:
    assert type(choose(environ).make()).__name__ == kind
