"""A key vault's secrets: ``*.vault.azure.net``, https://learn.microsoft.com/rest/api/keyvault/secrets/operation-groups.

A secret is one document below ``/vaults/<vault>``, with its versions. It does not stand below the vault's own resource, so it
outlives the soft deletion of that, and ends when the vault is purged. Keys and certificates are not emulated.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from emulator import bodies
from emulator.errors import AzureError, bad_request, conflict
from emulator.http import Call, Reply
from emulator.management import names
from emulator.providers import permissions
from emulator.routes import Route
from emulator.store import Document, Transaction

HOST = "*.vault.azure.net"
TOKEN = ("https://vault.azure.net",)
VAULT, SECRET = "Microsoft.KeyVault/vaults", "emulator/secrets"
PAGE = 25  # what Azure gives at most
NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
# What a role allows, by what an access policy calls it.
ACTIONS = {
    "get": "getSecret/action",
    "set": "setSecret/action",
    "list": "readMetadata/action",
    "delete": "delete",
    "recover": "recover/action",
    "purge": "purge/action",
}
Work = Callable[[Call, Document], Awaitable[Reply]]


def forget(tx: Transaction, vault: str) -> None:
    """The secrets of a vault that is purged."""
    tx.delete(f"/vaults/{vault.lower()}")


def _may(permission: str, work: Work) -> Callable[[Call], Awaitable[Reply]]:
    """``work`` for callers who may do ``permission`` in the vault that the host names."""

    async def handler(call: Call) -> Reply:
        vault = names.holder(call, VAULT, call.host.partition(".")[0])
        if vault is None:
            raise AzureError(404, "VaultNotFound", f"There is no key vault '{call.host.partition('.')[0]}'.")
        _check_caller(call, vault, permission)
        if "name" in call.params and not NAME.fullmatch(call.params["name"]):
            raise bad_request(
                "BadParameter",
                f"The request URI contains an invalid name: {call.params['name']}",
            )
        return await work(call, vault)

    return handler


def _check_caller(call: Call, vault: Document, permission: str) -> None:
    identity = call.cloud.identity
    try:
        principal = identity.verify(call.headers.get("authorization"), TOKEN)
    except AzureError as error:
        # https://learn.microsoft.com/azure/key-vault/general/authentication-requests-and-responses: how a client learns
        # whom to ask for which token
        challenge = f'Bearer authorization="https://login.microsoftonline.com/{identity.tenant}", resource="{TOKEN[0]}"'
        words = f"AKV10000: Request is missing a Bearer or PoP token. {error.message}"
        raise AzureError(401, "Unauthorized", words, headers={"WWW-Authenticate": challenge}) from None
    properties, action = vault.body["properties"], f"Microsoft.KeyVault/vaults/secrets/{ACTIONS[permission]}"
    if properties.get("enableRbacAuthorization"):
        scope = f"{vault.id}/secrets/{call.params['name']}" if "name" in call.params else vault.id
        good = permissions.allowed(call.cloud, principal.object_id, scope, action)
    else:
        good = principal.object_id == identity.local.object_id or any(
            policy.get("objectId") == principal.object_id
            and {permission, "all"}
            & {str(one).lower() for one in (policy.get("permissions") or {}).get("secrets") or ()}
            for policy in properties.get("accessPolicies") or ()
        )
    if not good:
        raise AzureError(
            403,
            "Forbidden",
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
            "definitions were changed recently, please observe propagation time.\r\n"
            f"Caller: appid={principal.client_id};oid={principal.object_id};iss={identity.issuer}\r\nAction: '{action}'\r\n"
            f"Resource: '{vault.id.lower()}'\r\nAssignment: (not found)\r\nVault: {vault.name}",
        )


async def _set(call: Call, vault: Document) -> Reply:
    body = call.json()
    version = {
        "version": uuid.uuid4().hex,
        "value": bodies.need(body, "value", str, code="BadParameter"),
        "created": int(time.time()),
        **_described(body),
    }

    def change(tx: Transaction) -> Document:
        old = tx.get(_key(call))
        if old is not None and old.body["deleted"]:
            raise conflict(
                "Conflict",
                f"Secret {call.params['name']} is currently in a deleted but recoverable state, and its name cannot be reused; in "
                "this state, the secret can only be recovered or purged.",
            )
        versions = old.body["versions"] if old else []
        return _put(tx, call, {"deleted": None, "versions": [*versions, version]})

    return Reply(body=_bundle(call, vault, await call.cloud.store.write(change), version, value=True))


async def _update(call: Call, vault: Document) -> Reply:
    described = _described(call.json())

    def change(tx: Transaction) -> tuple[Document, dict[str, Any]]:
        document = _live(call, tx.get(_key(call)))
        chosen = _version(call, document)
        attributes = {**chosen["attributes"], **described["attributes"]}
        renewed = {
            **chosen,
            **{name: one for name, one in described.items() if one is not None},
            "attributes": attributes,
        }
        renewed["updated"] = int(time.time())
        versions = [renewed if one is chosen else one for one in document.body["versions"]]
        return _put(tx, call, {**document.body, "versions": versions}), renewed

    document, renewed = await call.cloud.store.write(change)
    return Reply(body=_bundle(call, vault, document, renewed))


async def _get(call: Call, vault: Document) -> Reply:
    document = _live(call, call.cloud.store.get(_key(call)))
    version = _version(call, document)
    if not version["attributes"]["enabled"]:
        raise AzureError(403, "Forbidden", "Operation get is not allowed on a disabled secret.")
    return Reply(body=_bundle(call, vault, document, version, value=True))


async def _list(call: Call, vault: Document) -> Reply:
    found = [one for one in _all(call) if not one.body["deleted"]]
    return _page(call, (_bundle(call, vault, one, one.body["versions"][-1], bare=True) for one in found))


async def _list_versions(call: Call, vault: Document) -> Reply:
    document = _live(call, call.cloud.store.get(_key(call)))
    return _page(call, (_bundle(call, vault, document, one) for one in document.body["versions"]))


async def _delete(call: Call, vault: Document) -> Reply:
    def change(tx: Transaction) -> Document:
        document = _live(call, tx.get(_key(call)))
        return _put(tx, call, {**document.body, "deleted": int(time.time())})

    return Reply(body=_deleted_bundle(call, vault, await call.cloud.store.write(change)))


async def _get_deleted(call: Call, vault: Document) -> Reply:
    return Reply(body=_deleted_bundle(call, vault, _gone(call, call.cloud.store.get(_key(call)))))


async def _list_deleted(call: Call, vault: Document) -> Reply:
    return _page(call, (_deleted_bundle(call, vault, one) for one in _all(call) if one.body["deleted"]))


async def _purge(call: Call, vault: Document) -> Reply:
    if vault.body["properties"].get("enablePurgeProtection"):
        raise AzureError(
            403, "Forbidden", 'Operation "purge" is not allowed because purge protection is enabled for this vault.'
        )

    def change(tx: Transaction) -> None:
        tx.delete(_gone(call, tx.get(_key(call))).id)

    await call.cloud.store.write(change)
    return Reply(204)


async def _recover(call: Call, vault: Document) -> Reply:
    def change(tx: Transaction) -> Document:
        document = _gone(call, tx.get(_key(call)))
        return _put(tx, call, {**document.body, "deleted": None})

    document = await call.cloud.store.write(change)
    return Reply(body=_bundle(call, vault, document, document.body["versions"][-1]))


# What is kept, and what is sent


def _key(call: Call) -> str:
    return f"/vaults/{call.host.partition('.')[0].lower()}/secrets/{call.params['name']}"


def _all(call: Call) -> list[Document]:
    return call.cloud.store.below(f"/vaults/{call.host.partition('.')[0].lower()}", SECRET)


def _put(tx: Transaction, call: Call, body: dict[str, Any]) -> Document:
    return tx.put(_key(call), SECRET, body)


def _live(call: Call, document: Document | None) -> Document:
    if document is None or document.body["deleted"]:
        raise _not_found(call.params["name"])
    return document


def _gone(call: Call, document: Document | None) -> Document:
    if document is None or not document.body["deleted"]:
        raise AzureError(404, "SecretNotFound", f"Deleted Secret not found: {call.params['name']}")
    return document


def _version(call: Call, document: Document) -> dict[str, Any]:
    wanted = call.params.get("version")
    versions: list[dict[str, Any]] = document.body["versions"]
    found = next((one for one in versions if one["version"] == wanted), None) if wanted else versions[-1]
    if found is None:
        raise _not_found(f"{document.name}/{wanted}")
    return found


def _not_found(name: str) -> AzureError:
    return AzureError(
        404,
        "SecretNotFound",
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be able to "
        "recover it using the correct recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182",
    )


def _described(body: dict[str, Any]) -> dict[str, Any]:
    """What is said of a secret beside its value."""
    attributes = {
        name: one
        for name, one in (
            ("enabled", bodies.get(body, "attributes.enabled", bool)),
            ("nbf", bodies.get(body, "attributes.nbf", int)),
            ("exp", bodies.get(body, "attributes.exp", int)),
        )
        if one is not None
    }
    return {
        "contentType": bodies.get(body, "contentType", str),
        "tags": bodies.get(body, "tags", dict),
        "attributes": {"enabled": True, **attributes} if "value" in body else attributes,
    }


def _bundle(
    call: Call, vault: Document, document: Document, version: dict[str, Any], *, value: bool = False, bare: bool = False
) -> dict[str, Any]:
    protected = vault.body["properties"].get("enablePurgeProtection")
    attributes = {
        **version["attributes"],
        "created": version["created"],
        "updated": version.get("updated", version["created"]),
        "recoveryLevel": "Recoverable" if protected else "Recoverable+Purgeable",
        "recoverableDays": vault.body["properties"]["softDeleteRetentionInDays"],
    }
    id = f"https://{call.host}/secrets/{document.name}" + ("" if bare else f"/{version['version']}")
    told = {"id": id, "attributes": attributes, "contentType": version["contentType"], "tags": version["tags"]}
    found = {name: one for name, one in told.items() if one is not None}
    return {"value": version["value"], **found} if value else found


def _deleted_bundle(call: Call, vault: Document, document: Document) -> dict[str, Any]:
    days = vault.body["properties"]["softDeleteRetentionInDays"]
    return {
        **_bundle(call, vault, document, document.body["versions"][-1]),
        "recoveryId": f"https://{call.host}/deletedsecrets/{document.name}",
        "deletedDate": document.body["deleted"],
        "scheduledPurgeDate": document.body["deleted"] + days * 86400,
    }


def _page(call: Call, found: Iterable[dict[str, Any]]) -> Reply:
    items, start, size = list(found), call.option("$skiptoken") or "0", call.option("maxresults") or str(PAGE)
    if not start.isdigit() or not size.isdigit() or not 1 <= int(size) <= PAGE:
        raise bad_request("BadParameter", f"The parameter maxresults must be between 1 and {PAGE}.")
    end = int(start) + int(size)
    version = call.option("api-version") or ""
    url = f"https://{call.host}{call.path}?api-version={version}&$skiptoken={end}&maxresults={size}"
    return Reply(body={"value": items[int(start) : end], "nextLink": url if end < len(items) else None})


_ONE, _GONE = "/secrets/{name}", "/deletedsecrets/{name}"
ROUTES = (
    Route(HOST, "GET", "/secrets", _may("list", _list)),
    Route(HOST, "PUT", _ONE, _may("set", _set)),
    Route(HOST, "GET", f"{_ONE}/versions", _may("list", _list_versions)),
    Route(HOST, "GET", _ONE, _may("get", _get)),
    Route(HOST, "GET", f"{_ONE}/{{version}}", _may("get", _get)),
    Route(HOST, "PATCH", _ONE, _may("set", _update)),
    Route(HOST, "PATCH", f"{_ONE}/{{version}}", _may("set", _update)),
    Route(HOST, "DELETE", _ONE, _may("delete", _delete)),
    Route(HOST, "GET", "/deletedsecrets", _may("list", _list_deleted)),
    Route(HOST, "GET", _GONE, _may("get", _get_deleted)),
    Route(HOST, "DELETE", _GONE, _may("purge", _purge)),
    Route(HOST, "POST", f"{_GONE}/recover", _may("recover", _recover)),
)
