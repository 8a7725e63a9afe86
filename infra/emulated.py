"""Who would answer for Azure here? Asked before anything is sent: nothing meant for a laptop reaches a real subscription."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from infra.errors import NotTheEmulator

HEALTH = "/_emulator/health"
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
SECONDS = 5.0


UP = "aml local up, which sets the environment itself; for any other client: aml local env"


def emulator_behind(*urls: str) -> dict[str, Any]:
    """The health of the emulator that answers for all of ``urls`` and for Azure's sign-in, from this process; else raises.

    The proxy is found as ``requests``, and so azure-core, finds it: ``NO_PROXY`` counts, and so do the lower-case names.
    """
    sign_in = os.environ.get("AZURE_AUTHORITY_HOST") or "https://login.microsoftonline.com"
    proxies = {url: _proxy(url if "//" in url else f"https://{url}") for url in (*urls, sign_in)}
    for url, proxy in proxies.items():
        if proxy is None:
            raise NotTheEmulator(
                f"{url} would be reached without a proxy: this is the real Azure, where a stack is applied by `pulumi up`.",
                UP,
            )
        if urlsplit(proxy).hostname not in LOOPBACK:
            raise NotTheEmulator(
                f"{url} would be reached through the proxy {_shown(proxy)}, which is not on this machine.", UP
            )
    if len(set(proxies.values())) > 1:
        raise NotTheEmulator(f"{' and '.join(proxies)} are reached through different proxies.", UP)
    return _health(next(iter(proxies.values())) or "")


def _proxy(url: str) -> str | None:
    found = get_environ_proxies(url)
    return found.get("https") or found.get("all")


def _health(proxy: str) -> dict[str, Any]:
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with straight.open(f"{proxy.rstrip('/')}{HEALTH}", timeout=SECONDS) as answer:
            health = json.load(answer)
    except (OSError, ValueError) as error:
        raise NotTheEmulator(f"The proxy {_shown(proxy)} is not the emulator: {HEALTH} gave {error}.", UP) from None
    if not isinstance(health, dict) or health.get("status") != "ready" or "subscription" not in health:
        raise NotTheEmulator(f"The proxy {_shown(proxy)} is not the emulator: {HEALTH} answered {health!r}.", UP)
    return health


def _shown(proxy: str) -> str:
    """Without the password that a proxy's URL may hold."""
    parts = urlsplit(proxy)
    return f"{parts.hostname}:{parts.port}"
