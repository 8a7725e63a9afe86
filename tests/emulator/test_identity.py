"""Signing in with azure-identity's own credentials, and what a token is good for."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    UsernamePasswordCredential,
    WorkloadIdentityCredential,
)

from emulator import Emulator
from emulator.app import App
from emulator.gateway.ca import Authority
from emulator.gateway.server import Gateway
from emulator.home import Home
from emulator.identity import managed_tokens
from emulator.identity.tenant import ARM, Identity, Principal
from emulator.journal import Journal
from emulator.routes import Table

SCOPE = "https://management.azure.com/.default"
LOGIN = "https://login.microsoftonline.com"


@pytest.fixture
def identity(azure: Emulator) -> Identity:
    """The emulator's own signer, from its folder: what makes tokens that no client could."""
    return Identity(azure.home)


def test_the_environments_secret(azure: Emulator) -> None:
    token = EnvironmentCredential().get_token(SCOPE)
    claims = jwt.decode(token.token, options={"verify_signature": False})
    settings = azure.settings
    assert claims["aud"] == "https://management.azure.com"
    assert claims["iss"] == f"https://sts.windows.net/{settings.tenant}/"
    assert (claims["tid"], claims["appid"], claims["ver"]) == (settings.tenant, settings.client_id, "1.0")
    assert 3600 <= token.expires_on - time.time() <= 4000


def test_the_default_credential_finds_it(azure: Emulator) -> None:
    assert DefaultAzureCredential().get_token("https://ml.azure.com/.default").token


def test_the_signature_is_the_published_keys(azure: Emulator) -> None:
    token = EnvironmentCredential().get_token(SCOPE).token
    document = requests.get(f"{LOGIN}/{azure.settings.tenant}/v2.0/.well-known/openid-configuration", timeout=10).json()
    keys = jwt.PyJWKSet.from_dict(requests.get(document["jwks_uri"], timeout=10).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["RS256"], audience="https://management.azure.com")


def test_a_certificate(azure: Emulator) -> None:
    settings, path = azure.settings, azure.home.identity / "certificate.pem"
    for chain in (False, True):
        credential = CertificateCredential(settings.tenant, settings.client_id, str(path), send_certificate_chain=chain)
        assert credential.get_token(SCOPE).token


def test_a_certificate_of_someone_else(azure: Emulator, tmp_path: Any) -> None:
    home = Home(tmp_path / "other").prepare()
    Identity(home)
    credential = CertificateCredential(
        azure.settings.tenant, azure.settings.client_id, str(home.identity / "certificate.pem")
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        credential.get_token(SCOPE)


def test_a_workloads_token(azure: Emulator) -> None:
    credential = WorkloadIdentityCredential(
        tenant_id=azure.settings.tenant,
        client_id=azure.settings.client_id,
        token_file_path=str(azure.home.identity / "federated-token"),
    )
    assert credential.get_token(SCOPE).token


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lifetime": -3600}, "AADSTS700024"),
        ({"subject": "somebody"}, "AADSTS700213"),
    ],
)
def test_a_workloads_token_that_does_not_fit(
    azure: Emulator, identity: Identity, tmp_path: Any, change: dict[str, Any], code: str
) -> None:
    path = tmp_path / "token"
    path.write_text(identity.federated_token(**change))
    credential = WorkloadIdentityCredential(
        tenant_id=azure.settings.tenant, client_id=azure.settings.client_id, token_file_path=str(path)
    )
    with pytest.raises(ClientAuthenticationError, match=code):
        credential.get_token(SCOPE)


