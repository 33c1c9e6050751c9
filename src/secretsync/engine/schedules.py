"""Queues the runs that are due because time has passed, and sets when the next are.

These are the runs of schedules, and those that look for drift.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from secretsync.domain.drift import DriftPolicy
from secretsync.domain.entities import RunAction, RunFilter, RunTrigger, SecretSync, SyncRun
from secretsync.domain.partial import CHANGED
from secretsync.domain.pauses import names_holding
from secretsync.domain.problems import Reason
from secretsync.domain.schedules import first_time, following_beat, following_time, spread
from secretsync.engine.queue import enqueue
from secretsync.store.protocol import Transaction
from secretsync.store.run_tables import AFTER_ALL_RUNS

log = logging.getLogger(__name__)

AT_A_TIME = 100
"""How many syncs one transaction deals with."""
_FEW_RUNS = 5
"""How many runs are read at a time: nearly always, the newest one tells."""
CLOCK_STEP = timedelta(minutes=1)
"""How far a clock may be set back without its times being set anew."""
_CALLED_OFF = frozenset({Reason.CANCELLED, Reason.PLAN_OUTDATED})
"""Why a run has ended that nobody wants any more as it was."""


def begin_times(sync: SecretSync, now: datetime) -> SecretSync:
    """Return a sync whose times count from now; one that is disabled has none."""
    return _timed(sync, now, next_run=_first_run(sync, now), next_check=_first_check(sync, now))


def keep_times(sync: SecretSync, before: SecretSync, now: datetime) -> SecretSync:
    """Return a changed sync with the times that it had, unless the change is about them."""
    next_run, next_check = sync.next_run_time, sync.next_check_time
    if (sync.schedule, sync.is_enabled) != (before.schedule, before.is_enabled):
        next_run = _first_run(sync, now)
    if _looking(sync) != _looking(before):
        next_check = _first_check(sync, now)
    if (next_run, next_check) == (sync.next_run_time, sync.next_check_time):
        return sync
    return _timed(sync, now, next_run=next_run, next_check=next_check)


def _timed(
    sync: SecretSync, now: datetime, *, next_run: datetime | None, next_check: datetime | None
) -> SecretSync:
    return replace(
        sync,
        next_run_time=next_run,
        next_check_time=next_check,
        clock_time=now if next_run or next_check else None,
    )


def _first_run(sync: SecretSync, now: datetime) -> datetime | None:
    if sync.schedule is None or not sync.is_enabled:
        return None
    return first_time(sync.schedule, now, sync.uid)


def _first_check(sync: SecretSync, now: datetime) -> datetime | None:
    """Return when drift is looked for first: at any time within the interval.

    Thousands of syncs may be made in one go, and nobody has named these moments.
    """
    if not _looking(sync):
        return None
    return now + _check_interval(sync) * (1 - spread(sync.uid))


def _looking(sync: SecretSync) -> tuple[DriftPolicy, float] | None:
    """Return how drift is looked for, None if it is not."""
    options = sync.options
    if options.drift_policy is DriftPolicy.OFF or not sync.is_enabled:
        return None
    return options.drift_policy, options.drift_interval


def _check_interval(sync: SecretSync) -> timedelta:
    return timedelta(seconds=sync.options.drift_interval)


def is_due(tx: Transaction, now: datetime) -> bool:
    """Tell whether `queue_due` has something to do."""
    return bool(
        tx.syncs.due(now, 1)
        or tx.syncs.to_check(now, 1)
        or tx.syncs.timed_after(now + CLOCK_STEP, 1)
    )


def queue_due(tx: Transaction, now: datetime) -> None:
    """Queue runs for syncs that are due, and set when they are due next; for `AT_A_TIME` at most.

    Both are in one transaction: a time leads to its run once, whenever the process ends. If the
    clock has been set back, what was set by its former time would be due too late: such times
    begin anew, and a run that was queued by them is due now.
    """
    for sync in tx.syncs.timed_after(now + CLOCK_STEP, AT_A_TIME):
        tx.syncs.update(begin_times(sync, now))
        waiting = tx.runs.pending(sync.uid)
        if waiting and waiting.create_time > now:
            tx.runs.update(replace(waiting, not_before=now))
    for sync in tx.syncs.due(now, AT_A_TIME):
        tx.syncs.update(_after_due(sync, now))
        if sync.is_enabled:
            enqueue(tx, sync, RunAction.SYNC, RunTrigger.SCHEDULE, now=now)
    for sync in tx.syncs.to_check(now, AT_A_TIME):
        tx.syncs.update(_after_check(sync, now))
        repairs = sync.options.drift_policy is DriftPolicy.REPAIR
        # What waits for somebody to approve it would only be planned once more.
        if may_drift(tx, sync) and not (repairs and tx.runs.awaiting_approval(sync.uid)):
            action = RunAction.SYNC if repairs else RunAction.CHECK
            enqueue(tx, sync, action, RunTrigger.DRIFT, now=now)


def may_drift(tx: Transaction, sync: SecretSync) -> bool:
    """Tell whether a sync has something at its destination that is to stay as it is.

    What was removed on purpose is not put back because it is gone, and what was never written is
    not written because of drift. While the sync is paused, nothing is looked at, nor while a run of
    it waits: that one finds out, and what has failed is tried again no sooner than it is to be.
    """
    if not sync.is_enabled or not tx.ledger.has_entries(sync.uid):
        return False
    if tx.runs.pending(sync.uid):
        return False
    if tx.pauses.named(names_holding(sync)):
        return False
    removal = _latest_tried(tx, sync, RunAction.REMOVE)
    if removal is None:
        return True
    written = _latest_tried(tx, sync, RunAction.SYNC)
    return written is not None and written.seq > removal.seq


def _latest_tried(tx: Transaction, sync: SecretSync, action: RunAction) -> SyncRun | None:
    """Return the newest run of an action that says what is to be at the destination, or None.

    One that was called off before it had done anything says nothing of it: one that never began,
    whose plan was refused, or which turned out not to be what somebody had approved.
    """
    before, only = AFTER_ALL_RUNS, RunFilter(actions=frozenset({action}))
    while found := tx.runs.list(sync.uid, before, _FEW_RUNS, only):
        for run in found:
            has_done = run.may_have_written or any(map(run.outcome.counts.get, CHANGED))
            if run.start_time and (has_done or run.error_reason not in _CALLED_OFF):
                return run
        before = found[-1].seq
    return None


def _after_due(sync: SecretSync, now: datetime) -> SecretSync:
    due = None
    if sync.schedule and sync.next_run_time and sync.is_enabled:
        due = following_time(sync.schedule, sync.next_run_time, now)
        if due is None:
            log.error("the schedule of %s names no time any more: change it", sync.name)
    return _timed(sync, now, next_run=due, next_check=sync.next_check_time)


def _after_check(sync: SecretSync, now: datetime) -> SecretSync:
    due = None
    if sync.next_check_time and _looking(sync):
        due = following_beat(_check_interval(sync), sync.next_check_time, now)
    return _timed(sync, now, next_run=sync.next_run_time, next_check=due)
