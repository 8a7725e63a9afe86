"""A job's life, as a table: an illegal move is a missing key.

The statuses are Azure's (https://learn.microsoft.com/rest/api/azureml/jobs/get#jobstatus), in the order in which a command job
passes through them: the environment is prepared before nodes are asked for, and inputs are fetched on the node, while Running.

    NotStarted -> Starting -> Preparing -> Queued -> Running -> Finalizing -> Completed
                                 any of them -> Failed, or -> CancelRequested -> Canceled

Must live here: which status follows which. Must not: what a job does in any of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Status(str, Enum):
    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    PROVISIONING = "Provisioning"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCEL_REQUESTED = "CancelRequested"
    CANCELED = "Canceled"
    NOT_RESPONDING = "NotResponding"
    PAUSED = "Paused"
    UNKNOWN = "Unknown"


class Event(str, Enum):
    """What happens to a job. The names are past participles: each is told after the fact."""

    ACCEPTED = "accepted"  # the request is valid and on disk
    PICKED_UP = "picked up"  # the engine has begun with its environment
    PREPARED = "prepared"  # the environment is there; nodes are asked for
    PLACED = "placed"  # nodes were given
    EXITED = "exited"  # every process that is waited for ended well
    REUSED = "reused"  # what an earlier step made stands for what this one would make
    STORED = "stored"  # outputs and logs are in their containers
    BROKE = "broke"  # anything that makes the job fail
    RESTARTED = "restarted"  # the emulator was, before the job had nodes: it begins again
    CANCEL_ASKED = "cancel asked"
    STOPPED = "stopped"  # nothing of a canceled job runs any more


TRANSITIONS: Mapping[Status, Mapping[Event, Status]] = {
    # A pipeline's step, until what it needs is there. A pipeline needs no environment and no nodes of its own.
    Status.NOT_STARTED: {
        Event.ACCEPTED: Status.STARTING,
        Event.PLACED: Status.RUNNING,
        Event.REUSED: Status.COMPLETED,
        Event.BROKE: Status.FAILED,
        Event.CANCEL_ASKED: Status.CANCELED,
    },
    Status.STARTING: {
        Event.PICKED_UP: Status.PREPARING,
        Event.RESTARTED: Status.STARTING,
        Event.BROKE: Status.FAILED,
        Event.CANCEL_ASKED: Status.CANCEL_REQUESTED,
    },
    Status.PREPARING: {
        Event.PREPARED: Status.QUEUED,
        Event.PLACED: Status.RUNNING,
        Event.RESTARTED: Status.STARTING,
        Event.BROKE: Status.FAILED,
        Event.CANCEL_ASKED: Status.CANCEL_REQUESTED,
    },
    Status.QUEUED: {
        Event.PLACED: Status.RUNNING,
        Event.RESTARTED: Status.STARTING,
        Event.BROKE: Status.FAILED,
        Event.CANCEL_ASKED: Status.CANCEL_REQUESTED,
    },
    Status.RUNNING: {
        Event.EXITED: Status.FINALIZING,
        Event.BROKE: Status.FAILED,
        Event.CANCEL_ASKED: Status.CANCEL_REQUESTED,
    },
    Status.FINALIZING: {
        Event.STORED: Status.COMPLETED,
        Event.BROKE: Status.FAILED,
        Event.CANCEL_ASKED: Status.CANCEL_REQUESTED,
    },
    Status.CANCEL_REQUESTED: {Event.STOPPED: Status.CANCELED, Event.BROKE: Status.FAILED},
    Status.COMPLETED: {},
    Status.FAILED: {},
    Status.CANCELED: {},
    # Azure's own that nothing here leads to: Provisioning ("not used currently", says the reference), Paused (labeling jobs),
    # NotResponding (jobs with heartbeats on machines that can be lost), Unknown.
}

TERMINAL = frozenset(status for status, moves in TRANSITIONS.items() if not moves)


def advance(status: Status, event: Event) -> Status | None:
    """The status after ``event``; ``None`` where the table has no such move."""
    return TRANSITIONS.get(status, {}).get(event)
