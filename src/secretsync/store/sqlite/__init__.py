"""The state store in one SQLite file, for a service on one machine."""

from secretsync.store.errors import (
    ConstraintError,
    CorruptDatabaseError,
    DataDirectoryError,
    DataDirectoryInUseError,
    DiskError,
    NewerDatabaseError,
    StoreError,
)
from secretsync.store.sqlite.database import DATABASE_FILE, SqliteStore

__all__ = [
    "DATABASE_FILE",
    "ConstraintError",
    "CorruptDatabaseError",
    "DataDirectoryError",
    "DataDirectoryInUseError",
    "DiskError",
    "NewerDatabaseError",
    "SqliteStore",
    "StoreError",
]
