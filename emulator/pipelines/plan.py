"""A pipeline job becomes jobs: its graph, its defaults and its components make one job of every step, before any of them runs.

The plan is stored with the pipeline, in the write that acknowledges it, and is complete: which job is bound to which job's output,
what each runs, where, and where its outputs go. So whatever is wrong with a step is said when the pipeline is submitted, and a
restart finds everything it needs.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from emulator.errors import AzureError, user_error
from emulator.jobs.lifecycle import Status
from emulator.machinelearning import assets, datastores
from emulator.management.ids import ResourceId
from emulator.pipelines import graph, parallel, request
from emulator.pipelines.component import ANONYMOUS, Component, camel, component
from emulator.pipelines.graph import Declared, Literal, Product, Step, Value
from emulator.store import Document, Transaction

if TYPE_CHECKING:
    from emulator.cloud import Cloud
    from emulator.pipelines.graph import Load

ROOT = ""  # the pipeline's own path among its steps


def body(cloud: Cloud, workspace: ResourceId, name: str, properties: Any) -> dict[str, Any]:
    """The body that is stored for a new pipeline job; raises ``UserError`` (400, 404) or ``NotImplemented`` (501)."""
    return _Plan(cloud, workspace, name, properties).body()


def carry_out(tx: Transaction, id: str) -> list[Document]:
    """Make the jobs of a pipeline's plan, once, and drop the plan; the jobs that there are."""
    pipeline = tx.get(id)
    if pipeline is None:
        return []
    private, workspace = pipeline.body["private"], ResourceId.parse(pipeline.id).ancestor(1)
    if "plan" in private:
        for child in private["plan"]:
            tx.put(
                str(workspace.child("jobs", child["name"])),
                pipeline.type,
                child["body"],
                parent=pipeline.parent,
                by=pipeline.author,
            )
        steps = [child["name"] for child in private["plan"]]
        private = {key: value for key, value in private.items() if key != "plan"} | {"steps": steps}
        tx.put(pipeline.id, pipeline.type, {**pipeline.body, "private": private}, parent=pipeline.parent)
    found = (tx.get(str(workspace.child("jobs", name))) for name in private["steps"])
    return [document for document in found if document is not None]


def check(cloud: Cloud, workspace: ResourceId, spec: Mapping[str, Any]) -> None:
    """Whether a component can be registered: the steps of a pipeline must be there and connect. Raises ``UserError``."""
    if str(spec.get("type") or "").lower() != "pipeline":
        return
    found = component("", spec, request.nodes(spec.get("jobs") or {}))
    if not found.nodes:
        raise user_error(f"The pipeline component '{found.name}' has no jobs.", "jobs")
    graph.nested(loader(cloud, workspace), found, graph.declared(found), {})


def loader(cloud: Cloud, workspace: ResourceId) -> Load:
    """Components by any way to name them, each read once."""

    @lru_cache(maxsize=None)
    def load(reference: str) -> Component:
        document = assets.resolve(cloud, workspace, reference.removeprefix("azureml:"), "components")
        spec = document.body["properties"]["componentSpec"]
        return component(document.id, spec, request.nodes(spec.get("jobs") or {}))

    return load


