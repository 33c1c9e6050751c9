"""The table of pauses."""

from collections.abc import Iterable, Mapping, Sequence

from sqlite_utils import Database

from secretsync.domain.pauses import Pause
from secretsync.store.sqlite.rows import Record, to_json

PAUSES = Record("pauses", Pause)

# What holds `run`, a run of `sync` which is about a former `place` unless that is NULL. Each part
# is one look into an index.
HELD = """
    EXISTS (SELECT 1 FROM pauses WHERE name = '-')
    OR EXISTS (SELECT 1 FROM pauses WHERE pauses.sync_uid = sync.uid)
    OR EXISTS (SELECT 1 FROM pauses WHERE pauses.connection_uid
        = coalesce(place.connection_uid, sync.connection_uid))
"""


class Pauses:
    """Implements `PauseTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, pause: Pause) -> None:
        # Not replaced, which would be two events for each sync that it holds.
        changed = self._database.execute(
            "UPDATE pauses SET reason = ? WHERE name = ?", [pause.reason, pause.name]
        )
        if not changed.rowcount:
            PAUSES.insert(self._database, pause)

    def delete(self, name: str) -> None:
        self._database.execute("DELETE FROM pauses WHERE name = ?", [name])

    def named(self, names: Iterable[str]) -> Mapping[str, Pause]:
        found = PAUSES.all(
            self._database,
            "SELECT * FROM pauses WHERE name IN (SELECT value FROM json_each(?))",
            [to_json(sorted(set(names)))],
        )
        return {pause.name: pause for pause in found}

    def list(self, after: str, limit: int) -> Sequence[Pause]:
        return PAUSES.all(
            self._database,
            "SELECT * FROM pauses WHERE name > ? ORDER BY name LIMIT ?",
            [after, limit],
        )
