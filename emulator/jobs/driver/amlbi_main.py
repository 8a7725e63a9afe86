"""The driver of a batch scoring job, and of a parallel step: cuts the input into mini-batches, has workers score them, puts the
results into one file.

    python driver/amlbi_main.py --amlbi_input DATA --append_row_to SCORES --mini_batch_size 10 …

It has Azure ML's name and arguments, because scoring scripts read them (``--logging_level``). Its words:
https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-batch-endpoints and
https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-parallel. What it promises:

    a mini-batch    is what ``amlbi_batches`` cuts: files, or rows of a table
    run()           raising, timing out or ending its process, is tried again, ``--run_max_try`` times in all
    failed items    are the files or rows of a mini-batch that did not succeed, and those for which run() returned no element
    the job fails   above ``--error_threshold`` failed items, ``--mini_batch_error_threshold`` mini-batches that failed or, where
                    failed items count, have one, or ``--allowed_failed_percent`` of them; when nothing succeeded, or init()
                    fails; without a mini-batch begun in
                    ``--first_task_creation_timeout`` seconds or ended in ``--progress_update_timeout``; and, where
                    ``--amlbi_timeout_fails``, when every try of a mini-batch timed out
    shutdown()      is called, where the script has it, by each worker when all is done
    the output      is written when all has ended well, in the order of the mini-batches

Memory does not grow with the input, but for a table, which is read whole: each mini-batch's results go to a file of their own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import deque
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import amlbi_batches  # type: ignore[import-not-found] # they lie beside this file when this file runs
import amlbi_worker  # type: ignore[import-not-found]
from amlbi_batches import JobFailed, Task

FAILED = 42  # the exit status by which Azure ML's driver says that its logs say more
LAYOUT = """logs/job_progress_overview.txt                   how far the job is, and how it ended
logs/user/error.txt                              what went wrong in the scoring script, in short
logs/user/error/<node>/<process>.txt             the same with tracebacks
logs/user/stdout/<node>/<process>.stdout.txt     what the scoring script printed
"""


class Worker:
    """A process that has imported the scoring script. ``task`` is what it scores now, until ``deadline``."""

    def __init__(self, context: Any, options: argparse.Namespace, parts: Path, name: str, node: str) -> None:
        self.name, self.node = name, node
        self.task: Task | None = None
        self.deadline = float("inf")
        self.ready = False
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=amlbi_worker.work, args=(theirs, vars(options), str(parts), name, node), name=name, daemon=True
        )
        self.process.start()
        theirs.close()

    def give(self, task: Task, seconds: float) -> None:
        self.task, self.deadline = task, time.monotonic() + seconds
        self.connection.send((task.index, task.data, task.keys))

    def finish(self, seconds: float) -> None:
        """No more mini-batches: let the script's ``shutdown()`` run."""
        self.connection.close()
        self.process.join(seconds)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Run:
    """``run()`` once; raises ``JobFailed``."""

    def __init__(self, options: argparse.Namespace, tasks: list[Task], parts: Path) -> None:
        self.options, self.tasks, self.parts = options, tasks, parts
        self.waiting = deque(tasks)
        self.done = self.succeeded = self.failed = self.broken = 0
        self.moved = time.monotonic()
        self.given = False
        self.context = multiprocessing.get_context("spawn")
        self.workers: list[Worker] = []

    def run(self) -> None:
        nodes = int(os.environ.get("AZUREML_NODE_COUNT", "1"))
        count = min(len(self.tasks), nodes * self.options.process_count_per_node)
        try:
            self.workers = [self.worker(index) for index in range(count)]
            while self.done < len(self.tasks):
                self.step()
            for worker in self.workers:
                worker.finish(self.options.run_invocation_timeout)
        finally:
            for worker in self.workers:
                worker.end()
        if not self.succeeded:
            raise JobFailed(
                "There is no succeeded mini batch item returned from run(). Please check 'response: run()' in "
                "https://aka.ms/batch-inference-documentation."
            )

    def worker(self, index: int) -> Worker:
        node = f"10.0.0.{4 + index // self.options.process_count_per_node}"
        return Worker(self.context, self.options, self.parts, f"process{index:03}", node)

    def step(self) -> None:
        """Wait for the next that any worker says, that its time is over, or that it is gone."""
        soonest = min(self.deadline(), *(worker.deadline for worker in self.workers))
        left = None if soonest == float("inf") else max(0.0, soonest - time.monotonic())
        told = wait([worker.connection for worker in self.workers], left)
        for index, worker in enumerate(self.workers):
            if worker.connection in told:
                try:
                    self.heard(worker, *worker.connection.recv())
                except (EOFError, OSError):
                    self.gone(index, worker)
            elif time.monotonic() >= worker.deadline:
                self.late(index, worker)
            if self.workers[index].ready and self.workers[index].task is None and self.waiting:
                self.workers[index].give(self.waiting.popleft(), self.options.run_invocation_timeout)
                self.moved, self.given = self.moved if self.given else time.monotonic(), True
        if time.monotonic() >= self.deadline():
            what = "ended" if self.given else "began"
            raise JobFailed(f"No mini-batch {what} in {self.deadline() - self.moved:g} seconds, the {self.limit()}.")

    def limit(self) -> str:
        return "progress_update_timeout" if self.given else "first_task_creation_timeout"

    def deadline(self) -> float:
        """When it is too late for the next mini-batch to begin, or to end."""
        return self.moved + float(getattr(self.options, self.limit()))

    def heard(self, worker: Worker, event: str, value: Any) -> None:
        if event == "ready":
            worker.ready = True
            return
        if event == "unusable":
            self.complain(worker, value)
            raise JobFailed(
                "User program failed with Exception: Run failed, please check logs for details. You can check logs/readme.txt for "
                f"the layout of logs. The scoring script failed before run(): {last_line(value)}"
            )
        task, worker.task, worker.deadline = worker.task, None, float("inf")
        assert task is not None, "A worker speaks of a mini-batch that it was given."
        if event == "raised":
            self.complain(worker, f"Mini-batch {task.index}: {value}")
            self.again(task)
        else:
            self.end(task, min(value, task.items))

    def gone(self, index: int, worker: Worker) -> None:
        worker.process.join()
        code, task = worker.process.exitcode, worker.task
        if not worker.ready:
            raise JobFailed(f"The process {worker.name} ended with {code} before run() was called.")
        self.replace(index)
        if task is None:
            return
        self.complain(worker, f"Mini-batch {task.index}: the process ended with {code} in run().")
        self.again(task)

    def late(self, index: int, worker: Worker) -> None:
        task = worker.task
        assert task is not None, "Only a mini-batch has a time in which it must be done."
        self.replace(index)
        task.timeouts += 1
        seconds = self.options.run_invocation_timeout
        self.complain(worker, f"Mini-batch {task.index}: run() took longer than {seconds:g} seconds.")
        if self.options.amlbi_timeout_fails and task.timeouts >= self.options.run_max_try:
            raise JobFailed(
                f"The run() function in the entry script had timeout for {task.timeouts} times: mini-batch {task.index} was not "
                f"done in {seconds:g} seconds. Give the deployment a longer retry_settings.timeout, or smaller mini-batches."
            )
        self.again(task)

    def replace(self, index: int) -> None:
        self.workers[index].end()
        self.workers[index] = self.worker(index)

    def again(self, task: Task) -> None:
        task.tries += 1
        if task.tries < self.options.run_max_try:
            self.waiting.append(task)
        else:
            self.end(task, 0, broken=True)

    def end(self, task: Task, succeeded: int, *, broken: bool = False) -> None:
        """A mini-batch is done with, whether or not its items succeeded. Where no failed item counts, one is not broken by them:
        run() may return a line for a thousand rows
        (https://github.com/Azure/azureml-examples/tree/main/cli/jobs/parallel/1a_oj_sales_prediction)."""
        self.moved = time.monotonic()
        self.done += 1
        self.succeeded += succeeded
        self.failed += task.items - succeeded
        self.broken += broken or self.options.error_threshold >= 0 and succeeded < task.items
        self.progress(f"Mini-batch {task.index}: {succeeded} of {task.items} items succeeded.")
        if 0 <= self.options.error_threshold < self.failed:
            raise JobFailed(
                f"The error count {self.failed} is above the error_threshold {self.options.error_threshold}: "
                f"{self.failed} items of the input failed. logs/user/error.txt says why."
            )
        most, percent = self.options.mini_batch_error_threshold, self.options.allowed_failed_percent
        limits = ("mini_batch_error_threshold", most), ("allowed_failed_percent", percent)
        for (name, limit), count in zip(limits, (self.broken, 100 * self.broken / len(self.tasks))):
            if 0 <= limit < count:
                raise JobFailed(
                    f"{self.broken} of {len(self.tasks)} mini-batches failed, more than the {name} {limit:g} allows. "
                    "logs/user/error.txt says why."
                )

    def progress(self, line: str) -> None:
        say(f"{line} {self.done} of {len(self.tasks)} mini-batches are done, {self.failed} items failed.")

    def complain(self, worker: Worker, text: str) -> None:
        folder = Path("logs", "user", "error", worker.node)
        folder.mkdir(parents=True, exist_ok=True)
        for path, what in (
            (folder / f"{worker.name}.txt", text.rstrip()),
            (Path("logs/user/error.txt"), summary(text)),
        ):
            with path.open("a", encoding="utf-8") as file:
                print(what, file=file)
        say(summary(text))


