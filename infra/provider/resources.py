"""What becomes of a resource: checked, compared, made, read, changed, deleted, by the requests that the table makes of it."""

from __future__ import annotations

import hashlib
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from azure.identity import EnvironmentCredential
from pulumi.runtime.rpc import UNKNOWN

from infra import naming, table
from infra.arm import ENDPOINT, Arm, ArmError
from infra.emulated import emulator_behind
from infra.errors import ApplyError, NotTheEmulator
from infra.functions import Functions
from infra.provider.properties import Difference, Shape, carried, differences, known
from infra.replacing import replaces

GROUP = "azure-native:resources:ResourceGroup"
# Types whose names Azure wants to be GUIDs.
GUIDS = ("azure-native:authorization:RoleAssignment",)
RULES = {
    "azure-native:resources:ResourceGroup": "resourceGroup",
    "azure-native:storage:StorageAccount": "storageAccount",
    "azure-native:keyvault:Vault": "vault",
    "azure-native:operationalinsights:Workspace": "logAnalytics",
    "azure-native:applicationinsights:Component": "applicationInsights",
    "azure-native:managedidentity:UserAssignedIdentity": "clusterIdentity",
    "azure-native:containerregistry:Registry": "registry",
    "azure-native:machinelearningservices:Workspace": "workspace",
}
# What changes by itself, whoever looks: a plan and a report of drift would be about nothing.
# https://github.com/pulumi/pulumi-azure-native/issues/3225, /1700, /2245, /2798, /2833
UNSTEADY = frozenset(
    "etag systemData provisioningState lastModifiedTime leaseState leaseStatus leaseDuration modifiedOn "
    "allocationState allocationStateTransitionTime currentNodeCount targetNodeCount nodeStateCounts errors "
    "provisioningErrors state lastOperation".split()
)


# What Azure takes where a program says nothing: to say it no more is no change. Whoever imported a resource has such arguments in
# the state, and would lose it to a replacement.
UNSAID = (False, "", "Default", "None", "$account-encryption-key")


class Halfway(Exception):
    """The resource is there, but Azure did not bring it to its end: ``cause``."""

    def __init__(self, id: str, inputs: Mapping[str, Any], outputs: Mapping[str, Any], cause: Exception) -> None:
        super().__init__(str(cause))
        self.id, self.inputs, self.outputs, self.cause = id, inputs, outputs, cause


@dataclass(frozen=True)
class Plan:
    """``replaces`` are the paths of those ``changes`` that make another resource; ``delete_first``: it has the same name."""

    changes: tuple[Difference, ...]
    replaces: tuple[str, ...]
    delete_first: bool


