"""Tags: https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations."""

from __future__ import annotations

import re
from typing import Any

from emulator.errors import bad_request, invalid_content


def check(tags: Any) -> None:
    if tags is None:
        return
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise invalid_content("The tags must be a JSON object whose values are strings.", target="tags")
    if len(tags) > 50:
        raise bad_request("InvalidTags", f"A resource can have at most 50 tags; {len(tags)} were given.")
    for name, value in tags.items():
        if not 0 < len(name) <= 512 or re.search(r"[<>%&\\?/]", name):
            raise bad_request(
                "InvalidTagNameCharacters",
                f"The tag name '{name}' is invalid: it must have 1 to 512 characters and none of <>%&\\?/.",
            )
        if len(value) > 256:
            raise bad_request("InvalidTagValueLength", f"The value of the tag '{name}' is longer than 256 characters.")
