"""The pipelines, run step by step: dev and prod side by side in the emulator, by the real engine.

What happens is told once, by ``on_dev`` and ``on_prod``, each on an agent of its own, as in Azure DevOps; the tests look at what
came of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from emulator import Emulator
from infra import engine
from runner.datastore import Datastore
from runner.endpoint import Endpoint
from runner.publishing import lease
from runner.settings import DATASTORE, NAMES, Settings
from runner.workspace import Workspace
from tests.conftest import Arm
from tests.devops import conftest
from tests.devops.agent import Agent, Ran
from tests.devops.run import Step
from tests.devops.snapshots import PULL_REQUEST
from tests.devops.story import Story
from tests.engine.conftest import path_of
from tests.runner.conftest import PIPELINE
from tests.waiting import until

ROOT = Path(__file__).parents[2]
COPIED = (
    "Makefile",
    ".flake8",
    "Pulumi.yaml",
    "pyproject.toml",
    "requirements",
    "devops_pipelines",
    "infra",
    "policies",
    "runner",
)
pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600)]

Made = Callable[[str], Agent]


@pytest.fixture(scope="module")
def agents(
    azure: Emulator,
    tokens: conftest.Agent,
    program: engine.Program,
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:
    """Makes the agent of a stack: with a checkout of its own of the same project, the smallest pipeline in the place of the iris,
    and a stack that was never applied."""
    folder, word = tmp_path_factory.mktemp("devops"), f"t{uuid4().hex[:7]}"
    backend = f"file://{folder / 'backend'}"
    (folder / "backend").mkdir()
    connection = {
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "connection",
        "AZURESUBSCRIPTION_CLIENT_ID": azure.settings.client_id,
        "AZURESUBSCRIPTION_TENANT_ID": azure.settings.tenant,
        "SYSTEM_OIDCREQUESTURI": f"http://127.0.0.1:{tokens.server_port}/oidc",
    }
    az = {name: value for name, value in azure.environment().items() if name.startswith("AZURE_")}
    path = os.pathsep.join(path_of(program)).split(os.pathsep)
    own = str(ROOT / ".venv" / "bin")  # an agent has only what its steps put on PATH

    def make(stack: str) -> Agent:
        sources = folder / stack
        checkout(sources, word, stack, backend)
        environment = {
            "PATH": os.pathsep.join(one for one in path if one != own),
            "PYTHONPATH": str(sources),  # there the package is installed from another checkout
            "PULUMI_CONFIG_PASSPHRASE": "of this test",
            "PULUMI_HOME": str(folder / "pulumi"),
        }
        made = subprocess.run(
            [program.path, "stack", "init", stack, "--non-interactive"],
            cwd=sources,
            env={**os.environ, **environment, "PULUMI_BACKEND_URL": backend},
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, made.stderr
        connections = {f"azure-ml-{one}": connection for one in ("dev", "prod")}
        return Agent(sources, folder / f"{stack}-workspace", connections, az, environment, {})

    return make


def checkout(sources: Path, word: str, stack: str, backend: str) -> None:
    sources.mkdir()
    for name in COPIED:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, sources / name)
    # What is installed is this checkout's, and stays as it is: scripts/setup has tests of its own.
    (sources / ".venv").symlink_to(ROOT / ".venv")
    (sources / "scripts").mkdir()
    (sources / "scripts" / "setup").write_text("#!/bin/sh\n")
    (sources / "scripts" / "setup").chmod(0o755)
    for name, text in PIPELINE.items():
        (sources / "jobs/pipeline_two_step" / name).parent.mkdir(parents=True, exist_ok=True)
        (sources / "jobs/pipeline_two_step" / name).write_text(text.replace("workspaceblobstore", "flatfilestorage"))
    content = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    (sources / "Pulumi.yaml").write_text(yaml.safe_dump({**content, "name": word, "main": "infra"}))
    config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    (sources / "stacks").mkdir()
    own = {re.sub("^aml:", f"{word}:", key): value for key, value in config.items()}
    (sources / "stacks" / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump({"config": own}))
    for file in (sources / "devops_pipelines" / "variables").glob("[dp]*.yaml"):
        file.write_text(file.read_text().replace("PULUMI_BACKEND_URL: ''", f"PULUMI_BACKEND_URL: {backend}"))


class Serving:
    """What the stack's endpoint has: asked of Azure, by the settings that the stack has put out."""

    def __init__(self, ran: Ran) -> None:
        self.values = json.loads(ran.artifacts["settings"].read_text())
        self.workspace = Workspace(Settings({name: self.values[name] for name in NAMES}, {}))

    def now(self) -> str | None:
        return Endpoint(self.workspace).serving()

    def jobs(self) -> list[str]:
        """The latest job's status first."""
        return [job.status for job in self.workspace.client.jobs.list()]


