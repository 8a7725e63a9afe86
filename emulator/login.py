"""Entra's login hosts: OpenID documents and the token endpoint, in the forms that MSAL and ``az`` speak.

Protocol: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow; error codes and their shape:
https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qsl

import jwt

from emulator.errors import AzureError
from emulator.hosts import LOGIN_HOSTS
from emulator.http import Call, Reply
from emulator.identity import FEDERATION_AUDIENCE, FEDERATION_SUBJECT, LIFETIME, Identity, Principal
from emulator.routes import Route

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
WELL_KNOWN_TENANTS = ("common", "organizations", "consumers")

# The applications that exist in every tenant and that a token can be asked for; others are AADSTS500011.
RESOURCES = (
    "https://management.core.windows.net",
    "https://management.azure.com",
    "https://storage.azure.com",
    "https://ml.azure.com",
    "https://vault.azure.net",
    "https://graph.microsoft.com",
    "https://graph.windows.net",
    "https://database.windows.net",
    "https://cognitiveservices.azure.com",
    "https://ai.azure.com",
    "https://api.loganalytics.io",
    "https://monitor.azure.com",
    "https://containerregistry.azure.net",
    "https://batch.core.windows.net",
    "https://datalake.azure.net",
    "https://servicebus.azure.net",
    "https://eventhubs.azure.net",
    "https://app.vssps.visualstudio.com",
    "499b84ac-1321-427f-aa17-267ca6975798",
    "797f4846-ba00-4fd7-ba43-dac1f8f63013",
)
ACCOUNT_RESOURCE = re.compile(r"https://[a-z0-9]{3,24}\.(blob|dfs|queue|table|file)\.core\.windows\.net\Z")


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


async def openid_configuration(call: Call) -> Reply:
    """v1 where the path has no ``v2.0``."""
    tenant = _tenant(call)
    identity, version = call.cloud.identity, _second(call)
    base, oauth = f"https://{call.host}/{tenant}", "oauth2/v2.0" if version else "oauth2"
    issuer_tenant = "{tenantid}" if tenant in WELL_KNOWN_TENANTS else identity.tenant
    issuer = f"https://{call.host}/{issuer_tenant}/v2.0" if version else f"https://sts.windows.net/{issuer_tenant}/"
    return Reply(
        body={
            "token_endpoint": f"{base}/{oauth}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "jwks_uri": f"{base}/discovery/{'v2.0/' if version else ''}keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": issuer,
            "request_uri_parameter_supported": False,
            "authorization_endpoint": f"{base}/{oauth}/authorize",
            "device_authorization_endpoint": f"{base}/{oauth}/devicecode",
            "http_logout_supported": True,
            "end_session_endpoint": f"{base}/{oauth}/logout",
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
            "cloud_graph_host_name": "graph.windows.net",
            "msgraph_host": "graph.microsoft.com",
            "rbac_url": "https://pas.windows.net",
        }
    )


async def instance_discovery(call: Call) -> Reply:
    """The clouds that this authority answers for (MSAL asks when it does not know the host by itself)."""
    endpoint = call.option("authorization_endpoint") or f"https://{call.host}/common/oauth2/authorize"
    found = re.match(r"https://([^/]+)/([^/]+)/", endpoint)
    if not found:
        raise LoginError(400, "invalid_request", 50049, "Unknown or invalid instance.")
    return Reply(
        body={
            "tenant_discovery_endpoint": f"https://{found[1]}/{found[2]}/v2.0/.well-known/openid-configuration",
            "api-version": call.option("api-version") or "1.1",
            "metadata": [
                {
                    "preferred_network": "login.microsoftonline.com",
                    "preferred_cache": "login.windows.net",
                    "aliases": [
                        "login.microsoftonline.com",
                        "login.windows.net",
                        "login.microsoft.com",
                        "sts.windows.net",
                    ],
                }
            ],
        }
    )


async def keys(call: Call) -> Reply:
    _tenant(call)
    return Reply(body=call.cloud.identity.jwks())


async def token(call: Call) -> Reply:
    """``/{tenant}/oauth2/v2.0/token`` (scope) and ``/{tenant}/oauth2/token`` (resource)."""
    identity, form, version = call.cloud.identity, _form(call), _second(call)
    tenant, grant = _tenant(call), form.get("grant_type", "")
    if not grant:
        raise _missing("grant_type")
    if grant == "password":
        raise LoginError(
            400,
            "invalid_grant",
            50034,
            f"The user account {form.get('username', '')} does not exist in the {identity.tenant} directory. "
            "To sign into this application, the account must be added to the directory.",
        )
    if grant != "client_credentials":
        if grant in ("authorization_code", "refresh_token") or grant.startswith("urn:ietf:params:oauth:grant-type:"):
            raise LoginNotEmulated(f"the grant type {grant}: use a service principal")
        raise LoginError(
            400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
        )
    if tenant in WELL_KNOWN_TENANTS:
        raise LoginError(
            400,
            "invalid_request",
            50059,
            "No tenant-identifying information found in either the request or implied by any provided credentials.",
        )
    principal = _client(identity, form, call)
    resource = _resource_of_scope(form) if version else form.get("resource", "")
    if not resource:
        raise _missing("scope" if version else "resource")
    _check_resource(resource, identity)
    issued = identity.token(resource, principal)
    if version:
        return Reply(
            body={
                "token_type": "Bearer",
                "expires_in": LIFETIME,
                "ext_expires_in": LIFETIME,
                "access_token": issued,
            },
            headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
        )
    now = int(time.time())
    return Reply(
        body={
            "token_type": "Bearer",
            "expires_in": str(LIFETIME),
            "ext_expires_in": str(LIFETIME),
            "expires_on": str(now + LIFETIME),
            "not_before": str(now),
            "resource": resource,
            "access_token": issued,
        },
        headers={"Cache-Control": "no-store", "Pragma": "no-cache"},
    )


async def not_emulated(call: Call) -> Reply:
    raise LoginNotEmulated(f"{call.method} {call.path}: no person can sign in here, use a service principal")


async def managed_identity(call: Call) -> Reply:
    """The token endpoint of a job's managed identity, on the gateway's own port.

    App Service's form (``X-IDENTITY-HEADER``, api-version 2019-08-01) and Azure ML's (``secret``, 2017-09-01):
    https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    """
    secret = call.headers.get("x-identity-header") or call.headers.get("secret") or ""
    principal = call.cloud.identity.granted(secret)
    if principal is None:
        raise _managed_error(401, "Unauthorized", "The identity header is missing, or not that of a running job.")
    if (call.option("api-version") or "") not in ("2019-08-01", "2017-09-01"):
        raise _managed_error(400, "BadRequest", "The api-version must be 2019-08-01 or 2017-09-01.")
    asked = call.option("client_id") or call.option("clientid") or ""
    if asked and asked.lower() != principal.client_id.lower():
        raise _managed_error(400, "BadRequest", f"No managed identity was found for the client id '{asked}'.")
    for name, own in (("mi_res_id", principal.resource_id), ("principal_id", principal.object_id)):
        asked = call.option(name) or call.option("object_id" if name == "principal_id" else name) or ""
        if asked and asked.lower() != own.lower():
            raise _managed_error(400, "BadRequest", f"No managed identity was found for the {name} '{asked}'.")
    resource = call.option("resource")
    if not resource:
        raise _managed_error(400, "BadRequest", "The parameter 'resource' is missing.")
    _check_resource(resource, call.cloud.identity)
    now = int(time.time())
    return Reply(
        body={
            "access_token": call.cloud.identity.token(resource, principal),
            "client_id": principal.client_id,
            "expires_on": str(now + LIFETIME),
            "not_before": str(now),
            "resource": resource,
            "token_type": "Bearer",
        }
    )


def _second(call: Call) -> bool:
    """Whether the path is of the second version of Entra's endpoints."""
    return "/v2.0/" in call.path.lower()


