"""Conda parity: names and specifiers are compared, not text."""

import sys
from pathlib import Path
from typing import Any

import pytest

from runner import conda
from runner.errors import Mistake


def content(*lines: Any, pip: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"name": "x", "dependencies": [*lines, *([{"pip": list(pip)}] if pip else [])]}


def packages(*lines: Any, pip: tuple[str, ...] = ()) -> dict[str, conda.Package]:
    return conda.packages(content(*lines, pip=pip), "'conda.yaml'")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("numpy", ""),
        ("numpy=1.26", "==1.26.*"),
        ("numpy==1.26", "==1.26"),
        ("numpy =1.26", "==1.26.*"),
        ("numpy 1.26.*", "==1.26.*"),
        ("numpy=1.26.*", "==1.26.*"),
        ("numpy=1.26=py311_0", "==1.26"),
        ("numpy >=1.2,<2", "<2,>=1.2"),
        ("conda-forge::numpy>=1.2", ">=1.2"),
        ("numpy *", ""),
        ("numpy=1.2|1.4", "=1.2|1.4"),
    ],
)
def test_condas_conditions_in_pips_spelling(line: str, wanted: str) -> None:
    assert packages(line)["numpy"].wanted == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (packages("scikit_learn == 1.5"), packages(pip=("Scikit.Learn==1.5.0",))),
        (packages("numpy=1.26"), packages(pip=("numpy==1.26.*",))),
        (packages("numpy >=1,<2"), packages("numpy<2, >=1.0")),
        (packages(pip=("azureml-core[x,y]==1",)), packages(pip=("azureml_core[y, x] == 1",))),
    ],
)
def test_the_same_in_other_words_is_no_difference(
    one: dict[str, conda.Package], other: dict[str, conda.Package]
) -> None:
    assert conda.differences(one, registered=other) == []


def test_every_difference_is_a_row() -> None:
    found = conda.differences(
        packages("python=3.11", "numpy==1.26", pip=("mlflow==2.16.2",)),
        registered=packages("python=3.10", "numpy==1.26", "pandas"),
        installed={"python": "3.11.4", "numpy": "2.0.0"},
    )
    assert conda.rows(found) == [
        ("mlflow", "==2.16.2", "-", "-"),
        ("numpy", "==1.26", "==1.26", "2.0.0"),
        ("pandas", "-", "any", "-"),
        ("python", "==3.11.*", "==3.10.*", "3.11.4"),
    ]


def test_what_was_not_looked_at_does_not_differ() -> None:
    assert conda.differences(packages("numpy==1.26")) == []
    assert conda.differences(packages("numpy==1.26", "pip"), installed={"numpy": "1.26"}) == []


def test_names_of_conda_are_found_as_distributions() -> None:
    assert conda.differences(packages("pytorch=2.3"), installed={"torch": "2.3.1"}) == []


def test_lines_that_are_no_packages_are_compared_as_they_stand() -> None:
    url = "git+https://github.com/x/y@v1"
    assert conda.differences(packages(pip=(url,)), registered=packages(pip=(url,))) == []
    assert len(conda.differences(packages(pip=(url,)), registered=packages(pip=(url + ".1",)))) == 2


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"name": "x"}, "no list 'dependencies'"),
        ({"dependencies": "numpy"}, "no list 'dependencies'"),
        ({"dependencies": [3]}, "here stands 3"),
        ({"dependencies": [{"pip": ["numpy=1.2"]}]}, "numpy=1.2"),
        ({"dependencies": [{"pip": [3]}]}, "under pip stands 3"),
        ({"dependencies": ["numpy==1", {"pip": ["numpy==2"]}]}, "'numpy' twice: ==1 and ==2"),
    ],
)
def test_a_file_that_is_none_is_named(bad: dict[str, Any], said: str) -> None:
    with pytest.raises(Mistake) as caught:
        conda.packages(bad, "'conda.yaml'")
    assert said in str(caught.value) and "conda.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"), [(b"dependencies: [\n", "not YAML"), (b"\xff", "not UTF-8"), (b"- a\n", "no mapping")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "conda.yaml").write_bytes(text)
    with pytest.raises(Mistake, match=said):
        conda.read(tmp_path / "conda.yaml")
    with pytest.raises(Mistake, match="There is no conda file"):
        conda.read(tmp_path / "none.yaml")


def test_this_interpreter_tells_its_packages() -> None:
    found = conda.installed()
    assert found["python"] == ".".join(map(str, sys.version_info[:3])) and "azure-ai-ml" in found


def test_an_interpreter_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="nothing"):
        conda.installed(tmp_path / "nothing")
