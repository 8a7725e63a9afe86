"""Requests that azure-ai-ml has no method for: plain https with the token, through azure-core's pipeline (retries, proxy, CA)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential
    from azure.core.rest import HttpResponse

ARM = "https://management.azure.com"
ARM_SCOPE = f"{ARM}/.default"
ML_SCOPE = "https://ml.azure.com/.default"
CHUNK = 4 * 1024 * 1024  # bytes of a log asked for at once


class Rest:
    """One pipeline for each audience, and one without a token for addresses that carry their own signature."""

    def __init__(self, credential: TokenCredential) -> None:
        self._credential = credential
        self._clients: dict[str | None, PipelineClient[Any, Any]] = {}

    def get(self, url: str, scope: str, **params: str) -> dict[str, Any]:
        """The JSON object at ``url``; raises azure-core's ``HttpResponseError`` for an answer that is an error."""
        content = self._send("GET", url, scope, params).json()
        assert isinstance(content, dict), "Azure's answers are objects"
        return content

    def pages(self, url: str, scope: str = ARM_SCOPE, **params: str) -> Iterator[dict[str, Any]]:
        """Every item of a list that is answered in pages."""
        page = self.get(url, scope, **params)
        while True:
            yield from page.get("value", [])
            if not page.get("nextLink"):
                return
            page = self.get(page["nextLink"], scope)

    def post(self, url: str, scope: str, body: Mapping[str, Any]) -> dict[str, Any]:
        content = self._send("POST", url, scope, {}, body).json()
        assert isinstance(content, dict), "Azure's answers are objects"
        return content

    def tail(self, url: str, offset: int) -> bytes:
        """At most ``CHUNK`` bytes from ``offset`` of what lies at a signed ``url``; nothing when there is no more yet."""
        from azure.core.exceptions import HttpResponseError

        headers = {
            "Range": f"bytes={offset}-{offset + CHUNK - 1}",
            "x-ms-range": f"bytes={offset}-{offset + CHUNK - 1}",
        }
        try:
            answer = self._send("GET", url, None, {}, headers=headers)
        except HttpResponseError as error:
            if error.status_code in (404, 416):  # not written yet; nothing new
                return b""
            raise
        content = bytes(answer.content)
        return content if answer.status_code == 206 else content[offset : offset + CHUNK]

    def _send(
        self,
        method: str,
        url: str,
        scope: str | None,
        params: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        from azure.core.rest import HttpRequest

        request = HttpRequest(method, url, params=dict(params), json=body, headers=dict(headers or {}))
        answer: HttpResponse = self._client(scope).send_request(request)
        answer.raise_for_status()
        return answer

    def _client(self, scope: str | None) -> PipelineClient[Any, Any]:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy, UserAgentPolicy

        if scope not in self._clients:
            policies: list[Any] = [UserAgentPolicy("aml"), RetryPolicy()]
            if scope is not None:
                policies.append(BearerTokenCredentialPolicy(self._credential, scope))
            self._clients[scope] = PipelineClient("", policies=policies)
        return self._clients[scope]