class _Plan:
    def __init__(self, cloud: Cloud, workspace: ResourceId, name: str, properties: Any) -> None:
        from emulator.jobs import submission  # it needs this module

        self._submission = submission
        self._cloud, self._workspace, self._name, self._request = cloud, workspace, name, properties
        self._job = request.pipeline_job(properties)
        self._settings = request.settings(self._job)
        submission.described(cloud, workspace, name, self._job)
        self._store = self._datastore()
        self._compute = self._settings.get("default_compute") or self._job.get("computeId") or ""
        self._children: dict[str, dict[str, Any]] = {}  # by path
        self._names = {ROOT: name}

    def body(self) -> dict[str, Any]:
        load = loader(self._cloud, self._workspace)
        given = request.values(self._job["inputs"])
        whole = self._whole(load)
        if whole is not None:
            self._job["componentId"] = whole.id
            given = graph.given(whole, given, "The pipeline")
            found = graph.nested(load, whole, given, self._outputs(whole))
            nodes: Mapping[str, Any] = whole.nodes
        else:
            nodes = request.nodes(self._job["jobs"])
            found = graph.graph(load, nodes, dict(given), self._job["outputs"], declared=False)
        first, last = (self._apart(nodes, found.steps, key) for key in ("on_init", "on_finalize"))
        for step in found.steps:
            self._names[step.path] = str(uuid.uuid4())
        opening = [
            self._names[step.path]
            for step in found.steps
            if _below(step.path, first) and step.component.type != "pipeline"
        ]
        for step in found.steps:
            try:
                child = self._nested(step) if step.component.type == "pipeline" else self._command(step)
            except AzureError as error:
                raise graph.named(error, step.path) from None
            child["private"]["step"] |= {
                "after": [] if _below(step.path, first) or _below(step.path, last) else opening,
                "last": _below(step.path, last),
                "outputs": {name: self._maker(made) for name, made in found.nested.get(step.path, {}).items()},
            }
            self._children[step.path] = child
        return {
            "properties": {
                **self._job,
                "jobType": "Pipeline",
                "properties": self._told(whole),
                "status": Status.PREPARING.value,
            },
            "run": {"revision": 1, "request": self._request},
            "private": {
                "plan": [{"name": self._names[path], "body": child} for path, child in self._children.items()],
                "outputs": {name: self._maker(made) for name, made in found.outputs.items()},
                "settings": self._settings,
            },
        }

    # The pipeline

    def _whole(self, load: Load) -> Component | None:
        """The component that the whole job is of; a job with a graph of its own is of none."""
        reference = self._job.get("componentId")
        if not reference or self._job.get("jobs"):
            return None
        found = load(reference)
        if found.type != "pipeline":
            raise user_error(
                f"The component '{found.name}' is of type {found.type}; a pipeline job needs one of type pipeline.",
                "properties.componentId",
            )
        return found

    def _outputs(self, whole: Component) -> dict[str, Mapping[str, Any]]:
        sent = self._job["outputs"]
        unknown = next((name for name in sent if name not in whole.outputs), None)
        if unknown is not None:
            raise user_error(
                f"The pipeline has no output '{unknown}': its component '{whole.name}' has {', '.join(whole.outputs) or 'none'}.",
                f"properties.outputs.{unknown}",
            )
        modes = {name: {"mode": port.mode} if port.mode else {} for name, port in whole.outputs.items()}
        return {name: {**mode, **sent.get(name, {})} for name, mode in modes.items()}

    def _apart(self, nodes: Mapping[str, Any], steps: Iterable[Step], key: str) -> str | None:
        """The step that opens or closes the pipeline, which no data connects with the others."""
        name, at = self._settings.get(key), f"properties.settings.{key}"
        if name is None:
            return None
        if name not in nodes:
            raise user_error(f"The step '{name}' of settings.{key} is not in the pipeline.", at)
        ends = ((step.path, maker) for step in steps for maker in step.needs.values())
        bound = next((end for end in ends if _below(end[0], name) is not _below(end[1], name)), None)
        if bound is not None:
            raise user_error(
                f"The step '{name}' of settings.{key} must have no connection to other steps: '{bound[0]}' is bound to "
                f"'{bound[1]}'.",
                at,
            )
        return str(name)

    def _datastore(self) -> str:
        told = str(self._settings.get("default_datastore") or "")
        if not told:
            return self._submission.default_datastore(self._cloud, self._workspace)
        name = told.rstrip("/").rpartition("/")[2].removeprefix("azureml:")
        return datastores.find(self._cloud.store, self._workspace, name).name

    def _told(self, whole: Component | None) -> dict[str, str]:
        """The properties that a pipeline's run has in Azure."""
        literals = {name: one["value"] for name, one in self._job["inputs"].items() if one["jobInputType"] == "literal"}
        return {
            "azureml.DevPlatv2": "true",
            "azureml.DatasetAccessMode": "Asset",
            "azureml.runsource": "azureml.PipelineRun",
            "runSource": "MFE",
            "runType": "HTTP",
            "azureml.parameters": json.dumps(literals),
            "azureml.continue_on_step_failure": str(self._settings.get("continue_on_step_failure", False)),
            "azureml.continue_on_failed_optional_input": str(
                self._settings.get("continue_run_on_failed_optional_input", True)
            ),
            "azureml.enforceRerun": str(self._settings.get("force_rerun", False)),
            "azureml.defaultComputeName": self._compute.rpartition("/")[2].removeprefix("azureml:"),
            "azureml.defaultDataStoreName": self._store,
            "azureml.pipelineComponent": "pipelinerun",
            **({"azureml.SourceComponentId": whole.id} if whole is not None else {}),
            **self._job.get("properties", {}),
        }

    # Its steps

    def _command(self, step: Step) -> dict[str, Any]:
        node, spec = {**step.node, **request.late(step.node["later"])}, step.component.spec
        name = self._names[step.path]
        inputs = {one: self._input(step.component, one, value) for one, value in step.inputs.items()}
        if step.component.type == "parallel":
            spec = parallel.command(step.component, node, inputs)
        sent = {
            "jobType": "Command",
            "command": spec.get("command"),
            "environmentId": str(spec.get("environment") or "").removeprefix("azureml:"),
            "codeId": str(spec.get("code") or "").removeprefix("azureml:") or None,
            "computeId": node.get("computeId") or self._compute or None,
            "environmentVariables": {
                **(spec.get("environment_variables") or {}),
                **node.get("environmentVariables", {}),
            },
            "distribution": node.get("distribution") or request.distribution(spec.get("distribution")),
            "resources": {**(request.spelled(spec.get("resources")) or {}), **node.get("resources", {})},
            "limits": node.get("limits") or _limits(spec.get("limits")),
            "queueSettings": node.get("queueSettings"),
            "services": node.get("services"),
            "identity": node.get("identity") or self._job.get("identity"),
            "inputs": inputs,
            "outputs": {one: dict(told) for one, told in step.outputs.items()},
            **self._described(step),
        }
        sent = {key: value for key, value in sent.items() if value is not None}
        job = self._submission.command(self._cloud, self._workspace, name, sent, self._store)
        return self._child(step, job)

    def _nested(self, step: Step) -> dict[str, Any]:
        job = {
            "jobType": "Pipeline",
            "componentId": step.component.id,
            "inputs": {one: self._input(step.component, one, value) for one, value in step.inputs.items()},
            "outputs": {one: dict(told) for one, told in step.outputs.items()},
            **self._described(step),
        }
        return self._child(step, job)

    def _child(self, step: Step, job: dict[str, Any]) -> dict[str, Any]:
        ports = step.component.inputs
        return {
            "properties": {**job, "parentJobName": self._names[step.within], "status": Status.NOT_STARTED.value},
            "run": {"revision": 1, "request": {}},
            "private": {
                "step": {
                    "path": step.path,
                    "root": self._name,
                    "bound": {
                        one: self._maker(value) for one, value in step.inputs.items() if isinstance(value, Product)
                    },
                    "optional": [one for one in step.needs if ports[one].optional],
                    "component": step.component.id,
                    "deterministic": step.component.deterministic,
                    "places": {one: told["uri"] for one, told in step.outputs.items() if told.get("uri")},
                }
            },
        }

    def _described(self, step: Step) -> dict[str, Any]:
        node = step.node
        return {
            "displayName": node.get("displayName") or step.name,
            "experimentName": self._job["experimentName"],
            "tags": node.get("tags", {}),
            "properties": {**node.get("properties", {}), **self._module(step)},
            **({"description": node["description"]} if node.get("description") else {}),
        }

    def _module(self, step: Step) -> dict[str, str]:
        """The properties that a step's run has in Azure. Azure knows the names of anonymous components; here it is the step's."""
        own = step.component
        source = "PipelineRun" if own.type == "pipeline" else "StepRun"
        return {
            "azureml.runsource": f"azureml.{source}",
            "azureml.nodeid": hashlib.sha256(step.path.encode()).hexdigest()[:8],
            "azureml.moduleid": str(uuid.uuid5(uuid.NAMESPACE_URL, own.id.lower())),
            "azureml.moduleName": step.name if own.name == ANONYMOUS else own.name,
            "azureml.moduleVersion": own.version,
            "azureml.pipeline": self._name,
            "azureml.pipelinerunid": self._name,
            "azureml.rootpipelinerunid": self._name,
            **({"StepType": "PythonScriptStep"} if own.type != "pipeline" else {}),
        }

    def _input(self, own: Component, name: str, value: Value) -> dict[str, Any]:
        if isinstance(value, Literal):
            return {"jobInputType": "literal", "value": value.text}
        assert not isinstance(value, Declared), "A job's inputs have values."
        if isinstance(value, Product):
            maker = self._children[value.step]["properties"]
            uri = maker["outputs"][value.output]["uri"]
        else:
            uri = value.uri
        return {"jobInputType": own.inputs[name].kind, "uri": uri, **({"mode": value.mode} if value.mode else {})}

    def _maker(self, made: Product) -> list[str]:
        return [self._names[made.step], made.output]


def _limits(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A component's limits, in which a timeout is a number of seconds."""
    if not told:
        return None
    found = {"jobLimitsType": "Command", **camel(told)}
    if isinstance(found.get("timeout"), int):
        found["timeout"] = f"PT{found['timeout']}S"
    return found


def _below(path: str, name: str | None) -> bool:
    return name is not None and (path == name or path.startswith(f"{name}/"))
