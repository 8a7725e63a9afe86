"""Connections of a workspace through the SDK: kept, listed, and their credentials told only when asked for."""

from __future__ import annotations

from typing import Any

import pytest
from azure.ai.ml.entities import ApiKeyConfiguration, WorkspaceConnection
from azure.core.exceptions import ResourceNotFoundError

from tests.emulator.machinelearning import workspace_id


def test_a_connection(workspace: Any, arm: Any) -> None:
    sent = WorkspaceConnection(
        name="search", type="custom", target="https://example.com", credentials=ApiKeyConfiguration(key="secret-word")
    )
    made = workspace.connections.create_or_update(sent)
    assert (made.name, made.target) == ("search", "https://example.com")
    assert [one.name for one in workspace.connections.list()] == ["search"]
    assert [one.name for one in workspace.connections.list(connection_type="custom_keys")] == ["search"]
    assert not list(workspace.connections.list(connection_type="git"))
    at = f"{workspace_id(workspace)}/connections/search"
    assert "secret-word" not in arm.get(at).text
    assert "secret-word" in arm.post(f"{at}/listsecrets").text
    assert workspace.connections.get("search", populate_secrets=True).credentials.key == "secret-word"
    workspace.connections.delete("search")
    with pytest.raises(ResourceNotFoundError):
        workspace.connections.get("search")


def test_what_is_refused(shared: Any, arm: Any) -> None:
    at = f"{workspace_id(shared)}/connections"
    assert arm.put(f"{at}/a", {"properties": {"authType": "None"}}).status_code == 400, "The name is too short."
    assert arm.put(f"{at}/abc", {"properties": {}}).status_code == 400
    assert arm.put(f"{at}/abc", {"properties": {"authType": "Handshake"}}).status_code == 400
    assert arm.get(at, query={"includeAll": "true"}).status_code == 501
    assert arm.put(f"{workspace_id(shared)}/privateEndpointConnections/a", {"properties": {}}).status_code == 501
