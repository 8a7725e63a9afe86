"""The rule file of a smoke test, and what it finds in scores: no network."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner import scores, smoke
from runner.errors import JobFailed, Mistake
from runner.scores import Scores
from tests.runner.conftest import ROOT

RULES = """
inputs: {input_data: sample.csv, register: false}
scores:
  output: scores
  rows: input
  columns: [id, prediction, probability, note]
  classes: {prediction: [setosa, versicolor]}
  ranges: {probability: {min: 0, max: 1}}
  nulls: [note]
gate: gate
"""
GOOD = Scores(
    ("id", "prediction", "probability", "note"), (("1", "setosa", "0.9", ""), ("2", "versicolor", "1", "seen"))
)


def rules(tmp_path: Path, text: str = RULES) -> smoke.Rules:
    (tmp_path / "pipeline.yml").write_text(text)
    return smoke.read(tmp_path / "pipeline.yml")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The folder that an output was fetched into."""
    (tmp_path / "output").mkdir()
    return tmp_path / "output"


def test_good_scores_break_no_rule(tmp_path: Path) -> None:
    asked = rules(tmp_path)
    assert asked.scores.broken(GOOD, 2) == [] and asked.scores.file == "*.csv"
    assert asked.inputs == {"input_data": "sample.csv", "register": False}
    empty = Scores(GOOD.columns, (GOOD.rows[0], ("2", "", "0.5", "")))
    assert rules(tmp_path, RULES.replace("[note]", "true")).scores.broken(empty, 2) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Scores(GOOD.columns, GOOD.rows[:1]), ["there are 1 rows, and must be 2"]),
        (
            Scores(GOOD.columns[:3], tuple(row[:3] for row in GOOD.rows)),
            ["the columns are id, prediction, probability;"],
        ),
        (Scores(GOOD.columns, (GOOD.rows[0], ("2", "rose", "0.5", ""))), ["'prediction' has 'rose'; its classes are"]),
        (Scores(GOOD.columns, (GOOD.rows[0], ("2", "", "0.5", ""))), ["'prediction' is empty in 1 of 2 rows"]),
        (Scores(GOOD.columns, (GOOD.rows[0], ("2", "setosa", "1.5", ""))), ["'probability' has '1.5'; it must be"]),
        (Scores(GOOD.columns, (GOOD.rows[0], ("2", "setosa", "nan", ""))), ["'probability' has 'nan'"]),
        (Scores(GOOD.columns, ()), ["there are 0 rows, and must be 2"]),
    ],
)
def test_bad_scores_are_told_a_sentence_each(tmp_path: Path, given: Scores, said: list[str]) -> None:
    broken = rules(tmp_path).scores.broken(given, 2)
    assert len(broken) == len(said) and all(part in line for part, line in zip(said, broken, strict=True)), broken


def test_what_a_gate_said_is_read(output: Path) -> None:
    (output / "gate.json").write_text(
        '{"passed": false, "reason": "accuracy 0.85 is below the floor 0.9", "floor": 0.9}'
    )
    assert smoke.Gate.read(output / "gate.json", "gate").reason == "accuracy 0.85 is below the floor 0.9"
    (output / "gate.json").write_text('{"metrics": {"accuracy": "high"}}')
    with pytest.raises(JobFailed) as caught:
        smoke.Gate.read(output / "gate.json", "gate")
    assert "passed: Field required" in caught.value.details


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("  output: scores\n", ""), "scores.output: Field required"),
        (("rows: input", "rows: -1"), "scores.rows: "),
        (("rows: input", "lines: 3\n  rows: input"), "scores.lines: Extra inputs are not permitted (here: 3)"),
        (("nulls: [note]", "nulls: [notes]"), "nulls has 'notes', and columns has not"),
        (("{min: 0, max: 1}", "{}"), "scores.ranges.probability: it has neither min nor max"),
        (("rows: input", "rows: ["), "is not YAML"),
    ],
)
def test_a_wrong_rule_file_is_refused_by_its_key(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(Mistake) as caught:
        rules(tmp_path, RULES.replace(*change))
    assert said in "\n".join(caught.value.lines())


def test_a_missing_rule_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="There is no rule file"):
        smoke.read(tmp_path / "pipeline.yml")


def test_the_page_has_the_keys_of_the_rule_file() -> None:
    section = (ROOT / "docs" / "runner.md").read_text("utf-8").partition("### The rule file")[2].partition("\n## ")[0]
    keys = (set(smoke.Rules.model_fields) - {"scores"}) | {f"scores.{key}" for key in smoke.Table.model_fields}
    assert set(re.findall(r"^\| `([\w.]+)` \|", section, re.MULTILINE)) == keys


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has no header"),
        (b"a,b\n1\n", "row 1 has 1 cells, the header 2"),
        (b"a,b\n\xff,2\n", "is not CSV in UTF-8"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "scores.csv").write_bytes(content)
    with pytest.raises(JobFailed) as caught:
        scores.read(tmp_path / "scores.csv")
    assert said in caught.value.message


def test_which_file_has_the_scores_is_not_left_to_chance() -> None:
    there = ("scores.csv", "deep/scores.csv", "metrics.json")
    with pytest.raises(JobFailed, match="has 2 files"):
        scores.only(there, "*.csv", "scores")
    with pytest.raises(
        JobFailed, match="has no file 'other.csv'. There are: deep/scores.csv, metrics.json, scores.csv"
    ):
        scores.only(there, "other.csv", "scores")
    with pytest.raises(JobFailed, match="Output 'gate' has no file"):
        scores.only((), "*", "gate")
    assert scores.only(there[1:], "scores.csv", "scores") == "deep/scores.csv"


def test_the_beginning_of_a_table_has_its_first_whole_rows() -> None:
    rows = b"".join(b"%d,setosa\n" % number for number in range(20))
    assert scores.beginning(b"id,prediction\n" + rows).rows[-1] == ("9", "setosa")
    assert scores.beginning(b"id,prediction\n1,setosa\n2,vers").rows == (("1", "setosa"),)
    assert scores.beginning(b"id,prediction").rows == ()
