"""How a trigger changes the queue."""

from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncRun
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.domain.requester import requester
from secretsync.domain.retrying import brought_forward, is_scheduled
from secretsync.domain.runs import may_join, may_join_running, supersede
from secretsync.store.protocol import Transaction


def enqueue(
    tx: Transaction,
    sync: SecretSync,
    action: RunAction,
    trigger: RunTrigger,
    *,
    now: datetime,
    delete_sync: bool = False,
) -> SyncRun:
    """Queue a run, or return the waiting one that answers the trigger; see `Engine.enqueue`.

    Raises:
        Problem: FAILED_PRECONDITION, if somebody asks for a run of a sync that is being deleted.
    """
    waiting, running = tx.runs.pending(sync.uid), tx.runs.running(sync.uid)
    if running and running.cancel_requested:
        # It answers nothing any more, and deletes nothing.
        running = None
    deleting = next((run for run in (waiting, running) if run and run.delete_sync), None)
    if deleting:
        if delete_sync or trigger is not RunTrigger.MANUAL:
            return deleting
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.RESOURCE_IN_USE,
            f"{sync.name} is being deleted: wait for {deleting.name} to end",
            metadata={"resource": sync.name, "users": deleting.name},
        )
    if waiting and may_join(waiting, action, trigger):
        joined = replace(waiting, delete_sync=waiting.delete_sync or delete_sync)
        if is_scheduled(waiting) and waiting.action is action:
            joined = brought_forward(joined, trigger, requester(), now)
        elif trigger is RunTrigger.MANUAL and waiting.error_reason is not Reason.RATE_LIMITED:
            # Whoever asks by hand may have mended what failed, and means now.
            joined = replace(joined, not_before=now, attempt=0)
        if joined != waiting:
            tx.runs.update(joined)
        return joined
    if running and may_join_running(running, trigger):
        return running
    run = SyncRun(
        uid=str(uuid4()),
        sync_uid=sync.uid,
        sync_name=sync.name,
        action=action,
        trigger=trigger,
        create_time=now,
        not_before=now,
        delete_sync=delete_sync,
        requester=requester(),
    )
    if waiting:
        tx.runs.update(supersede(waiting, by=run, now=now))
    return tx.runs.insert(run)
