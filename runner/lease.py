"""A lease: what only one may change at a time, all over the world, held by a blob beside what it guards.

Storage gives a lease for 60 seconds and takes renewals (https://learn.microsoft.com/rest/api/storageservices/lease-blob): who dies
holds it for a minute at most, and nobody has to clean up.
"""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from types import TracebackType
from typing import TYPE_CHECKING, Any

from runner.errors import CloudError, Mistake

if TYPE_CHECKING:
    from runner.datastore import Datastore

SECONDS, RENEWAL = 60, 15.0


class Lease:
    """``with Lease(store, path, "publishing v1", holder) as lease``; raises ``Mistake`` when somebody else has it."""

    def __init__(self, store: Datastore, path: str, what: str, holder: str) -> None:
        self._blob = store.container.get_blob_client(path)
        self._what, self._holder = what, holder
        self._held: Any = None
        self._ended = threading.Event()

    def __enter__(self) -> Lease:
        from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError
        from azure.storage.blob import BlobLeaseClient

        try:
            self._blob.upload_blob(b"", overwrite=False)
        except (
            ResourceExistsError,
            ResourceModifiedError,
        ):  # it stays from the first time on; the latter while it is leased
            pass
        held = BlobLeaseClient(self._blob)
        try:
            held.acquire(lease_duration=SECONDS)
        except HttpResponseError as error:
            if error.status_code != 409:
                raise
            told = self._blob.get_blob_properties().metadata or {}
            raise Mistake(
                f"Something else is at work: {told.get('what', 'somebody')}, by {told.get('holder', 'somebody')} "
                f"since {told.get('since', 'a moment ago')}.",
                next=f"try again when it has ended; one that died lets go after {SECONDS} s",
            ) from None
        self._held = held
        since = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._blob.set_blob_metadata({"what": self._what, "holder": self._holder, "since": since}, lease=held)
        threading.Thread(target=self._renew, name="lease", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from azure.core.exceptions import AzureError

        self._ended.set()
        try:
            self._held.release()
        except AzureError:  # it ends by itself
            pass

    def check(self) -> None:
        """Make sure that it is still held; raises ``CloudError``. Before what must not be done by two."""
        from azure.core.exceptions import HttpResponseError

        try:
            self._held.renew()
        except HttpResponseError as error:
            raise CloudError(
                f"The lease for {self._what} was lost: Azure could not be reached for {SECONDS} s, or somebody broke it.",
                details=[str(error.message).splitlines()[0]],
                next="the same command again: what is done stays done",
            ) from None

    def _renew(self) -> None:
        from azure.core.exceptions import AzureError

        while not self._ended.wait(RENEWAL):
            try:
                self._held.renew()
            except AzureError:  # for a while; ``check`` says when it was too long
                continue
