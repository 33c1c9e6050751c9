"""How a trigger changes the queue."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.domain.requester import requester
from secretsync.domain.retrying import brought_forward, is_scheduled
from secretsync.domain.runs import (
    after_change,
    carries_follow_up,
    may_join,
    may_join_plan,
    may_join_running,
    still_due,
    supersede,
)
from secretsync.engine.certainty import WRITING_RUNS
from secretsync.store.protocol import Transaction
from secretsync.store.run_tables import AFTER_ALL_RUNS

NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTerms:
    """What somebody asks of one run besides its action.

    Attributes:
        delete_sync: delete the sync when the removal has succeeded.
        fingerprint: of the plan that the run must keep to; empty for none.
        override_guards: let it do what a guard would stop.
    """

    delete_sync: bool = False
    fingerprint: str = ""
    override_guards: bool = False


NO_TERMS = RunTerms()


def enqueue(
    tx: Transaction,
    sync: SecretSync,
    action: RunAction,
    trigger: RunTrigger,
    *,
    now: datetime,
    terms: RunTerms = NO_TERMS,
    change_interval: timedelta = NO_TIME,
) -> SyncRun:
    """Queue a run, or return the waiting one that answers the trigger; see `Engine.enqueue`.

    Runs that follow from changes begin at least `change_interval` apart.

    Raises:
        Problem: FAILED_PRECONDITION, if somebody asks for a run of a sync that is being deleted.
    """
    waiting, running = tx.runs.pending(sync.uid), tx.runs.running(sync.uid)
    if running and running.cancel_requested:
        # It answers nothing any more, and deletes nothing.
        running = None
    deleting = _deleting(tx, sync)
    if deleting:
        if terms.delete_sync or trigger is not RunTrigger.MANUAL:
            return _answered_by_deletion(tx, sync, deleting, action, trigger)
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.RESOURCE_IN_USE,
            f"{sync.name} is being deleted: wait for {deleting.name} to end",
            metadata={"resource": sync.name, "users": deleting.name},
        )
    if terms.fingerprint:
        return _enqueue_approved(tx, _new_run(sync, action, trigger, now, terms), waiting, now)
    if waiting and may_join(waiting, action, trigger):
        due = _due(tx, sync, waiting.seq, trigger, change_interval, now)
        return _updated(tx, waiting, _joined(waiting, action, trigger, due, terms))
    if running and may_join_running(running, action, trigger):
        return _updated(tx, running, _following(running, action, trigger))
    planned = tx.runs.awaiting_approval(sync.uid)
    if planned and running is None and may_join_plan(planned, action, trigger):
        return _updated(tx, planned, _following(planned, action, trigger))
    run = _new_run(sync, action, trigger, now, terms)
    run = replace(run, not_before=_due(tx, sync, AFTER_ALL_RUNS, trigger, change_interval, now))
    if waiting:
        if carries_follow_up(run):
            run = replace(run, follow_up=still_due(waiting))
        tx.runs.update(supersede(waiting, by=run, now=now))
    return tx.runs.insert(run)


def make_up_for(
    tx: Transaction, sync: SecretSync, trigger: RunTrigger | None, now: datetime
) -> None:
    """Queue the sync run that is still due after a run which has answered its trigger in vain.

    That run had to keep to a plan, was to precede the deletion of the sync, or was a removal that
    was cancelled.

    What was asked for since then is not overruled: it answers the trigger, or is a later wish.

    Args:
        tx: the transaction.
        sync: the sync.
        trigger: why it is still due; None if it is not.
        now: the time.
    """
    if trigger is None or not sync.is_enabled:
        return
    deleting = _deleting(tx, sync)
    if deleting:
        _answered_by_deletion(tx, sync, deleting, RunAction.SYNC, trigger)
        return
    waiting = tx.runs.pending(sync.uid)
    if waiting and carries_follow_up(waiting):
        tx.runs.update(_following(waiting, RunAction.SYNC, trigger))
    elif not waiting or waiting.action is RunAction.CHECK:
        run = _new_run(sync, RunAction.SYNC, trigger, now, NO_TERMS)
        if waiting:
            tx.runs.update(supersede(waiting, by=run, now=now))
        tx.runs.insert(run)


def call_off_deletion(tx: Transaction, run: SyncRun) -> None:
    """Keep the sync of a run that is cancelled, if its deletion was to follow.

    The clean-ups of its other former places go on, and nothing comes after them.
    """
    if run.delete_sync:
        for other in tx.runs.unfinished(run.sync_uid):
            if other.delete_sync and other.uid != run.uid:
                tx.runs.update(replace(other, delete_sync=False))


def _deleting(tx: Transaction, sync: SecretSync) -> SyncRun | None:
    """Return the first run that precedes the deletion of a sync, None if it is not deleted."""
    return next(iter(_of_deletion(tx, sync)), None)


def _of_deletion(tx: Transaction, sync: SecretSync) -> list[SyncRun]:
    """Return the runs that precede the deletion of a sync: its former places are cleaned first."""
    unfinished = tx.runs.unfinished(sync.uid)
    return [run for run in unfinished if run.delete_sync and not run.cancel_requested]


def _answered_by_deletion(
    tx: Transaction, sync: SecretSync, first: SyncRun, action: RunAction, trigger: RunTrigger
) -> SyncRun:
    """Return the run of a deletion that answers a trigger.

    If the deletion is called off, or comes to nothing while the present place is as it was, the
    sync is kept, and has to follow what was changed meanwhile.
    """
    for run in _of_deletion(tx, sync):
        if action is RunAction.SYNC and not run.follow_up:
            tx.runs.update(replace(run, follow_up=trigger))
    return tx.runs.get(sync.uid, first.uid) or first


def _due(
    tx: Transaction,
    sync: SecretSync,
    seq: int,
    trigger: RunTrigger,
    change_interval: timedelta,
    now: datetime,
) -> datetime:
    """Return when a run of this trigger may begin, given the run that was queued before `seq`."""
    if trigger is not RunTrigger.SOURCE_CHANGE:
        return now
    before = tx.runs.list(sync.uid, seq, 1)
    return after_change(before[0] if before else None, change_interval, now)


def _new_run(
    sync: SecretSync, action: RunAction, trigger: RunTrigger, now: datetime, terms: RunTerms
) -> SyncRun:
    return SyncRun(
        uid=str(uuid4()),
        sync_uid=sync.uid,
        sync_name=sync.name,
        action=action,
        trigger=trigger,
        create_time=now,
        not_before=now,
        requester=requester(),
        delete_sync=terms.delete_sync,
        override_guards=terms.override_guards,
        approved_fingerprint=terms.fingerprint,
        approver=requester() if terms.fingerprint else "",
    )


def _joined(
    waiting: SyncRun, action: RunAction, trigger: RunTrigger, due: datetime, terms: RunTerms
) -> SyncRun:
    """Return a waiting run that answers a further trigger, which may begin when it is due."""
    if action is RunAction.CHECK and waiting.action is not RunAction.CHECK:
        return waiting
    if waiting.approved_fingerprint:
        return _following(waiting, action, trigger)
    joined = replace(
        _following(waiting, action, trigger),
        delete_sync=waiting.delete_sync or terms.delete_sync,
        override_guards=waiting.override_guards or terms.override_guards,
    )
    if is_scheduled(waiting) and waiting.action is action:
        joined = brought_forward(joined, trigger, requester(), due)
    elif trigger is RunTrigger.MANUAL and waiting.error_reason is not Reason.RATE_LIMITED:
        # Whoever asks by hand may have mended what failed, and means now.
        joined = replace(joined, not_before=due, attempt=0)
    return joined


def _updated(tx: Transaction, before: SyncRun, after: SyncRun) -> SyncRun:
    if after != before:
        tx.runs.update(after)
    return after


def _following(run: SyncRun, action: RunAction, trigger: RunTrigger) -> SyncRun:
    """Return a run that answers a trigger, which is kept in mind if the run may do so in vain."""
    if action is not RunAction.SYNC or not carries_follow_up(run):
        return run
    return replace(run, follow_up=run.follow_up or trigger)


def _enqueue_approved(
    tx: Transaction, wanted: SyncRun, waiting: SyncRun | None, now: datetime
) -> SyncRun:
    """Queue a run that keeps to a plan; the run that waits with that very plan goes on."""
    fingerprint = wanted.approved_fingerprint
    if waiting and (waiting.approved_fingerprint, waiting.action) == (fingerprint, wanted.action):
        joined = replace(
            waiting,
            override_guards=waiting.override_guards or wanted.override_guards,
        )
        if waiting.error_reason is not Reason.RATE_LIMITED:
            joined = replace(joined, not_before=now, attempt=0)
        tx.runs.update(joined)
        return joined
    planned = tx.runs.awaiting_approval(wanted.sync_uid)
    if planned and planned.plan and planned.plan.fingerprint == fingerprint:
        approved = replace(
            planned,
            state=RunState.PENDING,
            message="",
            plan=None,
            attempt=0,
            not_before=now,
            approved_fingerprint=fingerprint,
            approver=requester(),
            override_guards=planned.override_guards or wanted.override_guards,
        )
        [newest] = tx.runs.list(wanted.sync_uid, AFTER_ALL_RUNS, 1, WRITING_RUNS)
        if newest.uid == planned.uid:
            if waiting:
                # A check, which is answered by whatever else is done.
                tx.runs.update(supersede(waiting, by=approved, now=now))
            tx.runs.update(approved)
            return approved
        # Runs of a sync begin in the order in which they were queued: the newest tells how it
        # stands. So one that others have come after does not go on, but another one in its place.
        wanted = replace(
            wanted, override_guards=approved.override_guards, follow_up=still_due(approved)
        )
        tx.runs.update(supersede(planned, by=wanted, now=now))
    if waiting:
        # If the plan turns out to be out of date, what that run was for is still to be done.
        wanted = replace(wanted, follow_up=wanted.follow_up or still_due(waiting))
        tx.runs.update(supersede(waiting, by=wanted, now=now))
    return tx.runs.insert(wanted)
