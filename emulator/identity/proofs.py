"""What a client proves itself with at the token endpoint: a secret, a certificate's assertion, or one of an identity provider.

Error codes and their shape: https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import jwt

from emulator.errors import AzureError
from emulator.identity.tenant import FEDERATION_AUDIENCE, FEDERATION_SUBJECT, Identity, Principal

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class LoginError(AzureError):
    """An error of the token endpoint: ``number`` is the one after AADSTS."""

    def __init__(self, status: int, error: str, number: int, message: str, *, host: str = "login.microsoftonline.com"):
        super().__init__(status, error, f"AADSTS{number}: {message}")
        self._number, self._host = number, host

    def body(self) -> dict[str, Any]:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        return {
            "error": self.code,
            "error_description": f"{self.message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {now}",
            "error_codes": [self._number],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://{self._host}/error?code={self._number}",
        }


class LoginNotEmulated(AzureError):
    """501 in the shape that MSAL reads its errors from."""

    def __init__(self, operation: str) -> None:
        super().__init__(501, "not_implemented", f"The emulator does not emulate {operation}.")

    def body(self) -> dict[str, Any]:
        return {"error": self.code, "error_description": self.message}


def client(identity: Identity, form: Mapping[str, str], tenant_url: str) -> Principal:
    """Who asks, by the form that was sent to an endpoint below ``tenant_url`` (``https://login…/{tenant}``)."""
    client_id, secret, assertion = (form.get(name, "") for name in ("client_id", "client_secret", "client_assertion"))
    if not client_id:
        raise missing("client_id")
    if client_id.lower() != identity.local.client_id.lower():
        raise LoginError(
            400,
            "unauthorized_client",
            700016,
            f"Application with identifier '{client_id}' was not found in the directory '{identity.tenant}'. This can happen "
            "if the application has not been installed by the administrator of the tenant or consented to by any user in "
            "the tenant. You may have sent your authentication request to the wrong tenant.",
        )
    if assertion:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise LoginError(400, "invalid_request", 50027, f"The client_assertion_type must be '{ASSERTION_TYPE}'.")
        _check_assertion(identity, assertion, tenant_url)
    elif secret:
        if not identity.secret_is(secret):
            raise LoginError(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
                f"not the client secret ID, for a secret added to app '{client_id}'.",
            )
    else:
        raise LoginError(
            401,
            "invalid_client",
            7000218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )
    return identity.local


def _check_assertion(identity: Identity, assertion: str, tenant_url: str) -> None:
    """A certificate's assertion names the client as its issuer; a federated one names the identity provider."""
    try:
        header = jwt.get_unverified_header(assertion)
        issuer = jwt.decode(assertion, options={"verify_signature": False}).get("iss")
    except jwt.PyJWTError:
        raise LoginError(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from None
    by_certificate = str(issuer).lower() == identity.local.client_id.lower()
    try:
        if by_certificate:
            thumbprint = str(header.get("x5t#S256") or header.get("x5t") or "")
            certificate = identity.certificate_for(thumbprint)
            if certificate is None:
                raise LoginError(
                    401,
                    "invalid_client",
                    700027,
                    f"The certificate with identifier used to sign the client assertion is not registered on application. "
                    f"[Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}'].",
                )
            jwt.decode(
                assertion,
                certificate.public_key(),  # type: ignore[arg-type]  # an RSA key: made by ourselves
                algorithms=["RS256", "PS256"],
                audience=[f"{tenant_url}{path}" for path in ("/oauth2/v2.0/token", "/oauth2/token", "/v2.0", "", "/")],
                leeway=300,
                options={"require": ["exp", "aud", "iss", "sub"]},
            )
        else:
            if issuer != identity.federation_issuer:
                raise LoginError(
                    401,
                    "invalid_client",
                    700211,
                    f"No matching federated identity record found for presented assertion issuer '{issuer}'.",
                )
            claims = jwt.decode(
                assertion,
                identity.public_key,
                algorithms=["RS256"],
                audience=FEDERATION_AUDIENCE,
                leeway=300,
                options={"require": ["exp", "aud", "iss", "sub"]},
            )
            if claims["sub"] != FEDERATION_SUBJECT:
                raise LoginError(
                    401,
                    "invalid_client",
                    700213,
                    f"No matching federated identity record found for presented assertion subject '{claims['sub']}'.",
                )
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        raise LoginError(
            401, "invalid_client", 700024, "Client assertion is not within its valid time range."
        ) from None
    except jwt.InvalidAudienceError:
        number, what = (50027, "audience of the client assertion") if by_certificate else (700212, "audience")
        raise LoginError(
            401, "invalid_client", number, f"No matching record found for presented assertion: its {what} is another."
        ) from None
    except jwt.PyJWTError as error:
        raise LoginError(
            401, "invalid_client", 700027, f"Client assertion failed signature validation. [Reason - {error}]"
        ) from None


def missing(name: str) -> LoginError:
    return LoginError(
        400, "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
    )
