"""The template language: values, laziness, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.errors import AzureError
from emulator.management.expressions import parse
from emulator.management.templates import Evaluator

EVALUATOR = Evaluator(
    {"name": "Iris", "list": ["a", "b"], "object": {"Key": 1}},
    {"lower": "[toLower(parameters('NAME'))]", "loop": "[variables('loop')]"},
    {},
)

VALUES: dict[str, Any] = {
    "plain": "plain",
    "[[escaped]": "[escaped]",
    "[concat('it''s ', variables('lower'))]": "it's iris",
    "[if(equals(parameters('name'), 'Iris'), 'yes', noSuchFunction())]": "yes",
    "[parameters('list')[1]]": "b",
    "[parameters('object').key]": 1,
    "[parameters('object')['key']]": 1,
    "[concat(parameters('list'), createArray(1))]": ["a", "b", 1],
    "[and(true(), not(false()), or(false(), true()))]": True,
    "[json('null')]": None,
    "[empty('')]": True,
    "[format('{1}-{0}', 'a', 2)]": "2-a",
    "[substring('abcdef', 2, 3)]": "cde",
    "[split('a;b,c', createArray(';', ','))]": ["a", "b", "c"],
    "[guid('x')]": "51c0fe04-91fa-5688-abb4-481ca7437854",
    "[length(uniqueString('a', 'b'))]": 13,
    "[add(mul(2, 3), -1)]": 5,
    "[base64ToString(base64('é'))]": "é",
    "[union(intersection(createArray(1, 2), createArray(2)), flatten(createArray(createArray(3))))]": [2, 3],
    "[items(parameters('object'))]": [{"key": "Key", "value": 1}],
    "[tryGet(parameters('object'), 'key')]": 1,
    "[tryGet(parameters('object'), 'none', 'a')]": None,
    "[range(2, 2)]": [2, 3],
    "[concat(indexOf('aB', 'b'), lastIndexOf('aa', 'a'), indexOf(parameters('list'), 'c'))]": "11-1",
    "[uri('https://a.b/c/', uriComponent('d e'))]": "https://a.b/c/d%20e",
    "[padLeft(7, 3, '0')]": "007",
}


@pytest.mark.parametrize("text", VALUES)
def test_a_value(text: str) -> None:
    assert EVALUATOR.value(text) == VALUES[text]


def test_values_inside_objects_and_lists() -> None:
    assert EVALUATOR.value({"[toUpper('a')]": ["[int('3')]", {"b": "[true()]"}]}) == {"A": [3, {"b": True}]}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "[concat(]",
        "[1 2]",
        "[parameters('none')]",
        "[variables('loop')]",
        "[parameters('object').none]",
        "[parameters('list')[2]]",
        "[int('x')]",
        "[div(1, 0)]",
        "[copyIndex()]",
        "[base64ToString('a')]",
        "[mul('a', 1000000000)]",
        "[" + "not(" * 100 + "true()" + ")" * 100 + "]",
    ],
)
def test_what_is_wrong_is_an_invalid_template(text: str) -> None:
    with pytest.raises(AzureError) as caught:
        EVALUATOR.value(text)
    assert (caught.value.status, caught.value.code) == (400, "InvalidTemplate")


def test_a_function_that_is_not_emulated_is_named() -> None:
    with pytest.raises(AzureError) as caught:
        EVALUATOR.tree(parse("[pickZones()]"))
    assert caught.value.status == 501 and "pickZones" in caught.value.message