class Resources:
    """Called from many threads. ``location`` is ``azure-native:location``, where that is configured."""

    def __init__(self, arm: Arm, subscription: str | None = None, location: str | None = None) -> None:
        self.functions = Functions(arm, subscription)
        self._arm = arm
        self._location = location
        self._regions: dict[str, str] = {}
        self._lock = threading.Lock()

    @staticmethod
    def against_the_emulator(subscription: str | None, location: str | None) -> Resources:
        """Raises ``NotTheEmulator``, before anything is sent, where somebody else would answer for Azure."""
        try:
            emulator_behind(ENDPOINT)
        except NotTheEmulator as error:
            raise NotTheEmulator(
                f"This azure-native is for the emulator alone. {error}",
                f"for Azure, take infra/provider/bin off PATH, and the vendor's is found; for the emulator: {error.next}",
            ) from None
        return Resources(Arm(EnvironmentCredential()), subscription, location)

    def check(
        self, token: str, urn_name: str, olds: Mapping[str, Any], news: Mapping[str, Any], seed: bytes
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The arguments with azure-native's defaults, and by property what is wrong with them."""
        kind = table.resource_type(token)
        inputs = dict(news)
        names = [name for name in re.findall(r"{(\w+)}", kind.path) if name != "subscriptionId"]
        last = names[-1]
        if not kind.singleton and not inputs.get(last):
            inputs[last] = olds.get(last) or _automatic(token, urn_name, seed)
        if "location" in kind.top and not inputs.get("location"):
            location = olds.get("location") or self._default_location(inputs)
            inputs |= {"location": location} if location else {}
        failures = {name: "not given, and part of the resource's id" for name in names if not inputs.get(name)}
        for name in names:
            value = inputs.get(name)
            whole = name in table.SCOPES
            if known(value) and isinstance(value, str) and not whole and ("/" in value or value in (".", "..")):
                failures[name] = f"'{value}' would be more than one part of the resource's id"
        rule = naming.RULES.get(RULES.get(token, ""))
        name = inputs.get(last)
        if rule is not None and isinstance(name, str) and known(name) and not re.fullmatch(rule.pattern, name):
            failures.setdefault(last, f"'{name}' is no name for {kind.type}: it must match {rule.pattern}")
        if "location" in kind.top and not inputs.get("location"):
            failures["location"] = "not given: set it, or azure-native:location in the stack's file"
        for tag, value in (inputs.get("tags") or {}).items():
            if value == "":
                failures[f"tags.{tag}"] = "empty, which Azure ML's endpoints refuse"
        return inputs, failures

    def diff(self, token: str, olds: Mapping[str, Any], news: Mapping[str, Any]) -> Plan:
        changes = tuple(
            change
            for change in differences(olds, news)
            if not (change.kind == "DELETE" and change.old in UNSAID and replaces(token, change.path))
        )
        makes_another = tuple(change.path for change in changes if replaces(token, change.path))
        names = re.findall(r"{(\w+)}", table.resource_type(token).path)
        same_name = all(olds.get(name) == news.get(name) or not known(news.get(name)) for name in names)
        return Plan(changes, makes_another, bool(makes_another) and same_name)

    def create(self, token: str, urn: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Refuses, as azure-native does, to take over a resource that is there and that the stack does not know."""
        wanted = table.request(token, inputs, subscription=self.functions.subscription)
        kind = table.resource_type(token)
        if not kind.singleton and self._arm.get(wanted.path, {"api-version": kind.api_version}) is not None:
            raise ApplyError(
                f"cannot create already existing resource '{wanted.id}': it is not in this stack's state",
                _taken_in(token, urn, wanted.id),
            )
        try:
            return wanted.id, self._put(token, wanted)
        except ArmError as error:
            found = self._arm.get(wanted.path, {"api-version": kind.api_version})
            if found is None:
                raise
            raise Halfway(wanted.id, inputs, _outputs(token, found), error) from error

    def update(self, token: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """One that is refused is refused whole: the stack's state stays as it was, and the next update asks again."""
        return self._put(token, table.request(token, inputs, subscription=self.functions.subscription))

    def read(
        self, token: str, id: str, inputs: Mapping[str, Any], before: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Arguments and outputs as they are now, or ``None`` where the resource is gone. The arguments of one that the stack has
        change only by what changed in Azure; of one that it has not, they are all that a program could say."""
        kind = table.resource_type(token)
        found = self._arm.get(table.quoted(id), {"api-version": kind.api_version})
        if found is None:
            return None
        outputs = _outputs(token, found)
        shape = Shape.of(token)
        if inputs:
            return dict(carried(inputs, _as_inputs(before), _as_inputs(outputs), shape)), outputs
        return {**shape.only(_as_inputs(outputs)), **table.names_in(token, id)}, outputs

    def delete(self, token: str, id: str) -> None:
        if not table.resource_type(token).singleton:
            self._arm.delete(table.quoted(id), table.deletion(id))

    def _put(self, token: str, wanted: table.Request) -> dict[str, Any]:
        """Sent, and read as a later refresh will read it: what a PUT answers is not always that."""
        self._arm.put(wanted.path, wanted.query, wanted.body)
        return _outputs(token, self._arm.get(wanted.path, {"api-version": wanted.query["api-version"]}) or {})

    def _default_location(self, inputs: Mapping[str, Any]) -> str | None:
        group = inputs.get("resourceGroupName")
        if self._location or not group:
            return self._location
        if not known(group):
            return str(UNKNOWN)
        with self._lock:
            if group not in self._regions:
                id = table.request(GROUP, {"resourceGroupName": group}, subscription=self.functions.subscription)
                found = self._arm.get(id.path, id.query)
                if found is None:
                    return None
                self._regions[group] = found["location"]
            return self._regions[group]


def foreseen(before: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a preview says of the outputs: what they were, with what the program says now; what is left out is unknown. An
    identity's outputs have another form than its arguments."""
    result = dict(before)
    for name, value in inputs.items():
        was = result.get(name)
        if name != "identity":
            result[name] = foreseen(was, value) if isinstance(was, Mapping) and isinstance(value, Mapping) else value
    return result


def _taken_in(token: str, urn: str, id: str) -> str:
    """How a resource gets into the stack that is in Azure already. A component's needs its parent, or it is another one."""
    name, component = urn.rpartition("::")[2], urn.split("::")[2].rpartition("$")[0]
    parent = f" --parent parent=URN, of its {component} (pulumi stack --show-urns)" if component else ""
    return (
        "take it into the stack (docs/stacks.md: What exists already), or delete it. Made by an update that was killed: aml infra "
        "recover --stack NAME; by aml local up: aml local reset --no-stack; by somebody else: "
        f"pulumi import {token} {name} '{id}'{parent}"
    )


def _automatic(token: str, name: str, seed: bytes) -> str:
    """A name where the program gives none: the same in preview and update, by the engine's seed."""
    digest = hashlib.sha256(seed + name.encode()).hexdigest()
    return str(uuid.UUID(digest[:32])) if token in GUIDS else f"{name}{digest[:8]}"


def _outputs(token: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """As the state keeps them; the id is the resource's own there."""
    return {name: value for name, value in _steady(table.outputs(token, answer)).items() if name != "id"}


def _steady(value: Any) -> Any:
    """Without what changes by itself, and without nulls, which the engine does not keep either."""
    if isinstance(value, Mapping):
        return {name: _steady(item) for name, item in value.items() if name not in UNSTEADY and item is not None}
    return [_steady(item) for item in value] if isinstance(value, list) else value


def _as_inputs(outputs: Mapping[str, Any]) -> dict[str, Any]:
    """User-assigned identities are a list of ids in a program, and a map by id in Azure's answers."""
    identity = outputs.get("identity")
    ids = identity.get("userAssignedIdentities") if isinstance(identity, Mapping) else None
    if not isinstance(identity, Mapping) or not isinstance(ids, Mapping):
        return dict(outputs)
    return {**outputs, "identity": {**identity, "userAssignedIdentities": list(ids)}}
