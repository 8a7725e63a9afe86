"""Preflight: what would fail later, found now, each finding with its next command. Changes nothing.

``examine`` runs the checks in the order in which they depend on one another; a check whose ground is missing is left out and
its ground is the finding. The judgements (roles, quota, pins) are pure functions.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from runner import conda, credentials, resources, settings
from runner.config import Read
from runner.errors import Mistake, NeverApplied, RunnerError
from runner.rest import ARM, ARM_SCOPE, ML_SCOPE
from runner.settings import Given

if TYPE_CHECKING:
    from runner.workspace import Workspace

OK, WARNING, FAILURE = "ok", "warning", "FAILED"
DISTRIBUTION = "azure-ml-as-code"
# What `aml experiment` does, as actions of a role:
# https://learn.microsoft.com/azure/role-based-access-control/permissions/ai-machine-learning#microsoftmachinelearningservices
ACTIONS = {
    "read the workspace": "Microsoft.MachineLearningServices/workspaces/read",
    "submit jobs": "Microsoft.MachineLearningServices/workspaces/jobs/write",
    "read datastores": "Microsoft.MachineLearningServices/workspaces/datastores/read",
    "register environments": "Microsoft.MachineLearningServices/workspaces/environments/versions/write",
    "make computes": "Microsoft.MachineLearningServices/workspaces/computes/write",
}


@dataclass(frozen=True)
class Finding:
    """``code`` is the exit code that a failure stands for."""

    check: str
    level: str
    text: str
    next: str | None = None
    code: int = 0


def examine(given: Given, config: Callable[[], Read]) -> Iterator[Finding]:
    """Every finding as soon as it is known. ``config`` reads the job's configuration."""
    yield from packages(metadata.requires(DISTRIBUTION) or (), _version)
    if given.stack is not None and given.stack != "local":  # which aml local up looks after
        yield from _attempt("stack", lambda: _preflight(given.stack or ""))
    found = yield from _settings(given)
    written = yield from _configuration(config)
    if found is None:
        return
    workspace = yield from _signed_in(found)
    if workspace is None:
        return
    if not (yield from _reached(workspace)):
        return
    yield from _attempt("roles", lambda: _roles(workspace))
    yield from _attempt("tracking", lambda: _tracking(workspace))
    if settings.DATASTORE in found.values:
        yield from _attempt("datastore", lambda: _datastore(workspace))
    if written is not None:
        if settings.COMPUTE in found.values:
            yield from _attempt("compute", lambda: _compute(workspace, written))
        if settings.ENVIRONMENT in found.values and settings.ENVIRONMENT_VERSION in found.values:
            yield from _attempt("environment", lambda: _environment(workspace, written))


def _preflight(stack: str) -> Iterator[Finding]:
    from runner import preflight, stacks

    if stack.rpartition("/")[2] in stacks.known():
        yield from preflight.examine(stack)


def packages(requirements: Iterable[str], version: Callable[[str], str | None]) -> Iterator[Finding]:
    """Is what is installed here what the project asks for? ``version`` gives a distribution's, ``None`` for none."""
    from packaging.requirements import Requirement

    wrong = []
    for line in requirements:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        found = version(wanted.name)
        if found is None or not wanted.specifier.contains(found, prereleases=True):
            wrong.append(f"{wanted.name} {found or 'is not installed'} (wanted {wanted.specifier or 'any'})")
    here = ".".join(map(str, sys.version_info[:3]))
    if wrong:
        yield Finding("packages", FAILURE, f"Python {here}: {'; '.join(wrong)}", "make setup", Mistake.exit_code)
    else:
        yield Finding("packages", OK, f"Python {here}, azure-ai-ml {version('azure-ai-ml')}")


