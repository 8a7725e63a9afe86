"""Azure's own command line, unmodified: signed in by a service principal, everything through the gateway."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from emulator import Emulator
from emulator.gateway.hosts import PassThrough, upstream_for

AZ = Path(__file__).parents[2] / ".venv-az" / "bin" / "az"
Az = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def az(azure: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    """Runs one command, in a configuration folder that this module signed in to."""
    if not AZ.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "Azure's command line is not installed: scripts/setup test"
        )
    variables = azure.environment()
    environment = {
        **os.environ,
        **variables,
        "AZURE_CONFIG_DIR": str(tmp_path_factory.mktemp("az")),
        "AZURE_CORE_COLLECT_TELEMETRY": "false",
        "AZURE_CORE_SURVEY_MESSAGE": "false",
        "AZURE_CORE_NO_COLOR": "true",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(AZ), *arguments], env=environment, capture_output=True, text=True, timeout=120)

    who = ("-u", variables["AZURE_CLIENT_ID"], "--tenant", variables["AZURE_TENANT_ID"])
    wrong = run("login", "--service-principal", *who, "-p", "wrong")
    assert wrong.returncode == 1
    assert "AADSTS7000215" in wrong.stderr
    right = run("login", "--service-principal", *who, "-p", variables["AZURE_CLIENT_SECRET"])
    assert right.returncode == 0, right.stderr
    yield run


def said(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_the_account(az: Az, azure: Emulator) -> None:
    assert [one["id"] for one in said(az("account", "list"))] == [azure.subscription_id]
    assert said(az("account", "show"))["tenantId"] == azure.settings.tenant


def test_no_cloud_that_it_knows_is_reached(az: Az) -> None:
    """Each of Azure's clouds, with the hosts and the suffixes of hosts that its own client has for it."""
    hosts = set()
    for cloud in said(az("cloud", "list")):
        for place in filter(None, (*cloud["endpoints"].values(), *cloud["suffixes"].values())):
            hosts.add(urlsplit(place).hostname or f"x.{place.lstrip('.')}")
    assert len(hosts) > 60, hosts
    assert [host for host in sorted(hosts) if isinstance(upstream_for(host), PassThrough)] == []


def test_a_group_with_a_resource(az: Az, azure: Emulator) -> None:
    group, table = f"az-{uuid.uuid4().hex[:8]}", f"t{uuid.uuid4().hex[:8]}"
    made = said(az("group", "create", "-n", group, "-l", "West Europe", "--tags", "env=dev"))
    assert (made["location"], made["tags"]) == ("westeurope", {"env": "dev"})
    assert [one["name"] for one in said(az("group", "list", "--tag", "env=dev")) if one["name"] == group] == [group]
    id = f"{made['id']}/providers/Microsoft.Network/routeTables/{table}"
    url = f"https://management.azure.com{id}?api-version=2024-05-01"
    assert said(az("rest", "--method", "put", "--url", url, "--body", '{"location": "westeurope"}'))["id"] == id
    assert [one["id"] for one in said(az("resource", "list", "-g", group))] == [id]
    # Its API version is the newest that the provider's list has for the type.
    parts = ("-g", group, "-n", table, "--resource-type", "Microsoft.Network/routeTables")
    assert said(az("resource", "show", *parts))["properties"]["provisioningState"] == "Succeeded"
    said(az("resource", "tag", "--ids", id, "--tags", "a=1"))
    assert said(az("resource", "list", "--tag", "a=1", "--query", "[].id")) == [id]
    assert said(az("group", "delete", "-n", group, "--yes")) is None
    gone = az("group", "show", "-n", group)
    assert gone.returncode == 3
    assert "ResourceGroupNotFound" in gone.stderr


def test_a_template(az: Az, group: str, tmp_path: Path) -> None:
    """az sends the file as it is, which need not be strict JSON."""
    file, name = tmp_path / "main.json", group.rpartition("/")[2]
    file.write_text("""{
        // what Bicep writes, and what people add
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0", /* "resources": [], */
        "parameters": {"table": {"type": "string"}},
        "resources": [{
            "type": "Microsoft.Network/routeTables", "apiVersion": "2024-05-01", "name": "[concat(parameters('table'),
                '//x')]", "condition": false, "location": "westeurope"
        }, {
            "type": "Microsoft.Network/routeTables", "apiVersion": "2024-05-01", "name": "[parameters('table')]",
            "location": "[resourceGroup().location]"
        }],
        "outputs": {"id": {"type": "string", "value": "[resourceId('Microsoft.Network/routeTables', 't1')]"}}
    }""")
    create = ("deployment", "group", "create", "-g", name, "-f", str(file), "-p")
    made = said(az(*create, "table=t1"))["properties"]
    assert made["provisioningState"] == "Succeeded"
    assert [one["id"] for one in made["outputResources"]] == [made["outputs"]["id"]["value"]]
    refused = az(*create, "table=a:b")
    assert refused.returncode == 1 and "InvalidResourceName" in refused.stderr


def test_blobs_by_signing_in(az: Az, group: str, arm: Any, tmp_path: Path) -> None:
    account = f"s{uuid.uuid4().hex[:12]}"
    body = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
    assert arm.put(f"{group}/providers/Microsoft.Storage/storageAccounts/{account}", body).status_code == 200
    where = ("--account-name", account, "--auth-mode", "login")
    assert said(az("storage", "container", "create", "-n", "box", *where)) == {"created": True}
    (tmp_path / "up").write_text("hello")
    blob = ("-c", "box", "-n", "dir/a.txt", *where, "--no-progress")
    said(az("storage", "blob", "upload", "-f", str(tmp_path / "up"), *blob))
    assert [one["name"] for one in said(az("storage", "blob", "list", "-c", "box", *where))] == ["dir/a.txt"]
    said(az("storage", "blob", "download", "-f", str(tmp_path / "down"), *blob))
    assert (tmp_path / "down").read_text() == "hello"
    missing = az("storage", "blob", "show", "-c", "box", "-n", "none", *where)
    assert missing.returncode == 3
