"""The storage accounts' blobs: accounts and their keys, containers, links that carry their own rights, and the way in.

An account exists here once ``ensure_account`` returned. Its data is Azurite's; its keys are ours, random and kept 0600.
Knows nothing of ARM's storage account resource, which calls this room.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter

from emulator.errors import AzureError, bad_request
from emulator.home import write_private
from emulator.routes import Stream
from emulator.providers import permissions
from emulator.storage.azurite import Azurite
from emulator.storage.gate import Gate, Receive, Scope, Send
from emulator.storage.request import SUFFIX, Policy

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient, UserDelegationKey

    from emulator.cloud import Cloud

DELEGATION = "2024-11-04"  # the version of the keys that our links are signed with
KEYS = ("key1", "key2")
CONNECTIONS = 64  # to Azurite that are kept
Accounts = dict[str, tuple[str, str]]  # name -> its two keys, base64


class Blobs:
    def __init__(self, cloud: Cloud) -> None:
        self._path = cloud.home.blobs / "accounts.json"
        state = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._seed: str = state.get("seed") or secrets.token_urlsafe(48)
        self._accounts: Accounts = {
            name: (first, second) for name, (first, second) in state.get("accounts", {}).items()
        }
        self._changing = asyncio.Lock()
        secret = secrets.token_urlsafe(48)
        self.azurite = Azurite(cloud.home.blobs, cloud.home.logs / "azurite.log", seed=self._seed, gate=secret)

        def allowed(object_id: str, scope: str, action: str) -> bool:
            return permissions.allowed(cloud, object_id, scope, action)

        self.gate = Gate(self.azurite, cloud.identity, self._accounts.keys, self.policy, allowed, secret)
        self._store, self._identity = cloud.store, cloud.identity
        self._clients: dict[tuple[str, ...], ContainerClient] = {}

    async def start(self) -> None:
        """Raises ``ToolError`` where Azurite or Node is missing."""
        await asyncio.to_thread(self._save, self._accounts)
        await self.azurite.start(self._accounts)

    async def stop(self) -> None:
        self.gate.close()
        self._session.close()
        await self.azurite.stop()

    # Accounts

    def accounts(self) -> list[str]:
        return sorted(self._accounts)

    def policy(self, account: str) -> Policy:
        """What the account's resource says of requests to its blobs; an account without one is the emulator's own."""
        for document in self._store.of_type("Microsoft.Storage/storageAccounts"):
            if document.name.lower() == account:
                properties = document.body["properties"]
                return Policy(
                    public_access=bool(properties.get("allowBlobPublicAccess", False)),
                    shared_key=properties.get("allowSharedKeyAccess") is not False,
                    account_id=document.id,
                )
        return Policy()

    async def ensure_account(self, account: str) -> None:
        """Raises ``AccountNameInvalid`` (400). The account is there, with keys of its own, when this returns."""
        if not re.fullmatch(r"[a-z0-9]{3,24}", account):
            # https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name
            raise bad_request(
                "AccountNameInvalid",
                f"{account} is not a valid storage account name. Storage account name must be between 3 and 24 characters "
                "in length and use numbers and lower-case letters only.",
            )
        if account not in self._accounts:
            await self._change(lambda accounts: accounts.setdefault(account, (_new_key(), _new_key())))

    async def remove_account(self, account: str) -> None:
        """Forget the account and what is in it: one of the same name starts empty."""
        if account in self._accounts:
            for container in await self.gate.containers(account):
                await self.gate.own("DELETE", account, f"/{quote(container)}?restype=container")
            await self._change(lambda accounts: accounts.pop(account, None))

    def key(self, account: str) -> str:
        """The first key, base64. Raises ``ResourceNotFound`` (404)."""
        return self.keys(account)["key1"]

    def keys(self, account: str) -> Mapping[str, str]:
        """``key1`` and ``key2``, base64."""
        if account not in self._accounts:
            raise AzureError(404, "ResourceNotFound", f"There is no storage account '{account}'.")
        return dict(zip(KEYS, self._accounts[account], strict=True))

    async def rotate_key(self, account: str, name: str = "key1") -> str:
        """Make ``key1`` or ``key2`` anew; what was signed with the old one is refused from now on."""
        keys = self.keys(account)
        if name not in KEYS:
            raise bad_request("InvalidKeyName", f"'{name}' is not the name of a key: key1, key2.")
        renewed = {**keys, name: _new_key()}
        await self._change(lambda accounts: accounts.update({account: (renewed["key1"], renewed["key2"])}))
        return renewed[name]

    # What is in them

    async def ensure_container(self, account: str, container: str) -> None:
        await self.ensure_account(account)
        status, code = await self.gate.own("PUT", account, f"/{quote(container)}?restype=container")
        if status != 201 and code != "ContainerAlreadyExists":
            raise AzureError(status, code, f"The container '{container}' of '{account}' could not be made.")

    async def remove_container(self, account: str, container: str) -> None:
        """The container and what is in it; nothing where it is not there."""
        status, code = await self.gate.own("DELETE", account, f"/{quote(container)}?restype=container")
        if status != 202 and code != "ContainerNotFound":
            raise AzureError(status, code, f"The container '{container}' of '{account}' could not be removed.")

    async def containers(self, account: str) -> list[str]:
        """The names of the account's containers. Raises ``ResourceNotFound`` (404)."""
        self.keys(account)
        return await self.gate.containers(account)

    def container(self, account: str, container: str) -> ContainerClient:
        """A client of the emulator's own, straight to Azurite, for threads. It is shared, so nobody closes it."""
        address = f"http://127.0.0.1:{self.azurite.port}/{account}", container, self.key(account)
        if address not in self._clients:
            self._clients[address] = self._client(*address)
        return self._clients[address]

    def _client(self, url: str, container: str, key: str) -> ContainerClient:
        from azure.core.pipeline.transport import RequestsTransport
        from azure.storage.blob import ContainerClient

        credential = {"account_name": url.rpartition("/")[2], "account_key": key}
        transport = RequestsTransport(session=self._session, session_owner=False)
        return ContainerClient(url, container, credential=credential, transport=transport)

    @cached_property
    def _session(self) -> requests.Session:
        """The connections of all clients."""
        session = requests.Session()
        session.trust_env = False  # it need not look for a proxy each time
        session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
        return session

    def url(self, account: str, container: str, path: str = "") -> str:
        address = f"https://{account}{SUFFIX}/{container}"
        return f"{address}/{quote(path, safe='/~')}" if path else address

    def sas(self, account: str, container: str, path: str = "", *, permissions: str = "r", hours: float = 24) -> str:
        """The URL of a blob, or without ``path`` of the whole container, with a signature that grants ``permissions`` on it."""
        from azure.storage.blob import generate_blob_sas, generate_container_sas

        self.keys(account)
        now = datetime.now(timezone.utc)
        values: dict[str, Any] = {
            "account_name": account,
            "container_name": container,
            "user_delegation_key": self._delegation(now, now + timedelta(hours=hours)),
            "permission": permissions,
            "start": now - timedelta(minutes=15),  # clocks differ
            "expiry": now + timedelta(hours=hours),
            "protocol": "https",
        }
        token = generate_blob_sas(blob_name=path, **values) if path else generate_container_sas(**values)
        return f"{self.url(account, container, path)}?{token}"

    def _delegation(self, now: datetime, until: datetime) -> UserDelegationKey:
        """A user delegation key of the local principal: its links are good where the account takes no key. Azurite derives
        such keys from our seed (``azurite/main.js``)."""
        from azure.storage.blob import UserDelegationKey

        key, moment = UserDelegationKey(), "%Y-%m-%dT%H:%M:%SZ"  # type: ignore[no-untyped-call]
        key.signed_oid, key.signed_tid = self._identity.local.object_id, self._identity.tenant
        key.signed_start = (now - timedelta(minutes=15)).strftime(moment)
        key.signed_expiry, key.signed_service, key.signed_version = until.strftime(moment), "b", DELEGATION
        fields = (key.signed_oid, key.signed_tid, key.signed_start, key.signed_expiry, "b", DELEGATION)
        digest = hmac.new(self._seed.encode(), "\n".join(fields).encode(), hashlib.sha256).digest()
        key.value = base64.b64encode(digest).decode()
        return key

    async def _change(self, change: Callable[[Accounts], object]) -> None:
        """On disk first: an account that a client was told of is there after a crash."""
        async with self._changing:
            accounts = dict(self._accounts)
            change(accounts)
            await asyncio.to_thread(self._save, accounts)
            await self.azurite.use(accounts)
            self._accounts.clear()
            self._accounts.update(accounts)

    def _save(self, accounts: Accounts) -> None:
        write_private(self._path, json.dumps({"seed": self._seed, "accounts": accounts}, indent=1).encode())


def _new_key() -> str:
    """512 bits, as Azure's (https://learn.microsoft.com/azure/storage/common/storage-account-keys-manage)."""
    return base64.b64encode(secrets.token_bytes(64)).decode()


async def _serve(cloud: Cloud, scope: Scope, receive: Receive, send: Send) -> None:
    await cloud.blobs.gate(scope, receive, send)


STREAMS = (Stream(f"*{SUFFIX}", _serve, raw=True),)
