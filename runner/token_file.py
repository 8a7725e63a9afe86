"""A file with GitHub's token for Azure, a fresh one for as long as Pulumi is at work.

A token of GitHub's ends after minutes, and what az was signed in with by it after an hour; an update of a stack may take longer.
So Pulumi is given what asks anew: its provider for Azure asks GitHub itself (``ARM_USE_OIDC``,
https://www.pulumi.com/registry/packages/azure-native/installation-configuration/#authenticate-using-openid-connect-oidc), and the
store of the state and the key of the secrets read this file whenever they sign in (``AZURE_FEDERATED_TOKEN_FILE``,
https://pkg.go.dev/github.com/Azure/azure-sdk-for-go/sdk/azidentity#WorkloadIdentityCredential).
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from runner import credentials
from runner.errors import CloudError

SECONDS = 120.0  # between two tokens: each is good for five minutes


@contextmanager
def kept(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """What the environment of Pulumi's processes has more; nothing where this process is not signed in by GitHub's token."""
    if not environ.get(credentials.GITHUB_REQUEST) or credentials.choose(environ).name != credentials.GITHUB:
        yield {}
        return
    with tempfile.TemporaryDirectory() as folder:
        file, ended = Path(folder, "token"), threading.Event()
        _write(file, credentials.github_token(environ))
        thread = threading.Thread(target=_renew, args=(file, environ, ended), name="token file", daemon=True)
        thread.start()
        client, tenant = environ[credentials.CLIENT], environ[credentials.TENANT]
        provider = {"ARM_USE_OIDC": "true", "ARM_CLIENT_ID": client, "ARM_TENANT_ID": tenant}
        subscription = environ.get("ARM_SUBSCRIPTION_ID") or environ.get("AZURE_SUBSCRIPTION_ID") or ""
        try:
            yield {**provider, "ARM_SUBSCRIPTION_ID": subscription, credentials.TOKEN_FILE: str(file)}
        finally:
            ended.set()
            thread.join()


def _renew(file: Path, environ: Mapping[str, str], ended: threading.Event) -> None:
    from requests import RequestException

    while not ended.wait(SECONDS):
        try:
            _write(file, credentials.github_token(environ))
        except (CloudError, RequestException):  # the next one may be in time still
            continue


def _write(file: Path, token: str) -> None:
    """Whole or not at all: somebody may be reading it."""
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(token, "utf-8")
    os.replace(new, file)
