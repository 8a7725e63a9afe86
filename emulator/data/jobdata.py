"""What a job reads and writes: its code, its inputs and its outputs, on the way in and on the way out.

The values that stand in the command line and in the environment are made here; how bytes move is ``bindings``'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.data import bindings, places, snapshot
from emulator.identity.tenant import Principal
from emulator.jobs import parallel, variables
from emulator.jobs.failures import JobFailed
from emulator.management.ids import ResourceId
from emulator.store import Document

if TYPE_CHECKING:
    from emulator.cloud import Cloud


class JobData:
    """``fetch`` once before the command runs, ``store`` once after; ``folder`` is the job's own."""

    def __init__(self, cloud: Cloud, document: Document, folder: Path) -> None:
        self._cloud = cloud
        self._job: Mapping[str, Any] = document.body["properties"]
        id = ResourceId.parse(document.id)
        self._name, self._workspace = id.name, id.ancestor(1)
        self._inputs, self._outputs = folder / "inputs", folder / "outputs"
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, bindings.Output] = {}

    @property
    def values(self) -> dict[str, str]:
        """For the command line: ``inputs.x``, ``outputs.y``."""
        return {
            **{f"inputs.{name}": value for name, value in self.inputs.items()},
            **{f"outputs.{name}": output.value for name, output in self.outputs.items()},
        }

    @property
    def variables(self) -> dict[str, str]:
        return variables.of_data(self.inputs, {name: output.value for name, output in self.outputs.items()})

    async def fetch(self, work: Path, principal: Principal, *, code: bool = True) -> None:
        """The code into ``work`` (``code``: it is not there yet), inputs and outputs beside it; ``principal`` reads and writes
        what no datastore has a credential for. Raises ``JobFailed`` with Azure's code for what is not there, or not for it.
        """
        with _told():
            self._check_roles(principal)
            await asyncio.gather(
                *([self._code(work)] if code else []),
                *(self._input(name, told) for name, told in self._job["inputs"].items()),
                *(self._output(name, told) for name, told in self._job["outputs"].items()),
            )

    async def store(self, *, good: bool) -> dict[str, dict[str, Any]]:
        """Bring what was written to where it belongs; what each output became: ``{"uri", "assetId", "type", "files"}``.

        Of a job that did not end well what its mounts hold is kept, and nothing is registered.
        """
        with _told():
            for name, told in self._job["inputs"].items():
                if told["jobInputType"] != "literal" and name in self.inputs:
                    await bindings.return_input(self._cloud, self._workspace, name, told, self._inputs)
            became = await asyncio.gather(*(self._store(name, output, good) for name, output in self.outputs.items()))
        return dict(zip(self.outputs, became, strict=True))

    def _check_roles(self, principal: Principal) -> None:
        data = [
            ("input", name, told) for name, told in self._job["inputs"].items() if told["jobInputType"] != "literal"
        ]
        data += [("output", name, told) for name, told in self._job["outputs"].items()]
        for kind, name, told in data:
            place = places.find(self._cloud, self._workspace, told["uri"])
            if told.get("mode") != "Direct" and isinstance(place, places.Place):
                what = f"The {kind} '{name}' ({told['uri'].partition('?')[0]})"
                writes = kind == "output" or told.get("mode") == "ReadWriteMount"
                places.check_role(self._cloud, place, principal, what, write=writes)

    async def _code(self, work: Path) -> None:
        if self._job.get("codeId"):
            await snapshot.lay_out(self._cloud, self._workspace, self._job["codeId"], work)
        await asyncio.to_thread(parallel.lay_out, self._job["command"], work)

    async def _input(self, name: str, told: Mapping[str, Any]) -> None:
        if told["jobInputType"] == "literal":
            self.inputs[name] = told["value"]
        else:
            self.inputs[name] = await bindings.fetch_input(self._cloud, self._workspace, name, told, self._inputs)

    async def _output(self, name: str, told: Mapping[str, Any]) -> None:
        self.outputs[name] = await bindings.prepare_output(self._cloud, self._workspace, name, told, self._outputs)

    async def _store(self, name: str, output: bindings.Output, good: bool) -> dict[str, Any]:
        told = self._job["outputs"][name]
        files = await bindings.store_output(self._cloud, self._workspace, output, succeeded=good)
        asset, version, id = told.get("assetName"), told.get("assetVersion") or "", None
        if (
            not asset
        ):  # Azure ML registers it all the same, under a name of the job's; ``jobs.download`` finds it by that
            asset, version = f"azureml_{self._name}_output_data_{name}", "1"
        if good:
            id = await bindings.register_output(self._cloud, self._workspace, self._name, output, asset, version)
        return {"uri": output.uri, "assetId": id, "type": output.type, "files": files}


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong with data fails the job, in the words for its owner."""
    try:
        yield
    except bindings.DataFailed as failed:
        raise JobFailed(failed.message, failed.code) from None