def test_a_workloads_token_of_another_issuer(azure: Emulator, tmp_path: Any) -> None:
    path = tmp_path / "token"
    path.write_text(Identity(Home(tmp_path / "other").prepare()).federated_token())
    credential = WorkloadIdentityCredential(
        tenant_id=azure.settings.tenant, client_id=azure.settings.client_id, token_file_path=str(path)
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS700211"):
        credential.get_token(SCOPE)


def test_a_wrong_secret(azure: Emulator) -> None:
    credential = ClientSecretCredential(azure.settings.tenant, azure.settings.client_id, "wrong")
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token(SCOPE)


def test_an_unknown_application(azure: Emulator) -> None:
    credential = ClientSecretCredential(azure.settings.tenant, "00000000-0000-0000-0000-000000000000", "secret")
    with pytest.raises(ClientAuthenticationError, match="AADSTS700016"):
        credential.get_token(SCOPE)


def test_an_unknown_tenant(azure: Emulator) -> None:
    credential = ClientSecretCredential("00000000-0000-0000-0000-000000000000", azure.settings.client_id, "secret")
    with pytest.raises(ClientAuthenticationError, match="tenant"):
        credential.get_token(SCOPE)


def form(azure: Emulator, version: str = "v2.0/", **changed: str | None) -> Any:
    variables = azure.environment()
    fields = {
        "grant_type": "client_credentials",
        "client_id": variables["AZURE_CLIENT_ID"],
        "client_secret": variables["AZURE_CLIENT_SECRET"],
        "scope": SCOPE,
        **changed,
    }
    url = f"{LOGIN}/{azure.settings.tenant}/oauth2/{version}token"
    return requests.post(url, data={name: value for name, value in fields.items() if value is not None}, timeout=10)


@pytest.mark.parametrize(
    ("changed", "status", "error", "number"),
    [
        ({"grant_type": None}, 400, "invalid_request", 900144),
        ({"client_id": None}, 400, "invalid_request", 900144),
        ({"client_secret": None}, 401, "invalid_client", 7000218),
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"scope": None}, 400, "invalid_request", 900144),
        ({"scope": "nonsense"}, 400, "invalid_scope", 70011),
        ({"scope": "https://management.azure.com/user_impersonation"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://nowhere.example/.default"}, 400, "invalid_resource", 500011),
        ({"grant_type": "password", "username": "a@b.c", "password": "p"}, 400, "invalid_grant", 50034),
        ({"grant_type": "magic"}, 400, "unsupported_grant_type", 70003),
        ({"client_assertion": "x.y.z"}, 401, "invalid_client", 50027),
    ],
)
def test_errors_have_entras_shape(
    azure: Emulator, changed: dict[str, str | None], status: int, error: str, number: int
) -> None:
    if "client_assertion" in changed:
        changed = {**changed, "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    answer = form(azure, **changed)
    body = answer.json()
    assert (answer.status_code, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert body["error_uri"].endswith(f"/error?code={number}")


def test_the_first_version_of_the_endpoint(azure: Emulator) -> None:
    body = form(azure, "", scope=None, resource="https://management.core.windows.net/").json()
    assert body["resource"] == "https://management.core.windows.net/"
    assert isinstance(body["expires_on"], str)
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["aud"] == "https://management.core.windows.net/"


def test_what_no_person_can_do_here_is_said(azure: Emulator) -> None:
    answer = requests.post(f"{LOGIN}/{azure.settings.tenant}/oauth2/v2.0/devicecode", timeout=10)
    assert answer.status_code == 501
    assert "devicecode" in answer.json()["error_description"]
    with warnings.catch_warnings(), pytest.raises(ClientAuthenticationError, match="AADSTS50034"):
        warnings.simplefilter("ignore", DeprecationWarning)
        UsernamePasswordCredential(
            azure.settings.client_id, "a@b.c", "word", tenant_id=azure.settings.tenant
        ).get_token(SCOPE)


def test_instance_discovery(azure: Emulator) -> None:
    endpoint = f"https://login.microsoftonline.us/{azure.settings.tenant}/oauth2/v2.0/authorize"
    answer = requests.get(
        "https://login.microsoftonline.com/common/discovery/instance",
        params={"api-version": "1.1", "authorization_endpoint": endpoint},
        timeout=10,
    ).json()
    assert answer["tenant_discovery_endpoint"].startswith(f"https://login.microsoftonline.us/{azure.settings.tenant}/")
    assert "login.microsoftonline.com" in answer["metadata"][0]["aliases"]


# What a token is good for


def ask(token: str | None) -> Any:
    headers = {"Authorization": token} if token is not None else {}
    return requests.get(
        "https://management.azure.com/subscriptions?api-version=2022-12-01", headers=headers, timeout=10
    )


def refused(token: str | None) -> str:
    answer = ask(token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    return str(answer.json()["error"]["code"])


def test_a_good_token(azure: Emulator, identity: Identity) -> None:
    for audience in (*ARM, "https://management.azure.com/", "https://management.core.windows.net"):
        assert ask(f"Bearer {identity.token(audience)}").status_code == 200


def test_no_token(azure: Emulator) -> None:
    assert refused(None) == "AuthenticationFailed"
    assert refused("Basic abc") == "AuthenticationFailed"
    assert refused("Bearer ") == "AuthenticationFailed"


def test_a_token_for_another_service(azure: Emulator, identity: Identity) -> None:
    assert refused(f"Bearer {identity.token('https://storage.azure.com')}") == "InvalidAuthenticationTokenAudience"
    assert (
        refused(f"Bearer {identity.token('https://management.azure.com.evil')}") == "InvalidAuthenticationTokenAudience"
    )


def test_a_token_of_yesterday(azure: Emulator, identity: Identity) -> None:
    assert refused(f"Bearer {identity.token(ARM[0], lifetime=-3600)}") == "ExpiredAuthenticationToken"


def test_a_foreign_signature(azure: Emulator, identity: Identity, tmp_path: Any) -> None:
    """The same claims, signed by another installation's key."""
    other = Identity(Home(tmp_path / "other").prepare())
    other.issuer, other.tenant = identity.issuer, identity.tenant
    assert refused(f"Bearer {other.token(ARM[0])}") == "InvalidAuthenticationToken"


def test_a_token_of_another_tenant(azure: Emulator, identity: Identity) -> None:
    identity.issuer = "https://sts.windows.net/00000000-0000-0000-0000-000000000000/"
    assert refused(f"Bearer {identity.token(ARM[0])}") == "InvalidAuthenticationTokenTenant"


def test_no_signature_at_all(azure: Emulator, identity: Identity) -> None:
    claims = jwt.decode(identity.token(ARM[0]), options={"verify_signature": False})
    for token in (
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, "x" * 32, algorithm="HS256"),
        "a.b.c",
        "é",
    ):
        assert refused(f"Bearer {token}".encode().decode("latin-1")) == "InvalidAuthenticationToken"


def test_a_token_that_was_tampered_with(azure: Emulator, identity: Identity) -> None:
    good = identity.token(ARM[0])
    assert ask(f"Bearer {good}").status_code == 200
    head, body, signature = good.split(".")
    other = identity.token("https://storage.azure.com").split(".")[1]
    assert refused(f"Bearer {head}.{other}.{signature}") == "InvalidAuthenticationToken"
    assert refused(f"Bearer {good[:-4]}AAAA") == "InvalidAuthenticationToken"


# Managed identities, at the level of the endpoint: the emulator grants them to jobs


def test_a_grant_is_a_job_s_own(azure: Emulator) -> None:
    url = f"http://127.0.0.1:{azure.port}/_emulator/identity"
    for header in ({}, {"X-IDENTITY-HEADER": "guessed"}, {"secret": ""}):
        answer = requests.get(url, params={"api-version": "2019-08-01", "resource": ARM[0]}, headers=header, timeout=10)
        assert answer.status_code == 401


@contextmanager
def endpoint(home: Home) -> Iterator[tuple[Identity, str]]:
    """The managed identities' endpoint of an installation whose ``Identity`` is in this process, and can grant."""
    identity = Identity(home)
    table = Table(managed_tokens.ROUTES)
    cloud: Any = SimpleNamespace(identity=identity)
    app = App(cloud, table, Journal(home.logs))
    gateway = Gateway(app, Authority(home), {})
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        port = asyncio.run_coroutine_threadsafe(gateway.start(), loop).result(10)
        yield identity, f"http://127.0.0.1:{port}/_emulator/identity"
    finally:
        asyncio.run_coroutine_threadsafe(gateway.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.mark.parametrize("form", ["IDENTITY", "MSI"])
def test_a_process_with_a_grant_is_that_identity(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    """In App Service's form and in Azure ML's, with the vendor's credential; and nobody else's client id will do."""
    someone = Principal("oid", str(uuid.uuid4()), "someone", "/subscriptions/x")
    with endpoint(Home(tmp_path / "home").prepare()) as (identity, url):
        granted = identity.grant(someone, url)
        for name, value in granted.items():
            if name.startswith(form):
                monkeypatch.setenv(name, value)
        for credential in (ManagedIdentityCredential(), ManagedIdentityCredential(client_id=someone.client_id)):
            token = credential.get_token(SCOPE)
            claims = jwt.decode(token.token, options={"verify_signature": False})
            assert (claims["oid"], claims["aud"]) == ("oid", "https://management.azure.com")
            assert claims["xms_mirid"] == "/subscriptions/x"
            assert token.expires_on > time.time() + 3000
        with pytest.raises(ClientAuthenticationError):
            ManagedIdentityCredential(client_id=str(uuid.uuid4())).get_token(SCOPE)
        identity.revoke(granted)
        with pytest.raises(ClientAuthenticationError):
            ManagedIdentityCredential().get_token(SCOPE)


def test_a_grant_can_be_taken_back(tmp_path: Any) -> None:
    identity = Identity(Home(tmp_path / "home").prepare())
    someone = Principal("oid", "client", "someone", "/subscriptions/x")
    environment = identity.grant(someone, "http://127.0.0.1:1/_emulator/identity")
    assert identity.granted(environment["MSI_SECRET"]) == someone
    identity.revoke(environment)
    assert identity.granted(environment["MSI_SECRET"]) is None


def test_secrets_are_the_owners_alone(azure: Emulator) -> None:
    for path in (azure.home.identity, azure.home.authority):
        assert path.stat().st_mode & 0o077 == 0
        for file in path.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


def test_managed_identity_needs_a_grant(azure: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{azure.port}/_emulator/identity")
    monkeypatch.setenv("IDENTITY_HEADER", "guessed")
    with pytest.raises(ClientAuthenticationError):
        ManagedIdentityCredential().get_token(SCOPE)
