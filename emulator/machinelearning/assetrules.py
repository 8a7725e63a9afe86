"""What differs between data, models, environments, components and code: the properties of a version, and which of them stay.

A ``Rules`` value per type; ``RULES`` has them all. Checks take a request's properties and give what is stored; they may look at
the workspace's datastores and jobs, and at nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from emulator.errors import AzureError, NotEmulated, invalid_content
from emulator.http import Call
from emulator.machinelearning import checks, datastores, uris
from emulator.management.ids import ResourceId

COMMON = ("description", "tags", "properties", "isAnonymous", "isArchived", "provisioningState", "stage")
# Of registries and previews: refused where they say something.
REFUSED = {
    "autoDeleteSetting": "auto-delete settings of assets",
    "intellectualProperty": "intellectual property protection of assets",
}
DATA_TYPES = ("uri_file", "uri_folder", "mltable")
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
CURATED_PREFIXES = ("azureml", "microsoft")


@dataclass(frozen=True)
class Rules:
    """``fixed`` may not change once a version is registered, ``kept`` stays when a PUT leaves it out, ``shared`` is the same in all
    versions of a name, ``placed`` is the id that what was sent for an id gets."""

    plural: str
    noun: str
    members: tuple[str, ...]
    fixed: tuple[str, ...]
    read: Callable[[Call, ResourceId, Mapping[str, Any]], dict[str, Any]]
    changed: Callable[[ResourceId], AzureError]
    kept: tuple[str, ...] = ("stage",)
    shared: tuple[str, ...] = ()
    name: Callable[[str], None] = lambda name: None
    placed: Callable[[Call, ResourceId], ResourceId] = lambda call, id: id

    def check(self, call: Call, id: ResourceId, sent: Mapping[str, Any]) -> dict[str, Any]:
        for name, operation in REFUSED.items():
            if sent.get(name):
                raise NotEmulated(operation)
        unknown = [name for name in sent if name not in COMMON and name not in self.members and name not in REFUSED]
        if unknown:
            raise invalid_content(
                f"Could not find member '{unknown[0]}' in the properties of a {self.noun} version.", target=unknown[0]
            )
        stage = checks.text(sent, "stage")
        return {**self.read(call, id, sent), **({"stage": stage} if stage else {})}


# URIs


def _uri(call: Call, id: ResourceId, sent: Mapping[str, Any], name: str) -> tuple[str, str | None]:
    """An asset's URI in the long form in which Azure ML answers, and the job that it is an output of.

    The datastore, or the job, must be there; what lies in it is looked at when it is used.
    """
    uri, workspace = checks.required(sent, name), id.ancestor(1)
    if uri.lower().startswith(("http://", "https://")):
        if not urlsplit(uri).hostname:
            raise uris.invalid(uri)
        return uri, None
    target = uris.parse(uri)
    if isinstance(target, uris.BlobPath):
        return uri, None
    if isinstance(target, uris.StorePath):
        owner = datastores.owner(workspace, target.workspace)
        store = datastores.find(call.cloud.store, owner, target.store)
        return datastores.long_form(owner, store.name, target.path), None
    if isinstance(target, uris.OutputPath):
        place = datastores.output(call.cloud.store, workspace, target)
        return _uri(call, id, {name: place}, name)[0], target.job
    raise uris.invalid(uri)


def _data(call: Call, id: ResourceId, sent: Mapping[str, Any]) -> dict[str, Any]:
    kind = checks.one_of(sent, "dataType", DATA_TYPES)
    if kind is None:
        raise invalid_content("The property 'dataType' is required.", target="dataType")
    uri, _ = _uri(call, id, sent, "dataUri")
    if kind != "uri_file" and uri.startswith("azureml://") and not uri.endswith("/"):
        uri += "/"  # a folder's path ends with a slash in what Azure ML answers
    stored: dict[str, Any] = {"dataType": kind, "dataUri": uri}
    if kind == "mltable":
        referenced = sent.get("referencedUris")
        if referenced is not None and not (
            isinstance(referenced, list) and all(isinstance(one, str) for one in referenced)
        ):
            raise invalid_content("The property 'referencedUris' must be a list of strings.", target="referencedUris")
        stored["referencedUris"] = referenced
    return stored


def _model(call: Call, id: ResourceId, sent: Mapping[str, Any]) -> dict[str, Any]:
    uri, job = _uri(call, id, sent, "modelUri")
    return {
        "modelUri": uri,
        "modelType": checks.one_of(sent, "modelType", MODEL_TYPES, MODEL_TYPES[0]),
        "flavors": checks.mapping(sent, "flavors") or {},
        "jobName": checks.text(sent, "jobName") or job,
        **({"datasets": sent["datasets"]} if sent.get("datasets") else {}),
    }


def _code(call: Call, id: ResourceId, sent: Mapping[str, Any]) -> dict[str, Any]:
    uri, _ = _uri(call, id, sent, "codeUri")
    return {"codeUri": uri}


def _environment(call: Call, id: ResourceId, sent: Mapping[str, Any]) -> dict[str, Any]:
    image, build = checks.text(sent, "image"), checks.mapping(sent, "build")
    conda = checks.text(sent, "condaFile")
    if build is not None:
        context = checks.required(build, "contextUri")
        build = {"contextUri": context, "dockerfilePath": checks.text(build, "dockerfilePath") or "Dockerfile"}
    if image is None and build is None:
        raise checks.user_error("An environment must have an 'image' or a 'build' context.", target="image")
    if image is not None and build is not None:
        raise checks.user_error("An environment has either an 'image' or a 'build' context, not both.", target="build")
    if conda is not None:
        _check_conda(conda)
    return {
        "image": image,
        "condaFile": conda,
        "build": build,
        "osType": checks.one_of(sent, "osType", ("Linux", "Windows"), "Linux"),
        "inferenceConfig": checks.mapping(sent, "inferenceConfig"),
        "autoRebuild": checks.one_of(sent, "autoRebuild", ("Disabled", "OnBaseImageUpdate"), "Disabled"),
        "environmentType": "UserCreated",
    }


def _check_conda(text: str) -> None:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise checks.user_error(
            f"The conda file of the environment is not YAML: {error}.", target="condaFile"
        ) from None
    if not isinstance(content, dict) or not isinstance(content.get("dependencies", []), list):
        raise checks.user_error(
            "The conda file of the environment must be an object with a list 'dependencies'.", target="condaFile"
        )


def _environment_name(name: str) -> None:
    """https://github.com/MicrosoftDocs/azure-docs/issues/65770"""
    if name.lower().startswith(CURATED_PREFIXES):
        prefix = next(one for one in ("AzureML", "Microsoft") if name.lower().startswith(one.lower()))
        raise checks.user_error(
            f"Environment name can not start with the prefix {prefix}. To alter a curated environment first create a copy of it."
        )


