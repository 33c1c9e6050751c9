"""The table of secret syncs."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta

from sqlite_utils import Database

from secretsync.domain.drift import DriftPolicy
from secretsync.domain.entities import (
    FolderRef,
    InitialSyncBehavior,
    OverlapPolicy,
    SecretSync,
    SyncOptions,
)
from secretsync.domain.guards import MaxDeletions
from secretsync.domain.key_states import KeyState
from secretsync.domain.schedules import Schedule
from secretsync.store.sqlite.paths import ancestors
from secretsync.store.sqlite.rows import Codec, Record, time_from_text, time_to_text, to_json

_ENUMS = {
    "initial_sync_behavior": InitialSyncBehavior,
    "overlap_policy": OverlapPolicy,
    "drift_policy": DriftPolicy,
}


def _options_from_json(text: str) -> SyncOptions:
    # Options that were added later are not in what was stored before.
    stored = json.loads(text)
    enums = {name: enum(stored[name]) for name, enum in _ENUMS.items() if name in stored}
    limit = MaxDeletions(**stored.pop("max_deletions", {}))
    return SyncOptions(**{**stored, **enums}, max_deletions=limit)


def _schedule_to_json(schedule: Schedule | None) -> str | None:
    if schedule is None:
        return None
    seconds = schedule.interval.total_seconds() if schedule.interval else None
    return to_json({**asdict(schedule), "interval": seconds})


def _schedule_from_json(text: str | None) -> Schedule | None:
    if text is None:
        return None
    stored = json.loads(text)
    seconds = stored.pop("interval")
    interval = None if seconds is None else timedelta(seconds=seconds)
    return Schedule(interval=interval, **stored)


def _counts_from_json(text: str) -> dict[KeyState, int]:
    return {KeyState(state): count for state, count in json.loads(text).items()}


SYNCS = Record(
    "secret_syncs",
    SecretSync,
    custom={
        "options": Codec(lambda options: to_json(asdict(options)), _options_from_json),
        "schedule": Codec(_schedule_to_json, _schedule_from_json),
        "key_counts": Codec(to_json, _counts_from_json),
    },
    # The table of keys counts them.
    generated=frozenset({"key_counts", "drift_time"}),
)


class Syncs:
    """Implements `SyncTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, sync: SecretSync) -> None:
        SYNCS.insert(self._database, sync)

    def get(self, project_uid: str, slug: str) -> SecretSync | None:
        return SYNCS.one(
            self._database,
            "SELECT * FROM secret_syncs WHERE project_uid = ? AND slug = ?",
            [project_uid, slug],
        )

    def by_uid(self, uid: str) -> SecretSync | None:
        return SYNCS.one(self._database, "SELECT * FROM secret_syncs WHERE uid = ?", [uid])

    def list(self, project_uid: str, after: str, limit: int) -> Sequence[SecretSync]:
        return SYNCS.all(
            self._database,
            "SELECT * FROM secret_syncs WHERE project_uid = ? AND slug > ? ORDER BY slug LIMIT ?",
            [project_uid, after, limit],
        )

    def list_all(self, after: tuple[str, str], limit: int) -> Sequence[SecretSync]:
        return SYNCS.all(
            self._database,
            """
            SELECT * FROM secret_syncs WHERE (project_uid, slug) > (?, ?)
            ORDER BY project_uid, slug LIMIT ?
            """,
            [*after, limit],
        )

    def uids(self, after: str, limit: int) -> Sequence[str]:
        found = self._database.execute(
            "SELECT uid FROM secret_syncs WHERE uid > ? ORDER BY uid LIMIT ?", [after, limit]
        )
        return [uid for (uid,) in found.fetchall()]

    def update(self, sync: SecretSync) -> None:
        SYNCS.update(self._database, sync)

    def delete(self, uid: str) -> None:
        self._database.execute("DELETE FROM secret_syncs WHERE uid = ?", [uid])

    def due(self, now: datetime, limit: int) -> Sequence[SecretSync]:
        return SYNCS.all(
            self._database,
            "SELECT * FROM secret_syncs WHERE next_run_time <= ? ORDER BY next_run_time LIMIT ?",
            [time_to_text(now), limit],
        )

    def to_check(self, now: datetime, limit: int) -> Sequence[SecretSync]:
        return SYNCS.all(
            self._database,
            "SELECT * FROM secret_syncs WHERE next_check_time <= ? "
            "ORDER BY next_check_time LIMIT ?",
            [time_to_text(now), limit],
        )

    def timed_after(self, moment: datetime, limit: int) -> Sequence[SecretSync]:
        return SYNCS.all(
            self._database,
            "SELECT * FROM secret_syncs WHERE clock_time > ? LIMIT ?",
            [time_to_text(moment), limit],
        )

    def next_due(self) -> datetime | None:
        [[due]] = self._database.execute(
            """
            SELECT min(moment) FROM (
                SELECT min(next_run_time) AS moment FROM secret_syncs
                WHERE next_run_time IS NOT NULL
                UNION ALL
                SELECT min(next_check_time) FROM secret_syncs WHERE next_check_time IS NOT NULL
            )
            """
        )
        return None if due is None else time_from_text(due)

    def using_connection(self, connection_uid: str) -> Sequence[SecretSync]:
        return SYNCS.all(
            self._database,
            "SELECT * FROM secret_syncs WHERE connection_uid = ? ORDER BY uid",
            [connection_uid],
        )

    def using_environment(self, environment_uid: str) -> Sequence[SecretSync]:
        return SYNCS.all(
            self._database,
            "SELECT * FROM secret_syncs WHERE environment_uid = ? ORDER BY uid",
            [environment_uid],
        )

    def at_target(self, target_key: str) -> Sequence[SecretSync]:
        return SYNCS.all(
            self._database,
            "SELECT * FROM secret_syncs WHERE target_key = ? ORDER BY uid",
            [target_key],
        )

    def reading(self, folders: Iterable[FolderRef]) -> Sequence[SecretSync]:
        # Each folder is looked up itself, and each that contains it for recursive syncs only.
        sources = {
            (folder.environment_uid, path, path == folder.path)
            for folder in folders
            for path in (folder.path, *ancestors(folder.path))
        }
        return SYNCS.all(
            self._database,
            """
            SELECT * FROM secret_syncs WHERE uid IN (
                SELECT sync.uid FROM json_each(?) AS source CROSS JOIN secret_syncs AS sync
                WHERE sync.environment_uid = json_extract(source.value, '$[0]')
                    AND sync.secret_path = json_extract(source.value, '$[1]')
                    AND (sync.recursive OR json_extract(source.value, '$[2]'))
            )
            ORDER BY uid
            """,
            [to_json(sorted(sources))],
        )
