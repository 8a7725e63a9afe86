"""Who a caller is: the tenant, its local principal, and the tokens that are issued and checked here.

Must live here: keys, secrets, claims, what makes a token good. Must not: request paths and form fields (``login``).
Everything secret is made once per installation below ``home.identity``, 0600, and never leaves it except to the
processes that ``environment()`` is given to.

Tokens are Entra's v1 form: RS256, ``iss`` is ``https://sts.windows.net/{tenant}/``, ``aud`` the resource as it was asked for
(https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from emulator.errors import AzureError
from emulator.home import Home, write_private

LIFETIME = 3600 + 299  # seconds; Entra's own is 60 to 90 minutes
SKEW = 300  # seconds that two clocks may differ, as Azure allows

# What a token may be for, by the service that takes it. Slashes at the end and case make no difference when a token is checked.
ARM = ("https://management.core.windows.net/", "https://management.azure.com")
STORAGE = ("https://storage.azure.com",)
MACHINE_LEARNING = ("https://ml.azure.com",)
FEDERATION_AUDIENCE = "api://AzureADTokenExchange"
FEDERATION_SUBJECT = "local"


@dataclass(frozen=True)
class Principal:
    """``object_id`` is what role assignments name, ``client_id`` what signs in; a managed identity has its resource id too."""

    object_id: str
    client_id: str
    name: str
    resource_id: str = ""


class Identity:
    def __init__(self, home: Home) -> None:
        self._home = home
        account = _account(home)
        self.tenant: str = account["tenant"]
        self.subscription: str = account["subscription"]
        self.local = Principal(account["object_id"], account["client_id"], "local")
        self._secret: str = account["secret"]
        self._key = _signing_key(home)
        self._public = self._key.public_key()
        self.key_id = _thumbprint(self._public)
        self._certificate = _certificate(home)
        self.issuer = f"https://sts.windows.net/{self.tenant}/"
        self.federation_issuer = f"https://login.microsoftonline.com/{self.tenant}/v2.0"
        self._grants: dict[str, Principal] = {}
        self._verified: OrderedDict[str, tuple[Principal, dict[str, Any]]] = OrderedDict()
        write_private(self.federated_token_file, self.federated_token(lifetime=365 * 86400).encode())

    @property
    def domain(self) -> str:
        return "azure-on-the-laptop.onmicrosoft.com"

    @property
    def federated_token_file(self) -> Any:
        """An assertion that the local principal trusts, as a workload finds one on its disk."""
        return self._home.identity / "federated-token"

    def environment(self) -> dict[str, str]:
        """What ``EnvironmentCredential`` reads. The secret is among it."""
        return {
            "AZURE_TENANT_ID": self.tenant,
            "AZURE_CLIENT_ID": self.local.client_id,
            "AZURE_CLIENT_SECRET": self._secret,
        }

    # Tokens

    def token(self, audience: str, principal: Principal | None = None, *, lifetime: int = LIFETIME) -> str:
        """A signed access token for ``audience``, of ``principal`` (the local one where none is named)."""
        who, now = principal or self.local, int(time.time())
        claims = {
            "aud": audience,
            "iss": self.issuer,
            "iat": now - SKEW if lifetime > 0 else now + lifetime - SKEW,
            "nbf": now - SKEW if lifetime > 0 else now + lifetime - SKEW,
            "exp": now + lifetime,
            "appid": who.client_id,
            "appidacr": "1",
            "idp": self.issuer,
            "idtyp": "app",
            "oid": who.object_id,
            "sub": who.object_id,
            "tid": self.tenant,
            "uti": secrets.token_urlsafe(16),
            "ver": "1.0",
        }
        if who.resource_id:
            claims["xms_mirid"] = who.resource_id
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self.key_id, "x5t": self.key_id})

    def verify(self, authorization: str | None, audiences: Sequence[str]) -> Principal:
        """The caller of a request with this ``Authorization`` header; raises Azure's 401 for anything but a good token of ours."""
        if not authorization:
            raise _unauthorized(
                "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.", self.tenant
            )
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorized(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is provided in an invalid format.",
                self.tenant,
            )
        principal, claims = self._read(token.strip())
        now = time.time()
        if claims["exp"] + SKEW < now:
            raise _unauthorized(
                "ExpiredAuthenticationToken",
                f"The access token expiry UTC time '{_moment(claims['exp'])}' is earlier than current UTC time '{_moment(now)}'.",
                self.tenant,
            )
        if claims["nbf"] - SKEW > now:
            raise _unauthorized("InvalidAuthenticationToken", "The access token is not yet valid.", self.tenant)
        wanted = {_bare(audience) for audience in audiences}
        if _bare(claims["aud"]) not in wanted:
            allowed = ",".join(f"'{audience}'" for audience in audiences)
            raise _unauthorized(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{claims['aud']}'. "
                f"It should exactly match with one of the allowed audiences {allowed}.",
                self.tenant,
            )
        return principal

    def claims(self, authorization: str) -> dict[str, Any]:
        """The claims of a token that ``verify`` took."""
        return dict(self._read(authorization.partition(" ")[2].strip())[1])

    def _read(self, token: str) -> tuple[Principal, dict[str, Any]]:
        """Who signed what; remembered, because a client sends one token a thousand times."""
        known = self._verified.get(token)
        if known is not None:
            return known
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=["RS256"],
                issuer=self.issuer,
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "require": ["aud", "exp", "iss", "nbf", "oid", "appid", "tid"],
                },
            )
            principal = Principal(claims["oid"], claims["appid"], claims["appid"], claims.get("xms_mirid", ""))
        except jwt.InvalidIssuerError:
            raise _unauthorized(
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer. It must match the tenant '{self.issuer}'.",
                self.tenant,
            ) from None
        except (jwt.PyJWTError, ValueError):
            raise _unauthorized("InvalidAuthenticationToken", "The access token is invalid.", self.tenant) from None
        self._verified[token] = principal, claims
        if len(self._verified) > 1024:
            self._verified.popitem(last=False)
        return principal, claims

    def jwks(self) -> dict[str, Any]:
        """The public key, as a JSON Web Key Set."""
        numbers = self._public.public_numbers()
        return {
            "keys": [
                {
                    "kty": "RSA",
                    "use": "sig",
                    "kid": self.key_id,
                    "x5t": self.key_id,
                    "n": _base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
                    "e": _base64url(numbers.e.to_bytes(3, "big")),
                    "issuer": self.issuer,
                }
            ]
        }

    # What a client proves itself with

    def secret_is(self, secret: str) -> bool:
        return hmac.compare_digest(secret.encode(), self._secret.encode())

    def certificate_for(self, thumbprint: str) -> x509.Certificate | None:
        """The local principal's certificate, by its SHA-1 or SHA-256 digest in base64url (``x5t``, ``x5t#S256``)."""
        digests = (self._certificate.fingerprint(kind) for kind in (hashes.SHA1(), hashes.SHA256()))  # noqa: S303
        return self._certificate if thumbprint.rstrip("=") in map(_base64url, digests) else None

    def federated_token(self, *, lifetime: int = 3600, subject: str = FEDERATION_SUBJECT) -> str:
        """What an identity provider outside (a cluster, a build service) would hand to a workload."""
        now = int(time.time())
        claims = {
            "aud": FEDERATION_AUDIENCE,
            "iss": self.federation_issuer,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self.key_id})

    @property
    def public_key(self) -> rsa.RSAPublicKey:
        return self._public

    # Managed identities

    def grant(self, principal: Principal, endpoint: str) -> dict[str, str]:
        """Let a process act as ``principal``: the variables that ``ManagedIdentityCredential`` reads, with a secret of its own.

        Azure ML's are ``MSI_*``, App Service's ``IDENTITY_*``; azure-identity looks for the latter first.
        """
        secret = secrets.token_urlsafe(32)
        self._grants[secret] = principal
        return {
            "MSI_ENDPOINT": endpoint,
            "MSI_SECRET": secret,
            "IDENTITY_ENDPOINT": endpoint,
            "IDENTITY_HEADER": secret,
        }

    def revoke(self, environment: dict[str, str]) -> None:
        """Take a grant back when its process ended."""
        self._grants.pop(environment.get("MSI_SECRET", ""), None)

    def granted(self, secret: str) -> Principal | None:
        return self._grants.get(secret)


