"""A build agent: carries out the steps of a run on this machine, the emulator behind them.

What only Azure DevOps has (signing in, artifacts, results, the cache) has a stand-in here, which takes the inputs that the task
documents and no others. Each job begins with the checkout alone, as on a hosted agent.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from tests.devops.expander import expand
from tests.devops.run import CANCELED, FAILED, Ended, Run, Step, steps_of
from tests.devops.snapshots import PREDEFINED
from tests.runner.conftest import heed_interrupt

COMMAND = re.compile(r"^##vso\[(?P<area>[\w.]+)(?: (?P<properties>[^\]]*))?\](?P<value>.*)$", re.M)
# https://learn.microsoft.com/azure/devops/pipelines/process/variables#environment-variables
ENVIRONMENT = str.maketrans({".": "_", " ": "_"})
OF_THE_AGENT = ("HOME", "HTTPS_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "AML_LOCAL_HOME")
# The schema has the inputs of the version before.
# https://learn.microsoft.com/azure/devops/pipelines/tasks/reference/publish-code-coverage-results-v2
COVERAGE = (
    frozenset({"summaryFileLocation", "pathToSources", "failIfCoverageEmpty"}),
    frozenset({"summaryFileLocation"}),
)


@cache
def documented(task: str) -> tuple[frozenset[str], frozenset[str]]:
    """The inputs that a task takes, by any of their names, and those that it needs."""
    if task == "PublishCodeCoverageResults@2":
        return COVERAGE
    schema = json.loads(
        files("check_jsonschema").joinpath("builtin_schemas/vendor/azure-pipelines.json").read_text("utf-8")
    )
    for kind in schema["definitions"]["task"]["anyOf"]:
        if re.fullmatch(kind["properties"]["task"].get("pattern", "(?!)"), task):
            inputs = kind["properties"]["inputs"]
            names = {name for one, of in inputs["properties"].items() for name in (one, *of.get("aliases", ()))}
            return frozenset(names), frozenset(inputs.get("required", ()))
    raise AssertionError(f"'{task}' is not a task of the schema")


@dataclass
class Ran:
    """A run: ``said`` is all that its steps said, ``issues`` what they logged as errors or warnings, ``commands`` their scripts."""

    pipeline: str = ""
    result: str = ""
    said: str = ""
    issues: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    artifacts: dict[str, Path] = field(default_factory=dict)
    run: Run | None = None

    def after(self, command: str) -> str:
        """What the first command that begins so said."""
        _, found = re.split(rf"^\$ {re.escape(command)}.*\n", self.said, maxsplit=1, flags=re.M)
        return found.split("\n$ ")[0].strip()


@dataclass
class Agent:
    """``sources``: the checkout; ``connections``: what each service connection's steps find in their environment; ``az``: what
    they find where az stays signed in; ``artifacts``: of the latest good run, by pipeline, branch and name. ``before`` is called
    with each step, ``cancels`` while its script runs: does somebody cancel the run now? ``tracked`` is what a checkout has,
    ``inherits`` what the steps find in their environment because the tests have it.
    """

    sources: Path
    workspace: Path
    connections: Mapping[str, Mapping[str, str]]
    az: Mapping[str, str]
    environment: Mapping[str, str]
    artifacts: dict[tuple[str, str, str], Path]
    before: Callable[[Step], None] = lambda step: None
    cancels: Callable[[Step], bool] = lambda step: False
    tracked: frozenset[str] = frozenset()
    inherits: Collection[str] = OF_THE_AGENT

    def __post_init__(self) -> None:
        self.tracked = self.tracked or frozenset(item.name for item in self.sources.iterdir())

    def run(
        self,
        pipeline: str,
        ref: str,
        *,
        predefined: Mapping[str, str] | None = None,
        stages: Collection[str] = (),
        **parameters: Any,
    ) -> Ran:
        """Runs it for this branch or pull request; ``stages`` are those to run, all where none are named."""
        known = {
            **PREDEFINED,
            "Build.SourceBranch": ref if ref.startswith("refs/") else f"refs/heads/{ref}",
            "Pipeline.Workspace": str(self.workspace),
            "System.AccessToken": "job",
            **(predefined or {}),
        }
        document, _ = expand(self.sources / "devops_pipelines" / f"{pipeline}.yaml", known, parameters)
        if stages:
            document["stages"] = [stage for stage in document["stages"] if stage["stage"] in stages]
        ran = Ran(pipeline, issues=self._unknown(document))
        if ran.issues:
            ran.result = FAILED
            return ran
        ran.run = Run(document, known, _Jobs(self, ran).step)
        return self._ended(ran)

    def again(self, ran: Ran) -> Ran:
        """What failed in it once more, as by "Rerun failed jobs": what went well stays, with its artifacts."""
        assert ran.run is not None
        more = Ran(ran.pipeline, artifacts=dict(ran.artifacts), run=ran.run)
        ran.run.execute = _Jobs(self, more).step
        return self._ended(more)

    def _ended(self, ran: Ran) -> Ran:
        assert ran.run is not None
        ran.result = ran.run()
        if ran.result not in (FAILED, CANCELED):
            branch = ran.run.predefined["Build.SourceBranch"].removeprefix("refs/heads/")
            self.artifacts |= {(ran.pipeline, branch, name): file for name, file in ran.artifacts.items()}
        return ran

    def typed(self, command: str, stack: str) -> None:
        """A command that a person types in the checkout, signed in as the stack's connection is."""
        variables = yaml.safe_load((self.sources / f"devops_pipelines/variables/{stack}.yaml").read_text())["variables"]
        backend = {"PULUMI_BACKEND_URL": variables["PULUMI_BACKEND_URL"]}
        signed_in = {**self.connections[variables["SERVICE_CONNECTION"]], **self.az, "SYSTEM_ACCESSTOKEN": "job"}
        jobs = _Jobs(self, Ran())
        jobs.path = [str(self.sources / ".venv" / "bin")]
        step = Step("", "", "bash", command, "", {}, {}, "", {}, backend)
        assert jobs.script(step, command, signed_in).result != FAILED, jobs.ran.said

    @contextmanager
    def changed(self, file: str, old: str, new: str) -> Iterator[None]:
        """A commit on the branch, and its revert."""
        path = self.sources / file
        text = path.read_text("utf-8")
        assert old in text, (file, old)
        path.write_text(text.replace(old, new), "utf-8")
        try:
            yield
        finally:
            path.write_text(text, "utf-8")

    def _unknown(self, document: Mapping[str, Any]) -> list[str]:
        """What Azure DevOps looks up before a run begins, and does not find."""
        named = [
            (name, step["inputs"]["azureSubscription"])
            for stage in document["stages"]
            for job in stage["jobs"]
            for name in [job.get("job", job.get("deployment"))]
            for step in steps_of(job)
            if "azureSubscription" in step.get("inputs", {})
        ]
        return [
            f"Job {job}: Step input connectedServiceNameARM references service connection {connection} which could not be found."
            for job, connection in dict.fromkeys(named)
            if connection not in self.connections
        ]