def _tenant(call: Call) -> str:
    asked, identity = call.params["tenant"].lower(), call.cloud.identity
    if asked in WELL_KNOWN_TENANTS:
        return asked
    if asked in (identity.tenant.lower(), identity.domain):
        return identity.tenant
    if not re.match(r"[a-z0-9.-]+\Z", asked):
        raise LoginError(
            400,
            "invalid_request",
            900023,
            f"Specified tenant identifier '{asked}' is neither a valid DNS name, nor a valid external domain.",
        )
    raise LoginError(
        400,
        "invalid_request",
        90002,
        f"Tenant '{asked}' not found. Check to make sure you have the correct tenant ID and are signing into the correct "
        "cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.",
    )


def _form(call: Call) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(
            call.body.decode(), keep_blank_values=True, strict_parsing=bool(call.body), max_num_fields=100
        )
    except ValueError:
        raise LoginError(400, "invalid_request", 900144, "The request body is not a form.") from None
    return dict(pairs)


def _missing(name: str) -> LoginError:
    return LoginError(
        400, "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
    )


def _client(identity: Identity, form: Mapping[str, str], call: Call) -> Principal:
    """Who asks, proved by a secret or by a signed assertion."""
    client_id, secret, assertion = (form.get(name, "") for name in ("client_id", "client_secret", "client_assertion"))
    if not client_id:
        raise _missing("client_id")
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
        _check_assertion(identity, assertion, call)
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


