"""What conda's lines become on PyPI, as tables."""

from __future__ import annotations

import contextlib
import json
import random
import shutil

import pytest
from packaging.utils import canonicalize_name

from emulator.environments import conda
from emulator.environments.conda import EnvironmentFailed, Recipe


def translated(*dependencies: object, **keys: object) -> Recipe:
    return conda.translate(json.dumps({"dependencies": dependencies, **keys}))


def packages(recipe: Recipe) -> set[str]:
    return set(recipe.requirements) - set(conda.IMPLIED)


@pytest.mark.parametrize(
    ("entry", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy 1.26.4", "numpy==1.26.4"),
        ("numpy==1.26.*", "numpy==1.26.*"),
        ("numpy=1.26.4=py311_0", "numpy==1.26.4"),
        ("numpy 1.26.4 py311_0", "numpy==1.26.4"),
        ("numpy >=1.21, <2", "numpy<2,>=1.21"),
        ("numpy>=1.21.*", "numpy>=1.21"),
        ("numpy!=1.25.*", "numpy!=1.25.*"),
        ("numpy~=1.26", "numpy~=1.26"),
        ("numpy=*", "numpy"),
        ("numpy=2.0.0rc1", "numpy==2.0.0rc1"),
        ("numpy # for arrays", "numpy"),
        ("conda-forge::numpy=1.26", "numpy==1.26.*"),
        ("numpy[version='>=1.21,<2']", "numpy<2,>=1.21"),
        ("numpy[version=1.26, build=py311_0]", "numpy==1.26"),
        ("Scikit_Learn=1.5", "scikit-learn==1.5.*"),
        ("pytorch=2.1", "torch==2.1.*"),
        ("pytorch::pytorch==2.1.0", "torch==2.1.0"),
        ("py-xgboost", "xgboost"),
        ("matplotlib-base>=3", "matplotlib>=3"),
        ("msgpack-python", "msgpack"),
        ("tensorflow-gpu=2.15", "tensorflow==2.15.*"),
        ("opencv", "opencv-python-headless"),
        ("dask", "dask[complete]"),
    ],
)
def test_a_conda_entry_is_a_requirement(entry: str, requirement: str) -> None:
    assert packages(translated(entry)) == {requirement}


@pytest.mark.parametrize(
    ("entry", "specifiers"),
    [
        ("python=3.11", "==3.11.*"),
        ("python==3.9.7", "==3.9.7"),
        ("python>=3.10,<3.14", "<3.14,>=3.10"),
        ("python", ""),
        ("python 3.10", "==3.10"),
    ],
)
def test_python_is_not_a_package(entry: str, specifiers: str) -> None:
    recipe = translated(entry)
    assert recipe.python == specifiers
    assert packages(recipe) == set()


@pytest.mark.parametrize(
    "entry",
    [
        "libgcc-ng=12.2",
        "_libgcc_mutex=0.1=main",
        "cudatoolkit=11.8",
        "openblas",
        "mkl=2023",
        "ca-certificates=2024.3.11",
        "openssl=1.1.1k",
    ],
)
def test_native_libraries_are_left_out_and_said(entry: str) -> None:
    recipe = translated(entry)
    assert packages(recipe) == set()
    assert any(entry in note and "left out" in note for note in recipe.notes)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("conda=23.1", "conda's own"),
        ("r-dplyr", "package of R"),
        ("numpy=1.2|1.3", "alternatives"),
        ("numpy=>1.2", "is not a version"),
        ("numpy==one", "'one' is not a version"),
        ("pandas[excel]", "Move 'pandas[excel]' to the pip section"),
        ("numpy 1 2 3", "more than a name"),
        ("-e .", "is not a conda package"),
        ("numpy-", "cannot be the name"),
        (7, "neither a package"),
        ({"npm": ["left-pad"]}, "neither a package"),
        ({"pip": "numpy"}, "must be a list of lines"),
    ],
)
def test_what_pypi_cannot_have_is_refused_by_name(entry: object, told: str) -> None:
    with pytest.raises(EnvironmentFailed) as failed:
        translated(entry)
    assert told in str(failed.value)


