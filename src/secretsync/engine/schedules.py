"""Queues the runs that are due because time has passed, and sets when the next are."""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from secretsync.domain.entities import RunAction, RunTrigger, SecretSync
from secretsync.domain.schedules import first_time, following_time
from secretsync.engine.queue import enqueue
from secretsync.store.protocol import Transaction

log = logging.getLogger(__name__)

AT_A_TIME = 100
"""How many syncs one transaction deals with."""
CLOCK_STEP = timedelta(minutes=1)
"""How far a clock may be set back without its times being set anew."""


def begin_times(sync: SecretSync, now: datetime) -> SecretSync:
    """Return a sync whose times count from now; one that is disabled has none."""
    due = None
    if sync.schedule and sync.is_enabled:
        due = first_time(sync.schedule, now, sync.uid)
    return replace(sync, next_run_time=due, clock_time=now if due else None)


def keep_times(sync: SecretSync, before: SecretSync, now: datetime) -> SecretSync:
    """Return a changed sync with the times that it had, unless the change is about them."""
    if (sync.schedule, sync.is_enabled) == (before.schedule, before.is_enabled):
        return sync
    return begin_times(sync, now)


def is_due(tx: Transaction, now: datetime) -> bool:
    """Tell whether `queue_due` has something to do."""
    return bool(tx.syncs.due(now, 1) or tx.syncs.timed_after(now + CLOCK_STEP, 1))


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


def _after_due(sync: SecretSync, now: datetime) -> SecretSync:
    due = None
    if sync.schedule and sync.next_run_time and sync.is_enabled:
        due = following_time(sync.schedule, sync.next_run_time, now)
        if due is None:
            log.error("the schedule of %s names no time any more: change it", sync.name)
    return replace(sync, next_run_time=due, clock_time=now if due else None)
