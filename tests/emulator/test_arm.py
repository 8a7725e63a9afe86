"""Resource Manager's general part, by plain requests: the order of checks, ETags, paging, tags, versions, lists."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from emulator import Emulator
from tests.conftest import Arm
from tests.emulator.storage import spoken_to

BODY = {"location": "westeurope"}


def name() -> str:
    return f"n{uuid.uuid4().hex[:12]}"


@pytest.fixture
def table(arm: Arm, group: str) -> str:
    """A resource of the plainest kind there is."""
    id = f"{group}/providers/Microsoft.Network/routeTables/{name()}"
    answer = arm.put(id, {**BODY, "tags": {"env": "dev"}, "properties": {"disableBgpRoutePropagation": True}})
    assert answer.status_code == 201, answer.text
    return id


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_envelope(arm: Arm, table: str) -> None:
    shown = arm.get(table).json()
    assert shown["id"] == table
    assert shown["type"] == "Microsoft.Network/routeTables"
    assert shown["location"] == "westeurope"
    assert shown["properties"] == {"disableBgpRoutePropagation": True, "provisioningState": "Succeeded"}
    assert set(shown["systemData"]) == {
        f"{verb}{what}" for verb in ("created", "lastModified") for what in ("At", "By", "ByType")
    }


def test_every_answer_has_its_id(arm: Arm, table: str) -> None:
    mine = str(uuid.uuid4())
    answer = arm.get(table, headers={"x-ms-correlation-request-id": mine})
    assert answer.headers["x-ms-correlation-request-id"] == mine
    assert uuid.UUID(answer.headers["x-ms-request-id"])
    assert uuid.UUID(arm.get(f"{table}x").headers["x-ms-request-id"])


def test_ids_are_one_without_case(arm: Arm, table: str) -> None:
    shouted = table.replace("resourceGroups", "RESOURCEGROUPS").replace("routeTables", "ROUTETABLES")
    assert arm.get(shouted.upper().replace("/SUBSCRIPTIONS", "/subscriptions")).json()["id"] == table
    assert arm.put(shouted, BODY).status_code == 200
    assert arm.get(shouted).json()["id"] == table


def test_put_replaces_patch_merges(arm: Arm, table: str) -> None:
    assert arm.patch(table, {"properties": {"a": {"b": 1}}}).json()["properties"]["disableBgpRoutePropagation"] is True
    assert arm.patch(table, {"tags": {"other": "1"}}).json()["tags"] == {"other": "1"}
    assert arm.patch(table, {"properties": {"a": None}}).json()["properties"].get("a") is None
    assert "disableBgpRoutePropagation" not in arm.put(table, BODY).json()["properties"]
    assert error(arm.patch(f"{table}x", {"tags": {}})) == (404, "ResourceNotFound")


def test_location_is_for_life(arm: Arm, table: str) -> None:
    assert arm.put(table, {"location": "West Europe"}).status_code == 200
    assert error(arm.put(table, {"location": "northeurope"})) == (409, "InvalidResourceLocation")
    other = f"{table}2"
    assert error(arm.put(other, {"location": "mars"})) == (400, "LocationNotAvailableForResourceType")
    assert error(arm.put(other, {})) == (400, "LocationRequired")


def test_etags(arm: Arm, table: str) -> None:
    tag = arm.get(table).headers["ETag"]
    assert arm.get(table, headers={"If-None-Match": tag}).status_code == 304
    assert error(arm.put(table, BODY, headers={"If-None-Match": "*"})) == (412, "PreconditionFailed")
    changed = arm.put(table, BODY, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert error(arm.put(table, BODY, headers={"If-Match": tag})) == (412, "PreconditionFailed")
    assert error(arm.delete(table, headers={"If-Match": tag})) == (412, "PreconditionFailed")
    assert error(arm.put(f"{table}x", BODY, headers={"If-Match": "*"})) == (412, "PreconditionFailed")
    assert arm.delete(table, headers={"If-Match": changed.headers["ETag"]}).status_code == 200


def test_of_many_writers_with_one_etag_one_wins(arm: Arm, table: str) -> None:
    tag = arm.get(table).headers["ETag"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: arm.put(table, {**BODY, "tags": {"n": str(n)}}, headers={"If-Match": tag}), range(8))
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 7


def test_patches_at_once_are_all_kept(arm: Arm, table: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: arm.patch(table, {"properties": {f"p{n}": n}}), range(8)))
    properties = arm.get(table).json()["properties"]
    assert {f"p{n}" for n in range(8)} <= set(properties)


def test_deleting(arm: Arm, table: str) -> None:
    assert arm.call("HEAD", table).status_code == 204
    assert arm.delete(table).status_code == 200
    assert arm.delete(table).status_code == 204
    assert arm.call("HEAD", table).status_code == 404
    assert error(arm.get(table)) == (404, "ResourceNotFound")


def test_parents_and_groups_must_be_there(arm: Arm, group: str, table: str) -> None:
    child = {"properties": {"addressPrefix": "10.0.0.0/8", "nextHopType": "None"}}
    assert arm.put(f"{table}/routes/one", child).status_code == 201
    assert [one["name"] for one in arm.get(f"{table}/routes").json()["value"]] == ["one"]
    assert error(arm.put(f"{table}x/routes/one", child)) == (404, "ParentResourceNotFound")
    assert error(arm.get(f"{table}x/routes")) == (404, "ResourceNotFound")
    nowhere = f"{group}x/providers/Microsoft.Network/routeTables/t"
    for answer in (arm.get(nowhere), arm.put(nowhere, BODY), arm.delete(nowhere)):
        assert error(answer) == (404, "ResourceGroupNotFound")
    arm.delete(table)
    assert error(arm.get(f"{table}/routes/one")) == (404, "ResourceNotFound")


def test_a_resource_stands_in_a_group(arm: Arm, group: str, table: str) -> None:
    type, subscription = "providers/Microsoft.Network/routeTables", f"/subscriptions/{arm.subscription}"
    for scope in (subscription, f"{subscription}/resourceGroups", table):
        assert error(arm.put(f"{scope}/{type}/t", BODY)) == (405, "HttpMethodNotAllowed"), scope
        assert error(arm.get(f"{scope}/{type}/t")) == (405, "HttpMethodNotAllowed"), scope
    for scope in ("", "/global", "/sub/x/resourceGroups/y"):
        assert error(arm.put(f"{scope}/{type}/t", BODY)) == (404, "MissingSubscription"), scope
        assert error(arm.get(f"{scope}/{type}")) == (404, "MissingSubscription"), scope
    lock = f"{table}/providers/Microsoft.Authorization/locks/l"
    assert arm.put(lock, {"properties": {"level": "ReadOnly"}}).status_code == 201, "An extension may stand anywhere."
    # As az writes an id from its parts, with nothing where a child's parent would be.
    assert arm.get(table.replace("Microsoft.Network/", "Microsoft.Network//")).json()["id"] == table
    assert error(arm.get(table.replace("routeTables/", "routeTables//"))) == (400, "InvalidResourceId")


def test_pages(arm: Arm, group: str) -> None:
    provider = f"{group}/providers/Microsoft.Network/routeTables"
    made = [name() for _ in range(5)]
    for one in made:
        arm.put(f"{provider}/{one}", BODY)
    seen, url, query = [], provider, {"$top": "2"}
    for _ in range(3):
        page = arm.get(url, query=query).json() if url == provider else arm.get(url, version=None).json()
        assert len(page["value"]) <= 2
        seen += [one["name"] for one in page["value"]]
        url = page.get("nextLink")
    assert (seen, url) == (made, None)
    assert [one["name"] for one in arm.get(provider, query={"$skip": "4"}).json()["value"]] == made[4:]
    for bad in ("-1", "x", "1.5", "9" * 20):
        assert error(arm.get(provider, query={"$top": bad})) == (400, "InvalidQueryParameterValue")
    everywhere = arm.get(f"/subscriptions/{arm.subscription}/providers/Microsoft.Network/routeTables").json()["value"]
    assert set(made) <= {one["name"] for one in everywhere}


def test_api_versions(arm: Arm, table: str) -> None:
    assert error(arm.get(table, version=None)) == (400, "MissingApiVersionParameter")
    assert error(arm.get(table, version="latest")) == (400, "InvalidApiVersionParameter")
    answer = arm.get(table, version="1999-01-01")
    assert error(answer) == (400, "NoRegisteredProviderFound")
    assert "2024-05-01" in answer.json()["error"]["message"]
    assert arm.call("GET", f"{table}?API-VERSION=2024-05-01", version=None).status_code == 200


def test_types_that_are_not(arm: Arm, group: str) -> None:
    version = "2024-01-01"
    assert error(arm.put(f"{group}/providers/No.Such/things/x", BODY, version=version)) == (
        404,
        "InvalidResourceNamespace",
    )
    assert error(arm.put(f"{group}/providers/Microsoft.Storage/things/x", BODY)) == (404, "InvalidResourceType")
    known = arm.put(f"{group}/providers/Microsoft.Compute/virtualMachines/x", BODY, version=version)
    assert error(known) == (501, "NotImplemented")
    assert "Microsoft.Compute/virtualMachines" in known.json()["error"]["message"]
    action = arm.post(f"{group}/providers/Microsoft.Network/routeTables/x/explode")
    assert error(action) == (501, "NotImplemented")


def test_tags(arm: Arm, table: str) -> None:
    for tags, code in (
        ({"a": 1}, "InvalidRequestContent"),
        (["a"], "InvalidRequestContent"),
        ({f"t{n}": "" for n in range(51)}, "InvalidTags"),
        ({"a/b": ""}, "InvalidTagNameCharacters"),
        ({"a": "x" * 257}, "InvalidTagValueLength"),
    ):
        assert error(arm.patch(table, {"tags": tags})) == (400, code)


def test_tags_as_a_resource_of_their_own(arm: Arm, group: str, table: str) -> None:
    for scope in (table, group):
        tags = f"{scope}/providers/Microsoft.Resources/tags/default"
        assert arm.put(tags, {"properties": {"tags": {"a": "1", "b": "2"}}}).status_code == 200
        assert arm.get(scope).json()["tags"] == {"a": "1", "b": "2"}
        merged = arm.patch(tags, {"operation": "Merge", "properties": {"tags": {"c": "3"}}})
        assert merged.json()["properties"]["tags"] == {"a": "1", "b": "2", "c": "3"}
        left = arm.patch(tags, {"operation": "Delete", "properties": {"tags": {"a": "1", "b": "other"}}})
        assert left.json()["properties"]["tags"] == {"b": "2", "c": "3"}
        assert arm.patch(tags, {"operation": "Explode", "properties": {"tags": {}}}).status_code == 400
        assert arm.delete(tags).status_code == 200
        assert arm.get(tags).json()["properties"]["tags"] == {}
    missing = arm.get(f"{table}x/providers/Microsoft.Resources/tags/default")
    assert error(missing) == (404, "ResourceNotFound")


def test_lists_by_tag_and_type(arm: Arm, group: str, table: str) -> None:
    plain = f"{group}/providers/Microsoft.Network/natGateways/{name()}"
    arm.put(plain, {**BODY, "tags": {"env": "prod", "dev": "no"}})

    def listed(text: str) -> set[str]:
        answer = arm.get(f"{group}/resources", query={"$filter": text} if text else {})
        assert answer.status_code == 200, answer.text
        return {one["id"] for one in answer.json()["value"]}

    assert listed("") == {table, plain}
    assert listed("resourceType eq 'Microsoft.Network/routeTables'") == {table}
    assert listed("tagName eq 'env' and tagValue eq 'dev'") == {table}
    assert listed("tagName eq 'env'") == {table, plain}
    assert listed(f"name eq '{plain.rpartition('/')[2]}'") == {plain}
    assert listed(f"substringof('{plain[-6:]}', name)") == {plain}
    assert listed("resourceType eq 'x/y' or tagName eq 'dev'") == {plain}
    assert listed("resourceType ne 'Microsoft.Network/natGateways'") == {table}
    for bad in ("color eq 'red'", "name eq", "name eq 'a' and", "name eq 'a' or name eq 'b' and name eq 'c'", "'"):
        answer = arm.get(f"{group}/resources", query={"$filter": bad})
        assert error(answer) == (400, "InvalidFilterInQueryString"), bad
    whole = arm.get(
        f"/subscriptions/{arm.subscription}/resources", query={"$filter": f"resourceGroup eq '{group.split('/')[4]}'"}
    )
    assert {one["id"] for one in whole.json()["value"]} == {table, plain}
    assert "provisioningState" not in whole.json()["value"][0]
    more = arm.get(f"{group}/resources", query={"$expand": "createdTime,provisioningState"}).json()["value"][0]
    assert more["provisioningState"] == "Succeeded" and "createdTime" in more and "changedTime" not in more


def test_subscriptions(arm: Arm, azure: Any) -> None:
    only = arm.get("/subscriptions", version="2022-12-01").json()["value"]
    assert [one["subscriptionId"] for one in only] == [azure.settings.subscription]
    assert arm.get("/tenants", version="2022-12-01").json()["value"][0]["tenantId"] == azure.settings.tenant
    locations = arm.get(f"/subscriptions/{arm.subscription}/locations", version="2022-12-01").json()["value"]
    assert {"westeurope", "swedencentral"} <= {one["name"] for one in locations}
    other = f"/subscriptions/{uuid.uuid4()}"
    assert error(arm.get(other, version="2022-12-01")) == (404, "SubscriptionNotFound")
    assert error(arm.get("/subscriptions/mine", version="2022-12-01")) == (400, "InvalidSubscriptionId")


def test_a_provider_is_registered_before_its_resources(tmp_path: Path) -> None:
    """Of an emulator of its own: one that has resources, whosoever they are, cannot be unregistered."""
    with Emulator(tmp_path / "home", port=0) as azure, spoken_to(azure):
        arm = Arm(azure)
        group = f"/subscriptions/{arm.subscription}/resourceGroups/g"
        assert arm.put(group, BODY, version="2024-03-01").ok
        assert arm.put(f"{group}/providers/Microsoft.Network/routeTables/t", BODY).ok
        provider = f"/subscriptions/{arm.subscription}/providers/Microsoft.ContainerRegistry"
        assert arm.get(provider, version="2021-04-01").json()["registrationState"] == "Registered"
        assert arm.post(f"{provider}/unregister", version="2021-04-01").json()["registrationState"] == "NotRegistered"
        try:
            refused = arm.put(
                f"{group}/providers/Microsoft.ContainerRegistry/registries/{name()}", {**BODY, "sku": {"name": "Basic"}}
            )
            assert error(refused) == (409, "MissingSubscriptionRegistration")
        finally:
            assert arm.post(f"{provider}/register", version="2021-04-01").json()["registrationState"] == "Registered"
        busy = arm.post(
            f"/subscriptions/{arm.subscription}/providers/Microsoft.Network/unregister", version="2021-04-01"
        )
        assert error(busy) == (409, "SubscriptionHasResources")
        unknown = arm.get(f"/subscriptions/{arm.subscription}/providers/No.Such", version="2021-04-01")
        assert error(unknown) == (404, "InvalidResourceNamespace")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff",
        b"[" * 20_000,
        b'{"location": 7}',
        b'{"properties": []}',
        b'{"tags": 1}',
    ],
)
def test_a_body_that_is_none(arm: Arm, group: str, body: bytes) -> None:
    url = f"{arm.host}{group}/providers/Microsoft.Network/routeTables/x?api-version=2024-05-01"
    answer = arm.session.put(url, data=body, headers={"Content-Type": "application/json"}, timeout=30)
    assert error(answer) == (400, "InvalidRequestContent")


def test_a_body_that_is_too_large(arm: Arm, group: str) -> None:
    url = f"{arm.host}{group}/providers/Microsoft.Network/routeTables/x?api-version=2024-05-01"
    answer = arm.session.put(url, data=b" " * (4 * 1024 * 1024 + 1), timeout=30)
    assert error(answer) == (413, "RequestContentTooLarge")


@pytest.mark.parametrize("bad", ["a b ", "a.", "a%2Fb", "a%3Fb", "%3Cx%3E", "x" * 300])
def test_a_name_that_is_none(arm: Arm, group: str, bad: str) -> None:
    answer = arm.put(f"{group}/providers/Microsoft.Network/routeTables/{bad}", BODY)
    assert answer.status_code in (400, 404, 405), answer.text


def test_group_names(arm: Arm) -> None:
    root = f"/subscriptions/{arm.subscription}/resourceGroups"
    for bad in ("a.", "x" * 91, "a b", "a*"):
        assert error(arm.put(f"{root}/{bad}", BODY)) == (400, "InvalidResourceGroupName")
    assert error(arm.put(f"{root}/{name()}", {})) == (400, "LocationRequired")
    assert error(arm.put(f"{root}/{name()}", {"location": "mars"})) == (400, "LocationNotAvailableForResourceGroup")


def test_a_group_takes_everything_with_it(arm: Arm, group: str, table: str) -> None:
    arm.put(f"{table}/routes/one", {"properties": {}})
    deleting = arm.delete(group)
    assert deleting.status_code == 202
    while arm.get(deleting.headers["Location"], version=None).status_code == 202:
        pass
    assert error(arm.get(table)) == (404, "ResourceGroupNotFound")
    arm.put(group, BODY)
    assert arm.get(f"{group}/resources").json()["value"] == []


def test_no_method(arm: Arm, table: str) -> None:
    assert error(arm.post(table, {}))[0] in (404, 405, 501)
    assert error(arm.put(f"{table}/routes", {}))[0] == 405
    answer = requests.request("TRACE", f"{arm.host}{table}", timeout=30)
    assert answer.status_code in (400, 405)