def on_dev(agent: Agent, arm: Arm, threads: conftest.DevOps) -> Iterator[tuple[str, Any]]:
    cd, infrastructure, pipeline = "training-pipeline-cd", "infrastructure-cd", "jobs/pipeline_two_step/pipeline.yml"
    yield "dev without its variables", agent.run(cd, "development")
    made = agent.run(infrastructure, "development")
    yield "dev is made", made
    agent.typed("aml settings --write-variables dev", "dev")
    yield "dev is published", agent.run(cd, "development")
    endpoint = Serving(made)
    first = endpoint.now()
    with agent.changed(pipeline, "how: well", "how: badly"):
        yield "a broken change", (agent.run(cd, "development"), first, endpoint.now())
    with agent.changed(pipeline, "how: well", "how: better"):
        yield "a better change", (agent.run(cd, "development"), first, endpoint.now())
    yield "dev is rolled back", (agent.run("rollback", "development", stack="dev"), first, endpoint.now())
    with agent.changed("stacks/Pulumi.dev.yaml", "LowPriority", "Dedicated"):
        yield "a destructive change", agent.run(infrastructure, "development")
    id = endpoint.workspace.settings.workspace_id
    tags = arm.get(id).json()["tags"]
    assert arm.patch(id, {"tags": {**tags, "owner": "somebody"}}).status_code in (200, 202)
    yield "somebody changed something", agent.run("infrastructure-drift", "development")
    build = PULL_REQUEST | threads.variables
    ci, ref = "training-pipeline-ci", build["Build.SourceBranch"]
    yield "a pull request", agent.run(ci, ref, predefined=build, stages=("infrastructure",))

    def cancels(step: Step) -> bool:
        """Somebody does, once the release is tried."""
        publishes = "aml publish" in step.inputs.get("inlineScript", "")
        return publishes and until(lambda: "Running" in endpoint.jobs(), seconds=120, pause=0.3)

    with agent.changed("jobs/pipeline_two_step/code/split.py", "import pathlib", "import time; time.sleep(300)"):
        ran = replace(agent, cancels=cancels).run(cd, "development")
        yield "a release that is cancelled", (ran, first, endpoint.now(), endpoint.jobs())


def on_prod(agent: Agent, story: Story, azure: Emulator, folder: Path) -> Iterator[tuple[str, Any]]:
    arm = Arm(azure)
    cd, infrastructure, variables = "training-pipeline-cd", "infrastructure-cd", "devops_pipelines/variables/prod.yaml"
    yield "a branch without a stack", agent.run(cd, "pre-development")
    yield "code that is checked", small(agent, folder / "good", "def double(x: int) -> int:\n    return 2 * x\n")
    yield "code that is not tidy", small(agent, folder / "bad", "def double(x: int) -> int: return 2 * x\n")

    yield "the whole way on the emulator", laptop(agent, folder / "laptop", azure)

    def push(step: Step) -> None:
        if step.job == "apply" and step.kind == "checkout":
            (agent.sources / "infra" / "later.py").write_text("")

    planned = replace(agent, before=push).run(infrastructure, "master")
    word = yaml.safe_load((agent.sources / "Pulumi.yaml").read_text())["name"]
    group = arm.get(f"/subscriptions/{arm.subscription}/resourceGroups/rg-{word}-prod-weu")
    yield "code that is newer than its plan", (planned, 404, group.status_code)
    (agent.sources / "infra" / "later.py").unlink()
    made = agent.again(planned)
    yield "prod is made", made
    endpoint = Serving(made)
    agent.typed("aml settings --write-variables prod", "prod")
    with agent.changed(variables, "CONNECTION: azure-ml-prod", "CONNECTION: azure-ml-prdo"):
        yield "a connection that is not there", agent.run(cd, "master")
    somebody = {**agent.connections["azure-ml-prod"], "AZURESUBSCRIPTION_CLIENT_ID": str(uuid4())}
    yield "a connection that is somebody's", replace(agent, connections={"azure-ml-prod": somebody}).run(cd, "master")
    release = story["dev is published"].artifacts["release"]
    agent.artifacts[cd, "development", "release"] = release
    yield "prod is promoted", agent.run(cd, "master")
    serving = endpoint.now()
    other = folder / "another" / "release.json"
    other.parent.mkdir()
    other.write_text(release.read_text().replace('"trial_pipeline"', '"roses"'))
    agent.artifacts[cd, "development", "release"] = other
    yield "a manifest of another endpoint", (agent.run(cd, "master"), serving, endpoint.now())
    yield "nobody changed anything", agent.run("infrastructure-drift", "master")
    store = Datastore.open(endpoint.workspace, endpoint.values[DATASTORE])
    with lease(store, Endpoint(endpoint.workspace), "publishing by hand"):
        yield "two at once", (agent.run("rollback", "master"), serving, endpoint.now())


