"""Parameters of MLflow's registry requests, and what its searches find: filters, orders, pages. Pure: values in, values out.

Filters are of equality alone, as Azure ML has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.errors import bad_request

Asked = Mapping[str, Any]
PAGE = 100
CLAUSE = re.compile(r"""\s*(\w+)\s*=\s*(?:'([^']*)'|"([^"]*)")\s*(?:AND(?=\s)|$)""", re.IGNORECASE)
NO_PROMPTS = re.compile(r"(?:\s+AND\s+)?tag\.`mlflow\.prompt\.is_prompt` != 'true'")  # MLflow 3 adds it to every filter
ORDERS: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "name": lambda one: one["name"],
    "version_number": lambda one: int(one.get("version", 0)),
    "creation_timestamp": lambda one: one["creation_timestamp"],
    "last_updated_timestamp": lambda one: one["last_updated_timestamp"],
    "timestamp": lambda one: one["last_updated_timestamp"],
}


def text(asked: Asked, name: str) -> str:
    value = optional(asked, name)
    if not value:
        raise bad_request("", f"Missing value for required parameter '{name}'.")
    return value


def optional(asked: Asked, name: str) -> str:
    value = asked.get(name) or ""
    if not isinstance(value, str):
        raise bad_request("", f"The parameter '{name}' must be a string; it is {value!r}.")
    return value


def page(asked: Asked, key: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """One page of what the filter leaves, in the order asked for."""
    order = asked.get("order_by")
    if order:
        by, _, direction = str(order).partition(" ")
        if by not in ORDERS or direction.upper() not in ("", "ASC", "DESC"):
            raise bad_request("", f"'{order}' is no order of models; they are {', '.join(ORDERS)}, each ASC or DESC.")
        found = sorted(found, key=ORDERS[by], reverse=direction.upper() == "DESC")
    token, size = str(asked.get("page_token") or 0), str(asked.get("max_results") or PAGE)
    if not token.isdecimal() or not size.isdecimal() or not 0 < int(size) <= 10_000:
        raise bad_request("", f"max_results '{size}' and page_token '{token}' do not name a page.")
    end = int(token) + int(size)
    return {key: found[int(token) : end], **({"next_page_token": str(end)} if end < len(found) else {})}


def chosen(asked: Asked, found: list[dict[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    """Those that the filter names: equality alone, as in Azure ML."""
    wanted, position = NO_PROMPTS.sub("", optional(asked, "filter")), 0
    while wanted[position:].strip():
        clause = CLAUSE.match(wanted, position)
        if clause is None or clause[1] not in keys:
            raise bad_request(
                "",
                f"The filter '{wanted}' is not supported: Azure ML takes {' and '.join(f'{key} = ...' for key in keys)}.",
            )
        value = clause[2] if clause[2] is not None else clause[3]
        found, position = [one for one in found if one[clause[1]] == value], clause.end()
    return found
