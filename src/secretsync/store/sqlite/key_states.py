"""The table of what is known of each key of a sync at its destination."""

from collections.abc import Collection, Iterable, Sequence

from sqlite_utils import Database

from secretsync.domain.key_states import KeyState, SyncKey
from secretsync.store.sqlite.rows import Record, to_json

_KEYS = Record("key_states", SyncKey)
# Names are compared as bytes, as the order of their pages is.
_LIST = """
    SELECT * FROM key_states
    WHERE sync_uid = :sync_uid AND name > :after
        AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY name LIMIT :limit
"""
_SAVE = """
    INSERT OR REPLACE INTO key_states (
        sync_uid, name, key, state, reason, state_time, change_time, error, error_time, run_uid
    ) VALUES (
        :sync_uid, :name, :key, :state, :reason, :state_time, :change_time, :error, :error_time,
        :run_uid
    )
"""
_COUNT = """
    UPDATE secret_syncs SET
        key_counts = (
            SELECT json_group_object(state, keys) FROM (
                SELECT state, count(*) AS keys FROM key_states
                WHERE sync_uid = :sync_uid GROUP BY state
            )
        ),
        drift_time = (
            SELECT min(state_time) FROM key_states
            WHERE sync_uid = :sync_uid AND state = :drifted
        )
    WHERE uid = :sync_uid
"""


class KeyStates:
    """Implements `KeyStateTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_sync(self, sync_uid: str) -> Sequence[SyncKey]:
        return _KEYS.all(
            self._database, "SELECT * FROM key_states WHERE sync_uid = ? ORDER BY name", [sync_uid]
        )

    def list(
        self, sync_uid: str, after: str, limit: int, states: Collection[KeyState] = ()
    ) -> Sequence[SyncKey]:
        return _KEYS.all(
            self._database,
            _LIST,
            {
                "sync_uid": sync_uid,
                "after": after,
                "limit": limit,
                "states": to_json(sorted(states)) if states else None,
            },
        )

    def save(self, sync_uid: str, changed: Iterable[SyncKey], gone: Iterable[str]) -> None:
        connection = self._database.conn
        connection.executemany(
            "DELETE FROM key_states WHERE sync_uid = ? AND name = ?",
            ((sync_uid, name) for name in gone),
        )
        connection.executemany(
            _SAVE, ({"sync_uid": sync_uid, **_KEYS.encode(key)} for key in changed)
        )
        self._database.execute(_COUNT, {"sync_uid": sync_uid, "drifted": KeyState.DRIFTED})