class _Jobs:
    """The jobs of one run, one after another on the same machine."""

    def __init__(self, agent: Agent, ran: Ran) -> None:
        self.agent, self.ran = agent, ran
        self.path: list[str] = []
        self.job = ("", "")

    def step(self, step: Step) -> Ended:
        if (step.stage, step.job) != self.job:
            self.job, self.path = (step.stage, step.job), []
            self.clean()
        self.agent.before(step)
        if step.kind == "bash":
            return self.script(step, step.what, {})
        if step.kind == "publish":
            kept = self.agent.workspace / f"{id(self.ran)}-{len(self.ran.artifacts)}" / Path(step.what).name
            kept.parent.mkdir(parents=True)
            shutil.copy(self.agent.sources / step.what, kept)
            self.ran.artifacts[step.more["artifact"]] = kept
            return Ended()
        if step.kind == "download":
            if step.what == "current":
                name = step.more["artifact"]
                self.fetched(self.ran.artifacts[name], self.agent.workspace / name)
            return Ended()
        if step.kind == "checkout":
            return Ended()
        taken, needed = documented(step.what)
        assert set(step.inputs) <= taken and needed <= set(step.inputs), (step.what, step.inputs, taken, needed)
        return TASKS[step.what](self, step)

    def clean(self) -> None:
        for item in self.agent.sources.iterdir():
            if item.name not in self.agent.tracked:
                shutil.rmtree(item) if item.is_dir() else item.unlink()

    def azure_cli(self, step: Step) -> Ended:
        inputs = step.inputs
        assert (inputs["scriptType"], inputs["scriptLocation"]) == ("bash", "inlineScript")
        # Pulumi's provider for Azure works with az's sign-in; the emulator's own with a credential in the environment.
        az = self.agent.az if inputs["keepAzSessionActive"] == "True" else {}
        return self.script(step, inputs["inlineScript"], {**self.agent.connections[inputs["azureSubscription"]], **az})

    def download(self, step: Step) -> Ended:
        inputs = step.inputs
        assert (inputs["buildType"], inputs["buildVersionToDownload"]) == ("specific", "latestFromBranch")
        key = (self.ran.pipeline, inputs["branchName"].removeprefix("refs/heads/"), inputs["artifactName"])
        if key not in self.agent.artifacts:
            self.ran.said += f"no run of {self.ran.pipeline} on {key[1]} has an artifact '{key[2]}'"
            return Ended(FAILED)
        self.fetched(self.agent.artifacts[key], self.agent.sources / inputs["targetPath"])
        return Ended()

    def results(self, step: Step) -> Ended:
        assert step.inputs["testResultsFormat"] == "JUnit"
        return self.published(step.inputs["testResultsFiles"], "testsuite")

    def coverage(self, step: Step) -> Ended:
        return self.published(step.inputs["summaryFileLocation"], "coverage")

    def published(self, name: str, tag: str) -> Ended:
        """A report: XML with elements ``tag``."""
        file = self.agent.sources / name
        if not file.is_file():
            self.ran.issues.append(f"No file matches {name}.")
            return Ended(FAILED)
        found = list(ElementTree.parse(file).getroot().iter(tag))
        self.ran.said += "".join(f"{tag} {one.attrib}\n" for one in found)
        return Ended() if found else Ended(FAILED)

    def nothing(self, _: Step) -> Ended:
        return Ended()

    def fetched(self, kept: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, folder / kept.name)

    def script(self, step: Step, script: str, signed_in: Mapping[str, str]) -> Ended:
        inherited = {name: os.environ[name] for name in self.agent.inherits if name in os.environ}
        environment = {**inherited, **self.agent.environment}
        # A secret is a step's only where it asks for it.
        variables = {name: value for name, value in step.variables.items() if name != "System.AccessToken"}
        environment |= {name.upper().translate(ENVIRONMENT): value for name, value in variables.items()}
        environment |= {**signed_in, **step.env, "PATH": os.pathsep.join([*self.path, environment["PATH"]])}
        self.ran.commands.append(script)
        started = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.agent.sources,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_interrupt,
        )
        with started:
            cancelled = self.agent.cancels(step)
            if cancelled and self.ran.run:
                self.ran.run.cancelled = True
                os.killpg(started.pid, signal.SIGINT)
            out, err = started.communicate()
        self.ran.said += f"$ {script}\n{out}{err}\n"
        done = Ended(CANCELED if cancelled else FAILED if started.returncode else "Succeeded")
        for found in COMMAND.finditer(out):
            properties = dict(one.split("=", 1) for one in (found["properties"] or "").split(";") if one)
            if found["area"] == "task.prependpath":
                self.path.insert(0, found["value"])
            elif found["area"] == "task.setvariable":
                where = done.outputs if properties.get("isOutput") == "true" else done.variables
                where[properties["variable"]] = found["value"]
            elif found["area"] == "task.logissue":
                self.ran.issues.append(found["value"])
            else:
                assert found["area"] == "task.uploadsummary", found[0]
                done.result = done.result if Path(found["value"]).is_file() else FAILED
        return done


TASKS: Mapping[str, Callable[[_Jobs, Step], Ended]] = {
    "AzureCLI@2": _Jobs.azure_cli,
    "DownloadPipelineArtifact@2": _Jobs.download,
    "PublishTestResults@2": _Jobs.results,
    "PublishCodeCoverageResults@2": _Jobs.coverage,
    "UsePythonVersion@0": _Jobs.nothing,
    "Cache@2": _Jobs.nothing,
}
