"""The table of runs, which is the queue as well."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlite_utils import Database

from secretsync.domain.entities import RunAction, RunFilter, SyncRun
from secretsync.domain.problems import Reason
from secretsync.store.sqlite.pauses import HELD
from secretsync.store.sqlite.rows import time_from_text, time_to_text, to_json
from secretsync.store.sqlite.run_attempts import RunAttempts
from secretsync.store.sqlite.run_rows import RUNS, save_details, with_details

ALL_RUNS = RunFilter()

# Runs are looked at by seq, so a run that may not start yet lets the next one pass. A run is not
# in its own way: those that are RUNNING with a live lease are busy, and what may start is not. What
# is busy is looked up once, and not for each of the thousands that may wait for one connection.
_CLAIM = f"""
    UPDATE runs SET
        state = 'running',
        attempt = attempt + 1,
        may_have_written = may_have_written OR state = 'running',
        lease_token = lease_token + 1,
        lease_until = :lease_until,
        start_time = :now,
        (claimed_target, claimed_connection) = (
            SELECT
                coalesce(place.target_key, sync.target_key),
                coalesce(place.connection_uid, sync.connection_uid)
            FROM secret_syncs AS sync
            LEFT JOIN former_places AS place ON place.uid = runs.place_uid
            WHERE sync.uid = runs.sync_uid
        )
    WHERE seq = (
        SELECT run.seq FROM runs AS run CROSS JOIN secret_syncs AS sync ON sync.uid = run.sync_uid
        LEFT JOIN former_places AS place ON place.uid = run.place_uid
        WHERE run.state IN ('pending', 'running') AND run.action {{kind}}
            AND CASE run.state
                WHEN 'pending' THEN run.not_before <= :now
                ELSE run.lease_until <= :now
            END
            AND (sync.is_enabled OR run.action NOT IN ('sync', 'check'))
            AND NOT run.cancel_requested
            AND (run.sync_uid, run.place_uid) NOT IN (
                SELECT sync_uid, place_uid FROM runs
                WHERE state = 'running' AND lease_until > :now
            )
            AND coalesce(place.target_key, sync.target_key) NOT IN (
                SELECT claimed_target FROM runs
                WHERE state = 'running' AND lease_until > :now AND claimed_target IS NOT NULL
            )
            AND coalesce(place.connection_uid, sync.connection_uid) NOT IN (
                SELECT claimed_connection FROM runs
                WHERE state = 'running' AND lease_until > :now AND claimed_connection IS NOT NULL
                GROUP BY claimed_connection HAVING count(*) >= :max_per_connection
            )
            AND NOT ({HELD})
        ORDER BY run.seq LIMIT 1
    )
    RETURNING *
"""  # noqa: S608  all of it is source code

# Each half stops at the first run that no pause holds.
_NEXT_DUE = f"""
    SELECT min(moment) FROM (
        SELECT * FROM (
            SELECT run.not_before AS moment
            FROM runs AS run CROSS JOIN secret_syncs AS sync ON sync.uid = run.sync_uid
            LEFT JOIN former_places AS place ON place.uid = run.place_uid
            WHERE run.state = 'pending' AND NOT ({HELD})
            ORDER BY run.not_before LIMIT 1
        )
        UNION ALL
        SELECT * FROM (
            SELECT run.lease_until
            FROM runs AS run CROSS JOIN secret_syncs AS sync ON sync.uid = run.sync_uid
            LEFT JOIN former_places AS place ON place.uid = run.place_uid
            WHERE run.state = 'running' AND NOT ({HELD})
            ORDER BY run.lease_until LIMIT 1
        )
    )
"""  # noqa: S608  all of it is source code

_CLAIMS = [_CLAIM.format(kind=kind) for kind in ("<> 'check'", "= 'check'")]
"""Checks start only when no other run can, however many of them wait."""

# Of a check nothing is missed if anything else of its sync is open.
_SUPERSEDE_CHECKS = """
    UPDATE runs SET
        state = 'failed', error_reason = :reason, finish_time = :now, lease_until = NULL,
        message = 'cut short by a restart of the server; another run of this sync takes its place'
    WHERE state IN ('pending', 'running') AND action = 'check' AND EXISTS (
        SELECT 1 FROM runs AS other
        WHERE other.sync_uid = runs.sync_uid AND other.place_uid = runs.place_uid
            AND other.action <> 'check' AND other.state IN ('pending', 'running')
    )
"""

# A run that waits, or one that began later, stands for the later wish.
_SUPERSEDE = """
    UPDATE runs SET
        state = 'failed', error_reason = :reason, finish_time = :now, lease_until = NULL,
        may_have_written = 1,
        message = 'cut short by a restart of the server; a newer run of this sync takes its place'
    WHERE state = 'running' AND (
        EXISTS (
            SELECT 1 FROM runs AS other
            WHERE other.state = 'pending' AND other.sync_uid = runs.sync_uid
                AND other.place_uid = runs.place_uid
        ) OR EXISTS (
            SELECT 1 FROM runs AS other
            WHERE other.state = 'running' AND other.sync_uid = runs.sync_uid
                AND other.place_uid = runs.place_uid AND other.seq > runs.seq
        )
    )
