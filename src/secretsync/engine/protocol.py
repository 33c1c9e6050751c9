"""What the rest of secretsync asks of an engine, whatever queue is behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncRun
from secretsync.domain.former_places import FormerPlace
from secretsync.engine.queue import NO_TERMS, RunTerms
from secretsync.store.protocol import Transaction


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running attempt has come; `done` and `total` count keys, `total` 0 if unknown."""

    step: str
    done: int = 0
    total: int = 0


class Engine(Protocol):
    """Queues runs durably and executes them."""

    def enqueue(
        self,
        tx: Transaction,
        sync: SecretSync,
        action: RunAction,
        trigger: RunTrigger,
        *,
        terms: RunTerms = NO_TERMS,
    ) -> SyncRun:
        """Queue a run within a transaction, or return the waiting one that answers the trigger.

        Args:
            tx: the transaction of the change that the run follows.
            sync: the sync.
            action: what the run is to do.
            trigger: why.
            terms: what is asked of this one run.
        """
        ...

    def clean_up(
        self,
        tx: Transaction,
        sync: SecretSync,
        place: FormerPlace,
        trigger: RunTrigger,
        *,
        delete_sync: bool = False,
    ) -> SyncRun:
        """Queue a clean-up of a former place within a transaction, or return the unfinished one.

        One that waits is due at once if somebody asks for it, unless the destination asked for the
        pause; what somebody asks for is done whatever the sync's settings.

        Args:
            tx: the transaction.
            sync: the sync.
            place: its former place.
            trigger: why.
            delete_sync: remove the secrets of the sync and delete it when all its former places
                are clean.
        """
        ...

    def cancel(self, tx: Transaction, run: SyncRun) -> SyncRun:
        """Cancel a run within a transaction, and return it as it is then.

        One that waits has ended; one that is under way ends when its attempt has stopped, which the
        engine sees to after `wake`. It ends as cancelled even if the process dies meanwhile.

        Raises:
            Problem: FAILED_PRECONDITION, if it has ended.
        """
        ...

    def wake(self) -> None:
        """Say that a transaction which queued or cancelled runs has committed."""
        ...

    def progress(self, run_uid: str) -> Progress | None:
        """Return how far a run has come, None unless it is running here."""
        ...

    def running(self) -> Sequence[tuple[SyncRun, Progress]]:
        """Return the runs that have reported how far they have come, as they were claimed."""
        ...

    def notify(self, told: Callable[[], None]) -> None:
        """From now on, call `told` on the event loop whenever a run reports its progress."""
        ...

    async def attempt_ended(self, timeout: float) -> None:  # noqa: ASYNC109
        """Return when any attempt has ended and is written down, or after `timeout` seconds."""
        ...

    async def start(self) -> None:
        """Take up what an earlier process left, and begin to execute."""
        ...

    def stop_claiming(self) -> None:
        """Start no further run; those under way go on."""
        ...

    async def stop(self, grace: float) -> None:
        """Claim nothing more, give running runs `grace` seconds, then release them to the queue."""
        ...
