"""Opens the SQLite state store and runs units of work on it, off the event loop."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from secretsync.store.errors import CorruptDatabaseError, StoreError
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite.connection import connect
from secretsync.store.sqlite.data_directory import DataDirectory
from secretsync.store.sqlite.migrations import migrate
from secretsync.store.sqlite.threads import ConnectionThreads

T = TypeVar("T")

DATABASE_FILE = "secretsync.db"
# SQLite has one writer at a time anyway. Readers mostly wait for nothing: a few are plenty.
READERS = 3


class SqliteStore:
    """A `StateStore` in one SQLite file. Open one with `SqliteStore.open`."""

    def __init__(
        self, directory: DataDirectory, writer: ConnectionThreads, readers: ConnectionThreads
    ) -> None:
        self._directory = directory
        self._writer = writer
        self._readers = readers
        self._closed = False
        self._told: Callable[[int], None] | None = None
        self._newest_event = 0

    @classmethod
    def open(cls, data_dir: Path) -> "SqliteStore":
        """Lock the data directory, and open the database in it, up to date.

        Args:
            data_dir: where `secretsync.db` is, or is to be; created if missing.

        Raises:
            DataDirectoryInUseError: another server holds the directory.
            DataDirectoryError: it is not a directory that can be written.
            NewerDatabaseError: a newer version of secretsync has been here.
            CorruptDatabaseError: the file is damaged or is no SQLite database.
            StorageFullError: the disk has no room for the database.
            StoreError: anything else that keeps the database from being opened.
        """
        directory = DataDirectory(data_dir)
        try:
            path = directory.create_file(DATABASE_FILE)
            writer = ConnectionThreads(
                "store-writer",
                1,
                lambda: connect(path, read_only=False, prepare=_check_and_migrate),
            )
            try:
                readers = ConnectionThreads(
                    "store-reader", READERS, lambda: connect(path, read_only=True)
                )
            except BaseException:
                writer.stop()
                raise
        except BaseException:
            directory.unlock()
            raise
        return cls(directory, writer, readers)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` on a consistent snapshot and return what it returns; see `StateStore`."""
        self._check_open()
        return await asyncio.wrap_future(self._readers.submit(work))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction and return what it returns; see `StateStore`.

        Raises:
            StorageFullError: the disk is full; nothing was changed.
            StoreError: the database refused a change; nothing was changed.
            Exception: whatever `work` raises, as it is; nothing was changed.
        """
        loop = asyncio.get_running_loop()
        told = self._told

        def watched(tx: Transaction) -> tuple[T, int]:
            result = work(tx)
            return result, tx.events.newest().seq if told else 0

        self._check_open()
        done = self._writer.submit(watched)
        # Not after the await: a transaction also commits if nobody waits for it any more.
        if told:
            done.add_done_callback(lambda future: self._committed(future, loop, told))
        return (await asyncio.wrap_future(done))[0]

    def notify(self, told: Callable[[int], None]) -> None:
        """From now on, tell of each commit that added events; see `StateStore`."""
        self._told = told

    async def close(self) -> None:
        """Finish what was begun, and let go of the database and its directory."""
        if self._closed:
            return
        self._closed = True
        await asyncio.to_thread(self._stop)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the state store is closed")

    def _committed(
        self,
        future: Future[tuple[T, int]],
        loop: asyncio.AbstractEventLoop,
        told: Callable[[int], None],
    ) -> None:
        """Pass on, from the writer's thread, that a transaction is over."""
        if future.cancelled() or future.exception():
            return
        _, newest = future.result()
        if newest > self._newest_event:
            self._newest_event = newest
            # A loop that is closed has nobody left who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(told, newest)

    def _stop(self) -> None:
        # The writer last: the last connection to close folds the write-ahead log into the file.
        self._readers.stop()
        self._writer.stop()
        self._directory.unlock()


def _check_and_migrate(database: Database) -> None:
    [[finding]] = database.execute("PRAGMA quick_check(1)").fetchall()
    if finding != "ok":
        raise CorruptDatabaseError(f"the database is damaged: {finding}; restore it from a backup")
    migrate(database)