def missing_actions(permissions: Iterable[Mapping[str, Sequence[str]]], wanted: Mapping[str, str]) -> list[str]:
    """What of ``wanted`` the permissions (as ARM lists them for a caller) do not allow. One role's exclusion is not another's."""

    def matches(patterns: Iterable[str], action: str) -> bool:
        return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), action, re.IGNORECASE) for pattern in patterns)

    roles = list(permissions)
    return [
        what
        for what, action in wanted.items()
        if not any(
            matches(role.get("actions", ()), action) and not matches(role.get("notActions", ()), action)
            for role in roles
        )
    ]


def quota_left(usages: Iterable[Mapping[str, Any]], family: str) -> int | None:
    """vCPUs that clusters may still have of a family: ``Standard DSv2 Family Cluster Dedicated vCPUs``; ``None``: not listed."""
    for usage in usages:
        name = str(usage["name"]["value"]).replace(" ", "").lower()
        if name.startswith(family.lower()) and "lowpriority" not in name and usage["limit"] >= 0:
            return int(usage["limit"]) - int(usage["currentValue"])
    return None


def mlflow_pin(wanted: Mapping[str, conda.Package]) -> Finding | None:
    """What the conda file says of MLflow: clients of MLflow 3 call what Azure ML's tracking server has not.

    https://github.com/Azure/azure-sdk-for-python/issues/44896
    """
    package = wanted.get("mlflow") or wanted.get("mlflow-skinny")
    if package is None or not package.plain or not package.allows("3.1.0"):
        return None
    return Finding(
        "environment",
        WARNING,
        f"the conda file lets {package.name} 3 in ({package.wanted or 'any version'}): some of its calls Azure ML does not know",
        f"pin it: {package.name}<3",
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _settings(given: Given) -> Generator[Finding, None, settings.Settings | None]:
    try:
        found = settings.load(given, needs=())
    except NeverApplied as error:  # nothing is wrong before a first up
        yield Finding("settings", OK, str(error), error.next)
        return None
    except RunnerError as error:
        yield _failure("settings", error)
        return None
    try:
        settings.load(given, needs=settings.NAMES)
        yield Finding("settings", OK, found.target)
    except RunnerError as error:
        yield _failure("settings", error)
    for note in found.notes:
        yield Finding("settings", WARNING, note)
    return found if all(name in found.values for name in settings.TARGET) else None


def _configuration(config: Callable[[], Read]) -> Generator[Finding, None, Read | None]:
    try:
        read = config()
        packages = conda.packages(conda.read(read.conda_file), f"'{read.conda_file}'")
    except RunnerError as error:
        yield _failure("configuration", error)
        return None
    yield Finding("configuration", OK, f"{read.config.compute.size}, {len(packages)} packages")
    pin = mlflow_pin(packages)
    if pin is not None:
        yield pin
    return read


def _signed_in(found: settings.Settings) -> Generator[Finding, None, Workspace | None]:
    from runner.workspace import Workspace

    try:
        workspace = Workspace(found)
    except RunnerError as error:
        yield _failure("sign-in", error)
        return None
    choice: credentials.Choice = workspace.choice
    try:
        for scope in (ARM_SCOPE, ML_SCOPE):
            workspace.credential.get_token(scope)
    except Exception as error:  # noqa: B902 - whatever the sign-in raises is the finding
        yield _failure("sign-in", _explained(error))
        return None
    yield Finding("sign-in", OK, f"{choice.name}: {choice.why}")
    return workspace


def _reached(workspace: Workspace) -> Generator[Finding, None, bool]:
    started = time.monotonic()
    try:
        region = workspace.region
    except Exception as error:  # noqa: B902 - whatever reaching the target raises is the finding
        yield _failure("target", _explained(error))
        return False
    text = f"workspace {workspace.settings[settings.WORKSPACE]} in {region}, answered in {time.monotonic() - started:.1f} s"
    yield Finding("target", OK, text)
    return True


def _roles(workspace: Workspace) -> Iterator[Finding]:
    from azure.core.exceptions import HttpResponseError

    scope = f"{ARM}{workspace.settings.workspace_id}/providers/Microsoft.Authorization/permissions"
    try:
        held = list(workspace.rest.pages(scope, **{"api-version": "2022-04-01"}))
    except HttpResponseError as error:
        if error.status_code not in (403, 501):
            raise
        yield Finding("roles", WARNING, f"could not be asked for (Azure answered {error.status_code})")
        return
    missing = missing_actions(held, ACTIONS)
    if missing:
        yield Finding(
            "roles",
            FAILURE,
            f"this sign-in may not {', '.join(missing)}",
            f"az role assignment create --role 'AzureML Data Scientist' --assignee <you> --scope {workspace.settings.workspace_id}",
            2,
        )
    else:
        yield Finding("roles", OK, f"may {', '.join(ACTIONS)}")


def _tracking(workspace: Workspace) -> Iterator[Finding]:
    from azure.core.exceptions import HttpResponseError

    url = f"{workspace.service('mlflow')}/api/2.0/mlflow/experiments/get-by-name"
    try:
        workspace.rest.get(
            url, ARM_SCOPE, experiment_name=workspace.settings.values.get(settings.EXPERIMENT, "Default")
        )
    except HttpResponseError as error:
        if error.status_code != 404:  # no such experiment yet is an answer too
            raise
    yield Finding("tracking", OK, "the MLflow server answers at the workspace's tracking URI")


def _datastore(workspace: Workspace) -> Iterator[Finding]:
    from runner.datastore import Datastore

    store = Datastore.open(workspace, workspace.settings[settings.DATASTORE], patient=False)
    first = next(iter(store.entries()), None)
    said = "readable, and empty" if first is None else f"readable; has /{first.path}"
    yield Finding("datastore", OK, f"{store.name} on container {store.container.container_name}: {said}")


def _compute(workspace: Workspace, config: Read) -> Iterator[Finding]:
    name, wanted = workspace.settings[settings.COMPUTE], config.config.compute
    if resources.look_at_compute(workspace, config):
        yield Finding("compute", OK, f"{name} exists")
        return
    yield Finding(
        "compute", OK, f"{name} does not exist; aml experiment makes it: {wanted.size}, at most {wanted.max_instances}"
    )
    sizes, usages = resources.sizes(workspace), resources.of_location(workspace, "usages")
    size = next((row for key, row in (sizes or {}).items() if key.lower() == wanted.size.lower()), None)
    if size is None or usages is None:
        yield Finding("quota", WARNING, "could not be asked for")
        return
    needed, left = int(size["vCPUs"]) * wanted.max_instances, quota_left(usages, str(size["family"]))
    if left is not None and left < needed:
        yield Finding(
            "quota",
            FAILURE,
            f"{wanted.max_instances} x {wanted.size} are {needed} vCPUs; {left} of {size['family']} are left in the region",
            "--set compute.max_instances=1, or ask for more: https://learn.microsoft.com/azure/quotas/per-vm-quota-requests",
            2,
        )
    else:
        yield Finding(
            "quota", OK, f"{needed} vCPUs of {size['family']} wanted, {'many' if left is None else left} left"
        )


def _environment(workspace: Workspace, config: Read) -> Iterator[Finding]:
    name = f"{workspace.settings[settings.ENVIRONMENT]}:{workspace.settings[settings.ENVIRONMENT_VERSION]}"
    if resources.look_at_environment(workspace, config):
        yield Finding("environment", OK, f"{name} is registered, with the conda file's dependencies")
    else:
        yield Finding("environment", OK, f"{name} is not registered; aml experiment makes it from the conda file")


def _attempt(check: str, run: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from run()
    except Exception as error:  # noqa: B902 - whatever a check raises is its finding
        yield _failure(check, _explained(error))


def _explained(error: Exception) -> RunnerError:
    from runner import azure_errors

    if isinstance(error, RunnerError):
        return error
    if azure_errors.belongs(error):
        return azure_errors.explain(error)
    raise error


def _failure(check: str, error: RunnerError) -> Finding:
    return Finding(check, FAILURE, "\n".join([error.message, *error.details]), error.next, error.exit_code)
