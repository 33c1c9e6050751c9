"""The tables of wrapped keys."""

from sqlite_utils import Database


class Keys:
    """Implements `KeyTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def data_key(self, project_uid: str) -> bytes | None:
        row = self._database.execute(
            "SELECT wrapped FROM data_keys WHERE project_uid = ?", [project_uid]
        ).fetchone()
        return row and bytes(row[0])

    def save_data_key(self, project_uid: str, wrapped: bytes) -> None:
        self._database.execute(
            "INSERT INTO data_keys VALUES (?, ?) "
            "ON CONFLICT (project_uid) DO UPDATE SET wrapped = excluded.wrapped",
            [project_uid, wrapped],
        )

    def get_meta(self, name: str) -> bytes | None:
        row = self._database.execute("SELECT value FROM meta WHERE name = ?", [name]).fetchone()
        return row and bytes(row[0])

    def set_meta(self, name: str, value: bytes) -> None:
        self._database.execute(
            "INSERT INTO meta VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            [name, value],
        )