def _check_assertion(identity: Identity, assertion: str, call: Call) -> None:
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
            host = f"https://{call.host}/{call.params['tenant']}"
            jwt.decode(
                assertion,
                certificate.public_key(),  # type: ignore[arg-type]  # an RSA key: made by ourselves
                algorithms=["RS256", "PS256"],
                audience=[f"{host}/oauth2/v2.0/token", f"{host}/oauth2/token", f"{host}/v2.0", host, f"{host}/"],
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


def _resource_of_scope(form: Mapping[str, str]) -> str:
    """The resource of ``https://management.azure.com/.default``: the whole of what stands before ``/.default``."""
    scopes = form.get("scope", "").split()
    named = [scope for scope in scopes if scope not in ("openid", "profile", "offline_access", "email")]
    if not named:
        return ""
    if len(named) > 1:
        raise LoginError(
            400,
            "invalid_scope",
            70011,
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter "
            f"'scope' is not valid. The scope {' '.join(scopes)} is not valid.",
        )
    resource, separator, _ = named[0].rpartition("/.default")
    if not separator or not named[0].endswith("/.default"):
        raise LoginError(
            400,
            "invalid_scope",
            1002012 if re.match(r"[a-z]+://", named[0]) else 70011,
            f"The provided value for scope {named[0]} is not valid. Client credential flows must have a scope value with "
            "/.default suffixed to the resource identifier (application ID URI).",
        )
    return resource


def _check_resource(resource: str, identity: Identity) -> None:
    bare = resource.lower().rstrip("/")
    if bare not in RESOURCES and not ACCOUNT_RESOURCE.match(bare) and bare != identity.local.client_id.lower():
        raise LoginError(
            400,
            "invalid_resource",
            500011,
            f"The resource principal named {resource} was not found in the tenant named {identity.tenant}. This can happen "
            "if the application has not been installed by the administrator of the tenant or consented to by any user in "
            "the tenant. You might have sent your authentication request to the wrong tenant.",
        )


def _managed_error(status: int, code: str, message: str) -> AzureError:
    return AzureError(status, code, message)


_PATHS = (
    ("GET", "/common/discovery/instance", instance_discovery),
    ("GET", "/{tenant}/.well-known/openid-configuration", openid_configuration),
    ("GET", "/{tenant}/v2.0/.well-known/openid-configuration", openid_configuration),
    ("GET", "/{tenant}/discovery/keys", keys),
    ("GET", "/{tenant}/discovery/v2.0/keys", keys),
    ("POST", "/{tenant}/oauth2/token", token),
    ("POST", "/{tenant}/oauth2/v2.0/token", token),
    ("POST", "/{tenant}/oauth2/devicecode", not_emulated),
    ("POST", "/{tenant}/oauth2/v2.0/devicecode", not_emulated),
    ("GET", "/{tenant}/oauth2/authorize", not_emulated),
    ("GET", "/{tenant}/oauth2/v2.0/authorize", not_emulated),
)
ROUTES = tuple(Route(host, method, path, handler) for host in LOGIN_HOSTS for method, path, handler in _PATHS)
