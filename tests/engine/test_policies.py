"""The policy pack, run by the real engine on the stack ``dev``, which passes, and its failing twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
PACK = str(Path(__file__).parents[2] / "policies")


def test_the_engine_runs_the_rules(stacks: Any) -> None:
    project = stacks("dev", **{"aml:compute": {"minInstances": 1, "maxInstances": 2}})
    said = project.pulumi("preview", "--policy-pack", PACK, fails=True)
    assert "[mandatory]  cluster-scales-to-zero" in said and "minNodeCount is 1" in said
    project.pulumi("config", "set", "--path", "compute.minInstances", "0")
    said = project.pulumi("preview", "--policy-pack", PACK)
    assert "[mandatory]" not in said
    assert "no-broad-role" not in said, "It is judged, although nothing is made yet."
