"""Entra's login hosts: OpenID documents and the token endpoint, in the forms that MSAL and ``az`` speak.

Protocol: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow; error codes and their shape:
https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl

from emulator.gateway.hosts import LOGIN_HOSTS
from emulator.http import Call, Reply
from emulator.identity.proofs import LoginError, LoginNotEmulated, client, missing
from emulator.identity.tenant import LIFETIME, Identity
from emulator.routes import Route

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
        raise missing("grant_type")
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
    principal = client(identity, form, f"https://{call.host}/{call.params['tenant']}")
    resource = _resource_of_scope(form) if version else form.get("resource", "")
    if not resource:
        raise missing("scope" if version else "resource")
    check_resource(resource, identity)
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


async def user_realm(call: Call) -> Reply:
    """What MSAL asks before it sends a password: there is no user, and so no realm that is known."""
    return Reply(body={"ver": "1.0", "account_type": "Unknown", "cloud_instance_name": "microsoftonline.com"})


async def not_emulated(call: Call) -> Reply:
    raise LoginNotEmulated(f"{call.method} {call.path}: no person can sign in here, use a service principal")


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


def check_resource(resource: str, identity: Identity) -> None:
    """Raise AADSTS500011 for a resource that no token can be asked for."""
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


_PATHS = (
    ("GET", "/common/discovery/instance", instance_discovery),
    ("GET", "/{tenant}/.well-known/openid-configuration", openid_configuration),
    ("GET", "/{tenant}/v2.0/.well-known/openid-configuration", openid_configuration),
    ("GET", "/common/userrealm/{user}", user_realm),
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
