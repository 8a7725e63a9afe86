"""The table against two oracles that know nothing of it: the vendor's SDK, and ARM's published schemas."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from recorder import SUBSCRIPTION, evaluate

from infra import table
from infra.errors import TableError
from infra.table import Request

SCHEMAS = Path(os.environ.get("ARM_SCHEMAS") or Path(__file__).resolve().parents[3] / "shared" / "arm-schemas")
CONTRIBUTOR = "44444444-4444-4444-4444-444444444444"
PEOPLE = {name: f'["{CONTRIBUTOR}"]' for name in ("runners", "invokers", "dataContributors")}
# Stack and configuration, by what is special about it.
VARIANTS: dict[str, tuple[str, dict[str, str]]] = {
    "local": ("local", {}),
    "dev": ("dev", {}),
    "prod": ("prod", {}),
    "account key": ("local", {"datastoreAuth": "accountKey"}),
    "rules": ("dev", {"network": '{"allowedIps": ["20.1.2.3", "20.4.0.0/16"], "managed": "AllowInternetOutbound"}'}),
    "everything set": (
        "prod",
        {
            **PEOPLE,
            "tags": '{"cost-centre": "42"}',
            "compute": '{"minInstances": 1, "maxInstances": 2, "tier": "LowPriority", "size": "STANDARD_E4S_V3"}',
            "instances": f'[{{"name": "anna", "assignedTo": "{CONTRIBUTOR}"}}]',
            "budget": '{"monthly": 500, "contacts": ["a@example.com"]}',
            "recoverVault": "true",
        },
    ),
}
# Of these no schema is published in the folder that the others are in.
WITHOUT_SCHEMA = {"Microsoft.Network", "Microsoft.ContainerRegistry", "Microsoft.Consumption"}


@pytest.mark.parametrize("token", table.RESOURCES)
def test_the_api_version_is_the_one_that_the_sdk_documents(token: str) -> None:
    documented = inspect.getsource(sys.modules[_sdk(token)[0].__module__])
    assert f"Uses Azure REST API version {table.RESOURCES[token].api_version}." in documented


@pytest.mark.parametrize("token", table.RESOURCES)
def test_every_argument_that_the_table_names_is_one_of_the_sdk(token: str) -> None:
    properties = [value for part in _sdk(token) for value in vars(part).values() if isinstance(value, property)]
    known = {getattr(value.fget, "_pulumi_name", value.fget.__name__) for value in properties if value.fget}
    kind = table.RESOURCES[token]
    inputs = {*kind.top, *kind.query, *kind.renamed, *kind.items, *kind.within, *kind.fixed}
    named = {*re.findall(r"{(\w+)}", kind.path), *inputs} - {"subscriptionId"}
    assert named <= known


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_body_that_is_sent_is_what_arm_takes(variant: str) -> None:
    if not SCHEMAS.is_dir():
        pytest.skip(f"ARM's schemas are not at {SCHEMAS}: name their folder in ARM_SCHEMAS")
    stack, config = VARIANTS[variant]
    sent, _ = evaluate(stack, **config)
    for request in sent:
        if _schema(request) is not None:
            assert list(_faults(request)) == [], request.id
    if variant == "everything set":
        types = {table.type_of(request.id) for request in sent}
        assert types == {kind.type for kind in table.RESOURCES.values()}
        assert {table.type_of(request.id) for request in sent if _schema(request) is None} == {
            type for type in types if type.partition("/")[0] in WITHOUT_SCHEMA
        } | {"Microsoft.Insights/diagnosticSettings", "Microsoft.Authorization/locks"}


def test_the_check_finds_what_is_wrong() -> None:
    if not SCHEMAS.is_dir():
        pytest.skip(f"ARM's schemas are not at {SCHEMAS}: name their folder in ARM_SCHEMAS")
    sent, _ = evaluate()
    cluster = next(request for request in sent if "/computes/" in request.id)
    body = json.loads(json.dumps(cluster.body))
    scale = body["properties"]["properties"]["scaleSettings"]
    scale["maxNodeCount"], scale["maxNodes"] = "two", 2
    wrong, unknown = _faults(Request(cluster.id, cluster.path, cluster.query, body))
    assert wrong.startswith("$.properties of Microsoft.MachineLearningServices/workspaces/computes: ")
    assert unknown.endswith("scaleSettings.maxNodes is not declared")


def test_keyless_by_default_and_nothing_public() -> None:
    account, vault, datastore, cluster = _properties(*evaluate()[0])
    assert account["allowSharedKeyAccess"] is False and account["allowBlobPublicAccess"] is False
    assert account["minimumTlsVersion"] == "TLS1_2" and account["supportsHttpsTrafficOnly"] is True
    assert vault["enableRbacAuthorization"] is True
    assert datastore["credentials"] == {"credentialsType": "None"}
    assert cluster["properties"]["remoteLoginPortPublicAccess"] == "Disabled" and cluster["disableLocalAuth"] is True
    assert cluster["properties"]["scaleSettings"]["minNodeCount"] == 0


def test_the_account_key_is_sent_only_where_it_is_asked_for() -> None:
    account, _, datastore, _ = _properties(*evaluate(datastoreAuth="accountKey")[0])
    assert account["allowSharedKeyAccess"] is True
    assert datastore["credentials"]["secrets"] == {"secretsType": "AccountKey", "key": "a2V5"}


def test_whatever_can_be_tagged_is_tagged_and_no_tag_is_empty() -> None:
    sent, _ = evaluate("prod", tags='{"owner": "somebody"}')
    for request in sent:
        if "tags" in next(kind for kind in table.RESOURCES.values() if kind.type == table.type_of(request.id)).top:
            assert {"project": "aml", "stack": "prod", "owner": "somebody"}.items() <= request.body["tags"].items()
            assert all(request.body["tags"].values())


def test_the_outputs_are_the_nine_settings() -> None:
    _, outputs = evaluate()
    assert sorted(outputs) == [
        "AZURE_ML_COMPUTE_TRAINER",
        "AZURE_ML_DATASTORE_NAME",
        "AZURE_ML_ENDPOINT_NAME",
        "AZURE_ML_ENVIRONMENT_NAME",
        "AZURE_ML_ENVIRONMENT_VERSION",
        "AZURE_ML_EXPERIMENT_NAME",
        "AZURE_RESOURCE_GROUP",
        "AZURE_SUBSCRIPTION_ID",
        "AZURE_WORKSPACE_NAME",
    ]
    assert outputs["AZURE_SUBSCRIPTION_ID"] == SUBSCRIPTION and all(outputs.values())


def test_what_the_table_does_not_have_is_refused_by_name() -> None:
    with pytest.raises(TableError, match="azure-native:network:RouteTable is not in infra/table.py"):
        table.request("azure-native:network:RouteTable", {}, subscription="s")
    with pytest.raises(TableError, match="vaultName is not given"):
        table.request("azure-native:keyvault:Vault", {"resourceGroupName": "g"}, subscription="s")
    with pytest.raises(TableError, match="azure-native:storage:listStorageAccountSAS is not in"):
        table.function("azure-native:storage:listStorageAccountSAS", {}, subscription="s")
    with pytest.raises(TableError, match="its type, Microsoft.Network/routeTables, is not in"):
        table.api_version("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/routeTables/t")


def test_a_name_never_leaves_its_place_in_the_path() -> None:
    inputs = {"resourceGroupName": "a b?c#d", "location": "westeurope"}
    request = table.request("azure-native:resources:ResourceGroup", inputs, subscription="s")
    assert request.path == "/subscriptions/s/resourceGroups/a%20b%3Fc%23d"
    with pytest.raises(TableError, match="'../x' of resourceGroupName"):
        table.request("azure-native:resources:ResourceGroup", {"resourceGroupName": "../x"}, subscription="s")


def test_the_answer_goes_back_under_the_names_of_the_sdk() -> None:
    answer = {"id": "/i", "tags": {}, "properties": {"Application_Type": "web", "InstrumentationKey": "k"}}
    found = table.outputs("azure-native:applicationinsights:Component", answer)
    assert found == {"id": "/i", "tags": {}, "applicationType": "web", "instrumentationKey": "k"}


def _sdk(token: str) -> tuple[type, type]:
    """The SDK's classes for a resource and for its arguments."""
    _, module, name = token.split(":")
    sdk = import_module(f"pulumi_azure_native.{module}")
    # Where a part of another resource is called the same, the arguments of the resource itself are "Init".
    return getattr(sdk, name), getattr(sdk, f"{name}InitArgs", None) or getattr(sdk, f"{name}Args")


