"""The workspace that is worked in: one credential, one ``MLClient``, and the checks that it is there.

One path for the laptop and for Azure: what differs stands in the environment that ``Settings.enter`` puts into the process.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from runner import credentials, names, progress, settings
from runner.errors import CloudError, Mistake, RunnerError
from runner.rest import ARM, ARM_SCOPE, Rest
from runner.settings import Settings

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import HttpResponseError

WORKSPACES, VERSION = "providers/Microsoft.MachineLearningServices/workspaces", "2024-10-01"


class Workspace:
    """``Workspace(settings)`` costs nothing; ``check`` makes sure that the target exists."""

    def __init__(self, settings: Settings) -> None:
        settings.enter()
        quiet()
        self.settings = settings
        self.choice = credentials.choose(os.environ)

    @cached_property
    def credential(self) -> TokenCredential:
        return self.choice.make()

    @cached_property
    def client(self) -> MLClient:
        from azure.ai.ml import MLClient

        logging.getLogger("azure.ai.ml").setLevel(
            logging.WARNING
        )  # on import it begins to tell each thing that it fetches
        return MLClient(
            self.credential,
            self.settings[settings.SUBSCRIPTION],
            self.settings[settings.GROUP],
            self.settings[settings.WORKSPACE],
            enable_telemetry=False,
            show_progress=progress.is_live(),
        )

    @cached_property
    def rest(self) -> Rest:
        return Rest(self.credential)

    @cached_property
    def resource(self) -> Mapping[str, Any]:
        """The workspace as Resource Manager has it; raises ``Mistake`` with the near names when the target does not exist.

        Asked for by plain https: ``MLClient.workspaces.get`` imports all of MLflow where it is installed, which takes seconds.
        """
        from azure.core.exceptions import HttpResponseError

        try:
            return self.rest.get(f"{ARM}{self.settings.workspace_id}", ARM_SCOPE, **{"api-version": VERSION})
        except HttpResponseError as error:
            explained = self._missing(error)
            if explained is None:
                raise
            raise explained from None

    @property
    def region(self) -> str:
        """Its short name: ``westeurope``."""
        return str(self.resource["location"]).replace(" ", "").lower()

    def check(self) -> Workspace:
        """Make sure that the target exists."""
        assert self.resource is not None, "a workspace that does not exist raises"
        return self

    def service(self, name: str) -> str:
        """The address of one of the workspace's own services (``history``, ``mlflow``), where its tracking URI says they are."""
        uri = urlsplit(str(self.resource["properties"].get("mlFlowTrackingUri") or ""))
        if not uri.hostname:
            raise CloudError(f"Workspace '{self.settings[settings.WORKSPACE]}' has no tracking URI: '{uri.geturl()}'.")
        return f"https://{uri.netloc}/{name}/v1.0{self.settings.workspace_id}"

    def _missing(self, error: HttpResponseError) -> RunnerError | None:
        """Which part of the target does not exist, and what is near to it; ``None`` when the answer says something else."""
        from runner import azure_errors

        said = set(azure_errors.codes(error))
        subscription, group, workspace = (self.settings[name] for name in settings.TARGET)
        if said & {"SubscriptionNotFound", "InvalidSubscriptionId"}:
            found = {
                f"{item['displayName']} ({item['subscriptionId']})"
                for item in self._list("subscriptions", "2022-12-01")
            }
            return Mistake(
                f"There is no subscription '{subscription}', or this sign-in ({self.choice.name}) may not see it.",
                details=[f"It sees: {', '.join(sorted(found)) or 'none'}"],
                next="az account list --output table; then correct AZURE_SUBSCRIPTION_ID",
            )
        if "ResourceGroupNotFound" in said:
            groups = [item["name"] for item in self._list(f"subscriptions/{subscription}/resourcegroups", "2024-03-01")]
            return Mistake(
                f"There is no resource group '{group}' in subscription {subscription}. {names.near(group, groups)}",
                next="correct AZURE_RESOURCE_GROUP",
            )
        if error.status_code == 404:
            return self._no_workspace(subscription, group, workspace)
        return None

    def _no_workspace(self, subscription: str, group: str, workspace: str) -> RunnerError:
        by_group: dict[str, list[str]] = {}
        for item in self._list(f"subscriptions/{subscription}/{WORKSPACES}", VERSION):
            by_group.setdefault(item["id"].split("/")[4], []).append(item["name"])
        here = [name for owner, found in by_group.items() if owner.lower() == group.lower() for name in found]
        elsewhere = [
            owner for owner, found in by_group.items() if workspace.lower() in (name.lower() for name in found)
        ]
        hint = (
            f"There is one in resource group '{elsewhere[0]}'."
            if elsewhere
            else names.near(workspace, here or [name for found in by_group.values() for name in found])
        )
        return Mistake(
            f"There is no workspace '{workspace}' in resource group '{group}'. {hint}",
            next=f"correct {'AZURE_RESOURCE_GROUP' if elsewhere else 'AZURE_WORKSPACE_NAME'}",
        )

    def _list(self, path: str, version: str) -> list[dict[str, Any]]:
        return list(self.rest.pages(f"{ARM}/{path}", **{"api-version": version}))


def quiet() -> None:
    """What azure-ai-ml and azure-identity say beside what they raise, and no user can act on."""
    # https://github.com/Azure/azure-cli-extensions/issues/7560: such a line on stderr fails a step of Azure Pipelines
    for name in ("azure.ai.ml._utils._experimental", "azure.identity"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*experimental class.*")
    for module in ("azure", "msrest", "marshmallow", "isodate", "opentelemetry"):
        warnings.filterwarnings("ignore", module=rf"{module}\b.*")
