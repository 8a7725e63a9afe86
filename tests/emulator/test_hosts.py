"""Where a host leads, as a dialogue."""

from __future__ import annotations

import pytest

from emulator.gateway.hosts import Emulated, PassThrough, Refused, upstream_for


@pytest.mark.parametrize(
    "host",
    [
        "login.microsoftonline.com",
        "LOGIN.microsoftonline.COM.",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
        "management.azure.com",
        "westeurope.api.azureml.ms",
        "ml.azure.com",
        "my-endpoint.westeurope.inference.ml.azure.com",
        "vault-1.vault.azure.net",
        "account.blob.core.windows.net",
    ],
)
def test_emulated(host: str) -> None:
    assert upstream_for(host) == Emulated(host.lower().rstrip("."))


@pytest.mark.parametrize(
    "host",
    [
        "graph.microsoft.com",
        "management.chinacloudapi.cn",
        "management.usgovcloudapi.net",
        "account.queue.core.windows.net",
        "account.dfs.core.windows.net",
        "account.blob.core.chinacloudapi.cn",
        "blob.core.windows.net",
        "vault.azure.net",
        "registry.azurecr.io",
        "mcr.microsoft.com",
        "dc.services.visualstudio.com",
        "westeurope-5.in.applicationinsights.azure.com",
        "dev.azure.com",
        "azure.com",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
    ],
)
def test_refused_by_name(host: str) -> None:
    upstream = upstream_for(host)
    assert isinstance(upstream, Refused)
    assert host in upstream.reason


@pytest.mark.parametrize(
    "host", ["packages.example.org", "notazure.com", "azure.com.example.org", "example.com", "127.0.0.1", "[::1]"]
)
def test_none_of_azures(host: str) -> None:
    assert isinstance(upstream_for(host), PassThrough)


@pytest.mark.parametrize("host", ["", "..", "a b", "a/b", "-a.vault.azure.net", "x" * 300, "é.vault.azure.net"])
def test_no_host(host: str) -> None:
    assert isinstance(upstream_for(host), Refused)


def test_emulated_on_its_port_only() -> None:
    assert isinstance(upstream_for("management.azure.com", 80), Refused)
