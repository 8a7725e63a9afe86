"""``scripts/setup`` on machines that this one is not, in a folder of its own. pip, uv, node and npm are stand-ins that write down
how they were called: what they install is proved by every run of the suite."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
TOOL = """#!/bin/sh
echo "{name} $* [$UV_DEFAULT_INDEX $SSL_CERT_FILE $NODE_EXTRA_CA_CERTS]" >> "$CALLS"
{body}
"""
UV = TOOL.format(
    name="uv",
    body='[ "$2" != pip ] || [ -z "$BROKEN" ] || exit 2\n'
    'for last; do :; done\n[ "$2" != venv ] || { mkdir -p "$last/bin"; : > "$last/bin/python"; chmod +x "$last/bin/python"; }',
)
PYTHON = """#!/bin/sh
case "$*" in
  *"config list"*) printf "%s\\n" "$PIP_SETTINGS" ;;
  *"pip install"*) echo "pip $*" >> "$CALLS"; mkdir -p .setup/uv/bin; cp "$STAND_INS/uv" .setup/uv/bin/uv ;;
esac
"""


class Machine:
    """A checkout's files that decide about the installation, and a PATH of stand-ins and the system's own tools."""

    def __init__(self, root: Path) -> None:
        self.checkout, self.bin, self.calls = root / "checkout", root / "bin", root / "calls"
        shutil.copytree(TOP / "scripts", self.checkout / "scripts")
        shutil.copytree(TOP / "requirements", self.checkout / "requirements")
        for name in ("pyproject.toml", "package.json", "package-lock.json", "requirements.txt"):
            shutil.copy(TOP / name, self.checkout)
        self.bin.mkdir()
        for name in (
            "sh",
            "cat",
            "cksum",
            "mkdir",
            "rm",
            "ln",
            "readlink",
            "sleep",
            "dirname",
            "sed",
            "tail",
            "cp",
            "chmod",
        ):
            (self.bin / name).symlink_to(shutil.which(name) or name)
        (root / "uv").write_text(UV)
        (root / "uv").chmod(0o700)
        self.tool("python3", PYTHON)
        self.tool("npm", TOOL.format(name="npm", body=""))
        self.environment = {"PATH": str(self.bin), "CALLS": str(self.calls), "STAND_INS": str(root)}

    def tool(self, name: str, text: str = "#!/bin/sh\n") -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o700)

    def setup(self, kind: str = "demo", **variables: str) -> tuple[int, str, list[str]]:
        """The exit code, what was said, and which tools were called."""
        self.calls.write_text("")
        ended = subprocess.run(
            [self.checkout / "scripts" / "setup", kind],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert not os.path.lexists(self.checkout / ".setup" / "busy")
        return ended.returncode, ended.stderr, self.calls.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.tool("node")
    return made


def test_a_second_run_calls_nothing_and_what_changed_is_installed_again(machine: Machine) -> None:
    code, said, calls = machine.setup()
    assert code == 0, said
    assert [call.split()[0] for call in calls] == ["pip", "uv", "uv", "uv", "npm"]
    assert machine.setup() == (0, "", [])
    assert machine.setup("test")[0] == 0
    assert machine.setup() == (0, "", [])  # what the tests need contains what the demo needs
    with (machine.checkout / "requirements" / "dev.txt").open("a") as lock:
        lock.write("# another\n")
    assert [call for call in machine.setup("test")[2] if "requirements/dev.txt" in call]


def test_the_settings_of_pip_count_for_uv_and_npm_too(machine: Machine) -> None:
    settings = (
        ":env:.index-url='https://new/simple'\nglobal.cert='/etc/company.pem'\nglobal.index-url='https://old/simple'"
    )
    _, _, calls = machine.setup(PIP_SETTINGS=settings)
    assert all("[https://new/simple /etc/company.pem /etc/company.pem]" in call for call in calls[1:]), calls


def test_uv_s_own_variables_come_before_pip_s_settings(machine: Machine) -> None:
    _, _, calls = machine.setup(
        PIP_SETTINGS="global.index-url='https://pip/simple'", UV_DEFAULT_INDEX="https://uv/simple"
    )
    assert "[https://uv/simple  ]" in calls[1]


def test_an_environment_that_is_activated_is_not_what_it_installs_with(machine: Machine) -> None:
    own = machine.checkout / ".venv" / "bin"
    path = f"{own}:{machine.environment['PATH']}"
    assert machine.setup()[0] == 0
    (own / "python3").write_text("#!/bin/sh\nexit 1\n")  # has no pip
    (own / "python3").chmod(0o700)
    assert machine.setup(PATH=path) == (0, "", [])


def test_without_node_it_comes_from_the_package_index(machine: Machine) -> None:
    (machine.bin / "node").unlink()
    code, said, calls = machine.setup()
    assert code == 0 and "setup: Node" in said, said
    assert any("requirements/node.txt" in call for call in calls)
    assert machine.setup() == (0, "", [])
    machine.tool("node")
    assert machine.setup() == (0, "", [])


def test_what_cannot_be_installed_is_named_and_the_next_run_goes_on_from_there(machine: Machine) -> None:
    code, said, _ = machine.setup(BROKEN="1")
    assert code == 1 and "packages of requirements.txt could not be installed" in said and "Is there a network?" in said
    code, _, calls = machine.setup()
    assert code == 0 and not any(call.startswith("pip") for call in calls)


def test_a_set_up_that_was_killed_does_not_stop_the_next(machine: Machine) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    (machine.checkout / ".setup").mkdir()
    (machine.checkout / ".setup" / "busy").symlink_to(str(ended.pid))
    assert machine.setup()[0] == 0


def test_without_a_python_that_fits_it_says_which_were_tried(machine: Machine) -> None:
    machine.tool("python3", "#!/bin/sh\nexit 1\n")
    code, said, calls = machine.setup()
    assert code == 1 and "no Python of 3.10 to 3.13 with pip found" in said and not calls
