"""The table of secrets."""

from collections.abc import Iterable, Mapping, Sequence

from sqlite_utils import Database

from secretsync.domain.entities import FolderRef, Secret
from secretsync.store.sqlite.paths import below
from secretsync.store.sqlite.rows import Record, to_json

SECRETS = Record("secrets", Secret)

# Greater than any key by code point: keys are shorter than this many of the last character.
_LAST_KEY = "\U0010ffff" * 256


class Secrets:
    """Implements `SecretTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, folder: FolderRef, keys: Sequence[str]) -> Mapping[str, Secret]:
        # One JSON parameter, because SQLite limits how many parameters a statement can have.
        found = SECRETS.all(
            self._database,
            """
            SELECT secrets.* FROM json_each(?) AS wanted CROSS JOIN secrets
            WHERE secrets.environment_uid = ? AND secrets.path = ? AND secrets.key = wanted.value
            """,
            [to_json(list(keys)), folder.environment_uid, folder.path],
        )
        return {secret.key: secret for secret in found}

    def put(self, secrets: Iterable[Secret]) -> None:
        SECRETS.upsert(self._database, secrets)

    def delete(self, uids: Iterable[str]) -> None:
        self._database.conn.executemany(
            "DELETE FROM secrets WHERE uid = ?", ((uid,) for uid in uids)
        )

    def list(
        self, folder: FolderRef, *, recursive: bool, after: tuple[str, str], limit: int
    ) -> Sequence[Secret]:
        # The folder's own secrets come before all that is below it, so that two searches of the
        # index follow each other and nothing is sorted or filtered.
        page: Sequence[Secret] = []
        if after < (folder.path, _LAST_KEY):
            page = SECRETS.all(
                self._database,
                """
                SELECT * FROM secrets WHERE environment_uid = ? AND path = ? AND key > ?
                ORDER BY key LIMIT ?
                """,
                [
                    folder.environment_uid,
                    folder.path,
                    after[1] if after[0] == folder.path else "",
                    limit,
                ],
            )
        if recursive and len(page) < limit:
            subtree = below(folder.path)
            page = [
                *page,
                *SECRETS.all(
                    self._database,
                    """
                    SELECT * FROM secrets
                    WHERE environment_uid = ? AND (path, key) > (?, ?) AND path < ?
                    ORDER BY path, key LIMIT ?
                    """,
                    [
                        folder.environment_uid,
                        *max(after, (subtree.after, _LAST_KEY)),
                        subtree.before,
                        limit - len(page),
                    ],
                ),
            ]
        return page

    def in_folder(self, folder: FolderRef) -> Sequence[Secret]:
        return SECRETS.all(
            self._database,
            "SELECT * FROM secrets WHERE environment_uid = ? AND path = ? ORDER BY key",
            [folder.environment_uid, folder.path],
        )

    def folders(self, folder: FolderRef) -> Sequence[str]:
        rows = self._database.execute(
            """
            SELECT path FROM secrets
            WHERE environment_uid = :env AND path = :path
            UNION SELECT path FROM secrets
            WHERE environment_uid = :env AND path > :after AND path < :before
            UNION SELECT path FROM secret_imports
            WHERE environment_uid = :env AND path = :path
            UNION SELECT path FROM secret_imports
            WHERE environment_uid = :env AND path > :after AND path < :before
            ORDER BY path
            """,
            _subtree(folder),
        )
        return [path for (path,) in rows]

    def folder_exists(self, folder: FolderRef) -> bool:
        if folder.path == "/":
            return True
        [[found]] = self._database.execute(
            """
            SELECT EXISTS (
                SELECT 1 FROM secrets WHERE environment_uid = :env AND path = :path
            ) OR EXISTS (
                SELECT 1 FROM secrets
                WHERE environment_uid = :env AND path > :after AND path < :before
            ) OR EXISTS (
                SELECT 1 FROM secret_imports WHERE environment_uid = :env AND path = :path
            ) OR EXISTS (
                SELECT 1 FROM secret_imports
                WHERE environment_uid = :env AND path > :after AND path < :before
            )
            """,
            _subtree(folder),
        )
        return bool(found)

    def any_in_environment(self, environment_uid: str) -> bool:
        [[found]] = self._database.execute(
            "SELECT EXISTS (SELECT 1 FROM secrets WHERE environment_uid = ?)", [environment_uid]
        )
        return bool(found)


def _subtree(folder: FolderRef) -> dict[str, str]:
    after, before = below(folder.path)
    return {
        "env": folder.environment_uid,
        "path": folder.path,
        "after": after,
        "before": before,
    }
