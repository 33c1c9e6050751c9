"""The table of secret imports."""

from collections.abc import Sequence

from sqlite_utils import Database

from secretsync.domain.entities import FolderRef, SecretImport
from secretsync.store.sqlite.rows import Record

IMPORTS = Record("secret_imports", SecretImport)


class Imports:
    """Implements `ImportTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, secret_import: SecretImport) -> None:
        IMPORTS.insert(self._database, secret_import)

    def get(self, environment_uid: str, uid: str) -> SecretImport | None:
        return IMPORTS.one(
            self._database,
            "SELECT * FROM secret_imports WHERE uid = ? AND environment_uid = ?",
            [uid, environment_uid],
        )

    def list(
        self, environment_uid: str, path: str | None, after: tuple[str, int], limit: int
    ) -> Sequence[SecretImport]:
        if path is None:
            return IMPORTS.all(
                self._database,
                """
                SELECT * FROM secret_imports
                WHERE environment_uid = ? AND (path, position) > (?, ?)
                ORDER BY path, position LIMIT ?
                """,
                [environment_uid, *after, limit],
            )
        if after[0] > path:
            return []
        return IMPORTS.all(
            self._database,
            """
            SELECT * FROM secret_imports WHERE environment_uid = ? AND path = ? AND position > ?
            ORDER BY position LIMIT ?
            """,
            [environment_uid, path, after[1] if after[0] == path else -1, limit],
        )

    def of_folder(self, folder: FolderRef) -> Sequence[SecretImport]:
        return IMPORTS.all(
            self._database,
            "SELECT * FROM secret_imports WHERE environment_uid = ? AND path = ? ORDER BY position",
            [folder.environment_uid, folder.path],
        )

    def importers_of(self, folder: FolderRef) -> Sequence[FolderRef]:
        rows = self._database.execute(
            """
            SELECT DISTINCT environment_uid, path FROM secret_imports
            WHERE import_environment_uid = ? AND import_path = ?
            ORDER BY environment_uid, path
            """,
            [folder.environment_uid, folder.path],
        )
        return [FolderRef(environment_uid, path) for environment_uid, path in rows]

    def from_environment(self, environment_uid: str) -> Sequence[SecretImport]:
        return IMPORTS.all(
            self._database,
            """
            SELECT * FROM secret_imports
            WHERE import_environment_uid = ?1 AND environment_uid <> ?1
            ORDER BY environment_uid, path, position
            """,
            [environment_uid],
        )

    def delete(self, uid: str) -> None:
        self._database.execute("DELETE FROM secret_imports WHERE uid = ?", [uid])
