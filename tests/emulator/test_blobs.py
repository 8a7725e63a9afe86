"""Blobs through the gateway, by the vendor's own client: how bytes pass, and what becomes of what breaks off."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import socket
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import psutil
import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import ContainerClient

from tests.emulator.storage import Storage

# Bodies are streamed


def test_a_large_blob_passes_through_without_staying_in_memory(storage: Storage, container: ContainerClient) -> None:
    gateway = psutil.Process(storage.emulator._must_run().pid)
    block, count = os.urandom(1 << 20), 128
    digest = hashlib.md5(usedforsecurity=False)
    before = gateway.memory_info().rss
    headers = {"Authorization": f"Bearer {storage.token()}", "x-ms-version": "2021-12-02"}
    answer = requests.put(
        f"{container.url}/large",
        _sized(block, count),
        headers={**headers, "x-ms-blob-type": "BlockBlob"},
        timeout=120,
    )
    assert answer.status_code == 201, answer.text
    peak = gateway.memory_info().rss
    with requests.get(f"{container.url}/large", headers=headers, stream=True, timeout=120) as answer:
        for chunk in answer.iter_content(1 << 20):
            digest.update(chunk)
            peak = max(peak, gateway.memory_info().rss)
    expected = hashlib.md5(usedforsecurity=False)
    for _ in range(count):
        expected.update(block)
    assert digest.digest() == expected.digest()
    assert peak - before < 48 * 1024 * 1024, f"{(peak - before) >> 20} MiB for a blob of {count} MiB"


class _sized:
    """A body that is made as it is sent, and says its length."""

    def __init__(self, block: bytes, count: int) -> None:
        self._block, self._count = block, count

    def __len__(self) -> int:
        return len(self._block) * self._count

    def __iter__(self) -> Iterator[bytes]:
        return iter([self._block] * self._count)


def test_blocks_in_parallel_and_ranges(container: ContainerClient) -> None:
    data = os.urandom(9 * 1024 * 1024 + 17)
    client = ContainerClient(
        f"https://{container.account_name}.blob.core.windows.net",
        container.container_name,
        credential=container.credential,
        max_single_put_size=1024 * 1024,
        max_block_size=1024 * 1024,
        max_single_get_size=2 * 1024 * 1024,
        max_chunk_get_size=1024 * 1024,
    )
    client.upload_blob("x", BytesIO(data), max_concurrency=4)
    assert client.download_blob("x", max_concurrency=4).readall() == data
    assert client.download_blob("x", offset=5_000_000, length=1000).readall() == data[5_000_000:5_001_000]


def test_a_body_must_say_its_length(storage: Storage, container: ContainerClient) -> None:
    headers = {
        "Authorization": f"Bearer {storage.token()}",
        "x-ms-version": "2021-12-02",
        "x-ms-blob-type": "BlockBlob",
    }
    answer = requests.put(f"{container.url}/x", iter([b"a", b"b"]), headers=headers, timeout=30)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (411, "MissingContentLengthHeader")
    assert not container.get_blob_client("x").exists()


def test_conditions(container: ContainerClient) -> None:
    blob = container.get_blob_client("x")
    first = blob.upload_blob(b"1")["etag"]
    with pytest.raises(HttpResponseError) as raised:
        blob.upload_blob(b"2")  # If-None-Match: *
    assert raised.value.status_code == 409
    blob.upload_blob(b"2", overwrite=True)
    with pytest.raises(HttpResponseError) as raised:
        blob.set_blob_metadata({"a": "b"}, etag=first, match_condition=_only_if_same())
    assert raised.value.status_code == 412
    assert blob.get_blob_properties().size == 1


def _only_if_same() -> Any:
    from azure.core import MatchConditions

    return MatchConditions.IfNotModified


def test_an_upload_that_breaks_off_leaves_nothing(storage: Storage, container: ContainerClient) -> None:
    blob = container.get_blob_client("x")
    line = Line(storage)
    line.send(_put(container, "x", storage.token(), "Content-Length: 1000000"))
    line.send(b"x" * 500_000)
    line.close()
    assert not blob.exists()
    blob.upload_blob(b"whole")
    assert blob.download_blob().readall() == b"whole"


def test_an_answer_does_not_wait_for_a_body_that_is_of_no_use(storage: Storage, container: ContainerClient) -> None:
    line = Line(storage)
    line.send(_put(container, "x", "junk", "Content-Length: 1000000000"))
    assert line.status() == 401
    line.close()
    line = Line(storage)
    line.send(_put(container, "x", storage.token(), "Content-Length: 1000000000").replace(b"PUT /c-", b"PUT /d-"))
    line.send(b"x" * 1_000_000)
    assert line.status() == 404
    line.close()


def test_a_client_that_asks_before_it_sends(storage: Storage, container: ContainerClient) -> None:
    line = Line(storage)
    line.send(_put(container, "x", storage.token(), "Content-Length: 5\r\nExpect: 100-continue"))
    assert line.status() == 100
    line.send(b"hello")
    assert line.status() == 201
    # The connection is kept, and a refusal comes without the question being answered.
    line.send(_put(container, "y", "junk", "Content-Length: 5\r\nExpect: 100-continue"))
    assert line.status() == 401
    line.close()
    assert [blob.name for blob in container.list_blobs()] == ["x"]


class Line:
    """A connection through the gateway to the account, on which anything can be said."""

    def __init__(self, storage: Storage, host: str = "first.blob.core.windows.net") -> None:
        plain = socket.create_connection(("127.0.0.1", storage.emulator.port), timeout=30)
        plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\n\r\n".encode())
        assert b" 200 " in plain.recv(4096)
        self._socket = storage.trust.wrap_socket(plain, server_hostname=host)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self, method: str = "GET") -> http.client.HTTPResponse:
        answer = http.client.HTTPResponse(self._socket, method=method)
        answer.begin()
        return answer

    def status(self) -> int:
        """Of the next answer, whose body is read; 100 where that is what comes first."""
        line = self._read_until(b"\r\n\r\n")
        status = int(line.split(b" ", 2)[1])
        length = next((value for value in line.lower().split(b"\r\n") if value.startswith(b"content-length:")), b":0")
        left = int(length.partition(b":")[2])
        while left:
            left -= len(self._socket.recv(left))
        return status

    def close(self) -> None:
        self._socket.close()

    def _read_until(self, end: bytes) -> bytes:
        data = b""
        while not data.endswith(end):
            byte = self._socket.recv(1)
            assert byte, f"the connection ended after {data!r}"
            data += byte
        return data


def _put(container: ContainerClient, name: str, token: str, more: str) -> bytes:
    return (
        f"PUT /{container.container_name}/{name} HTTP/1.1\r\nHost: first.blob.core.windows.net\r\n"
        f"Authorization: Bearer {token}\r\nx-ms-version: 2021-12-02\r\nx-ms-blob-type: BlockBlob\r\n{more}\r\n\r\n"
    ).encode()


# Life and death of Azurite


def test_requests_outlive_the_blob_service(storage: Storage, container: ContainerClient) -> None:
    container.upload_blob("x", b"kept")
    old, port = storage.azurite(), storage.port()
    old.kill()
    assert container.download_blob("x").readall() == b"kept"
    container.upload_blob("y", b"new")
    assert storage.azurite().pid != old.pid
    assert storage.port() == port  # what the emulator's own threads hold goes on too


def test_a_download_that_breaks_off_is_not_taken_for_whole(storage: Storage, container: ContainerClient) -> None:
    container.upload_blob("x", bytes(64 << 20), max_concurrency=4)
    headers = {"Authorization": f"Bearer {storage.token()}", "x-ms-version": "2021-12-02"}
    with requests.get(f"{container.url}/x", headers=headers, stream=True, timeout=30) as answer:
        parts = answer.iter_content(1 << 16)
        assert next(parts)
        storage.azurite().kill()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            for _ in parts:
                pass
    assert len(container.download_blob("x").readall()) == 64 << 20


def test_nothing_of_an_unknown_account(storage: Storage) -> None:
    answer = requests.get(
        "https://nowhere.blob.core.windows.net/?comp=list",
        headers={"Authorization": f"Bearer {storage.token()}", "x-ms-version": "2021-12-02"},
        timeout=10,
    )
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (404, "ResourceNotFound")
    said = (storage.home.logs / "emulator.log").read_text()
    assert re.search(r"no such storage account; there are: (.*, )?first, (.*, )?second\b", said), said


@pytest.mark.parametrize("service", ["queue", "table", "file", "dfs"])
def test_the_other_services_are_refused_by_name(storage: Storage, service: str) -> None:
    with pytest.raises(requests.exceptions.ProxyError) as raised:
        requests.get(f"https://first.{service}.core.windows.net/", timeout=10)
    assert f"first.{service}.core.windows.net" in str(raised.value)