def say(line: str) -> None:
    """To the job's log, and to the overview."""
    print(line, flush=True)
    with open("logs/job_progress_overview.txt", "a", encoding="utf-8") as file:
        print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), line, file=file)


def last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def summary(text: str) -> str:
    """Without a traceback's lines but the last."""
    before, traceback, _ = text.partition("Traceback (most recent call last):")
    return f"{before}{last_line(text)}" if traceback else text.strip()


def model_folder(model: str, name: str, beside: Path) -> str:
    """``AZUREML_MODEL_DIR``: a folder in which the model lies under its own name.

    https://learn.microsoft.com/azure/machine-learning/how-to-batch-scoring-script#using-models-that-are-folders
    """
    folder = beside / "azureml-models"
    folder.mkdir()
    (folder / name).symlink_to(os.path.abspath(model))
    return str(folder)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--scoring_module_name", default="")
    parser.add_argument("--amlbi_input", required=True)
    parser.add_argument("--amlbi_nested", action="store_true")
    parser.add_argument("--amlbi_table", action="store_true")
    parser.add_argument("--amlbi_output", default="")
    parser.add_argument("--amlbi_timeout_fails", action="store_true")
    parser.add_argument("--append_row_to", default="")
    parser.add_argument("--amlbi_model", default="")
    parser.add_argument("--amlbi_model_name", default="model")
    parser.add_argument("--mini_batch_size", type=int, default=10)
    parser.add_argument("--partition_keys", default="[]")
    parser.add_argument("--error_threshold", type=int, default=-1)
    parser.add_argument("--output_action", choices=("append_row", "summary_only"), default="append_row")
    parser.add_argument("--append_row_file_name", default="predictions.csv")
    parser.add_argument("--run_max_try", type=int, default=4)
    parser.add_argument("--run_invocation_timeout", type=float, default=30.0)
    parser.add_argument("--process_count_per_node", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mini_batch_error_threshold", type=int, default=-1)
    parser.add_argument("--allowed_failed_percent", type=float, default=100.0)
    parser.add_argument("--first_task_creation_timeout", type=float, default=600.0)
    parser.add_argument("--progress_update_timeout", type=float, default=float("inf"))
    parser.add_argument("--logging_level", default="INFO")
    return parser.parse_known_args()[0]


def gather(tasks: list[Task], parts: Path, output: Path) -> None:
    with output.open("wb") as whole:
        for task in tasks:
            part = parts / str(task.index)
            if part.exists():
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole, 1 << 20)


