"""Records what a run is about to write, and keeps the ledger in step with what is durable."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from secretsync.adapter import LedgerEntry, RunRequest
from secretsync_octopus_deploy.ownership import DOUBTED

Request = TypeVar("Request", bound=RunRequest)


class Journal(Generic[Request]):
    """The ledger of a run as the engine has it on disk.

    A later look at the variable set must start from just what the next run would find, had this one
    died: two accounts of one write contradict each other sooner or later.

    Attributes:
        request: the run's request, with the ledger as it is now.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self._earlier = [entry for entry in request.ledger if not entry.confirmed]

    async def record(
        self,
        entries: Sequence[LedgerEntry],
        based_on: str | None = None,
        *,
        failed: str | None = None,
    ) -> None:
        """Make entries durable; see `RunRequest.record_intent`."""
        await self.request.record_intent(entries, based_on, failed=failed)
        found = {entry.identity for entry in entries}
        settled = {entry.identity for entry in entries if entry.confirmed}
        before = [
            entry
            for entry in self.request.ledger
            if entry.confirmed and entry.identity not in settled
        ]
        # As the engine does: what earlier attempts left stays until it is settled.
        kept = [entry for entry in self._earlier if entry.identity not in found]
        self._earlier = [entry for entry in self._earlier if entry.identity not in settled]
        self.request = replace(self.request, ledger=(*before, *kept, *entries))

    async def doubt(self, intents: Iterable[LedgerEntry], version: str) -> None:
        """Note that a write had not taken place in its time, and so accounts for no change.

        Args:
            intents: all that must not be forgotten, that write's own marked already.
            version: what the write was based on.
        """
        await self.record(tuple(intents), failed=version)

    async def doubt_earlier(self, version: str) -> None:
        """Note that of writes of processes that died, if there were any based on a version."""
        intents = [entry for entry in self.request.ledger if not entry.confirmed]
        marked = [
            replace(entry, digest=DOUBTED) if entry.version == version else entry
            for entry in intents
        ]
        if marked != intents:
            await self.doubt(marked, version)
