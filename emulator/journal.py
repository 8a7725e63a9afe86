"""The log of requests: one line each, with nothing in it that would let its reader sign in.

2026-01-31T12:00:00.123Z 201 PUT management.azure.com /subscriptions/…?api-version=2024-01-01 4.1ms azsdk-python-… 3f0c…
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

LIMIT = 16 * 1024 * 1024  # bytes; then the file becomes ``requests.log.1`` and the one before it goes

_SECRET = re.compile(
    r"((?:^|[?&])(?:sig|code|client_secret|secret|assertion|password|token|access_token|sv_key)=)[^&]*", re.IGNORECASE
)

# A job asks for its user's token at an address that is itself the secret.
_SECRET_PATH = re.compile(r"(/_emulator/on-behalf-of/)[^/]+")


class Journal:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / "requests.log"
        self._open()

    def write(
        self, method: str, host: str, path: str, query: str, status: int, seconds: float, client: str, request: str
    ) -> None:
        now = time.time()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        path = _SECRET_PATH.sub(r"\1***", path)
        target = f"{path}?{redacted(query)}" if query else path
        line = (
            f"{moment}.{int(now % 1 * 1000):03d}Z {status} {method} {host} {clean(target)} {seconds * 1000:.1f}ms "
            f"{clean(client).replace(' ', '_') or '-'} {request}\n"
        ).encode()
        os.write(self._file, line)
        self._size += len(line)
        if self._size > LIMIT:
            self.close()
            os.replace(self.path, self.path.with_name("requests.log.1"))
            self._open()

    def close(self) -> None:
        os.close(self._file)

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size


def redacted(query: str) -> str:
    """A query string without the values that are secrets: signatures of SAS, codes, tokens."""
    return _SECRET.sub(r"\1***", query)


def clean(text: str) -> str:
    """On one line whatever was sent, and not endless."""
    text = text[:2000]
    return text if text.isprintable() else "".join(mark if mark.isprintable() else "?" for mark in text)
