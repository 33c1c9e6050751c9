"""Tables of ledger entries: those of present places, and those of former ones."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

from sqlite_utils import Database

from secretsync.adapter import LedgerEntry


class Entries:
    """Implements `EntryTable`.

    Args:
        database: where the table is.
        table: its name.
        owner: its column that says whose entries they are.
    """

    def __init__(self, database: Database, table: str, owner: str) -> None:
        self._database = database
        # Only names from this package's own source go into these statements.
        self._of = f"""
            SELECT key, name, identity, remote_id, digest, version, confirmed FROM {table}
            WHERE {owner} = ? ORDER BY identity, confirmed DESC
        """  # noqa: S608
        self._delete = f"DELETE FROM {table} WHERE {owner} = ?"  # noqa: S608
        self._exists = f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {owner} = ?)"  # noqa: S608
        self._add = f"""
            INSERT INTO {table}
                ({owner}, identity, confirmed, key, name, remote_id, digest, version)
            VALUES
                (:owner, :identity, :confirmed, :key, :name, :remote_id, :digest, :version)
        """  # noqa: S608

    def of(self, owner: str) -> Sequence[LedgerEntry]:
        return [
            LedgerEntry(
                key=key,
                name=name,
                identity=identity,
                remote_id=remote_id,
                digest=digest,
                version=version,
                confirmed=bool(confirmed),
            )
            for key, name, identity, remote_id, digest, version, confirmed in (
                self._database.execute(self._of, [owner])
            )
        ]

    def replace(self, owner: str, entries: Iterable[LedgerEntry]) -> None:
        self._database.execute(self._delete, [owner])
        self._insert(owner, entries)

    def put_intents(self, owner: str, entries: Iterable[LedgerEntry]) -> None:
        self._database.execute(f"{self._delete} AND NOT confirmed", [owner])
        self._insert(owner, entries)

    def confirm(self, owner: str, entries: Iterable[LedgerEntry]) -> None:
        found = list(entries)
        self._database.conn.executemany(
            f"{self._delete} AND identity = ? AND confirmed",
            [(owner, entry.identity) for entry in found],
        )
        self._insert(owner, found)

    def has_entries(self, owner: str) -> bool:
        [[found]] = self._database.execute(self._exists, [owner])
        return bool(found)

    def _insert(self, owner: str, entries: Iterable[LedgerEntry]) -> None:
        self._database.conn.executemany(
            self._add, ({"owner": owner, **asdict(entry)} for entry in entries)
        )
