"""Batch endpoints: a name in a region, and the deployment that answers where none is named.

Must live here: names, the default, what ARM is told. Must not: what a deployment runs (``batch_deployments``), invocations
(``invoke``). https://learn.microsoft.com/rest/api/azureml/batch-endpoints
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emulator.errors import bad_request, user_error
from emulator.http import Call, Reply
from emulator.jobs.fields import anything, mapping, one_of, record, text
from emulator.machinelearning import names
from emulator.management import arm, envelope
from emulator.management.ids import ResourceId
from emulator.management.kinds import Kind, NameRule
from emulator.store import Document, Reader

if TYPE_CHECKING:
    from emulator.cloud import Cloud

TYPE = f"{names.PROVIDER}/workspaces/batchEndpoints"
DOMAIN = "inference.ml.azure.com"


def name_rule(what: str) -> NameRule:
    """One rule for endpoints and deployments, which azure-ai-ml knows too (entities/_endpoint/_endpoint_helpers.py)."""
    return NameRule(
        r"[a-zA-Z](?=.{2,31}\Z)[a-zA-Z0-9-]*[a-zA-Z0-9]",
        f"The name '{{name}}' is not one for {what}. It must be 3 to 32 letters, digits and dashes, begin with a letter and end "
        "with a letter or a digit.",
        "UserError",
    )


PROPERTIES = record(
    {"authMode": one_of("AADToken", "Key", "AMLToken")},
    {
        "defaults": record({}, {"deploymentName": text}),
        "description": text,
        "keys": anything,  # never given back
        "properties": mapping(text),
        "provisioningState": anything,  # this and what follows: read-only, a client may send back what it got
        "scoringUri": anything,
        "swaggerUri": anything,
    },
)
COMPUTED = ("keys", "provisioningState", "scoringUri", "swaggerUri")


async def check(call: Call, id: ResourceId, body: dict[str, Any], old: Document | None) -> dict[str, Any]:
    sent = PROPERTIES(body.get("properties"), "properties")
    stored = {name: value for name, value in sent.items() if name not in COMPUTED}
    if stored["authMode"] != "AADToken":
        raise user_error(
            f"The authMode '{stored['authMode']}' is not supported for batch endpoints. Use AADToken.",
            "properties.authMode",
        )
    check_tags(body)
    region = str(arm.get(call, id.ancestor(1)).body["location"])
    if body["location"] != region:
        raise user_error(
            f"The endpoint's location '{body['location']}' must be its workspace's, '{region}'.", "location"
        )
    if old is None and find(call.cloud.store, id.name, region) is not None:
        # The words as in https://github.com/ansible-collections/azure/pull/2231
        raise user_error(
            f"The specified endpoint name '{id.name}' is not available. Endpoint names must be unique within the region. Please "
            "choose a different name and try again."
        )
    default = stored.get("defaults", {}).get("deploymentName")
    if default:
        found = call.cloud.store.get(str(id.child("deployments", default)))
        if found is None:
            there = ", ".join(one.name for one in deployments(call.cloud.store, str(id))) or "none"
            raise user_error(
                f"The default deployment '{default}' does not exist in the endpoint '{id.name}'. It has: {there}.",
                "properties.defaults.deploymentName",
            )
        stored["defaults"] = {"deploymentName": found.name}
    stored["properties"] = kept(stored.get("properties", {}), old)
    return {**beside(body), "properties": stored}


def check_tags(body: Mapping[str, Any]) -> None:
    """Stricter than ARM's own: https://github.com/Azure/azure-sdk-for-python/issues/41586."""
    empty = [name for name, value in (body.get("tags") or {}).items() if not value]
    if empty:
        raise bad_request(
            "BadRequest",
            "The Endpoint request provided has the following validation errors. Please resolve them and try again. Tag values must "
            f"not be null or empty: {', '.join(empty)}.",
            target="tags",
        )


def kept(sent: Mapping[str, str], old: Document | None) -> dict[str, str]:
    """``properties`` of an endpoint or a deployment can be added, not removed or altered."""
    before: Mapping[str, str] = (old.body["properties"].get("properties") or {}) if old is not None else {}
    altered = next((name for name, value in sent.items() if before.get(name, value) != value), None)
    if altered is not None:
        raise user_error(
            f"The property '{altered}' cannot be altered; properties can only be added.", "properties.properties"
        )
    return {**before, **sent}


def beside(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("location", "tags", "identity", "kind", "sku") if body.get(name) is not None}


def render(cloud: Cloud, document: Document) -> dict[str, Any]:
    host = f"https://{document.name.lower()}.{document.body['location']}.{DOMAIN}"
    return {
        "properties": {
            "defaults": document.body["properties"].get("defaults") or {"deploymentName": None},
            "keys": None,
            "scoringUri": f"{host}/jobs",
            "swaggerUri": f"{host}/swagger.json",
        }
    }


async def list_keys(call: Call) -> Reply:
    name = arm.get(call, call.params["id"]).name
    raise user_error(f"The endpoint '{name}' has the authMode AADToken, and no keys: use a token of Microsoft Entra.")


async def list_all(call: Call) -> Reply:
    """In pages of ``count``: https://learn.microsoft.com/rest/api/azureml/batch-endpoints/list."""
    found = call.cloud.store.children(call.params["parent"], TYPE)
    return envelope.page(call, found, size=envelope.number(call, "count") or len(found))


# What rooms use


def find(reader: Reader, name: str, region: str) -> Document | None:
    """The endpoint of that name in the region, of whichever workspace."""
    wanted = name.lower()
    return next(
        (one for one in reader.of_type(TYPE) if one.name.lower() == wanted and one.body["location"] == region), None
    )


def deployments(reader: Reader, endpoint: str) -> list[Document]:
    return reader.children(endpoint, f"{TYPE}/deployments")


KIND = Kind(
    TYPE,
    name=name_rule("an endpoint"),
    tracked=True,
    long=True,
    check=check,
    list=list_all,
    render=render,
    actions={"listkeys": list_keys},
)
