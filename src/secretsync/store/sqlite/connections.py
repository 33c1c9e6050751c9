"""The table of connections."""

from collections.abc import Sequence

from sqlite_utils import Database

from secretsync.domain.entities import Connection
from secretsync.store.sqlite.rows import Record

CONNECTIONS = Record("connections", Connection)


class Connections:
    """Implements `ConnectionTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, connection: Connection) -> None:
        CONNECTIONS.insert(self._database, connection)

    def get(self, project_uid: str, slug: str) -> Connection | None:
        return CONNECTIONS.one(
            self._database,
            "SELECT * FROM connections WHERE project_uid = ? AND slug = ?",
            [project_uid, slug],
        )

    def by_uid(self, uid: str) -> Connection | None:
        return CONNECTIONS.one(self._database, "SELECT * FROM connections WHERE uid = ?", [uid])

    def list(self, project_uid: str, after: str, limit: int) -> Sequence[Connection]:
        return CONNECTIONS.all(
            self._database,
            "SELECT * FROM connections WHERE project_uid = ? AND slug > ? ORDER BY slug LIMIT ?",
            [project_uid, after, limit],
        )

    def update(self, connection: Connection) -> None:
        CONNECTIONS.update(self._database, connection)

    def delete(self, uid: str) -> None:
        self._database.execute("DELETE FROM connections WHERE uid = ?", [uid])