def _properties(*sent: Request) -> list[dict[str, Any]]:
    types = (
        "Microsoft.Storage/storageAccounts",
        "Microsoft.KeyVault/vaults",
        "Microsoft.MachineLearningServices/workspaces/datastores",
        "Microsoft.MachineLearningServices/workspaces/computes",
    )
    return [next(request.body["properties"] for request in sent if table.type_of(request.id) == type) for type in types]


def _faults(request: Request) -> Iterator[str]:
    """What ARM's schema says against a body, and the names in it that the schema does not know."""
    found = _schema(request)
    assert found is not None, f"There is no schema for {request.id}."
    schema, version = found
    type = table.type_of(request.id)
    groups = [schema[key] for key in ("resourceDefinitions", "subscription_resourceDefinitions") if key in schema]
    key = type.partition("/")[2].replace("/", "_")
    definition = {**next(group[key] for group in groups if key in group), "definitions": schema["definitions"]}
    # A template's resource says of itself what a request has in its path, and some must have "properties" with nothing in them.
    name = request.id.rpartition("/")[2]
    # A name that is always the same is told with its parent's, as in a template.
    name = "/".join(request.id.split("/")[-3::2]) if name == "default" else name
    whole = {**request.body, "name": name, "type": type, "apiVersion": version}
    if "properties" in definition["required"]:
        whole.setdefault("properties", {})
    for error in jsonschema.Draft7Validator(definition).iter_errors(whole):
        yield f"{error.json_path} of {type}: {error.message[:200]}"
    yield from _unknown(whole, [definition], schema["definitions"], type)