def test_programs_are_this_machines_own_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: "/bin/node" if name == "node" else None)
    conda.translate.cache_clear()
    assert any("'node' is used" in note for note in translated("nodejs=18").notes)
    with pytest.raises(EnvironmentFailed, match="'openjdk=11' is a program.* no 'java'"):
        translated("openjdk=11")


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("scikit-learn==1.5.1", "scikit-learn==1.5.1"),
        ("Scikit_Learn == 1.5.1  # the model", "scikit-learn==1.5.1"),
        ("inference-schema[numpy-support]>=1.3", "inference-schema[numpy-support]>=1.3"),
        ("six; python_version < '3.14'", 'six; python_version < "3.14"'),
        ("git+https://github.com/a/b@v1#egg=b", "git+https://github.com/a/b@v1#egg=b"),
        ("b @ https://host/b-1-py3-none-any.whl", "b@ https://host/b-1-py3-none-any.whl"),
        ("-e git+https://github.com/a/b#egg=b", "b@ git+https://github.com/a/b"),
        ("--editable=git+https://github.com/a/b", "git+https://github.com/a/b"),
        (f"six==1.16.0 --hash=sha256:{'a' * 64}", f"six==1.16.0 --hash=sha256:{'a' * 64}"),
    ],
)
def test_a_pip_line_is_a_requirement(line: str, requirement: str) -> None:
    assert {text.replace(" @", "@") for text in packages(translated({"pip": [line]}))} == {requirement}


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("--extra-index-url https://host/simple", ("--extra-index-url", "https://host/simple")),
        ("--index-url=https://host/simple", ("--default-index", "https://host/simple")),
        ("-i https://host/simple", ("--default-index", "https://host/simple")),
        ("-f https://host/wheels.html", ("--find-links", "https://host/wheels.html")),
        ("--pre", ("--prerelease", "allow")),
        ("--no-binary :all:", ("--no-binary", ":all:")),
        ("-r https://host/requirements.txt", ("--requirements", "https://host/requirements.txt")),
        ("--prefer-binary", ()),
    ],
)
def test_an_option_of_pips_is_honoured(line: str, options: tuple[str, ...]) -> None:
    assert translated({"pip": [line]}).options == options


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("-r requirements.txt", "there is no file 'requirements.txt'"),
        ("-e .", "there is no folder '.'"),
        ("./wheels/mine-1.0-py3-none-any.whl", "there is no './wheels/mine-1.0-py3-none-any.whl'"),
        ("mine @ file:///wheels/mine.whl", "a file of your own"),
        ("-f ./wheels", "a folder of your own"),
        ("--index-url host", "is not a URL"),
        ("--extra-index-url", "lacks its value"),
        ("--target /tmp/x", "'--target /tmp/x' of the pip section is not honoured"),
        ("six --global-option=x", "'--global-option=x' is not honoured"),
        ("six=1.16", "is not a requirement"),
    ],
)
def test_a_pip_line_that_cannot_be_honoured_is_refused_by_name(line: str, told: str) -> None:
    with pytest.raises(EnvironmentFailed) as failed:
        translated({"pip": [line]})
    assert told in str(failed.value)


def test_pip_has_the_last_word_on_a_package_that_both_name() -> None:
    recipe = translated("numpy=1.21", "pandas=2.1", "scipy", {"pip": ["numpy==1.26.4", "pandas", "scipy>1"]})
    assert packages(recipe) == {"numpy==1.26.4", "pandas", "pandas==2.1.*", "scipy>1"}
    assert [note for note in recipe.notes if "numpy==1.21.*" in note and "gives way" in note]


def test_spelling_and_order_make_no_difference() -> None:
    one = translated(
        "python=3.11", "scikit-learn==1.5.1", "numpy=1.26", {"pip": ["Py_YAML>=6"]}, channels=["conda-forge"]
    )
    other = translated(
        "numpy=1.26.*", "Scikit_Learn 1.5.1", "python=3.11.*", "pip", {"pip": ["py.yaml >= 6"]}, name="x"
    )
    assert one == other
    assert one != translated("numpy=1.25", "scikit-learn==1.5.1", "python=3.11", {"pip": ["py-yaml>=6"]})


def test_keys_of_the_file_are_honoured_or_said() -> None:
    recipe = translated("numpy", name="x", channels=["conda-forge", "defaults"], variables={"A": 1}, platform="linux")
    assert recipe.variables == (("A", "1"),)
    assert [note for note in recipe.notes if "conda-forge, defaults" in note]
    assert [note for note in recipe.notes if "'platform'" in note]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dependencies: [", "is not YAML"),
        ("- numpy", "must have keys"),
        ("", "must have keys"),
        ("dependencies: 2024-99-99", "is not YAML"),
        ("[" * 5000, "is not YAML"),
        ("dependencies: numpy", "'dependencies' must be a list"),
        ("dependencies: [numpy]\nvariables: [A=1]", "'variables' must be"),
    ],
)
def test_a_file_that_is_none_is_refused(text: str, told: str) -> None:
    with pytest.raises(EnvironmentFailed) as failed:
        conda.translate(text)
    assert told in str(failed.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("sklearn", "scikit-learn"), ("scikit-lern", "scikit-learn"), ("pandsa", "pandas"), ("zzqqy", None)],
)
def test_near_names(name: str, meant: str | None) -> None:
    assert conda.near(name)[:1] == ([meant] if meant else [])


def test_the_table_of_names_is_consistent() -> None:
    names = conda._names()
    sections = [set(names[key]) for key in ("renamed", "libraries", "programs", "refused")]
    assert sum(map(len, sections)) == len(set().union(*sections))
    assert all(canonicalize_name(name) == name for section in sections for name in section)


def test_no_text_at_all_is_more_than_refused() -> None:
    """Every mutilation of an entry is translated, or refused in words: never another exception."""
    chance, alphabet = random.Random(7), "numpy=<>!~*.,|[]'\"- :#@/0123456789 \t\nä\0+_"
    seeds = (
        "numpy=1.26.*",
        "numpy[version='>=1.21,<2']",
        "-e git+https://host/a#egg=b",
        "six==1 --hash=sha256:aa",
        "b @ https://host/b.whl",
    )
    for _ in range(700):
        text = list(chance.choice(seeds))
        for _ in range(chance.randrange(6)):
            text[chance.randrange(len(text))] = chance.choice(alphabet) * chance.randrange(3)
        for entry in ("".join(text), {"pip": ["".join(text)]}):
            with contextlib.suppress(EnvironmentFailed):
                assert "pip" in " ".join(translated(entry).requirements)
