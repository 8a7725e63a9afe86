"""A worker: imports the scoring script, then scores the mini-batches that it is given, one after another.

What the script prints goes to a log of its own, for there are many workers and one job.
"""

from __future__ import annotations

import importlib.util
import inspect
import logging
import os
import sys
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import amlbi_mlflow  # type: ignore[import-not-found] # it lies beside this file when this file runs


def work(connection: Any, options: dict[str, Any], parts: str, name: str, node: str) -> None:
    """Say ``ready``, then ``done`` with the number of elements, or ``raised`` with a traceback, for each mini-batch."""
    _redirect(Path("logs", "user", "stdout", node, f"{name}.stdout.txt"))
    logging.basicConfig(level=getattr(logging, options["logging_level"].upper(), logging.INFO), stream=sys.stdout)
    try:
        script = _script(options["scoring_module_name"]) if options["scoring_module_name"] else amlbi_mlflow
        script.init()
    except BaseException:  # noqa: B036, B902 - whatever it is, it is the script's, and its owner must read it
        connection.send(("unusable", traceback.format_exc()))
        return
    connection.send(("ready", None))
    while True:
        try:
            index, data, keys = connection.recv()
        except EOFError:
            return _shut_down(script)
        part = Path(parts, str(index)) if options["output_action"] == "append_row" else Path(os.devnull)
        try:
            print(
                f"Mini-batch {index}: {', '.join(f'{key} {value}' for key, value in keys.items()) or data[0]} …",
                flush=True,
            )
            if script is amlbi_mlflow:
                count = amlbi_mlflow.score(data, part)
            else:
                batch = importlib.import_module("pandas").read_pickle(data[0]) if options["amlbi_table"] else data
                context = SimpleNamespace(minibatch_index=index, partition_key_value=keys)
                count = _write(script.run(*(batch, context)[: _arity(script.run)]), part)
            said = ("done", count)
        except BaseException:  # noqa: B036, B902 - as above
            said = ("raised", traceback.format_exc())
            if part.is_file():
                part.unlink()
            print(said[1], flush=True)
        connection.send(said)


def _arity(run: Any) -> int:
    """2 where ``run()`` takes the mini-batch's context, too: https://github.com/Azure/MachineLearningNotebooks, parallel-run."""
    more = [one for one in inspect.signature(run).parameters.values() if one.kind is one.POSITIONAL_OR_KEYWORD][1:2]
    return 2 if more and (more[0].default is more[0].empty or more[0].name == "mini_batch_context") else 1


def _shut_down(script: Any) -> None:
    try:
        getattr(script, "shutdown", lambda: None)()
    except BaseException:  # noqa: B036, B902 - what was scored is scored
        traceback.print_exc()


def _redirect(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    log = os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _script(path: str) -> Any:
    """The scoring script, which finds what lies beside it and in the folder of the code."""
    file = Path(path).resolve()
    if not file.is_file():
        there = sorted(one.name for one in Path().iterdir() if one.suffix == ".py")
        raise FileNotFoundError(f"The code has no scoring script '{path}'. It has: {', '.join(there) or 'none'}.")
    sys.path[:0] = list(dict.fromkeys([str(file.parent), os.getcwd()]))
    spec = importlib.util.spec_from_file_location(file.stem, str(file))
    assert spec is not None and spec.loader is not None, "A file that is there has a loader."
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    for name in ("init", "run"):
        if not callable(getattr(module, name, None)):
            raise AttributeError(f"The scoring script '{path}' has no function {name}().")
    return module


def _write(result: Any, part: Path) -> int:
    """Append what ``run()`` returned to the part, a line an element; how many elements. Columns of a DataFrame are separated by
    spaces and have no header, as Azure ML writes them."""
    if hasattr(result, "to_csv"):
        result.to_csv(str(part), sep=" ", header=False, index=False)
        return len(result)
    if not isinstance(result, (list, tuple)) and not hasattr(result, "tolist"):
        raise TypeError(
            f"run() must return a pandas DataFrame or an array/list; it returned {type(result).__name__}. Please check "
            "'response: run()' in https://aka.ms/batch-inference-documentation."
        )
    with part.open("w", encoding="utf-8") as file:
        for item in result:
            print(item, file=file)
    return len(result)
