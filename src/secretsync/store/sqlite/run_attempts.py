"""The table of what is kept of each attempt of a run."""

from collections.abc import Sequence
from datetime import datetime

from sqlite_utils import Database

from secretsync.domain.attempts import KEPT_ATTEMPTS, AttemptOutcome, RunAttempt, Traffic
from secretsync.domain.entities import SyncRun
from secretsync.domain.problems import Reason
from secretsync.store.sqlite.rows import time_from_text, time_to_text

# Whatever its run came to meanwhile: an attempt that nobody has ended has no worker any more.
_CUT_SHORT = """
    UPDATE run_attempts SET outcome = 'cut-short', finish_time = :now, message = :told
    WHERE outcome IS NULL
"""


class RunAttempts:
    """Implements `AttemptTable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, run: SyncRun, now: datetime) -> None:
        """Remember that the run was claimed, and that what an earlier claim began is cut short."""
        self.cut_short(run.uid, "its worker did not renew its lease any more", now)
        self._database.execute(
            "INSERT INTO run_attempts (run_uid, number, start_time) VALUES (?, ?, ?)",
            [run.uid, run.lease_token, time_to_text(now)],
        )
        self._database.execute(
            "DELETE FROM run_attempts WHERE run_uid = ? AND number <= ?",
            [run.uid, run.lease_token - KEPT_ATTEMPTS],
        )

    def end(self, run_uid: str, attempt: RunAttempt) -> None:
        self._database.execute(
            """
            UPDATE run_attempts SET
                finish_time = :finish_time, outcome = :outcome, error_reason = :error_reason,
                message = :message, requests = :requests, request_bytes = :request_bytes,
                response_bytes = :response_bytes
            WHERE run_uid = :run_uid AND number = :number
            """,
            {
                "run_uid": run_uid,
                "number": attempt.number,
                "finish_time": attempt.finish_time and time_to_text(attempt.finish_time),
                "outcome": attempt.outcome,
                "error_reason": attempt.error_reason,
                "message": attempt.message,
                "requests": attempt.traffic.requests,
                "request_bytes": attempt.traffic.request_bytes,
                "response_bytes": attempt.traffic.response_bytes,
            },
        )

    def cut_short(self, run_uid: str, told: str, now: datetime) -> None:
        self._database.execute(
            f"{_CUT_SHORT} AND run_uid = :run_uid",
            {"run_uid": run_uid, "told": told, "now": time_to_text(now)},
        )

    def cut_all_short(self, told: str, now: datetime) -> None:
        """Remember that no attempt is under way any more."""
        self._database.execute(_CUT_SHORT, {"told": told, "now": time_to_text(now)})

    def of_run(self, run_uid: str) -> Sequence[RunAttempt]:
        found = self._database.execute(
            """
            SELECT number, start_time, finish_time, outcome, error_reason, message,
                requests, request_bytes, response_bytes
            FROM run_attempts WHERE run_uid = ? ORDER BY number
            """,
            [run_uid],
        )
        return [
            RunAttempt(
                number=number,
                start_time=time_from_text(start),
                finish_time=time_from_text(finish) if finish else None,
                outcome=AttemptOutcome(outcome) if outcome else None,
                error_reason=Reason(reason) if reason else None,
                message=message,
                traffic=Traffic(*traffic),
            )
            for number, start, finish, outcome, reason, message, *traffic in found.fetchall()
        ]
