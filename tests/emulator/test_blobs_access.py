"""Who may read and write blobs: tokens, keys, shared access signatures, nobody; each way in with those that are none."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import EnvironmentCredential
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    PublicAccess,
    ResourceTypes,
    UserDelegationKey,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from emulator.home import Home
from emulator.identity.tenant import Identity
from tests.emulator.storage import Fixed, Storage


def soon() -> datetime:
    return datetime.now(timezone.utc) + timedelta(hours=1)


def ago(minutes: float) -> datetime:
    return datetime.now(timezone.utc) - timedelta(minutes=minutes)


# Tokens


def test_a_token_credential_writes_lists_reads_and_deletes(storage: Storage) -> None:
    service = storage.service(EnvironmentCredential())
    container = service.create_container(f"c-{uuid.uuid4().hex[:12]}")
    container.upload_blob("a/b c/ü.txt", b"hello", metadata={"who": "me"})
    assert [blob.name for blob in container.list_blobs(name_starts_with="a/")] == ["a/b c/ü.txt"]
    blob = container.get_blob_client("a/b c/ü.txt")
    assert blob.download_blob().readall() == b"hello"
    assert blob.get_blob_properties().metadata == {"who": "me"}
    container.delete_blob("a/b c/ü.txt")
    assert list(container.list_blobs()) == []


def expired(storage: Storage) -> str:
    return storage.identity.token("https://storage.azure.com", lifetime=-600)


def of_another_audience(storage: Storage) -> str:
    return EnvironmentCredential().get_token("https://management.azure.com/.default").token


def of_a_foreign_signer(storage: Storage) -> str:
    claims = jwt.decode(storage.token(), options={"verify_signature": False})
    stranger = Identity(Home(storage.home.root.with_name("stranger")).prepare())
    return jwt.encode(claims, stranger._key, algorithm="RS256", headers={"kid": storage.identity.key_id})


def without_a_signature(storage: Storage) -> str:
    return jwt.encode(jwt.decode(storage.token(), options={"verify_signature": False}), "", algorithm="none")


def signed_with_the_public_key(storage: Storage) -> str:
    """The oldest trick: an HMAC keyed with what everybody may know."""
    header, claims, _ = storage.token().split(".")
    forged = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    secret = requests.get(
        f"https://login.microsoftonline.com/{storage.identity.tenant}/discovery/keys", timeout=10
    ).content
    signature = hmac.new(secret, f"{forged}.{claims}".encode(), hashlib.sha256).digest()
    return f"{forged}.{claims}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    ("make", "detail"),
    [
        (expired, "Lifetime validation failed"),
        (of_another_audience, "Audience validation failed"),
        (of_a_foreign_signer, "Signature validation failed"),
        (without_a_signature, "Signature validation failed"),
        (signed_with_the_public_key, "Signature validation failed"),
        (lambda _: "junk", "Signature validation failed"),
    ],
)
def test_a_bad_token_is_refused_as_azure_refuses_it(
    storage: Storage, container: ContainerClient, make: Any, detail: str
) -> None:
    token = make(storage)
    with pytest.raises(ClientAuthenticationError) as raised:
        storage.service(Fixed(token)).get_container_client(container.container_name).upload_blob("x", b"x")
    assert raised.value.error_code == "InvalidAuthenticationInfo"
    answer = requests.get(
        f"{container.url}/x", headers={"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"}, timeout=10
    )
    assert answer.status_code == 401 and detail in answer.text
    assert "resource_id=https://storage.azure.com" in answer.headers["WWW-Authenticate"]
    assert list(container.list_blobs()) == []


def test_azurite_itself_takes_no_token_that_the_gate_did_not_make(storage: Storage, container: ContainerClient) -> None:
    url = f"http://127.0.0.1:{storage.port()}/{container.container_name}?restype=container"
    for token in (storage.token(), without_a_signature(storage)):
        headers = {
            "Host": "first.blob.core.windows.net",
            "Authorization": f"Bearer {token}",
            "x-ms-version": "2021-12-02",
        }
        assert requests.get(url, headers=headers, timeout=10).status_code == 403


# Keys


def test_an_account_key(container: ContainerClient) -> None:
    container.upload_blob("x", b"by key")
    assert container.download_blob("x").readall() == b"by key"


def test_a_wrong_key_is_refused(storage: Storage, container: ContainerClient) -> None:
    wrong = base64.b64encode(b"another").decode()
    with pytest.raises(ClientAuthenticationError) as raised:
        storage.service(wrong).get_container_client(container.container_name).upload_blob("x", b"x")
    assert raised.value.status_code == 403 and raised.value.error_code == "AuthenticationFailed"


def test_azurites_well_known_account_does_not_exist() -> None:
    known = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    service = BlobServiceClient("https://devstoreaccount1.blob.core.windows.net", credential=known)
    with pytest.raises(ResourceNotFoundError):
        next(iter(service.list_containers()), None)


def test_what_is_kept_on_disk_is_the_owners_alone(storage: Storage) -> None:
    storage.service().create_container(f"c-{uuid.uuid4().hex[:12]}").upload_blob("x", b"x")
    for folder, _, files in os.walk(storage.home.blobs):
        assert os.stat(folder).st_mode & 0o077 == 0, folder
        for name in files:
            assert os.stat(f"{folder}/{name}").st_mode & 0o077 == 0, name


# Shared access signatures


def test_a_sas_grants_what_it_says(storage: Storage, container: ContainerClient) -> None:
    container.upload_blob("x", b"shared")
    sas = generate_blob_sas(
        "first", container.container_name, "x", account_key=storage.keys["first"], permission="r", expiry=soon()
    )
    blob = BlobClient.from_blob_url(f"{container.url}/x?{sas}")
    assert blob.download_blob().readall() == b"shared"
    with pytest.raises(HttpResponseError) as raised:
        blob.upload_blob(b"mine", overwrite=True)
    assert raised.value.status_code == 403
    assert container.download_blob("x").readall() == b"shared"


def test_a_sas_of_the_account_reaches_what_azurites_tables_leave_out(
    storage: Storage, container: ContainerClient
) -> None:
    def service(permissions: str) -> ContainerClient:
        sas = generate_account_sas(
            "first",
            storage.keys["first"],
            ResourceTypes(container=True, object=True),
            permissions,
            soon(),
            services="b",
        )
        return storage.service(sas).get_container_client(container.container_name)

    container.upload_blob("a", b"x")
    container.get_blob_client("log").create_append_blob()
    source = generate_blob_sas(
        "first", container.container_name, "a", account_key=storage.keys["first"], permission="r", expiry=soon()
    )
    with pytest.raises(HttpResponseError) as raised:
        service("r").get_blob_client("log").seal_append_blob()
    assert raised.value.error_code == "AuthorizationPermissionMismatch"
    service("w").get_blob_client("log").seal_append_blob()
    service("w").get_blob_client("b").stage_block_from_url("1", f"{container.url}/a?{source}")
    service("w").get_blob_client("b").commit_block_list([BlobBlock("1")])
    assert container.download_blob("b").readall() == b"x"
    assert [answer.status_code for answer in service("d").delete_blobs("a", "b")] == [202, 202]


@pytest.mark.parametrize("why", ["expired", "wrong key", "another blob", "tampered"])
def test_a_bad_sas_is_refused(storage: Storage, container: ContainerClient, why: str) -> None:
    container.upload_blob("x", b"x")
    key = base64.b64encode(b"another").decode() if why == "wrong key" else storage.keys["first"]
    sas = generate_blob_sas(
        "first",
        container.container_name,
        "y" if why == "another blob" else "x",
        account_key=key,
        permission="r",
        expiry=ago(1) if why == "expired" else soon(),
    )
    if why == "tampered":
        sas = sas.replace("sp=r", "sp=rw")
    with pytest.raises(ClientAuthenticationError) as raised:
        BlobClient.from_blob_url(f"{container.url}/x?{sas}").download_blob()
    assert raised.value.status_code == 403


def test_a_user_delegation_sas(storage: Storage, container: ContainerClient) -> None:
    container.upload_blob("x", b"delegated")
    key = storage.service(EnvironmentCredential()).get_user_delegation_key(ago(5), soon())

    def read(delegated: UserDelegationKey) -> bytes:
        sas = generate_container_sas(
            "first",
            container.container_name,
            user_delegation_key=delegated,
            permission=ContainerSasPermissions(read=True),
            expiry=soon(),
        )
        return bytes(BlobClient.from_blob_url(f"{container.url}/x?{sas}").download_blob().readall())

    assert read(key) == b"delegated"
    # Azurite's source has the secret that such keys are derived from; here it is another.
    public = "azurite-user-delegation-signing-seed-v1"
    fields = [key.signed_oid, key.signed_tid, key.signed_start, key.signed_expiry, "b", key.signed_version]
    key.value = base64.b64encode(
        hmac.new(public.encode(), "\n".join(map(str, fields)).encode(), hashlib.sha256).digest()
    ).decode()
    with pytest.raises(ClientAuthenticationError):
        read(key)


def test_a_user_delegation_key_needs_a_token(storage: Storage) -> None:
    with pytest.raises(HttpResponseError) as raised:
        storage.service().get_user_delegation_key(ago(5), soon())
    assert raised.value.status_code == 403


# Nobody


def test_a_request_of_nobody_is_refused(container: ContainerClient) -> None:
    container.upload_blob("x", b"x")
    old = requests.get(f"{container.url}/x", timeout=10)
    assert (old.status_code, old.headers["x-ms-error-code"]) == (409, "PublicAccessNotPermitted")
    new = requests.get(f"{container.url}/x", headers={"x-ms-version": "2021-12-02"}, timeout=10)
    assert (new.status_code, new.headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation")
    assert new.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=https://login.microsoftonline.com/")
    put = requests.put(f"{container.url}/y", b"y", headers={"x-ms-blob-type": "BlockBlob"}, timeout=10)
    assert put.status_code == 409


def test_a_public_container_is_read_by_anybody_and_written_by_nobody(container: ContainerClient) -> None:
    container.upload_blob("x", b"for all")
    container.set_container_access_policy({}, public_access=PublicAccess.BLOB)
    assert requests.get(f"{container.url}/x", timeout=10).content == b"for all"
    assert requests.get(f"{container.url}?restype=container&comp=list", timeout=10).status_code == 409
    assert requests.delete(f"{container.url}/x", timeout=10).status_code == 409


# Batches carry a token for each of their parts


def test_a_batch_deletes(storage: Storage, container: ContainerClient) -> None:
    for name in ("a", "b", "c"):
        container.upload_blob(name, b"x")
    named = storage.service(EnvironmentCredential()).get_container_client(container.container_name)
    assert [answer.status_code for answer in named.delete_blobs("a", "b")] == [202, 202]
    assert [blob.name for blob in container.list_blobs()] == ["c"]
    container.delete_blobs("c")
    assert list(container.list_blobs()) == []


def test_a_batch_part_with_a_bad_token_does_nothing(storage: Storage, container: ContainerClient) -> None:
    container.upload_blob("a", b"x")
    part = (
        "--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n"
        f"DELETE /{container.container_name}/a HTTP/1.1\r\nx-ms-version: 2021-12-02\r\n"
        f"authorization:  bearer {without_a_signature(storage)}\r\nContent-Length: 0\r\n\r\n--b--\r\n"
    )
    answer = requests.post(
        f"{container.url}?restype=container&comp=batch",
        part,
        headers={
            "Authorization": f"Bearer {storage.token()}",
            "x-ms-version": "2021-12-02",
            "Content-Type": "multipart/mixed; boundary=b",
        },
        timeout=10,
    )
    assert answer.status_code == 202 and "HTTP/1.1 403" in answer.text, answer.text
    assert [blob.name for blob in container.list_blobs()] == ["a"]


# Copies


def test_a_copy_with_the_rights_that_its_source_carries(storage: Storage, container: ContainerClient) -> None:
    container.upload_blob("x", b"copied")
    sas = generate_blob_sas(
        "first", container.container_name, "x", account_key=storage.keys["first"], permission="r", expiry=soon()
    )
    other = storage.service(account="second").create_container(f"c-{uuid.uuid4().hex[:12]}")
    for target in (container.get_blob_client("y"), other.get_blob_client("y")):
        target.start_copy_from_url(f"{container.url}/x?{sas}")
        assert target.download_blob().readall() == b"copied"
    with pytest.raises(HttpResponseError) as raised:
        other.get_blob_client("z").start_copy_from_url(f"{container.url}/x?{sas.replace('sig=', 'sig=AA')}")
    assert raised.value.error_code == "CannotVerifyCopySource"
    with pytest.raises(HttpResponseError) as raised:
        other.get_blob_client("z").start_copy_from_url("https://example.com/x")
    assert raised.value.status_code == 501
    assert not other.get_blob_client("z").exists()
