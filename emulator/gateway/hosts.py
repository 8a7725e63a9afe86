"""Where a host leads: to a room of the emulator, to nowhere, or to the real network. Pure: no socket, no state.

    upstream_for("management.azure.com")       Emulated("management.azure.com")
    upstream_for("contoso.queue.core.windows.net")   Refused("…")
    upstream_for("example.org")                PassThrough()

Nothing that Azure owns, in any of its clouds, is ever passed through: a client that was given the emulator's variables
cannot reach a real subscription by accident. Suffixes: https://learn.microsoft.com/azure/security/fundamentals/azure-domains,
https://learn.microsoft.com/azure/azure-government/compare-azure-government-global-azure#guidance-for-developers,
https://learn.microsoft.com/azure/china/resources-developer-guide#check-endpoints-in-azure.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

RESOURCE_MANAGER = "management.azure.com"
CONTROLS = "_emulator"  # in place of a host: requests to the gateway's own port

LOGIN_HOSTS = (
    "login.microsoftonline.com",
    "login.microsoft.com",
    "login.windows.net",
    "sts.windows.net",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
)

# ``*`` is one label or more.
EMULATED = (
    *LOGIN_HOSTS,
    "management.azure.com",
    "*.api.azureml.ms",
    "ml.azure.com",
    "*.ml.azure.com",
    "*.vault.azure.net",
    "*.blob.core.windows.net",
)

# https://github.com/AzureAD/microsoft-authentication-library-for-python/blob/dev/msal/authority.py knows their sign-in hosts.
SOVEREIGN = ("sovcloud", "sovcloud-api", "sovcloud-azure", "sovcloud-identity")

AZURE_SUFFIXES = (
    # the public cloud
    "azure.com",
    "azure.net",
    "azureml.ms",
    "azureml.net",
    "azurecr.io",
    "azurewebsites.net",
    "azureedge.net",
    "azurefd.net",
    "azure-api.net",
    "azure-automation.net",
    "azure-devices.net",
    "azuredatabricks.net",
    "azurehdinsight.net",
    "azuredatalakestore.net",
    "azuredatalakeanalytics.net",
    "azurestaticapps.net",
    "azure-mobile.net",
    "azure-devices-provisioning.net",
    "azureiotcentral.com",
    "azurecontainerapps.io",
    "azurecontainer.io",
    "azmk8s.io",
    "azconfig.io",
    "azuresynapse.net",
    "azure.microsoft.com",
    "windowsazure.com",
    "windows.net",
    "cloudapp.net",
    "trafficmanager.net",
    "msidentity.com",
    "msauth.net",
    "msftauth.net",
    "microsoftonline.com",
    "microsoftonline-p.com",
    "microsoftazuread-sso.com",
    "login.microsoft.com",
    "account.live.com",
    "login.live.com",
    "graph.microsoft.com",
    "management.microsoft.com",
    "api.loganalytics.io",
    "applicationinsights.io",
    "powerbi.com",
    "fabric.microsoft.com",
    # telemetry
    "visualstudio.com",
    "data.microsoft.com",
    # images
    "mcr.microsoft.com",
    # Azure Government
    "azure.us",
    "usgovcloudapi.net",
    "usgovtrafficmanager.net",
    "microsoftonline.us",
    "graph.microsoft.us",
    "graph.microsoftazure.us",
    "applicationinsights.us",
    "loganalytics.us",
    "azurewebsites.us",
    "azurecr.us",
    "azuredatabricks.us",
    "azure-api.us",
    "azure-automation.us",
    "azure-devices.us",
    "azurefd.us",
    "azurehdinsight.us",
    "azml.us",
    # Azure in China
    "chinacloudapi.cn",
    "azure.cn",
    "windowsazure.cn",
    "chinacloudsites.cn",
    "chinacloudapp.cn",
    "microsoftonline.cn",
    "azurewebsites.cn",
    "azurecr.cn",
    "azuredatabricks.cn",
    "azure-api.cn",
    "azure-automation.cn",
    "azure-devices.cn",
    "azurefd.cn",
    "azurehdinsight.cn",
    "azk8s.cn",
    "trafficmanager.cn",
    # Azure in Germany (closed, its names still Azure's), the sovereign clouds, and those that are not public
    "cloudapi.de",
    "graph.microsoft.de",
    "microsoftazure.de",
    "microsoftonline.de",
    "azurewebsites.de",
    "azurecr.de",
    *(f"{name}.{country}" for name in SOVEREIGN for country in ("fr", "de", "sg")),
    "eaglex.ic.gov",
    "microsoft.scloud",
)

# The instance metadata service and the platform's wire server: from inside a real virtual machine these are Azure too.
AZURE_ADDRESSES = ("169.254.169.254", "168.63.129.16", "fd00:ec2::254")

_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z")


@dataclass(frozen=True)
class Emulated:
    """Answered here. ``host`` is in lower case, without a dot at its end: what the leaf certificate is for."""

    host: str


@dataclass(frozen=True)
class Refused:
    """``reason`` is a sentence that names the host."""

    reason: str


@dataclass(frozen=True)
class PassThrough:
    """None of Azure's: tunnelled as it is."""

    host: str


Upstream = Emulated | Refused | PassThrough


def upstream_for(host: str, port: int = 443) -> Upstream:
    """``host`` as a client wrote it after CONNECT, an address in brackets included."""
    name = host.lower().removesuffix(".")
    address = _address(name)
    if address is not None:
        if address in AZURE_ADDRESSES:
            return Refused(f"{host} is Azure's own address, and is not emulated")
        return PassThrough(address)
    if not _HOST.match(name):
        return Refused(f"'{host}' is not a host name")
    if any(matches(name, pattern) for pattern in EMULATED):
        if port != 443:
            return Refused(f"{host} is emulated on port 443 only, not on port {port}")
        return Emulated(name)
    if any(name == suffix or name.endswith(f".{suffix}") for suffix in AZURE_SUFFIXES):
        return Refused(f"{host} is one of Azure's hosts, and is not emulated")
    return PassThrough(name)


def matches(host: str, pattern: str) -> bool:
    """``*.vault.azure.net`` stands for any name below ``vault.azure.net``, and not for that name itself."""
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def _address(name: str) -> str | None:
    try:
        address = ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
