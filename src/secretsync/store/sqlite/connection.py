"""How a connection to the database is set up, and how its errors are told."""

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from sqlite_utils import Database

from secretsync.store.errors import (
    ConstraintError,
    CorruptDatabaseError,
    DiskError,
    StoreError,
)
from secretsync.store.protocol import StorageFullError

# For tools such as a backup that lock the file for a moment; there is no other server.
BUSY_TIMEOUT_SECONDS = 10.0


def connect(
    path: Path, *, read_only: bool, prepare: Callable[[Database], None] | None = None
) -> Database:
    """Open the database for the calling thread, which alone may use what is returned.

    Args:
        path: the database file.
        read_only: whether the connection refuses to write.
        prepare: called with the open database, which is closed again if this raises.
    """
    database = Database(
        sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS),
        # Plugins of sqlite-utils that happen to be installed have no business in here.
        execute_plugins=False,
    )
    try:
        # Readers go on while the writer writes.
        database.execute("PRAGMA journal_mode = WAL")
        # WAL's usual NORMAL may lose the last commits in a power loss. A run that was recorded as
        # done and a ledger that was handed over must not be lost: the destination has changed.
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA foreign_keys = ON")
        if read_only:
            database.execute("PRAGMA query_only = ON")
        if prepare:
            prepare(database)
    except BaseException:
        database.close()
        raise
    return database


@contextmanager
def telling_errors() -> Generator[None]:
    """Turn errors of SQLite into those of the state store.

    Raises:
        StorageFullError: no space is left.
        StoreError: anything else; its subclass says what.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error) from error


def _translated(error: sqlite3.Error) -> Exception:
    # The extended code holds the primary one in its lowest byte (https://sqlite.org/rescode.html).
    # Errors of Python's sqlite3 module itself have none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageFullError("the disk that holds the data directory is full")
    if code == sqlite3.SQLITE_IOERR:
        return DiskError(f"the disk that holds the data directory failed: {error}")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return CorruptDatabaseError(
            f"the database is damaged or is not a database: {error}; restore it from a backup"
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return ConstraintError(f"the change breaks a rule of the database: {error}")
    if code == sqlite3.SQLITE_BUSY:
        return StoreError("another program keeps the database locked")
    return StoreError(f"the database refused: {error}")
