"""A plan that can be reviewed, and is then applied as it was reviewed or not at all.

The engine's own plan (``pulumi preview --save-plan``) holds ``pulumi up --plan`` to the steps that it has. It does not see what was
changed in Azure by hand, and takes steps that were done already for done: so the file also says of which code, of which state
and of which world it was made, and ``apply`` refuses it when one of them is another.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from infra import changes, recovery, stackfile
from infra.changes import Change, Property
from infra.engine import LOCKED, Engine
from infra.errors import EngineError, PlanError

FORMAT = 1
UNMET = "but none were seen"  # said of each step of a plan that was not come to: it follows from what failed


@dataclass(frozen=True)
class Plan:
    """``commit`` is git's, with ``+`` where there was more than it has; ``drift`` is what was changed by hand before;
    ``allowed`` are the names that may be replaced or deleted."""

    stack: str
    commit: str
    program: str
    state: str
    world: str
    counts: dict[str, int]
    changes: tuple[Change, ...]
    drift: tuple[Change, ...]
    allowed: tuple[str, ...]
    engine: dict[str, Any]

    def write(self, file: Path) -> None:
        """0600: the engine's plan holds every argument; secrets are encrypted in it, as in the state."""
        file.touch(mode=0o600)
        file.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1), "utf-8")


def read(file: Path) -> Plan:
    """The plan of a file; raises ``PlanError`` for a file that holds none."""
    try:
        content = json.loads(file.read_text("utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("another format")
        for name in ("changes", "drift"):
            content[name] = tuple(_change(one) for one in content[name])
        return Plan(**{**content, "allowed": tuple(content["allowed"])})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlanError(
            f"'{file}' is not a plan: {error}", "aml infra plan --stack NAME --out FILE makes one"
        ) from None


def make(engine: Engine, allowed: Collection[str] = ()) -> Plan:
    """What the engine would do now. Raises ``EngineError``, and ``PlanError`` where the last update was killed half-way."""
    before = recovery.deployment(engine)
    recovery.check(before, engine.stack)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plan.json")
        preview = engine.run("preview", "--json", "--save-plan", str(file)).stdout
        saved = json.loads(file.read_text("utf-8"))
    drift = look(engine)
    return Plan(
        stack=engine.stack,
        commit=commit(),
        program=program(engine.stack),
        state=_digest(before.get("resources")),
        world=_digest([asdict(one) for one in drift]),
        counts=changes.summary(preview),
        changes=changes.planned(preview),
        drift=drift,
        allowed=tuple(allowed),
        engine=saved,
    )


def look(engine: Engine) -> tuple[Change, ...]:
    """What in Azure is otherwise than it was applied. Changes nothing."""
    return changes.drifted(engine.run("refresh", "--preview-only", "--json").stdout)


def gate(found: Collection[Change], allowed: Collection[str]) -> None:
    """Raises ``PlanError`` where something guarded would be replaced or deleted that nobody named."""
    wrong = changes.refused(tuple(found), allowed)
    if wrong:
        lines = [
            f"{one.step} of the {changes.GUARDED[one.kind]} '{one.azure or one.name}' ({one.name})"
            + "".join(f", because {part.path} changes" for part in one.properties if part.replaces)
            for one in wrong
        ]
        named = " ".join(f"--allow-replace {one.name}" for one in wrong)
        raise PlanError(f"What is in it would be lost: {'; '.join(lines)}.", f"if that is meant: {named}")


def apply(plan: Plan, engine: Engine, say: Callable[[str], None]) -> None:
    """Carry out exactly ``plan``. ``say`` is given each line of the engine's. Raises ``PlanError`` before anything is changed
    where the plan is no longer what was reviewed, ``EngineError`` where the engine stops half-way."""
    again = f"aml infra plan --stack {plan.stack}, and have it reviewed anew"
    if plan.program != program(plan.stack):
        raise PlanError(
            f"The plan was made of other code: of commit {plan.commit or 'none'}, and here is {commit() or 'none'}, "
            "or other files of infra/ and stacks/.",
            again,
        )
    gate(plan.changes, plan.allowed)
    now = recovery.deployment(engine)
    recovery.check(now, plan.stack)
    if plan.state != _digest(now.get("resources")):
        raise PlanError(f"The stack '{plan.stack}' was updated since the plan was made.", again)
    if plan.world != _digest([asdict(one) for one in look(engine)]):
        raise PlanError(
            f"Azure is not what it was when the plan was made: aml infra drift --stack {plan.stack} shows it.", again
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "plan.json")
        file.write_text(json.dumps(plan.engine), "utf-8")
        command = engine.command("up", "--yes", "--skip-preview", "--plan", str(file))
        with subprocess.Popen(
            command,
            cwd=engine.folder,
            env=dict(engine.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as up:
            assert up.stdout is not None, "It was asked for."
            said = []
            for line in up.stdout:
                if UNMET not in line:
                    said.append(line.strip())
                    say(line.rstrip("\n"))
    if up.returncode:
        raise engine.explained(LOCKED, "up") if any(LOCKED in line for line in said) else stopped(said, again)


def stopped(said: Collection[str], again: str) -> EngineError:
    """The error for an apply of which these lines were told. What to do is what the provider says, if it does, or ``again``."""
    wrong = dict.fromkeys(line for line in said if line.startswith("error:"))
    nexts = [line.removeprefix("next:").strip() for line in said if line.startswith("next:")]
    return EngineError("\n  ".join(["The engine stopped half-way; what it did stays:", *wrong]), (nexts or [again])[0])


def program(stack: str) -> str:
    """The digest of all that a plan follows from on this machine."""
    root, folder = stackfile.checkout(), Path(__file__).parent
    files = {str(file.relative_to(folder)): file.read_text("utf-8") for file in sorted(folder.rglob("*.py"))}
    for file in (root / "Pulumi.yaml", stackfile.find(stack.rpartition("/")[2], root)):
        files[file.name] = file.read_text("utf-8")
    return _digest([files, {name: version(name) for name in ("pulumi", "pulumi-azure-native")}])


def commit() -> str:
    """Git's commit of the checkout; empty outside of one."""
    found = []
    for words in (
        ("rev-parse", "--short=12", "HEAD"),
        ("status", "--porcelain", "--", "infra", "stacks", "Pulumi.yaml"),
    ):
        try:
            git = subprocess.run(["git", *words], cwd=stackfile.checkout(), capture_output=True, text=True, timeout=30)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        if git.returncode:
            return ""
        found.append(git.stdout.strip())
    return found[0] + ("+" if found[1] else "")


def _change(content: dict[str, Any]) -> Change:
    return Change(**{**content, "properties": tuple(Property(**one) for one in content["properties"])})


def _digest(value: Any) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