def _component_id(call: Call, id: ResourceId) -> ResourceId:
    from emulator.pipelines import source

    return source.version(call, id)


def _component(call: Call, id: ResourceId, sent: Mapping[str, Any]) -> dict[str, Any]:
    spec = checks.mapping(sent, "componentSpec")
    if not spec:
        raise invalid_content("The property 'componentSpec' is required.", target="componentSpec")
    from emulator.pipelines import plan, source  # which resolve the components of a pipeline, and so need this module

    spec = source.specification(call.cloud, id.ancestor(1), spec)
    plan.check(call.cloud, id.ancestor(1), spec)
    return {"componentSpec": {**spec, "name": id.names[1], "version": id.name}}


def _no_change(noun: str, what: str) -> Callable[[ResourceId], AzureError]:
    """Azure's words, as users report them: https://github.com/Azure/azure-sdk-for-python/issues/36603 and its kin."""
    article = "An" if noun[0] in "aeiou" else "A"
    return lambda id: checks.user_error(
        f"{article} {noun} version with this name and version already exists. If you are trying to create a new {noun} version, "
        f"use a different name or version. If you are trying to update an existing {noun} version, the existing asset's {what} "
        "cannot be changed. Only tags, description, and isArchived can be updated.",
        status=409,
    )


RULES: Mapping[str, Rules] = {
    rules.plural: rules
    for rules in (
        Rules(
            "data",
            "data asset",
            ("dataType", "dataUri", "referencedUris"),
            ("dataType", "dataUri", "referencedUris"),
            _data,
            _no_change("data", "data uri"),
            shared=("dataType",),
        ),
        Rules(
            "models",
            "model",
            ("modelUri", "modelType", "flavors", "jobName", "datasets"),
            ("modelUri", "modelType"),
            _model,
            _no_change("model", "model uri"),
            kept=("stage", "flavors", "jobName", "datasets"),
        ),
        Rules(
            "environments",
            "environment",
            ("image", "condaFile", "build", "osType", "inferenceConfig", "autoRebuild", "environmentType"),
            ("image", "condaFile", "build", "osType", "inferenceConfig"),
            _environment,
            # https://github.com/Azure/azure-cli-extensions/issues/5440
            lambda id: checks.user_error(
                f"Environment {id.names[1]} with version {id.name} is already registered and cannot be changed.",
                status=409,
            ),
            name=_environment_name,
        ),
        Rules(
            "components",
            "component",
            ("componentSpec",),
            ("componentSpec",),
            _component,
            _no_change("component", "specification"),
            placed=_component_id,
        ),
        Rules(
            "codes",
            "code asset",
            ("codeUri",),
            ("codeUri",),
            _code,
            # The SDK compares these words: azure/ai/ml/_artifacts/_constants.py, ASSET_PATH_ERROR.
            lambda id: checks.user_error("Asset paths cannot be updated.", status=409),
        ),
    )
}
