"""Plans as people read them."""

from infra.changes import Change, Property
from infra.plan import Plan
from runner import planned

ACCOUNT = Change(
    "replace",
    "storage:StorageAccount",
    "storage",
    "stiris",
    (Property("kind", "StorageV2", "Block|Blob", replaces=True), Property("tags.a", "", "[secret]")),
)
GROUP = Change("create", "resources:ResourceGroup", "group", "")
PLAN = Plan("dev", "abc+", "", "", "", {"replace": 1, "create": 1}, (ACCOUNT, GROUP), (), ("storage",), {})


def test_a_table_has_a_row_for_each_property() -> None:
    head, _, *lines = planned.table(PLAN.changes)
    assert head.split() == ["change", "resource", "name", "property", "from", "to"]
    assert lines[0].split() == [
        "replace",
        "storage",
        "(StorageAccount)",
        "stiris",
        "kind",
        "(replaces)",
        "StorageV2",
        "Block|Blob",
    ]
    assert lines[1].split() == ["tags.a", "[secret]"]
    assert lines[2].split() == ["create", "group", "(ResourceGroup)"]


def test_markdown_is_what_a_pull_request_shows() -> None:
    text = planned.markdown(PLAN)
    assert text.startswith("### Plan of stack `dev`\n\n1 replace, 1 create. Made of commit `abc+`.")
    assert "**May be replaced or deleted:** `storage`." in text
    assert "| replace | storage (StorageAccount) | stiris | `kind (replaces)` | `StorageV2` | `Block\\|Blob` |" in text
    assert "Changed by hand" not in text
    drifted = Plan(**{**vars(PLAN), "changes": (), "counts": {}, "drift": (ACCOUNT,)})
    assert "Nothing changes." in planned.markdown(drifted) and "#### Changed by hand" in planned.markdown(drifted)
