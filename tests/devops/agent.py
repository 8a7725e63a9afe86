"""A build agent: carries out the steps of a run on this machine, the emulator behind them.

What only Azure DevOps has (signing in, artifacts, the cache) has a stand-in here, which takes the inputs that the task's schema
documents and no others.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from tests.devops.expander import expand
from tests.devops.run import CANCELED, FAILED, Ended, Run, Step
from tests.devops.snapshots import PREDEFINED

COMMAND = re.compile(r"^##vso\[(?P<area>[\w.]+)(?: (?P<properties>[^\]]*))?\](?P<value>.*)$", re.M)
# https://learn.microsoft.com/azure/devops/pipelines/process/variables#environment-variables
ENVIRONMENT = str.maketrans({".": "_", " ": "_"})
OF_THE_AGENT = (
    "PATH",
    "HOME",
    "HTTPS_PROXY",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "AML_LOCAL_HOME",
) + (
    "PULUMI_CONFIG_PASSPHRASE",
    "PYTHONPATH",
    "PULUMI_HOME",
)


@cache
def documented(task: str) -> tuple[frozenset[str], frozenset[str]]:
    """The inputs that a task takes, by any of their names, and those that it needs."""
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
class Agent:
    """``sources``: the checkout; ``connections``: what each service connection's steps find in their environment; ``artifacts``: by
    pipeline, branch and name. ``said`` is all that the last run's steps said, ``issues`` what they logged as errors or warnings.
    """

    sources: Path
    workspace: Path
    connections: Mapping[str, Mapping[str, str]]
    az: Mapping[str, str]
    artifacts: dict[tuple[str, str, str], Path] = field(default_factory=dict)
    said: str = ""
    issues: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    path: list[str] = field(default_factory=list)

    def run(self, pipeline: str, branch: str, **parameters: Any) -> str:
        """Runs it on this branch; its result."""
        self.said, self.issues, self.commands, self.path = "", [], [], []
        predefined = {
            **PREDEFINED,
            "Build.SourceBranch": f"refs/heads/{branch}",
            "Pipeline.Workspace": str(self.workspace),
            "System.AccessToken": "job",
        }
        made: dict[tuple[str, str, str], Path] = {}

        def execute(step: Step) -> Ended:
            return self._step(step, pipeline, branch, made)

        document, _ = expand(self.sources / "devops_pipelines" / f"{pipeline}.yaml", predefined, parameters)
        result = Run(document, predefined, execute)()
        if result not in (FAILED, CANCELED):
            self.artifacts |= made
        return result

    def typed(self, command: str, stack: str) -> None:
        """A command that a person types in the checkout, signed in as the stack's connection is."""
        variables = yaml.safe_load((self.sources / f"devops_pipelines/variables/{stack}.yaml").read_text())["variables"]
        backend = {"PULUMI_BACKEND_URL": variables["PULUMI_BACKEND_URL"]}
        signed_in = {**self.connections[variables["SERVICE_CONNECTION"]], **self.az, "SYSTEM_ACCESSTOKEN": "job"}
        step = Step("", "", "bash", command, "", {}, {}, "", {}, backend)
        self.path = [str(self.sources / ".venv" / "bin")]
        assert self._script(step, command, signed_in).result != FAILED, self.said

    def _step(self, step: Step, pipeline: str, branch: str, made: dict[tuple[str, str, str], Path]) -> Ended:
        if step.kind == "bash":
            return self._script(step, step.what, {})
        if step.kind == "publish":
            kept = self.workspace / f"{pipeline}-{branch}-{step.more['artifact']}-{len(made)}" / Path(step.what).name
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.sources / step.what, kept)
            made[pipeline, branch, step.more["artifact"]] = kept
            return Ended()
        if step.kind == "download":
            if step.what == "current":
                self._fetched(made[pipeline, branch, step.more["artifact"]], self.workspace / step.more["artifact"])
            return Ended()
        if step.kind == "checkout":
            return Ended()
        taken, needed = documented(step.what)
        assert set(step.inputs) <= taken and needed <= set(step.inputs), (step.what, step.inputs, taken, needed)
        return TASKS[step.what](self, step, pipeline)

    def _azure_cli(self, step: Step, _: str) -> Ended:
        inputs = step.inputs
        assert (inputs["scriptType"], inputs["scriptLocation"]) == ("bash", "inlineScript")
        connection = inputs["azureSubscription"]
        assert connection in self.connections, f"There is no service connection '{connection}'."
        # Pulumi's provider for Azure works with az's sign-in; the emulator's own with a credential in the environment.
        az = self.az if inputs["keepAzSessionActive"] == "True" else {}
        return self._script(step, inputs["inlineScript"], {**self.connections[connection], **az})

    def _download(self, step: Step, pipeline: str) -> Ended:
        inputs = step.inputs
        assert (inputs["buildType"], inputs["buildVersionToDownload"]) == ("specific", "latestFromBranch")
        key = (pipeline, inputs["branchName"].removeprefix("refs/heads/"), inputs["artifactName"])
        if key not in self.artifacts:
            self.said += f"no run of {pipeline} on {key[1]} has an artifact '{key[2]}'"
            return Ended(FAILED)
        self._fetched(self.artifacts[key], self.sources / inputs["targetPath"])
        return Ended()

    def _nothing(self, *_: Any) -> Ended:
        return Ended()

    def _fetched(self, kept: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, folder / kept.name)

    def _script(self, step: Step, script: str, signed_in: Mapping[str, str]) -> Ended:
        environment = {name: os.environ[name] for name in OF_THE_AGENT if name in os.environ}
        # A secret is a step's only where it asks for it.
        variables = {name: value for name, value in step.variables.items() if name != "System.AccessToken"}
        environment |= {name.upper().translate(ENVIRONMENT): value for name, value in variables.items()}
        environment |= {**signed_in, **step.env, "PATH": os.pathsep.join([*self.path, environment["PATH"]])}
        self.commands.append(script)
        ended = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=self.sources,
            env=environment,
            capture_output=True,
            text=True,
        )
        self.said += f"$ {script}\n{ended.stdout}{ended.stderr}\n"
        done = Ended(FAILED if ended.returncode else "Succeeded")
        for found in COMMAND.finditer(ended.stdout):
            properties = dict(one.split("=", 1) for one in (found["properties"] or "").split(";") if one)
            if found["area"] == "task.prependpath":
                self.path.insert(0, found["value"])
            elif found["area"] == "task.setvariable":
                where = done.outputs if properties.get("isOutput") == "true" else done.variables
                where[properties["variable"]] = found["value"]
            elif found["area"] == "task.logissue":
                self.issues.append(found["value"])
            else:
                assert found["area"] == "task.uploadsummary", found[0]
                done.result = done.result if Path(found["value"]).is_file() else FAILED
        return done


TASKS: Mapping[str, Callable[[Agent, Step, str], Ended]] = {
    "AzureCLI@2": Agent._azure_cli,
    "DownloadPipelineArtifact@2": Agent._download,
    "UsePythonVersion@0": Agent._nothing,
    "Cache@2": Agent._nothing,
}
