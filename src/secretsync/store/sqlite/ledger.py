"""The tables of what each sync put at its destination, and of how destinations' versions grew."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlite_utils import Database

from secretsync.adapter import LedgerEntry
from secretsync.store.sqlite.entries import Entries
from secretsync.store.sqlite.rows import time_from_text, time_to_text

KEPT_WRITES: Final = 1000
"""How many writes of a target are remembered."""


class Ledger(Entries):
    """Implements `LedgerTable`."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "ledger", "sync_uid")

    def of_sync(self, sync_uid: str) -> Sequence[LedgerEntry]:
        return self.of(sync_uid)

    def claimed_by_others(self, sync_uid: str, target_key: str) -> Mapping[str, str]:
        rows = self._database.execute(
            """
            SELECT identity, 'projects/' || sync.project || '/secretSyncs/' || sync.slug AS name
            FROM secret_syncs AS sync CROSS JOIN ledger ON ledger.sync_uid = sync.uid
            WHERE sync.target_key = ? AND sync.uid <> ?
            ORDER BY name DESC
            """,
            [target_key, sync_uid],
        )
        # Should two of them claim the same identity, the one whose name comes first is told.
        return dict(rows.fetchall())

    def record_write(self, target_key: str, before: str, after: str) -> None:
        # A target that was restored from a backup counts its versions anew: what was recorded of
        # the time beyond the present version belongs to a history that is no more.
        for version in {before, *self.versions_after(target_key, after)}:
            self._database.execute(
                "DELETE FROM target_writes WHERE target_key = ? AND version_before = ?",
                [target_key, version],
            )
        self._database.execute(
            "INSERT INTO target_writes (target_key, version_before, version_after) "
            "VALUES (?, ?, ?)",
            [target_key, before, after],
        )
        self._forget("target_writes", target_key)

    def record_attempt(self, target_key: str, version: str, now: datetime) -> None:
        # As for writes: a target that was restored has other changes after this version.
        for later in self.versions_after(target_key, version) - {version}:
            self._database.execute(
                "DELETE FROM target_attempts WHERE target_key = ? AND version = ?",
                [target_key, later],
            )
        self._database.execute(
            "INSERT INTO target_attempts (target_key, version, begin_time) VALUES (?, ?, ?)",
            [target_key, version, time_to_text(now)],
        )
        self._forget("target_attempts", target_key)

    def withdraw_attempt(self, target_key: str, version: str) -> None:
        self._database.execute(
            """
            DELETE FROM target_attempts WHERE seq = (
                SELECT max(seq) FROM target_attempts WHERE target_key = ? AND version = ?
            )
            """,
            [target_key, version],
        )

    def attempted_from(self, target_key: str) -> Mapping[str, datetime]:
        rows = self._database.execute(
            "SELECT version, begin_time FROM target_attempts WHERE target_key = ? ORDER BY seq",
            [target_key],
        )
        return {version: time_from_text(begun) for version, begun in rows}

    def _forget(self, table: str, target_key: str) -> None:
        """Delete all but the newest rows of a target; `table` is one of this module's own names."""
        self._database.execute(
            f"""
            DELETE FROM {table} WHERE target_key = ?1 AND seq <= (
                SELECT seq FROM {table} WHERE target_key = ?1
                ORDER BY seq DESC LIMIT 1 OFFSET ?2
            )
            """,  # noqa: S608
            [target_key, KEPT_WRITES],
        )

    def versions_after(self, target_key: str, version: str) -> frozenset[str]:
        # UNION drops what was reached before, so that a circle of versions ends too.
        rows = self._database.execute(
            """
            WITH RECURSIVE reached (version) AS (
                VALUES (?2)
                UNION
                SELECT version_after FROM reached CROSS JOIN target_writes
                WHERE target_key = ?1 AND version_before = reached.version
            )
            SELECT version FROM reached
            """,
            [target_key, version],
        )
        return frozenset(found for (found,) in rows)
