"""What is said of a job that has ended."""

import pytest

from runner import talk
from runner.errors import JobFailed
from runner.following import Outcome, error_of
from runner.report import Report


def report(status: str, **kwargs: object) -> Report:
    outcome = Outcome(status, "UserError: no", ("line 1", "line 2"), 65.0)
    return Report("brave_ant", outcome, "https://ml", {"accuracy": 0.9666666, "f1": 1.0}, {"artifacts": "azureml://x"})


def test_metrics_and_outputs_stand_in_tables() -> None:
    assert report("Completed").lines() == [
        "metric       value",
        "--------  --------",
        "accuracy  0.966667",
        "f1               1",
        "",
        "output     where",
        "---------  -----------",
        "artifacts  azureml://x",
    ]


def test_a_failed_job_shows_its_last_lines_and_where_the_rest_is() -> None:
    report("Completed").raise_for_status("")
    with pytest.raises(JobFailed) as caught:
        report("Failed").raise_for_status(" --stack local")
    assert caught.value.lines() == [
        "error: Job brave_ant failed after 1 min 05 s.",
        "  UserError: no",
        "  the last lines of its log:",
        "    line 1",
        "    line 2",
        "  next: aml jobs logs brave_ant --stack local shows all of it",
    ]
    with pytest.raises(JobFailed, match="was cancelled"):
        report("Canceled").raise_for_status("")
    never_ran = Outcome("Failed", "step b: it has no input", (), 1.0, told_by="calm_ant")
    with pytest.raises(JobFailed) as caught:
        Report("brave_ant", never_ran, "https://ml", {}, {}).raise_for_status("")
    assert caught.value.next == "aml jobs show calm_ant shows all of it"


def test_the_error_of_run_history() -> None:
    assert error_of({"error": {"error": {"code": "UserError", "message": "exit 1 "}}}) == "UserError: exit 1"
    assert error_of({"error": None}) is None and error_of({}) is None


def test_a_table_without_rows_has_its_head() -> None:
    assert talk.table(("a", "bb"), []) == ["a  bb", "-  --"]