def small(agent: Agent, sources: Path, code: str) -> Ran:
    """The code's stage of CI, for a project of one module and one test."""
    (sources / "tests").mkdir(parents=True)
    for name in ("Makefile", ".flake8", "devops_pipelines", ".venv", "scripts"):
        (sources / name).symlink_to(agent.sources / name)
    packages = '["emulator", "infra", "policies", "runner"]'
    pyproject = (ROOT / "pyproject.toml").read_text()
    assert pyproject.count(packages) == 2
    (sources / "pyproject.toml").write_text(pyproject.replace(packages, '["twice"]'))
    (sources / "twice.py").write_text(code)
    (sources / "tests" / "test_twice.py").write_text(
        "from twice import double\n\n\ndef test_it() -> None:\n    assert double(1) == 2\n"
    )
    ci = Agent(sources, sources.parent / "workspace", {}, {}, {**agent.environment, "PYTHONPATH": str(sources)}, {})
    return ci.run("training-pipeline-ci", "feature/twice", stages=("quality",))


def laptop(agent: Agent, folder: Path, azure: Emulator) -> Ran:
    """The emulator's stage of CI, for all that is committed: on one of its own, and nothing leads to that of the tests."""
    sources = folder / "sources"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, sources / name)
    shutil.copy(agent.sources / "scripts" / "setup", sources / "scripts" / "setup")
    for name in (".venv", "node_modules"):
        (sources / name).symlink_to(ROOT / name)
    environment = {name: value for name, value in os.environ.items() if name not in azure.environment()}
    own = {"AML_LOCAL_HOME": str(folder / "home"), "PATH": agent.environment["PATH"], "PYTHONPATH": str(sources)}
    ci = Agent(sources, folder / "workspace", {}, {}, {**environment, **own}, {}, inherits=())
    return ci.run("training-pipeline-ci", "feature/iris", stages=("laptop",))


