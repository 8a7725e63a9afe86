"""Lists of resources of every type, with ``$filter``: https://learn.microsoft.com/rest/api/resources/resources/list.

A filter is a chain of comparisons joined by ``and`` or by ``or``: ``resourceType eq 'Microsoft.Storage/storageAccounts'``,
``name ne 'x'``, ``tagName eq 'env' and tagValue eq 'dev'``, ``substringof('abc', name)``, ``startswith(tagName, 'a')``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from emulator.errors import bad_request
from emulator.http import Call, Reply
from emulator.identity.tenant import ARM
from emulator.management import arm, envelope, namespaces
from emulator.routes import Route
from emulator.store import Document

Test = Callable[[Document], bool]

_COMPARISON = re.compile(r"(?P<name>[\w/]+)\s+(?P<operator>eq|ne)\s+'(?P<value>(?:[^']|'')*)'\s*", re.IGNORECASE)
_SUBSTRING = re.compile(r"substringof\(\s*'(?P<value>(?:[^']|'')*)'\s*,\s*(?P<name>\w+)\s*\)\s*", re.IGNORECASE)
_START = re.compile(r"startswith\(\s*(?P<name>\w+)\s*,\s*'(?P<value>(?:[^']|'')*)'\s*\)\s*", re.IGNORECASE)


async def list_resources(call: Call) -> Reply:
    subscription = call.params["subscription"]
    namespaces.check_subscription(call.cloud, subscription)
    namespaces.check_version(call, "Microsoft.Resources", "resources")
    scope = f"/subscriptions/{subscription}"
    if "group" in call.params:
        scope = arm.group(call.cloud.store, subscription, call.params["group"]).id
    documents = [
        document
        for document in call.cloud.store.below(scope)
        if (kind := call.cloud.kinds.get(document.type)) and kind.tracked and kind.verbs
    ]
    expand = {name.strip().lower() for name in (call.option("$expand") or "").split(",")}
    return envelope.page(call, filtered(call, documents), lambda cloud, document: _render(cloud, document, expand))


def filtered(call: Call, documents: Sequence[Document]) -> list[Document]:
    """Those that the request's ``$filter`` lets through."""
    text = call.option("$filter")
    test = _parse(call, text) if text else None
    return [document for document in documents if test is None or test(document)]


def _render(cloud: Any, document: Document, expand: Collection[str]) -> dict[str, Any]:
    whole = envelope.render(cloud, document)
    listed = ("id", "name", "type", "location", "tags", "kind", "sku", "identity", "managedBy", "plan", "zones")
    expanded = {
        "createdTime": envelope.timestamp(document.created),
        "changedTime": envelope.timestamp(document.changed),
        "provisioningState": whole["properties"].get("provisioningState", "Succeeded"),
    }
    return {
        **{name: whole[name] for name in listed if whole.get(name) is not None},
        **{name: value for name, value in expanded.items() if name.lower() in expand},
    }


def _parse(call: Call, text: str) -> Test:
    position, tests, joins = 0, [], set()
    text = text.strip()
    while True:
        for expression in (_COMPARISON, _SUBSTRING, _START):
            found = expression.match(text, position)
            if found:
                break
        else:
            raise bad_request("InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")
        tests.append(_test(text, found))
        position = found.end()
        if position == len(text):
            break
        join = re.compile(r"(and|or)\s+", re.IGNORECASE).match(text, position)
        if not join:
            raise bad_request("InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")
        joins.add(join[1].lower())
        position = join.end()
    if len(joins) > 1:
        raise bad_request("InvalidFilterInQueryString", f"The $filter '{text}' mixes 'and' with 'or'.")
    # A tag's name and its value are one question, of one and the same tag.
    combine = any if joins == {"or"} else all
    return lambda document: combine(test(document) for test in tests) and _same_tag(text, document)


def _test(text: str, found: re.Match[str]) -> Test:
    parts = found.groupdict()
    name, value = parts["name"].lower(), parts["value"].replace("''", "'").lower()
    if name not in _FIELDS:
        raise bad_request(
            "InvalidFilterInQueryString",
            f"Invalid $filter '{text}': it can be about {', '.join(sorted(_FIELDS))}; not about '{parts['name']}'.",
        )
    field = _FIELDS[name]
    if found.re is _SUBSTRING:
        return lambda document: any(value in text for text in field(document))
    if found.re is _START:
        return lambda document: any(text.startswith(value) for text in field(document))
    if parts["operator"].lower() == "ne":
        return lambda document: value not in field(document)
    return lambda document: value in field(document)


def _same_tag(text: str, document: Document) -> bool:
    names = re.findall(r"tagName\s+eq\s+'([^']*)'", text, re.IGNORECASE)
    values = re.findall(r"tagValue\s+eq\s+'([^']*)'", text, re.IGNORECASE)
    if len(names) != 1 or len(values) != 1:
        return True
    tags = {name.lower(): value for name, value in (document.body.get("tags") or {}).items()}
    return bool(tags.get(names[0].lower()) == values[0])


def _group(document: Document) -> list[str]:
    parts = document.id.lower().split("/")
    return [parts[4]] if len(parts) > 4 and parts[3] == "resourcegroups" else []


_FIELDS: dict[str, Callable[[Document], list[str]]] = {
    "resourcetype": lambda document: [document.type],
    "name": lambda document: [document.name.lower()],
    "location": lambda document: [str(document.body.get("location", "")).lower()],
    "resourcegroup": _group,
    "tagname": lambda document: [name.lower() for name in document.body.get("tags") or {}],
    "tagvalue": lambda document: [value.lower() for value in (document.body.get("tags") or {}).values()],
}

ROUTES = (
    Route("management.azure.com", "GET", "/subscriptions/{subscription}/resources", list_resources, ARM),
    Route(
        "management.azure.com",
        "GET",
        "/subscriptions/{subscription}/resourceGroups/{group}/resources",
        list_resources,
        ARM,
    ),
)
