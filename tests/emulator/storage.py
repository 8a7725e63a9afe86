"""Storage accounts whose keys a test knows: those of the run's emulator, or of one that may be killed."""

from __future__ import annotations

import base64
import json
import secrets
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import BlobServiceClient

from emulator import Emulator
from emulator.home import Home, write_private
from emulator.identity.tenant import STORAGE, Identity
from tests.conftest import spoken_to

ACCOUNTS = ("first", "second")


class Storage:
    """``service()`` is an unmodified client of the account ``first``, through the gateway."""

    def __init__(self, emulator: Emulator, keys: Mapping[str, str], patch: pytest.MonkeyPatch | None = None) -> None:
        self.emulator = emulator
        self._patch = patch
        self.home = emulator.home
        self.keys = keys

    @cached_property
    def identity(self) -> Identity:
        """The emulator's own, read from its folder: to make tokens that it never would."""
        return Identity(self.home)

    @cached_property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.home.bundle))

    def url(self, account: str = "first") -> str:
        return f"https://{account}.blob.core.windows.net"

    def service(self, credential: Any = "key", account: str = "first", **options: Any) -> BlobServiceClient:
        return BlobServiceClient(
            self.url(account), credential=self.keys[account] if credential == "key" else credential, **options
        )

    def token(self) -> str:
        """A good one, of an hour."""
        return self.identity.token(STORAGE[0])

    def use(self) -> None:
        """Point this process's environment at the emulator."""
        assert self._patch is not None, "It is one of its own."
        for name, value in self.emulator.environment().items():
            self._patch.setenv(name, value)

    def kill(self) -> None:
        """SIGKILL the emulator, and nothing else."""
        process = self.emulator._process
        assert process is not None and process.stdin is not None, "It was started here."
        process.kill()
        process.wait()
        process.stdin.close()

    def restart(self) -> None:
        self.emulator.start()
        self.use()

    def azurite(self) -> psutil.Process:
        """The process that serves blobs now."""
        for child in psutil.Process(self.emulator._must_run().pid).children():
            with suppress(psutil.Error):  # a job's process, which ends meanwhile
                if any(word.endswith("main.js") for word in child.cmdline()):
                    return child
        raise AssertionError("Azurite runs, or is started again, for as long as its emulator.")

    def port(self) -> int:
        """Where that process listens."""
        return next(one.laddr.port for one in self.azurite().net_connections() if one.status == "LISTEN")


class Fixed:
    """A credential whose token was made elsewhere."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken(self._token, 4102444800)


@contextmanager
def storage_at(folder: Path) -> Iterator[Storage]:
    """Started on ``folder``, with its accounts made before, and this process's environment pointing at it."""
    home = Home(folder).prepare()
    accounts = home.blobs / "accounts.json"
    if not accounts.exists():
        made = {name: [base64.b64encode(secrets.token_bytes(64)).decode() for _ in range(2)] for name in ACCOUNTS}
        write_private(accounts, json.dumps({"accounts": made}).encode())
    keys = {name: pair[0] for name, pair in json.loads(accounts.read_text())["accounts"].items()}
    with Emulator(folder, port=0) as emulator, spoken_to(emulator) as patch:
        yield Storage(emulator, keys, patch)