"""


# A run that must keep to a plan may not answer what the one was for whose place it takes: what
# `still_due` says.
_TAKE_OVER = """
    UPDATE runs SET follow_up = (
        SELECT CASE
            WHEN other.follow_up IS NOT NULL THEN other.follow_up
            WHEN other.approved_fingerprint <> '' AND other."trigger" = 'manual' THEN NULL
            WHEN other.action = 'sync' THEN other."trigger"
        END FROM runs AS other
        WHERE other.state = 'running' AND other.sync_uid = runs.sync_uid
            AND other.place_uid = '' AND other.action <> 'check'
        ORDER BY other.seq DESC LIMIT 1
    )
    WHERE state = 'pending' AND approved_fingerprint <> '' AND follow_up IS NULL AND EXISTS (
        SELECT 1 FROM runs AS other
        WHERE other.state = 'running' AND other.sync_uid = runs.sync_uid
            AND other.place_uid = '' AND other.action <> 'check'
    )
"""


# A lease that has ended can be renewed late, unless a run that must not be at work at the same time
# was claimed meanwhile: that one's lease ends later, or it would not have been claimed.
_RENEW = """
    UPDATE runs SET lease_until = :lease_until
    WHERE uid = :uid AND lease_token = :lease_token AND state = 'running'
        AND NOT EXISTS (
            SELECT 1 FROM runs AS other
            WHERE other.state = 'running' AND other.sync_uid = runs.sync_uid
                AND other.place_uid = runs.place_uid AND other.lease_until > runs.lease_until
        )
        AND NOT EXISTS (
            SELECT 1 FROM runs AS other
            WHERE other.state = 'running' AND other.claimed_target = runs.claimed_target
                AND other.lease_until > runs.lease_until
        )
"""

# The states and triggers are looked up in sets, so that no run is fetched but those that match:
# the index has all that is asked for.
_LIST = """
    SELECT * FROM runs WHERE sync_uid = :sync_uid AND seq < :before
        AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
        AND (:triggers IS NULL OR "trigger" IN (SELECT value FROM json_each(:triggers)))
        AND (:actions IS NULL OR action IN (SELECT value FROM json_each(:actions)))
        AND (:created_from IS NULL OR create_time >= :created_from)
        AND (:created_before IS NULL OR create_time < :created_before)
    ORDER BY seq DESC LIMIT :limit
"""

_PRUNABLE = """
    SELECT run.uid FROM runs AS run
    WHERE run.sync_uid = :sync_uid AND run.state IN ('succeeded', 'failed', 'partially-succeeded')
        AND run.finish_time < :settled
        AND (
            run.finish_time < :ended_before
            OR run.seq <= (
                SELECT seq FROM runs WHERE sync_uid = :sync_uid
                ORDER BY seq DESC LIMIT 1 OFFSET :keep
            )
        )
        AND EXISTS (
            SELECT 1 FROM runs AS newer
            WHERE newer.sync_uid = :sync_uid AND newer.action = run.action AND newer.seq > run.seq
                AND newer.state <> 'pending'
        )
        AND (
            run.state <> 'succeeded' OR EXISTS (
                SELECT 1 FROM runs AS newer
                WHERE newer.sync_uid = :sync_uid AND newer.action = run.action
                    AND newer.seq > run.seq AND newer.state = 'succeeded'
            )
        )
    ORDER BY run.seq LIMIT :limit
