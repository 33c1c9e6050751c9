"""The table of first results of requests that carried an id."""

from datetime import datetime

from sqlite_utils import Database

from secretsync.store.sqlite.rows import time_to_text


class Idempotency:
    """Implements `IdempotencyTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, method: str, request_id: str) -> tuple[bytes, bytes] | None:
        row: tuple[bytes, bytes] | None = self._database.execute(
            "SELECT fingerprint, response FROM idempotency WHERE method = ? AND request_id = ?",
            [method, request_id],
        ).fetchone()
        return row

    def save(
        self, method: str, request_id: str, fingerprint: bytes, response: bytes, now: datetime
    ) -> None:
        self._database.execute(
            "INSERT INTO idempotency VALUES (?, ?, ?, ?, ?)",
            [method, request_id, fingerprint, response, time_to_text(now)],
        )

    def prune(self, before: datetime) -> None:
        self._database.execute(
            "DELETE FROM idempotency WHERE create_time < ?", [time_to_text(before)]
        )
