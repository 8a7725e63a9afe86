"""The batch endpoint and its deployments: the one place that knows what azure-ai-ml does to its callers.

- A deployment is built here and names its component by id: the loader of deployment files refuses ``settings``, and given a
  component as an object azure-ai-ml deploys what is registered under its name already
  (https://github.com/Azure/azureml-examples/issues/3240).
- There are no environment variables: for a deployment of a component azure-ai-ml takes them and sends none.
- Every invocation names its deployment: azure-ai-ml keeps the name of the last one in a header for all that follow in the
  process, so that a try of a new deployment would send the next caller there, too.
- A literal input is wrapped with its type; bare it is sent in a form that is not the service's.
- What is deployed is read by plain https: azure-ai-ml's own answer leaves the component out, and fails where ``settings`` are
  missing.
- Settings are the deployment's: those in a component's file do not reach its jobs
  (https://github.com/Azure/MachineLearningNotebooks/issues/1872).
- A tag without a value is not sent: the endpoint could not be made (https://github.com/Azure/azure-sdk-for-python/issues/41586).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runner import names, settings, talk
from runner.errors import Mistake
from runner.history import History
from runner.inputs import Value
from runner.polling import awaited
from runner.rest import ARM, ARM_SCOPE

if TYPE_CHECKING:
    from runner.workspace import Workspace

VERSION = "2024-10-01"
SERVED, LEFT = "releases", "rolled-back"  # the endpoint's tags with its history
RELEASE = "release"  # a deployment's tag: it is one of ours, and which release


@dataclass(frozen=True)
class Deployment:
    """``component`` is its id, ``None`` for a deployment of a model; ``release`` that of a deployment that was published."""

    name: str
    state: str
    component: str | None
    release: str | None
    compute: str | None


class Endpoint:
    """The endpoint that the settings name. Nothing is asked before a method is called, nothing is remembered between two."""

    def __init__(self, workspace: Workspace, name: str | None = None) -> None:
        self._workspace = workspace
        self.name = name or workspace.settings[settings.ENDPOINT]
        self._url = f"{ARM}{workspace.settings.workspace_id}/batchEndpoints/{quote(self.name)}"

    def find(self) -> Mapping[str, Any] | None:
        """The resource, ``None`` when there is none."""
        from azure.core.exceptions import HttpResponseError

        try:
            return self._workspace.rest.get(self._url, ARM_SCOPE, **{"api-version": VERSION})
        except HttpResponseError as error:
            if error.status_code != 404:
                raise
            self._workspace.check()
            return None

    def require(self) -> Mapping[str, Any]:
        """The resource; raises ``Mistake`` with the near names when there is none."""
        found = self.find()
        if found is None:
            there = [str(one.name) for one in self._workspace.client.batch_endpoints.list()]
            raise Mistake(
                f"There is no batch endpoint '{self.name}' in workspace '{self._workspace.settings[settings.WORKSPACE]}'. "
                f"{names.near(self.name, there)}",
                next=f"aml publish{self._workspace.settings.flags} makes it; or --endpoint NAME",
            )
        return found

    def make(self) -> None:
        """Make the endpoint where there is none; raises ``Mistake`` for a name that is taken."""
        from azure.ai.ml.entities import BatchEndpoint
        from azure.core.exceptions import HttpResponseError

        if self.find() is not None:
            return
        talk.say(f"endpoint {self.name} does not exist: making it")
        made = BatchEndpoint(name=self.name, auth_mode="aad_token")
        try:
            _done(lambda: self._client.batch_endpoints.begin_create_or_update(made), f"endpoint {self.name} · creating")
        except (
            HttpResponseError
        ) as error:  # it has no code of its own: https://github.com/ansible-collections/azure/pull/2231
            if not re.search(r"unique within (the|a) region", str(error.message)):
                raise
            raise Mistake(
                f"The name '{self.name}' for an endpoint is taken in {self._workspace.region}: another workspace "
                "has it, maybe in another subscription.",
                next="take another name: in AZURE_ML_ENDPOINT_NAME, or by --endpoint NAME",
            ) from None

    def serving(self) -> str | None:
        """The name of the default deployment: what an invocation without a name reaches."""
        return self.history().serving

    def history(self) -> History:
        found = self.find() or {}
        served, left = ((found.get("tags") or {}).get(tag, "").split() for tag in (SERVED, LEFT))
        serving = ((found.get("properties") or {}).get("defaults") or {}).get("deploymentName") or None
        return History(serving, tuple(name for name in served if name != serving), frozenset(left) - {serving})

    def deployments(self) -> dict[str, Deployment]:
        listed = self._workspace.rest.pages(f"{self._url}/deployments", **{"api-version": VERSION})
        return {found.name: found for found in map(_deployment, listed)}

    def deployment(self, name: str) -> Deployment:
        """Raises ``Mistake`` with the near names when there is none."""
        there = self.deployments()
        if name not in there:
            raise Mistake(
                f"Endpoint '{self.name}' has no deployment '{name}'. {names.near(name, there)}",
                next=f"aml releases{self._workspace.settings.flags}",
            )
        return there[name]

    def deploy(self, name: str, component: str, release: str) -> None:
        """Make a deployment of a registered component, by its id, that nobody reaches without its name; one that is there as it
        should be stays. Raises ``Mistake`` for a name that another has."""
        from azure.ai.ml.entities import PipelineComponentBatchDeployment

        compute = self._workspace.settings[settings.COMPUTE]
        there = self.deployments().get(name)
        if there and (there.component or "").lower() != component.lower():
            raise Mistake(
                f"Endpoint '{self.name}' has a deployment '{name}' already, of "
                f"{there.component or 'a model'}: somebody made it by another way.",
                next=f"az ml batch-deployment delete --name {name} --endpoint-name {self.name}",
            )
        if there and (there.state, there.compute) == ("Succeeded", compute):
            return
        talk.say(f"deployment {name}: making it")
        made = PipelineComponentBatchDeployment(
            name=name,
            endpoint_name=self.name,
            component=component,
            settings={"default_compute": compute, "continue_on_step_failure": False},
            tags=full({RELEASE: release}),
        )
        _done(lambda: self._client.batch_deployments.begin_create_or_update(made), f"deployment {name} · creating")

    def switch(self, history: History) -> None:
        """Make the serving one of ``history`` the default, and remember the others: one request, both or neither."""
        found = self._client.batch_endpoints.get(self.name)
        found.defaults = {"deployment_name": history.serving}
        left = [name for name in history.earlier if name in history.left]
        found.tags = full({**(found.tags or {}), SERVED: " ".join(history.served), LEFT: " ".join(left)})
        _done(lambda: self._client.batch_endpoints.begin_create_or_update(found), f"endpoint {self.name} · switching")

    def remove(self, deployment: str) -> None:
        client = self._client.batch_deployments
        _done(lambda: client.begin_delete(deployment, self.name), f"deployment {deployment} · removing")

    def invoke(self, deployment: str, inputs: Mapping[str, Value], outputs: Mapping[str, tuple[str, str]]) -> str:
        """The name of the job that scores. ``outputs`` are type and address by name; those that are not given have a place of
        their own."""
        from azure.ai.ml import Input, Output
        from azure.ai.ml.constants._endpoint import EndpointInvokeFields

        sent = {
            name: (
                Input(type=value.type, path=value.given)
                if value.is_data
                else Input(type=value.type, default=value.given)
            )
            for name, value in inputs.items()
        }
        places = {name: Output(type=kind, path=path) for name, (kind, path) in outputs.items()}
        try:
            job = self._client.batch_endpoints.invoke(
                endpoint_name=self.name, deployment_name=deployment, inputs=sent or None, outputs=places or None
            )
        finally:
            EndpointInvokeFields.DEFAULT_HEADER.pop(EndpointInvokeFields.MODEL_DEPLOYMENT, None)
        return str(job.name)

    @property
    def _client(self) -> Any:
        return self._workspace.client


def _done(begin: Callable[[], Any], what: str) -> None:
    """Begin an operation and wait for its end. azure-ai-ml writes a dot for each look at one to stdout, where the data is."""
    with redirect_stdout(io.StringIO()):
        operation = begin()
        awaited(operation, what)
        try:
            operation.result()
        except KeyError as error:  # azure-ai-ml reads settings and component of the answer, which need not have them
            if error.args[0] not in ("settings", "componentId"):
                raise


def full(tags: Mapping[str, str]) -> dict[str, str]:
    """Without tags that have no value."""
    return {key: value for key, value in tags.items() if value}


def _deployment(resource: Mapping[str, Any]) -> Deployment:
    properties = resource.get("properties") or {}
    configuration = properties.get("deploymentConfiguration") or {}
    chosen = (configuration.get("settings") or {}).get("default_compute")
    return Deployment(
        str(resource["name"]),
        str(properties.get("provisioningState")),
        (configuration.get("componentId") or {}).get("assetId"),
        (resource.get("tags") or {}).get(RELEASE),
        chosen.rsplit("/", 1)[-1].removeprefix("azureml:") if isinstance(chosen, str) else None,
    )