def _schema(request: Request) -> tuple[dict[str, Any], str] | None:
    """The schema for a request and its API version, with template expressions, which no request has, matching nothing; ``None``
    for a type that the folder does not have."""
    namespace, version = table.type_of(request.id).partition("/")[0], request.query["api-version"]
    # Resource groups are published as a schema for a later version only.
    files = [*(SCHEMAS / version).glob(f"{namespace}*.json")]
    if namespace == "Microsoft.Resources":
        files += SCHEMAS.glob(f"*/{namespace}.json")
    if not files:
        return None
    # A base type that allows no other name contradicts the types that extend it by "allOf"; ``_unknown`` looks at names.
    text = files[0].read_text().replace('"additionalProperties": false,', "")
    text = re.sub(r'{\s*"\$ref":\s*"https://schema.management.azure.com[^"]*"\s*}', '{"not": {}}', text)
    return json.loads(text), files[0].parent.name


def _unknown(value: Any, schemas: list[Any], definitions: dict[str, Any], path: str) -> Iterator[str]:
    """Names in ``value`` that none of ``schemas`` declares: ARM's schemas let unknown names pass, and Azure ignores them."""
    flat = [part for schema in schemas for part in _parts(schema, definitions)]
    if isinstance(value, dict):
        free = [part["additionalProperties"] for part in flat if isinstance(part.get("additionalProperties"), dict)]
        for key, item in value.items():
            declared = [part["properties"][key] for part in flat if key in part.get("properties", {})] or free
            if not declared and any("properties" in part for part in flat):
                yield f"{path}.{key} is not declared"
            yield from _unknown(item, declared, definitions, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _unknown(item, [part["items"] for part in flat if "items" in part], definitions, f"{path}[]")


def _parts(schema: Any, definitions: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    yield schema
    for key in ("allOf", "oneOf", "anyOf"):
        for part in schema.get(key, []):
            yield from _parts(part, definitions)
