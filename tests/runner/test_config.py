"""cfg/config.yaml: typed, and every mistake in it named with its path."""

from pathlib import Path

import pytest

from runner import config
from runner.config import Tier
from runner.errors import Mistake


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "config.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_what_is_written_and_what_is_not(tmp_path: Path) -> None:
    file = written(tmp_path, "compute:\n  size: Standard_F4s_v2\n  tier: low_priority\n")
    read = config.read(file, ["compute.max_instances=4", "environment.image=registry/x:1=2"])
    assert (read.config.compute.size, read.config.compute.max_instances) == ("Standard_F4s_v2", 4)
    assert read.config.compute.tier is Tier.low_priority
    assert read.config.environment.image == "registry/x:1=2"


def test_paths_in_a_file_are_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "cfg").mkdir()
    file = written(tmp_path / "cfg", "environment:\n  conda_file: ../environment/conda.yaml\n")
    assert config.read(file).conda_file == tmp_path.resolve() / "environment" / "conda.yaml"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("compute:\n  max_instances: two\n", "compute.max_instances: Value 'two'"),
        (
            "compute:\n  max_instance: 2\n",
            "'compute.max_instance' is not a key of compute. Did you mean 'max_instances'",
        ),
        ("compue: {}\n", "'compue' is not a key. Did you mean 'compute'?"),
        ("compute: 3\n", "compute = 3: it is a section"),
        ("compute:\n", "compute = None: it is a section"),
        ("compute: {size: {a: 1}}\n", "compute.size is one value, and has no key 'a'"),
        ("compute: {size: null}\n", "compute.size: Incompatible value 'None'"),
        ("compute: {tier: cheap}\n", "compute.tier: Invalid value 'cheap', expected one of [dedicated, low_priority]"),
        ("compute: {min_instances: 3, max_instances: 2}\n", "min_instances <= max_instances"),
        ("compute: {idle_time_before_scale_down: -1}\n", "seconds, 0 or more"),
        ("- a\n", "no mapping at its top"),
        ("compute: [\n", "is not YAML"),
        (b"compute: {size: \xff}\n", "is not UTF-8: byte 16"),
    ],
)
def test_a_mistake_is_named_with_its_path(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(Mistake) as caught:
        config.read(written(tmp_path, text))
    assert said in str(caught.value) and "config.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("compute.max=4", "'compute.max' is not a key of compute"),
        ("compute.max_instances", "it is written as compute.max_instances=2"),
        ("=4", "it is written as"),
        ("compute.max_instances=many", "compute.max_instances: Value 'many'"),
        ("compute.size=[", "--set compute.size=["),
    ],
)
def test_a_mistake_of_the_command_line_names_the_option(tmp_path: Path, override: str, said: str) -> None:
    with pytest.raises(Mistake) as caught:
        config.read(written(tmp_path, ""), [override])
    assert said in str(caught.value) and "--set" in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="There is no configuration"):
        config.read(tmp_path / "none.yaml")
