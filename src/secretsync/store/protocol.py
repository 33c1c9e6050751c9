"""What the rest of secretsync asks of a state store, whatever database is behind it."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from secretsync.store.pause_table import PauseTable
from secretsync.store.place_tables import FormerPlaceTable
from secretsync.store.run_tables import AttemptTable, EventTable, RunTable
from secretsync.store.tables import (
    ConnectionTable,
    EnvironmentTable,
    IdempotencyTable,
    ImportTable,
    KeyStateTable,
    KeyTable,
    LedgerTable,
    ProjectTable,
    SecretTable,
    SyncTable,
)

T = TypeVar("T")


class StorageFullError(Exception):
    """The disk is full; the transaction was rolled back."""


class Transaction(Protocol):
    """The tables, as one transaction sees them. Not to be used after the transaction."""

    @property
    def projects(self) -> ProjectTable: ...
    @property
    def environments(self) -> EnvironmentTable: ...
    @property
    def secrets(self) -> SecretTable: ...
    @property
    def imports(self) -> ImportTable: ...
    @property
    def connections(self) -> ConnectionTable: ...
    @property
    def syncs(self) -> SyncTable: ...
    @property
    def runs(self) -> RunTable: ...
    @property
    def attempts(self) -> AttemptTable: ...
    @property
    def pauses(self) -> PauseTable: ...
    @property
    def events(self) -> EventTable: ...
    @property
    def ledger(self) -> LedgerTable: ...
    @property
    def key_states(self) -> KeyStateTable: ...
    @property
    def former_places(self) -> FormerPlaceTable: ...
    @property
    def idempotency(self) -> IdempotencyTable: ...
    @property
    def keys(self) -> KeyTable: ...


class StateStore(Protocol):
    """Runs units of work, each in one transaction, off the event loop."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on a consistent snapshot and return what it returns. It must not write."""
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction that commits when it returns and rolls back if it raises.

        Transactions run one after another. Once begun, a transaction finishes even if the
        awaiting task is cancelled.

        Raises:
            StorageFullError: the disk is full; nothing was changed.
        """
        ...

    def notify(self, told: Callable[[int], None]) -> None:
        """From now on, tell of each commit that added events, once it is there to be read.

        Args:
            told: called on the event loop with the `seq` of the newest event.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of the database. No call may follow."""
        ...
