"""Inputs as they are given on a command line. No network."""

from __future__ import annotations

import pytest

from runner import inputs
from runner.errors import Mistake
from runner.inputs import Value

DECLARED = {
    "data": {"type": "uri_file"},
    "seed": {"type": "integer"},
    "ratio": {"type": "number", "default": 0.3},
    "register": {"type": "boolean", "default": True},
    "note": {"type": "string", "optional": True},
}


def test_each_in_its_type() -> None:
    named = inputs.named(["/new=rows.csv", "seed=7", "register=False", "note=a=b"], DECLARED)
    assert named == {"data": "/new=rows.csv", "seed": "7", "register": "False", "note": "a=b"}
    assert inputs.read({**named, "ratio": 0.5}, DECLARED) == {
        "data": Value("uri_file", "/new=rows.csv"),
        "seed": Value("integer", 7),
        "register": Value("boolean", False),
        "note": Value("string", "a=b"),
        "ratio": Value("number", 0.5),
    }
    assert inputs.read({"data": {"type": "uri_file", "path": "azureml:iris:1"}, "seed": 1}, DECLARED)["data"].given == (
        "azureml:iris:1"
    )


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Mistake) as caught:
        inputs.read({"seed": "seven", "register": "yes", "sead": 1}, DECLARED)
    assert caught.value.details == (
        "input 'seed' is of type integer, and is given 'seven'",
        "input 'register' is of type boolean, and is given 'yes'",
        "there is no input 'sead'. Did you mean 'seed'?",
        "input 'data' (uri_file) is missing",
    )


def test_what_has_no_name_needs_an_only_data_input() -> None:
    with pytest.raises(Mistake, match="For which input is '/x'"):
        inputs.named(["/x"], {**DECLARED, "more": {"type": "uri_folder"}})
    with pytest.raises(Mistake, match="There is no input 'dat'. Did you mean 'data'"):
        inputs.named(["dat=/x"], DECLARED)