"""


class Runs:
    """Implements `RunTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._attempts = RunAttempts(database)

    def insert(self, run: SyncRun) -> SyncRun:
        seq = RUNS.insert(self._database, run)
        save_details(self._database, run)
        return replace(run, seq=seq)

    def get(self, sync_uid: str, uid: str) -> SyncRun | None:
        return self._one("SELECT * FROM runs WHERE uid = ? AND sync_uid = ?", [uid, sync_uid])

    def list(
        self, sync_uid: str, before: int, limit: int, only: RunFilter = ALL_RUNS
    ) -> Sequence[SyncRun]:
        return RUNS.all(
            self._database,
            _LIST,
            {
                "sync_uid": sync_uid,
                "before": before,
                "limit": limit,
                "states": to_json(sorted(only.states)) if only.states else None,
                "triggers": to_json(sorted(only.triggers)) if only.triggers else None,
                "actions": to_json(sorted(only.actions)) if only.actions else None,
                "created_from": only.created_from and time_to_text(only.created_from),
                "created_before": only.created_before and time_to_text(only.created_before),
            },
        )

    def pending(self, sync_uid: str, place_uid: str = "") -> SyncRun | None:
        return self._one(
            "SELECT * FROM runs WHERE sync_uid = ? AND place_uid = ? AND state = 'pending'",
            [sync_uid, place_uid],
        )

    def unfinished(self, sync_uid: str) -> Sequence[SyncRun]:
        found = RUNS.all(
            self._database,
            """
            SELECT * FROM (
                SELECT * FROM runs WHERE sync_uid = ?1 AND state = 'pending'
                UNION ALL
                SELECT * FROM runs WHERE sync_uid = ?1 AND state = 'running'
            )
            ORDER BY seq
            """,
            [sync_uid],
        )
        return [run for each in found if (run := self._whole(each))]

    def latest_at(self, place_uid: str) -> SyncRun | None:
        return self._one(
            "SELECT * FROM runs WHERE place_uid = ? AND place_uid <> '' ORDER BY seq DESC LIMIT 1",
            [place_uid],
        )

    def running(self, sync_uid: str, place_uid: str = "") -> SyncRun | None:
        # Two at most: one with a live lease, and one that lost its own and waits to be resumed.
        return self._one(
            "SELECT * FROM runs WHERE sync_uid = ? AND place_uid = ? AND state = 'running' "
            "ORDER BY lease_until DESC LIMIT 1",
            [sync_uid, place_uid],
        )

    def awaiting_approval(self, sync_uid: str) -> SyncRun | None:
        return self._one(
            "SELECT * FROM runs WHERE sync_uid = ? AND state = 'awaiting-approval'", [sync_uid]
        )

    def latest(self, sync_uids: Sequence[str]) -> Mapping[tuple[str, RunAction], SyncRun]:
        found = RUNS.all(
            self._database,
            """
            SELECT runs.* FROM json_each(:syncs) AS sync CROSS JOIN json_each(:actions) AS wanted
            CROSS JOIN runs ON runs.seq = (
                SELECT max(seq) FROM runs AS run
                WHERE run.sync_uid = sync.value AND run.action = wanted.value
                    AND NOT (
                        run."trigger" = 'retry' AND run.state = 'pending'
                        AND run.start_time IS NULL
                    )
            )
            """,
            {"syncs": to_json(list(sync_uids)), "actions": to_json(list(RunAction))},
        )
        return {(run.sync_uid, run.action): run for run in found}

    def update(self, run: SyncRun) -> None:
        RUNS.update(self._database, run)
        save_details(self._database, run)

    def claim(
        self, now: datetime, lease_until: datetime, max_per_connection: int
    ) -> SyncRun | None:
        parameters = {
            "now": time_to_text(now),
            "lease_until": time_to_text(lease_until),
            "max_per_connection": max_per_connection,
        }
        found = (RUNS.one(self._database, claim, parameters) for claim in _CLAIMS)
        claimed = next((run for run in found if run), None)
        if claimed:
            self._attempts.begin(claimed, now)
        return self._whole(claimed)

    def renew(self, uid: str, lease_token: int, lease_until: datetime) -> bool:
        renewed = self._database.execute(
            _RENEW,
            {"uid": uid, "lease_token": lease_token, "lease_until": time_to_text(lease_until)},
        )
        return renewed.rowcount == 1

    def cancelling(self) -> Sequence[SyncRun]:
        found = RUNS.all(
            self._database,
            "SELECT * FROM runs WHERE state = 'running' AND cancel_requested = 1",
            [],
        )
        return [run for each in found if (run := self._whole(each))]

    def prunable(
        self, sync_uid: str, *, ended_before: datetime, keep: int, settled: datetime, limit: int
    ) -> Sequence[str]:
        found = self._database.execute(
            _PRUNABLE,
            {
                "sync_uid": sync_uid,
                "ended_before": time_to_text(ended_before),
                "keep": keep,
                "settled": time_to_text(settled),
                "limit": limit,
            },
        )
        return [uid for (uid,) in found.fetchall()]

    def delete(self, uids: Iterable[str]) -> None:
        self._database.conn.executemany("DELETE FROM runs WHERE uid = ?", ([uid] for uid in uids))

    def next_due(self) -> datetime | None:
        [[due]] = self._database.execute(_NEXT_DUE)
        return None if due is None else time_from_text(due)

    def release_all(self, now: datetime) -> int:
        [[running]] = self._database.execute("SELECT count(*) FROM runs WHERE state = 'running'")
        self._attempts.cut_all_short("cut short by a restart of the server", now)
        ended = {"now": time_to_text(now), "reason": Reason.SUPERSEDED}
        self._database.execute(_SUPERSEDE_CHECKS, ended)
        self._database.execute(_TAKE_OVER)
        self._database.execute(_SUPERSEDE, ended)
        self._database.execute(
            "UPDATE runs SET state = 'pending', attempt = max(attempt - 1, 0), lease_until = NULL, "
            "may_have_written = 1 WHERE state = 'running'"
        )
        return int(running)

    def _one(self, sql: str, parameters: Sequence[object] | dict[str, object]) -> SyncRun | None:
        return self._whole(RUNS.one(self._database, sql, parameters))

    def _whole(self, run: SyncRun | None) -> SyncRun | None:
        """Return a run with what other tables hold of it."""
        whole = with_details(self._database, run)
        return whole and replace(whole, attempts=tuple(self._attempts.of_run(whole.uid)))
