"""The table of places that syncs have left, and the claims on what is still there."""

from collections.abc import Iterable, Sequence

from sqlite_utils import Database

from secretsync.domain.former_places import FormerPlace
from secretsync.store.place_tables import Claim
from secretsync.store.sqlite.entries import Entries
from secretsync.store.sqlite.rows import Record, to_json

PLACES = Record("former_places", FormerPlace)


class FormerPlaces:
    """Implements `FormerPlaceTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.ledger = Entries(database, "former_ledger", "place_uid")

    def insert(self, place: FormerPlace) -> None:
        PLACES.insert(self._database, place)

    def update(self, place: FormerPlace) -> None:
        PLACES.update(self._database, place)

    def delete(self, uid: str) -> None:
        self._database.execute("DELETE FROM former_places WHERE uid = ?", [uid])

    def by_uid(self, uid: str) -> FormerPlace | None:
        return PLACES.one(self._database, "SELECT * FROM former_places WHERE uid = ?", [uid])

    def at(self, sync_uid: str, target_key: str) -> FormerPlace | None:
        return PLACES.one(
            self._database,
            "SELECT * FROM former_places WHERE sync_uid = ? AND target_key = ?",
            [sync_uid, target_key],
        )

    def of_syncs(self, sync_uids: Sequence[str]) -> Sequence[FormerPlace]:
        found = PLACES.all(
            self._database,
            """
            SELECT place.* FROM json_each(?) AS sync
            CROSS JOIN former_places AS place ON place.sync_uid = sync.value
            """,
            [to_json(list(sync_uids))],
        )
        return sorted(found, key=lambda place: (place.leave_time, place.uid))

    def using_connection(self, connection_uid: str) -> Sequence[FormerPlace]:
        return PLACES.all(
            self._database,
            "SELECT * FROM former_places WHERE connection_uid = ? ORDER BY uid",
            [connection_uid],
        )

    def left(self, uid: str, limit: int) -> tuple[int, Sequence[str]]:
        rows = self._database.execute(
            """
            SELECT name, count(*) OVER () FROM (
                SELECT DISTINCT name FROM former_ledger WHERE place_uid = ?
            )
            ORDER BY name LIMIT ?
            """,
            [uid, limit],
        ).fetchall()
        return (rows[0][1] if rows else 0), [name for name, _ in rows]

    def claims(self, sync_uid: str, target_key: str) -> Sequence[Claim]:
        rows = self._database.execute(
            """
            SELECT entry.identity, entry.name,
                'projects/' || sync.project || '/secretSyncs/' || sync.slug
            FROM former_places AS place
            CROSS JOIN secret_syncs AS sync ON sync.uid = place.sync_uid
            CROSS JOIN former_ledger AS entry ON entry.place_uid = place.uid
            WHERE place.target_key = ? AND place.sync_uid <> ?
            ORDER BY sync.project DESC, sync.slug DESC
            """,
            [target_key, sync_uid],
        )
        return [Claim(*row) for row in rows.fetchall()]

    def hand_over(
        self, sync_uid: str, target_key: str, identities: Iterable[str]
    ) -> Sequence[FormerPlace]:
        places = PLACES.all(
            self._database,
            "SELECT * FROM former_places WHERE target_key = ? AND sync_uid <> ? ORDER BY uid",
            [target_key, sync_uid],
        )
        if not places:
            return []
        taken = [(place.uid, identity) for identity in identities for place in places]
        self._database.conn.executemany(
            "DELETE FROM former_ledger WHERE place_uid = ? AND identity = ?", taken
        )
        return [place for place in places if not self.ledger.has_entries(place.uid)]
