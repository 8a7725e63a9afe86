"""Files of the web as inputs: a URL to a file, kept under its ETag where the server gives one."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from urllib.parse import unquote, urlsplit

from emulator.data import transfer
from emulator.data.transfer import NOT_FOUND, Cache, DataFailed

TIMEOUT = 60  # seconds of silence
PIECE = 1024 * 1024  # bytes in memory


def fetch(url: str, folder: Path, cache: Cache, stopped: threading.Event, *, own: bool) -> Path:
    """The file at ``url``, below ``folder`` and under its own name. Blocks, until ``stopped``. Raises ``DataFailed``."""
    shown = url.partition("?")[0]  # a query may hold a secret
    name = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    if name in ("", ".", "..") or "\0" in name:
        name = "data"
    target = folder / name
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # an input may well be plain http
            size, etag = answer.headers.get("Content-Length"), answer.headers.get("ETag")

            def fill(draft: Path) -> None:
                with draft.open("wb") as file:
                    while block := answer.read(PIECE):
                        transfer.goes_on(stopped)
                        file.write(block)
                if size is not None and draft.stat().st_size != int(size):
                    raise OSError(f"{draft.stat().st_size} of {size} bytes came")

            if size is None or etag is None:
                fill(target)
            else:
                kept = cache.file(f"{url}\n{etag}", int(size), _time(answer.headers.get("Last-Modified")), fill)
                transfer.give(kept, target, own=own)
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise DataFailed(
            NOT_FOUND, f"'{shown}' cannot be read: the server answered {error.code} {error.reason}."
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error
        raise DataFailed(NOT_FOUND, f"'{shown}' cannot be read: {why}. Is there a network?") from None
    return target


def _time(header: str | None) -> float:
    try:
        return parsedate_to_datetime(header or "").timestamp()
    except ValueError:
        return float(int(time.time()) // 86400 * 86400)