def main() -> None:
    if os.environ.get("AZ_BATCHAI_TASK_INDEX", "0") != "0":
        return print("The mini-batches of this node are given out by the first node.")
    options = arguments()
    Path("logs", "user").mkdir(parents=True, exist_ok=True)
    Path("logs", "readme.txt").write_text(LAYOUT, encoding="utf-8")
    if options.amlbi_output:
        os.environ["AZUREML_BI_OUTPUT_PATH"] = options.amlbi_output
    with tempfile.TemporaryDirectory() as folder:
        parts, rows = Path(folder, "parts"), Path(folder, "rows")
        parts.mkdir()
        rows.mkdir()
        if options.amlbi_model:
            os.environ["AZUREML_MODEL_DIR"] = model_folder(options.amlbi_model, options.amlbi_model_name, Path(folder))
        try:
            tasks = amlbi_batches.cut(options, rows, say)
            what = "rows" if options.amlbi_table else "files"
            say(f"The input has {sum(task.items for task in tasks)} {what}: {len(tasks)} mini-batches.")
            Run(options, tasks, parts).run()
            if options.output_action == "append_row":
                whole = Path(options.append_row_to or options.amlbi_output)
                gather(tasks, parts, whole / options.append_row_file_name if whole.is_dir() else whole)
        except JobFailed as failed:
            say(str(failed))
            sys.exit(FAILED)
    say("The job ended well.")


if __name__ == "__main__":
    main()
