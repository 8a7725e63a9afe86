"""The installation's certificate authority, and whom its bundle makes a client trust."""

from __future__ import annotations

import ssl
from pathlib import Path

import certifi
import pytest
import trustme

from emulator.gateway.ca import Authority
from emulator.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").prepare()


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Both sides in memory, no socket."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname=host)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [one, other]
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert not waiting


def test_a_leaf_is_trusted_through_the_bundle(home: Home) -> None:
    authority = Authority(home, {})
    client = ssl.create_default_context(cafile=str(home.bundle))
    handshake(authority.context_for("management.azure.com"), client, "management.azure.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(authority.context_for("management.azure.com"), client, "vault.azure.net")


def test_another_installations_leaf_is_not(home: Home, tmp_path: Path) -> None:
    Authority(home, {})
    other = Authority(Home(tmp_path / "other").prepare(), {})
    client = ssl.create_default_context(cafile=str(home.bundle))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(other.context_for("management.azure.com"), client, "management.azure.com")


def test_it_is_made_once(home: Home) -> None:
    first = Authority(home, {})
    assert Authority(home, {}).certificate == first.certificate
    assert first.context_for("a.vault.azure.net") is first.context_for("a.vault.azure.net")
    assert (home.authority / "ca.key").stat().st_mode & 0o777 == 0o600


def test_half_a_pair_is_made_anew(home: Home) -> None:
    before = Authority(home, {}).certificate
    (home.authority / "ca.key").unlink()
    assert Authority(home, {}).certificate != before


def test_what_was_trusted_before_still_is(home: Home, tmp_path: Path) -> None:
    company = tmp_path / "company.pem"
    company.write_bytes(trustme.CA().cert_pem.bytes())
    Authority(home, {"SSL_CERT_FILE": "", "REQUESTS_CA_BUNDLE": str(company)})
    assert home.bundle.read_bytes().startswith(company.read_bytes())


def test_a_shell_set_up_for_the_emulator_adds_and_takes_nothing(home: Home, tmp_path: Path) -> None:
    """The variables may point at the bundle itself: it does not grow with every start, nor forget a company's roots."""
    company = tmp_path / "company.pem"
    company.write_bytes(trustme.CA().cert_pem.bytes())
    for _ in range(3):
        Authority(home, {"SSL_CERT_FILE": str(company)})
        first = home.bundle.read_bytes()
        Authority(home, {"SSL_CERT_FILE": str(home.bundle)})
        assert home.bundle.read_bytes() == first
    assert first.count(b"BEGIN CERTIFICATE") == 2


def test_without_any_the_known_roots(home: Home) -> None:
    Authority(home, {})
    assert home.bundle.read_bytes().startswith(Path(certifi.where()).read_bytes().rstrip())