@pytest.fixture(scope="module")
def story(
    agents: Made, azure: Emulator, pull_request: conftest.DevOps, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    told = Story()
    told.tell(on_dev(agents("dev"), Arm(azure), pull_request))
    told.tell(on_prod(agents("prod"), told, azure, tmp_path_factory.mktemp("prod")))
    yield told
    told.end()


def test_dev_and_prod_are_made_side_by_side(story: Story) -> None:
    groups = set()
    for stack in ("dev", "prod"):
        made: Ran = story[f"{stack} is made"]
        assert made.result == "Succeeded" and f"stack {stack}: applied as planned" in made.said, made.said
        groups.add(json.loads(made.artifacts["settings"].read_text())["AZURE_RESOURCE_GROUP"])
    assert len(groups) == 2


def test_prod_gets_what_dev_serves(story: Story) -> None:
    manifests = {}
    for stack, how in (("dev", "published"), ("prod", "promoted")):
        ran: Ran = story[f"{stack} is {how}"]
        assert ran.result == "Succeeded" and not ran.issues, ran.said
        assert "service connection of Azure Pipelines" in ran.said
        manifests[stack] = json.loads(ran.artifacts["release"].read_text())
    assert manifests["dev"]["component"] == manifests["prod"]["component"]
    assert manifests["dev"]["endpoint"] != manifests["prod"]["endpoint"]


def test_a_broken_change_is_stopped_before_it_serves(story: Story) -> None:
    ran, before, after = story["a broken change"]
    assert ran.result == "Failed" and f"Not published. {before} still serves." in ran.said, ran.said
    assert "the rows are not good" in ran.said and before == after is not None


def test_a_run_that_is_cancelled_cancels_its_job(story: Story) -> None:
    ran, before, after, jobs = story["a release that is cancelled"]
    assert ran.result == "Canceled" and ran.commands[-1] == "aml jobs cancel --started", ran.said
    assert before == after and jobs[0] == "Canceled" and "Running" not in jobs, (jobs, ran.said)


def test_a_release_is_rolled_back(story: Story) -> None:
    ran, first, second = story["a better change"]
    assert ran.result == "Succeeded" and second not in (first, None), ran.said
    ran, first, third = story["dev is rolled back"]
    assert ran.result == "Succeeded" and third == first, ran.said


def test_a_destructive_change_is_stopped_at_the_gate(story: Story) -> None:
    ran: Ran = story["a destructive change"]
    assert (
        ran.result == "Failed" and "replace of the cluster" in ran.said and "vmPriority changes" in ran.said
    ), ran.said
    assert "--allow-replace trainer" in ran.said
    assert not any("apply" in command for command in ran.commands) and not ran.artifacts


def test_drift_is_silent_until_there_is_some(story: Story) -> None:
    ran: Ran = story["nobody changed anything"]
    assert (ran.result, ran.after("aml infra drift")) == ("Succeeded", ""), ran.said
    ran = story["somebody changed something"]
    assert ran.result == "SucceededWithIssues" and "tags.owner" in ran.after("aml infra drift"), ran.said


def test_the_plan_is_a_comment_of_the_pull_request(story: Story, pull_request: conftest.DevOps) -> None:
    ran: Ran = story["a pull request"]
    assert ran.result == "Succeeded", ran.said
    assert "nothing against them" in ran.after("aml infra check --stack dev")
    (thread,) = pull_request.threads
    content = thread["comments"][0]["content"]
    assert "### Plan of stack `dev`" in content and "#### Changed by hand since the last update" in content


def test_code_is_checked_and_its_results_are_published(story: Story) -> None:
    ran: Ran = story["code that is checked"]
    assert ran.result == "Succeeded" and ran.commands[-2:] == [
        "make lint",
        "pytest --junitxml=results.xml --cov --cov-report=xml",
    ]
    assert "'tests': '1'" in ran.said and "coverage {" in ran.said, ran.said
    ran = story["code that is not tidy"]
    assert ran.result == "Failed" and ran.commands[-1] == "make lint" and "twice.py" in ran.after("make lint"), ran.said


def test_the_whole_way_is_gone_on_an_emulator_of_its_own(story: Story) -> None:
    ran: Ran = story["the whole way on the emulator"]
    assert ran.result == "Succeeded" and ran.commands[-1] == "aml local down", ran.said
    assert "accuracy" in ran.after("make demo") and re.search(r"release \w+ serves", ran.after("aml publish")), ran.said
    assert "probability_" in ran.after("aml invoke"), ran.said


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("a branch without a stack", "Branch 'refs/heads/pre-development' has no stack"),
        ("dev without its variables", "AZURE_ML_ENDPOINT_NAME: it is empty in the process environment"),
        ("dev without its variables", "next: give it a value there; for a pipeline, "),
        ("a connection that is not there", "references service connection azure-ml-prdo which could not be found"),
        ("a connection that is somebody's", "AADSTS700016"),
        ("code that is newer than its plan", "The plan was made of other code"),
        ("a manifest of another endpoint", "its component is 'roses', and 'pipeline.yml' here is 'trial_pipeline'"),
        ("two at once", "Something else is at work: publishing by hand"),
    ],
)
def test_what_is_wrong_is_named_before_anything_changes(what: str, said: str, story: Story) -> None:
    told = story[what]
    ran, before, after = told if isinstance(told, tuple) else (told, None, None)
    assert ran.result == "Failed" and said in ran.said + "".join(ran.issues), ran.said
    assert before == after
    assert not any(command.startswith("aml publish") and "roses" not in said for command in ran.commands)
