"""Runs that clean former places: when they are queued, and what comes of them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from secretsync.adapter import LedgerEntry, RunResult
from secretsync.domain.entities import RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.former_places import ARRIVAL, FormerPlace, may_run, pause_after, why_kept
from secretsync.domain.problems import Reason
from secretsync.domain.requester import requester
from secretsync.domain.runs import RetryPolicy
from secretsync.domain.texts import listed
from secretsync.engine.report import shortened
from secretsync.engine.unwanted import end_waiting
from secretsync.store.protocol import Transaction

_AGAIN = "will try again what failed: "


def enqueue_clean_up(
    tx: Transaction,
    sync: SecretSync,
    place: FormerPlace,
    trigger: RunTrigger,
    *,
    now: datetime,
    delete_sync: bool = False,
) -> SyncRun:
    """Queue a clean-up, or return the unfinished one; see `Engine.clean_up`."""
    by_hand = trigger is RunTrigger.MANUAL
    running = tx.runs.running(sync.uid, place.uid)
    if running and not running.cancel_requested:
        # Nothing is ever added to what it has to take away.
        joined = replace(
            running,
            delete_sync=running.delete_sync or delete_sync,
            trigger=trigger if by_hand else running.trigger,
        )
        tx.runs.update(joined)
        return joined
    waiting = tx.runs.pending(sync.uid, place.uid)
    if waiting is None:
        return tx.runs.insert(_run(sync, place, trigger, now, delete_sync=delete_sync))
    joined = replace(waiting, delete_sync=waiting.delete_sync or delete_sync)
    if by_hand:
        # Whoever asks may have mended what failed, and means now.
        due = max(now, waiting.not_before)
        joined = replace(joined, trigger=trigger, requester=requester(), not_before=due)
        if waiting.error_reason is not Reason.RATE_LIMITED:
            joined = replace(joined, not_before=now, attempt=0, message="", error_reason=None)
    tx.runs.update(joined)
    return joined


def _run(
    sync: SecretSync,
    place: FormerPlace,
    trigger: RunTrigger,
    now: datetime,
    *,
    delete_sync: bool = False,
) -> SyncRun:
    return SyncRun(
        uid=str(uuid4()),
        sync_uid=sync.uid,
        sync_name=sync.name,
        action=RunAction.CLEAN_UP,
        trigger=trigger,
        create_time=now,
        not_before=now,
        requester=requester(),
        delete_sync=delete_sync,
        place_uid=place.uid,
    )


def enqueue_due(tx: Transaction, sync: SecretSync, now: datetime) -> None:
    """Queue what cleans the former places of a sync that has just written its present one."""
    for place in tx.former_places.of_syncs([sync.uid]):
        unfinished = tx.runs.pending(sync.uid, place.uid) or tx.runs.running(sync.uid, place.uid)
        if unfinished is None and not why_kept(sync):
            tx.runs.insert(_run(sync, place, RunTrigger.UPDATE, now))


def end_forbidden(tx: Transaction, sync: SecretSync, now: datetime) -> None:
    """End the clean-ups that wait although nothing may be deleted by itself any more."""
    for place in tx.former_places.of_syncs([sync.uid]):
        waiting = tx.runs.pending(sync.uid, place.uid)
        if waiting and not may_run(sync, waiting):
            reason = Reason.CLEAN_UP_FAILED if sync.is_enabled else Reason.SYNC_DISABLED
            end_waiting(tx, waiting, reason, why_kept(sync), now)


def require_asking(tx: Transaction, sync: SecretSync) -> None:
    """Let nobody have asked for the clean-ups of a sync.

    Whoever requires approval from now on is to be asked, too. Those of a deletion go on.
    """
    _ask_no_more(tx, sync)


def call_off_clean_ups(tx: Transaction, removal: SyncRun, now: datetime) -> None:
    """Let nobody have asked for the clean-ups that a removal has asked for, which is cancelled.

    It has asked for them besides itself, and what somebody has asked for no guard stops.
    """
    sync = tx.syncs.by_uid(removal.sync_uid)
    if sync is None:
        return
    _ask_no_more(tx, sync, removal.create_time)
    end_forbidden(tx, sync, now)


def _ask_no_more(tx: Transaction, sync: SecretSync, since: datetime | None = None) -> None:
    """Let clean-ups be as if nobody had asked for them since a time, or ever.

    Of one under way nobody can tell when that was: if it fails, somebody has to ask again.
    """
    for place in tx.former_places.of_syncs([sync.uid]):
        waiting = tx.runs.pending(sync.uid, place.uid)
        if waiting and since and waiting.not_before < since:
            waiting = None
        for run in (waiting, tx.runs.running(sync.uid, place.uid)):
            if run and run.trigger is RunTrigger.MANUAL and not run.delete_sync:
                tx.runs.update(replace(run, trigger=RunTrigger.UPDATE))


def hand_over(
    tx: Transaction, sync: SecretSync, entries: Sequence[LedgerEntry], now: datetime
) -> None:
    """Forget, of what other syncs left at the target of a sync, what this sync holds there now."""
    held = [entry.identity for entry in entries if entry.confirmed]
    for empty in tx.former_places.hand_over(sync.uid, sync.target_key, held):
        waiting = tx.runs.pending(empty.sync_uid, empty.uid)
        if waiting and waiting.delete_sync:
            # The deletion of its sync goes on when it has ended.
            continue
        if waiting:
            told = f"what was left there belongs to {sync.name} now"
            end_waiting(tx, waiting, Reason.SUPERSEDED, told, now)
        tx.former_places.delete(empty.uid)


def keep_result(
    tx: Transaction, run: SyncRun, result: RunResult, now: datetime
) -> list[LedgerEntry]:
    """Remember what is still at a former place, and forget the place if nothing is.

    Returns:
        What may still be there.
    """
    place = tx.former_places.by_uid(run.place_uid)
    if place is None:
        return []
    ledger = tx.former_places.ledger
    left = [*result.ledger]
    if now - place.leave_time < ARRIVAL:
        # No run of the sync was under way when it left, so nothing was sent later than that.
        left += in_flight(ledger.of(place.uid), result)
    if left:
        ledger.replace(place.uid, left)
    else:
        tx.former_places.delete(place.uid)
    return left


def in_flight(known: Sequence[LedgerEntry], result: RunResult) -> list[LedgerEntry]:
    """Return the intents of earlier attempts whose write may still arrive at the destination.

    A process that was killed may have sent it a moment before. It can take place for as long as the
    destination has the version that it is based on; once that has changed, it either took place,
    which the adapter has seen, or is refused.

    Args:
        known: the ledger before the result.
        result: what the adapter has found.
    """
    repeated = {entry.identity for entry in result.ledger if not entry.confirmed}
    return [
        entry
        for entry in known
        if not entry.confirmed
        and entry.version is not None
        and entry.version == result.version_after
        and entry.identity not in repeated
    ]


def ended_clean_up(run: SyncRun, left: list[LedgerEntry], told: str) -> SyncRun:
    """Return a clean-up whose attempt came to a result.

    Args:
        run: the run, which carries its finish time and outcome already.
        left: what may still be there.
        told: what was done, for people.
    """
    ended = replace(
        run,
        state=RunState.SUCCEEDED,
        message=told,
        error_reason=None,
        lease_until=None,
    )
    if not left:
        return ended
    names = listed(sorted({entry.name for entry in left}))
    return replace(
        ended,
        state=RunState.FAILED,
        error_reason=Reason.CLEAN_UP_FAILED,
        message=f"not everything could be removed: {names} may still be there. Let the credentials"
        " see it, or forget the former place",
    )


def try_again_later(
    tx: Transaction,
    sync: SecretSync,
    failed: SyncRun,
    *,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
) -> None:
    """Queue the next clean-up of a place after one was given up, after a pause that grows."""
    place = tx.former_places.by_uid(failed.place_uid)
    if place is None:
        return
    place = replace(place, failures=place.failures + 1)
    tx.former_places.update(place)
    if not policy.later or not may_run(sync, failed) or tx.runs.pending(sync.uid, place.uid):
        return
    by_hand = failed.trigger is RunTrigger.MANUAL
    pause = pause_after(place.failures, failed.error_reason, policy, rng)
    if by_hand and failed.error_reason is Reason.GUARD_TRIPPED:
        # Somebody has asked for it while it was under way already: no guard stops the next one.
        pause = timedelta(0)
    following = replace(
        _run(sync, place, failed.trigger if by_hand else RunTrigger.RETRY, now),
        not_before=now + pause,
        message=shortened(f"{_AGAIN}{failed.message.removeprefix(_AGAIN)}"),
        error_reason=failed.error_reason,
        requester=failed.requester,
    )
    tx.runs.insert(following)