def _account(home: Home) -> dict[str, str]:
    path = home.identity / "account.json"
    if path.exists():
        return dict(json.loads(path.read_text()))
    account = {name: str(uuid.uuid4()) for name in ("tenant", "subscription", "object_id", "client_id")}
    account["secret"] = secrets.token_urlsafe(30)
    write_private(path, json.dumps(account, indent=2).encode())
    return account


def _signing_key(home: Home) -> rsa.RSAPrivateKey:
    path = home.identity / "signing.key"
    if not path.exists():
        write_private(path, _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey), "The signing key is always made as an RSA key."
    return key


def _certificate(home: Home) -> x509.Certificate:
    path = home.identity / "certificate.pem"
    if not path.exists():
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local")])
        start = datetime.now(timezone.utc) - timedelta(days=1)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=3650))
            .sign(key, hashes.SHA256())
        )
        write_private(path, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM))
    return x509.load_pem_x509_certificate(path.read_bytes())


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _thumbprint(key: rsa.RSAPublicKey) -> str:
    form = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return _base64url(hashlib.sha256(form).digest()[:20])


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bare(audience: Any) -> str:
    return str(audience).lower().rstrip("/")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%m/%d/%Y %H:%M:%S")


def _unauthorized(code: str, message: str, tenant: str) -> AzureError:
    challenge = (
        f'Bearer authorization_uri="https://login.windows.net/{tenant}", error="invalid_token", '
        f'error_description="{message}"'
    )
    return AzureError(401, code, message, headers={"WWW-Authenticate": challenge})
