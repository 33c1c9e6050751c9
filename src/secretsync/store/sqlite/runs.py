"""The table of runs, which is the queue as well."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlite_utils import Database

from secretsync.domain.entities import RunAction, RunFilter, SyncRun
from secretsync.domain.problems import Reason
from secretsync.store.sqlite.rows import time_from_text, time_to_text, to_json
from secretsync.store.sqlite.run_attempts import RunAttempts
from secretsync.store.sqlite.run_rows import RUNS, save_details, with_details
from secretsync.store.sqlite.run_sql import (
    ABANDONED,
    BRING_FORWARD,
    CLAIMS,
    END_DISABLED,
    LIST,
    NEXT_DUE,
    PRUNABLE,
    RENEW,
    SUPERSEDE,
    SUPERSEDE_CHECKS,
    TAKE_OVER,
)

ALL_RUNS = RunFilter()


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
            LIST,
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
        found = (RUNS.one(self._database, claim, parameters) for claim in CLAIMS)
        claimed = next((run for run in found if run), None)
        if claimed:
            self._attempts.begin(claimed, now)
        return self._whole(claimed)

    def renew(self, uid: str, lease_token: int, lease_until: datetime) -> bool:
        renewed = self._database.execute(
            RENEW,
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

    def abandoned(self, now: datetime) -> Sequence[SyncRun]:
        found = RUNS.all(self._database, ABANDONED, {"now": time_to_text(now)})
        return [run for each in found if (run := self._whole(each))]

    def prunable(
        self, sync_uid: str, *, ended_before: datetime, keep: int, settled: datetime, limit: int
    ) -> Sequence[str]:
        found = self._database.execute(
            PRUNABLE,
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
        [[due]] = self._database.execute(NEXT_DUE)
        return None if due is None else time_from_text(due)

    def bring_forward(self, after: datetime, now: datetime) -> None:
        times = {"after": time_to_text(after), "now": time_to_text(now)}
        self._database.execute(BRING_FORWARD, times)

    def release_all(self, now: datetime) -> int:
        # Left to itself, SQLite counts through an index of all runs as soon as rows are wide.
        [[running]] = self._database.execute(
            "SELECT count(*) FROM runs INDEXED BY runs_leased WHERE state = 'running'"
        )
        self._attempts.cut_all_short("cut short by a restart of the server", now)
        ended = {"now": time_to_text(now), "reason": Reason.SUPERSEDED}
        self._database.execute(SUPERSEDE_CHECKS, ended)
        self._database.execute(TAKE_OVER)
        self._database.execute(SUPERSEDE, ended)
        disabled = {"now": time_to_text(now), "disabled": Reason.SYNC_DISABLED}
        self._database.execute(END_DISABLED, disabled)
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
