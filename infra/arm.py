"""Azure Resource Manager over azure-core: get, put, post, delete, each awaited to its end.

Must live here: long operations, and what an error says. Must not: what any resource looks like (``table``), or who asks.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline import policies
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.polling.arm_polling import ARMPolling

ENDPOINT = "https://management.azure.com"
PATIENCE = 600.0  # seconds that a long operation may take
# Codes of a 409 that passes by itself: something else is at work on the resource.
IN_PROGRESS = ("AnotherOperationInProgress", "OperationInProgress", "InProgress", "RequestConflict")
POLL = 0.25  # seconds between two looks at a long operation whose answers name no Retry-After


class ArmError(Exception):
    """Azure refused: ``status``, its ``code`` and ``message``, and the ``property`` that it named, if it did; ``path`` is what
    was asked for."""

    path = ""

    def __init__(self, status: int | None, code: str, message: str, property: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.property = property


class _Retry(policies.RetryPolicy[Any, Any]):
    """Also asks again after a 409 that says that something else is at work."""

    def is_retry(self, settings: Any, response: Any) -> bool:
        if super().is_retry(settings, response):
            return True
        answer = response.http_response
        return (
            answer.status_code == 409 and settings["total"] > 0 and any(code in answer.text() for code in IN_PROGRESS)
        )


class Arm:
    """One client for all threads; ``with Arm(credential) as arm``. ``patience``: seconds that a long operation
    may take; ``retries``: of a request."""

    def __init__(
        self, credential: TokenCredential, endpoint: str = ENDPOINT, patience: float = PATIENCE, retries: int = 5
    ) -> None:
        self._patience = patience
        self._credential, self._scope = credential, f"{endpoint}/.default"
        self._client: ARMPipelineClient[Any, Any] = ARMPipelineClient(
            endpoint,
            policies=[
                policies.RequestIdPolicy(),
                policies.HeadersPolicy({"Accept": "application/json"}),
                policies.UserAgentPolicy("azure-ml-as-code-infra"),
                _Retry(retry_total=retries),
                policies.BearerTokenCredentialPolicy(credential, self._scope),
                policies.HttpLoggingPolicy(),
            ],
        )

    def claims(self) -> dict[str, str]:
        """What the credential's own token says of it: ``tid``, ``oid``, ``appid``."""
        body = self._credential.get_token(self._scope).token.split(".")[1]
        claims: dict[str, str] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return claims

    def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """The resource, or ``None`` where there is none."""
        try:
            return self._send("GET", path, query)
        except ArmError as error:
            if error.status == 404:
                return None
            raise

    def put(self, path: str, query: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
        """Create or replace, and the resource as it is when Azure says it is done."""
        return self._send("PUT", path, query, body)

    def post(self, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._send("POST", path, query, body)

    def delete(self, path: str, query: Mapping[str, str]) -> None:
        """Delete, and return when it is gone; one that is not there is gone."""
        try:
            self._send("DELETE", path, query)
        except ArmError as error:
            if error.status != 404:
                raise

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Arm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        request = HttpRequest(method, self._client.format_url(path), params=dict(query), json=body)
        try:
            answer = self._client.send_request(request, _return_pipeline_response=True)
            answer.http_response.raise_for_status()
            if method == "GET":
                return _content(answer)
            poller: LROPoller[dict[str, Any]] = LROPoller(self._client, answer, _content, ARMPolling(POLL))
            poller.wait(self._patience)
            if not poller.done():
                said = f"the {method} was accepted and did not end within {self._patience:.0f} s"
                raise ArmError(None, "OperationTimedOut", said)
            return poller.result()
        except HttpResponseError as error:
            explained = _explained(error)
            explained.path = path
            raise explained from error


def _content(answer: Any) -> dict[str, Any]:
    text = answer.http_response.text()
    return json.loads(text) if text else {}


def _explained(error: HttpResponseError) -> ArmError:
    said = error.error
    code = (said and said.code) or error.reason or type(error).__name__
    message = (said and said.message) or error.message
    property = said.target if said else None
    return ArmError(error.status_code, str(code), str(message), property or None)
