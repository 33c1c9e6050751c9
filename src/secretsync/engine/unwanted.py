"""Ends runs that wait, or would have to, and are not wanted any more."""

from dataclasses import replace
from datetime import datetime

from secretsync.domain.entities import RunAction, RunState, SyncRun
from secretsync.domain.problems import Reason
from secretsync.store.protocol import Transaction

DISABLED = "the sync was disabled before this run had ended"
_NEEDING_ENABLED = frozenset({RunAction.SYNC, RunAction.CHECK})
"""The actions of which no run of a disabled sync may start."""


def end_waiting(
    tx: Transaction, waiting: SyncRun, reason: Reason, message: str, now: datetime
) -> SyncRun:
    """End a run that waits, and return it as it is then."""
    ended = replace(
        waiting,
        state=RunState.FAILED,
        finish_time=now,
        error_reason=reason,
        message=message,
    )
    tx.runs.update(ended)
    return ended


def end_disabled(tx: Transaction, run: SyncRun, now: datetime) -> SyncRun:
    """End a run of a disabled sync if it waits and may not start, and return it as it is then."""
    if run.state is not RunState.PENDING or run.action not in _NEEDING_ENABLED:
        return run
    return end_waiting(tx, run, Reason.SYNC_DISABLED, DISABLED, now)


def end_abandoned(tx: Transaction, now: datetime) -> None:
    """End runs of disabled syncs whose workers have gone.

    They would be claimed again once the sync is enabled, although others may have come after them:
    a removal, say, whose work they would undo.
    """
    for run in tx.runs.abandoned(now):
        cut_short = replace(run, may_have_written=True, lease_until=None)
        end_waiting(tx, cut_short, Reason.SYNC_DISABLED, DISABLED, now)
        tx.attempts.cut_short(run.uid, DISABLED, now)
