"""The steps as they are shown: lines in a build, a table on a terminal, a picture. No network."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from rich.console import Console

from runner import picture, steps
from runner.graph import Graph
from runner.steps import Shown, StepRun

GRAPH = Graph.of(
    {
        "predict": {"inputs": {"model": "${{parent.jobs.train.outputs.model}}", "data": "${{parent.jobs.split.outputs.x}}"}},
        "train": {"inputs": {"rows": {"job_input_type": "literal", "value": "${{ parent.jobs.split.outputs.x }}"}}},
        "split": {"inputs": {"data": "${{parent.inputs.data}}"}},
    }
)  # fmt: skip


def test_steps_stand_in_an_order_in_which_they_can_run() -> None:
    assert GRAPH.names == ["split", "train", "predict"]
    assert GRAPH.levels() == {"split": 0, "train": 1, "predict": 2}


def test_outside_of_a_terminal_a_change_of_status_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with Shown("calm_ant", GRAPH, live=False) as shown:
        shown.at("Running", {"split": StepRun("split", "a", "Running", 1.0)}, 1)
        shown.at("Running", {"split": StepRun("split", "a", "Running", 2.0)}, 2)
        done = {
            "split": StepRun("split", "a", "Completed", 3.0, reused=True),
            "train": StepRun("train", "b", "Failed", 65.0),
            "predict": StepRun("predict", "c", "NotStarted"),
        }
        shown.at("Running", done, 66)
        shown.at("Failed", done, 67)
    assert capsys.readouterr().err.splitlines() == [
        "step split · Running · 1 s",
        "calm_ant · Running · 1 s",
        "step split · Completed · reused",
        "step train · Failed · 1 min 05 s",
        "calm_ant · Failed · 1 min 07 s",
    ]


def test_a_long_silence_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    with Shown("calm_ant", GRAPH, live=False) as shown:
        for elapsed in (0, 30, 61, 70):
            shown.at("Running", {}, elapsed)
    assert capsys.readouterr().err.splitlines() == ["calm_ant · Running · 0 s", "calm_ant · Running · 1 min 01 s"]


def test_on_a_terminal_the_graph_is_a_table() -> None:
    console = Console(width=80, force_terminal=False)
    with console.capture() as caught:
        console.print(steps.table("calm_ant", GRAPH, "Running", {"split": StepRun("split", "a", "Completed", 3.0)}, 4))
    lines = [line.rstrip() for line in caught.get().splitlines()]
    assert lines[0].startswith("✓ split") and "Completed · 3 s" in lines[0]
    assert lines[1].startswith("  · train") and lines[1].endswith("after split")
    assert lines[2].startswith("    · predict") and lines[2].endswith("after train, split")
    assert lines[3].startswith("calm_ant") and "Running · 4 s" in lines[3]


def test_the_picture_is_svg_with_every_step_and_connection() -> None:
    drawn = picture.svg(GRAPH, {"split": StepRun("split", "a", "Failed", 3.0)}, "a <b>")
    root = ElementTree.fromstring(drawn)
    space = "{http://www.w3.org/2000/svg}"
    assert root.findtext(f"{space}title") == "a <b>"
    assert [group.findtext(f"{space}title") for group in root.findall(f"{space}g")] == ["split", "train", "predict"]
    assert len(root.findall(f"{space}path")) == 3 and "Failed · 3 s" in drawn
    assert ElementTree.fromstring(picture.svg(Graph(()), {}, "empty")) is not None
