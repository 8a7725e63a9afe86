"""The ad hoc experiment: a job folder, a file in the datastore, and everything checked before anything is made.

``check`` changes nothing and raises with the first thing that would fail; ``resources.make`` makes what was found missing;
``submit`` sends the job. What a job folder must have: ``job.yml`` with an input ``input_data`` and an output ``output_data``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runner import conda, names, resources, settings, talk, yaml_file
from runner.config import Read
from runner.datastore import Datastore
from runner.errors import Mistake
from runner.paths import JobFolder, datastore_uri, in_datastore

if TYPE_CHECKING:
    from runner.workspace import Workspace

INPUT, OUTPUT = "input_data", "output_data"
NEEDS = (*settings.TARGET, *(name for name in settings.NAMES if name not in (*settings.TARGET, settings.ENDPOINT)))


@dataclass(frozen=True)
class Experiment:
    """What was asked for. ``input_path`` and ``output_path`` are below the datastore's root, ``""`` the root itself."""

    folder: JobFolder
    config: Read
    input_path: str
    output_path: str
    input_type: str

    @staticmethod
    def read(folder: JobFolder, config: Read, input_path: str, output_path: str) -> Experiment:
        """Everything that can be checked on this machine alone; raises ``Mistake``."""
        conda.read(config.conda_file)
        written = yaml_file.read(folder.job)
        for section, name in (("inputs", INPUT), ("outputs", OUTPUT)):
            if not isinstance((written.get(section) or {}).get(name), dict):
                raise Mistake(
                    f"'{folder.job}' has no {section[:-1]} '{name}', which the path on the command line is for. "
                    f"{names.near(name, written.get(section) or {})}",
                    next=f"write it under {section}: as {name}: {{type: uri_folder}}",
                )
        code = written.get("code")
        if (
            isinstance(code, str)
            and not re.match(r"^(git\+|azureml:|https?:)", code)
            and not (folder.root / code).exists()
        ):
            raise Mistake(f"'{folder.job}' names the code '{code}', and '{folder.root / code}' does not exist.")
        return Experiment(
            folder,
            config,
            in_datastore(input_path),
            _folder(in_datastore(output_path)),
            written["inputs"][INPUT].get("type", "uri_folder"),
        )


def check(workspace: Workspace, experiment: Experiment) -> resources.Found:
    """Target, datastore, input, environment, compute, parity; nothing is changed."""
    workspace.check()
    store = Datastore.open(workspace, workspace.settings[settings.DATASTORE])
    store.require(experiment.input_path, experiment.input_type, f"the job's {INPUT}", "--input-data-path ")
    if experiment.output_path and store.kind(experiment.output_path.rstrip("/")) == "file":
        raise Mistake(
            f"'/{experiment.output_path.rstrip('/')}' in datastore '{store.name}' is a file, and the outputs go into a folder.",
            next="name a folder: --output-data-path /outputs",
        )
    found = resources.look(workspace, experiment.config)
    here = conda.differences(
        conda.packages(conda.read(experiment.config.conda_file), "the conda file"), installed=conda.installed()
    )
    if here:
        count = f"{len(here)} package{'s' if len(here) > 1 else ''}"
        talk.say(f"note: {count} of the conda file differ in this Python; aml validate shows them")
    return found


def submit(workspace: Workspace, experiment: Experiment) -> Any:
    """The job as Azure ML answers it: ``name``, ``status``, ``studio_url``."""
    job = _load(workspace, experiment)
    with talk.plain():
        return workspace.client.jobs.create_or_update(job)


def _load(workspace: Workspace, experiment: Experiment) -> Any:
    from azure.ai.ml import load_job
    from azure.ai.ml.exceptions import ValidationException
    from marshmallow.exceptions import ValidationError

    given = workspace.settings
    store = given[settings.DATASTORE]
    overrides: list[dict[str, Any]] = [
        {f"inputs.{INPUT}.path": datastore_uri(store, experiment.input_path)},
        {f"outputs.{OUTPUT}.path": datastore_uri(store, experiment.output_path)},
        {"compute": f"azureml:{given[settings.COMPUTE]}"},
        {"environment": f"azureml:{given[settings.ENVIRONMENT]}:{given[settings.ENVIRONMENT_VERSION]}"},
        {"experiment_name": given[settings.EXPERIMENT]},
    ]
    try:
        return load_job(experiment.folder.job, params_override=overrides)
    except (ValidationError, ValidationException) as error:
        raise Mistake(
            f"'{experiment.folder.job}' is not a job that Azure ML takes:", details=yaml_file.reasons(str(error))
        ) from None


def _folder(path: str) -> str:
    return f"{path}/" if path and not path.endswith("/") else path
