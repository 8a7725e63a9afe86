"""Everything that goes wrong in the emulator, as one closed family.

    AzureError                what a client is told, in ARM's envelope: status, code, message
      NotEmulated             501: Azure can do it, the emulator cannot, and says the operation's name
    StateError                the state folder cannot be used: said on the command line, never over HTTP
    ToolError                 a program that the emulator needs is missing or does not start: said on the command line

Errors rise untouched to ``emulator.app``, the one place that writes them. The envelope is Azure's
(https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md#handling-errors).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class AzureError(Exception):
    """An answer that is an error: ``status`` is HTTP's, ``code`` and ``message`` are Azure's own for the case."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """ARM's envelope, ``{"error": {"code", "message", ...}}``."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            error["target"] = self.target
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error}


class NotEmulated(AzureError):
    """``operation`` is what the client asked for, in Azure's words: ``POST …/workspaces/diagnose``."""

    def __init__(self, operation: str) -> None:
        super().__init__(501, "NotImplemented", f"The emulator does not emulate {operation}.", target=operation)


class StateError(Exception):
    """The state folder is of a newer version, taken by another emulator, or not ours."""


class ToolError(Exception):
    """A program that the emulator needs is missing, too old, or does not start; the message says what to run."""


def bad_request(code: str, message: str, *, target: str | None = None) -> AzureError:
    return AzureError(400, code, message, target=target)


def invalid_content(message: str, *, target: str | None = None) -> AzureError:
    """The body is not what this operation takes: bad JSON, a wrong type, a missing property."""
    return AzureError(400, "InvalidRequestContent", message, target=target)


def user_error(message: str, target: str | None = None, *, status: int = 400) -> AzureError:
    """How Azure ML's front end words a request that cannot be carried out."""
    return AzureError(status, "UserError", message, target=target)


def not_found(resource_id: str, *, kind: str = "Resource") -> AzureError:
    """ARM's own words, which the SDKs and ``az`` match on."""
    parts = resource_id.strip("/").split("/")
    lower = [part.lower() for part in parts]
    group = parts[lower.index("resourcegroups") + 1] if "resourcegroups" in lower[:-1] else ""
    name = "/".join(parts[lower.index("providers") + 1 :]) if "providers" in lower else resource_id
    return AzureError(
        404,
        f"{kind}NotFound",
        f"The {kind} '{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def group_not_found(group: str) -> AzureError:
    return AzureError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")


def conflict(code: str, message: str, *, target: str | None = None) -> AzureError:
    return AzureError(409, code, message, target=target)
