"""The emulator's own certificate authority: made once per installation, trusted only by processes that are told to.

``folder/ca.key`` (0600) never leaves the state folder. ``folder/bundle.pem`` is what clients are pointed at: the roots that
this machine trusted before, and the authority's certificate.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import certifi
import trustme

from emulator.home import Home, write_private

# Read in this order; what each tool of the machine would trust by itself.
BUNDLE_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class Authority:
    """Issues a leaf certificate for a host when it is first asked for."""

    def __init__(self, home: Home, environment: Mapping[str, str] = os.environ) -> None:
        self._home = home
        self._ca = _load(home.authority)
        self._contexts: dict[str, ssl.SSLContext] = {}
        write_private(home.bundle, _roots(environment, self.certificate) + self.certificate)

    @property
    def certificate(self) -> bytes:
        """PEM."""
        return bytes(self._ca.cert_pem.bytes())

    def context_for(self, host: str) -> ssl.SSLContext:
        """The server side of TLS for ``host``; made once."""
        context = self._contexts.get(host)
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(["http/1.1"])
            self._ca.issue_cert(host).configure_cert(context)
            self._contexts[host] = context
        return context

    def environment(self) -> dict[str, str]:
        """The variables by which OpenSSL's, requests', curl's and Node's clients come to trust the bundle."""
        bundle = str(self._home.bundle)
        return {
            "SSL_CERT_FILE": bundle,
            "REQUESTS_CA_BUNDLE": bundle,
            "CURL_CA_BUNDLE": bundle,
            "NODE_EXTRA_CA_CERTS": bundle,
        }


def _load(folder: Path) -> trustme.CA:
    key, certificate = folder / "ca.key", folder / "ca.pem"
    if key.exists() and certificate.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    ca = trustme.CA(organization_name="Azure ML emulator", organization_unit_name="only on this machine")
    # The certificate first: after a crash between the two, both are made anew.
    write_private(certificate, ca.cert_pem.bytes())
    write_private(key, ca.private_key_pem.bytes())
    return ca


def _roots(environment: Mapping[str, str], own: bytes) -> bytes:
    """What was trusted before. In a shell that is set up for the emulator the variables point at this very bundle: then it is
    what stands in it beside the authority's own certificate, a company's roots among it."""
    for variable in BUNDLE_VARIABLES:
        path = Path(environment.get(variable) or "")
        if path.is_file():
            return path.read_bytes().replace(own, b"").rstrip() + b"\n"
    return Path(certifi.where()).read_bytes().rstrip() + b"\n"
