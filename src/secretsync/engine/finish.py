"""How an attempt's report changes the store: run, ledger, sync and queue in one transaction."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from secretsync.adapter import Action, KeyResult, LedgerEntry, RunResult
from secretsync.domain.entities import ENDED, RunAction, RunState, RunTrigger, SecretSync, SyncRun
from secretsync.domain.partial import failed, has_changed, told_of_failed
from secretsync.domain.problems import Reason
from secretsync.domain.runs import (
    RetryPolicy,
    after_transient_failure,
    cancel,
    carries_follow_up,
    due_after,
    held_before_write,
    still_due,
    supersede,
)
from secretsync.domain.texts import listed
from secretsync.engine.attempts import ended_attempt, outcome_of, with_traffic
from secretsync.engine.cancelling import how_far
from secretsync.engine.checks import end_check, forget_uneventful
from secretsync.engine.clean_up import (
    ended_clean_up,
    enqueue_due,
    hand_over,
    in_flight,
    keep_result,
    try_again_later,
)
from secretsync.engine.failing import fail, retry_later, settle
from secretsync.engine.key_states import keep_results
from secretsync.engine.queue import RunTerms, enqueue, make_up_for
from secretsync.engine.report import RunReport, shortened
from secretsync.engine.runner import LeaseLostError
from secretsync.engine.unwanted import end_disabled
from secretsync.store.protocol import Transaction


def finish_attempt(
    tx: Transaction,
    run: SyncRun,
    report: RunReport,
    *,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
) -> SyncRun:
    """Write down what came of an attempt, and return the run as it is now.

    Raises:
        LeaseLostError: another worker has the run, or is at work on the same sync or document since
            this lease ended; nothing was written.
    """
    current = tx.runs.get(run.sync_uid, run.uid)
    sync = tx.syncs.by_uid(run.sync_uid)
    if (
        current is None
        or sync is None
        or current.state is not RunState.RUNNING
        or current.lease_token != run.lease_token
        or not tx.runs.renew(run.uid, run.lease_token, current.lease_until or now)
    ):
        raise LeaseLostError
    # delete_sync may have been asked for meanwhile, so `current` counts, not `run`.
    current = with_traffic(current, report)
    ended = _end(tx, sync, current, report, policy=policy, now=now, rng=rng)
    if not sync.is_enabled:
        ended = end_disabled(tx, ended, now)
    tx.attempts.end(run.uid, ended_attempt(ended, report, now))
    if ended.state in ENDED:
        make_up_for(tx, sync, due_after(ended), now)
    retry_later(tx, sync, ended, policy=policy, now=now, rng=rng)
    return ended


def _end(
    tx: Transaction,
    sync: SecretSync,
    current: SyncRun,
    report: RunReport,
    *,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
) -> SyncRun:
    if report.result is not None and not current.place_uid:
        keep_results(tx, current, report.result, now)
    if current.cancel_requested:
        return _cancelled(tx, sync, current, report, now)
    if report.findings is not None:
        return end_check(tx, current, report.findings, report.outcome(), now)
    if report.result is not None and failed(report.result.keys):
        ended = _succeed_in_part(
            tx, sync, current, report, report.result, policy=policy, now=now, rng=rng
        )
    elif report.result is not None:
        if not current.place_uid:
            _supersede_waiting_plan(tx, current, now)
        ended = replace(current, finish_time=now)
        ended = _succeed(tx, sync, ended, report, report.result)
    elif report.awaits_approval:
        ended = _await_approval(tx, current, report, now)
    else:
        ended = fail(tx, current, report, policy=policy, now=now, rng=rng)
    given_up = ended.state in ENDED and ended.state is not RunState.SUCCEEDED
    if ended.action is RunAction.CLEAN_UP and given_up:
        try_again_later(tx, sync, ended, policy=policy, now=now, rng=rng)
    return ended


def _succeed(
    tx: Transaction, sync: SecretSync, run: SyncRun, report: RunReport, result: RunResult
) -> SyncRun:
    """Write down a success; `run` carries its finish time already."""
    left = _keep_result(tx, sync, run, report, result)
    outcome = outcome_of(run, report)
    if run.action is RunAction.CLEAN_UP:
        return _end_clean_up(tx, sync, replace(run, outcome=outcome), result, left)
    if run.delete_sync and result.ledger:
        return _keep_sync(tx, replace(run, outcome=outcome), result)
    ended = replace(
        run,
        state=RunState.SUCCEEDED,
        message=_summary(outcome.keys),
        error_reason=None,
        lease_until=None,
        outcome=outcome,
    )
    tx.runs.update(ended)
    forget_uneventful(tx, ended)
    if run.delete_sync:
        tx.syncs.delete(sync.uid)
    return ended


def _succeed_in_part(
    tx: Transaction,
    sync: SecretSync,
    run: SyncRun,
    report: RunReport,
    result: RunResult,
    *,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
) -> SyncRun:
    """Write down what was done although some keys failed, and let the run try these again."""
    _keep_result(tx, sync, replace(run, finish_time=now), report, result)
    run = replace(run, outcome=outcome_of(run, report), may_have_written=False)
    if report.held:
        return settle(tx, held_before_write(run, report.held, now), now)
    after = after_transient_failure(
        run,
        message=shortened(told_of_failed(result.keys)),
        reason=Reason.KEYS_FAILED,
        retry_after=None,
        policy=policy,
        now=now,
        rng=rng,
    )
    if after.state is RunState.FAILED:
        if run.delete_sync:
            return _keep_sync(tx, after, result)
        if has_changed(run.outcome.keys):
            after = replace(after, state=RunState.PARTIALLY_SUCCEEDED)
    return settle(tx, after, now)


def _await_approval(tx: Transaction, run: SyncRun, report: RunReport, now: datetime) -> SyncRun:
    """Let a run wait with its plan; an older plan that waits gives way to it."""
    older = _supersede_waiting_plan(tx, run, now)
    # A removal does not do what that was for, and may be refused.
    due = still_due(older) if older and carries_follow_up(run) else None
    waiting = replace(
        run,
        state=RunState.AWAITING_APPROVAL,
        message=report.problem.message if report.problem else "",
        error_reason=None,
        lease_until=None,
        plan=report.plan,
        outcome=outcome_of(run, report),
        may_have_written=run.may_have_written or report.may_have_written,
        follow_up=run.follow_up or due,
        # Whoever asked for the deletion of the sync is told that it failed; who approves the plan
        # of the removal approves nothing else.
        delete_sync=False,
    )
    tx.runs.update(waiting)
    return waiting


def _supersede_waiting_plan(tx: Transaction, run: SyncRun, now: datetime) -> SyncRun | None:
    """End the run whose plan has waited so far, and return it as it was, None if there is none."""
    older = tx.runs.awaiting_approval(run.sync_uid)
    if older:
        tx.runs.update(supersede(older, by=run, now=now))
    return older


def _end_clean_up(
    tx: Transaction, sync: SecretSync, run: SyncRun, result: RunResult, left: list[LedgerEntry]
) -> SyncRun:
    """End a clean-up; the deletion of its sync goes on when the last place is clean."""
    ended = ended_clean_up(run, left, _summary(result.keys))
    tx.runs.update(ended)
    if run.delete_sync and not tx.former_places.of_syncs([sync.uid]):
        now, terms = run.finish_time or run.create_time, RunTerms(delete_sync=True)
        enqueue(tx, sync, RunAction.REMOVE, RunTrigger.MANUAL, now=now, terms=terms)
    return ended


def _keep_result(
    tx: Transaction, sync: SecretSync, run: SyncRun, report: RunReport, result: RunResult
) -> list[LedgerEntry]:
    """Remember what the destination holds now, and return it; `run` carries its finish time."""
    before, after = result.version_before, result.version_after
    if before is not None and after is not None and before != after:
        tx.ledger.record_write(report.target_key, before, after)
    now = run.finish_time or run.create_time
    if run.action is RunAction.CLEAN_UP:
        return keep_result(tx, run, result, now)
    ledger = [*result.ledger, *in_flight(tx.ledger.of_sync(sync.uid), result)]
    tx.ledger.replace(sync.uid, ledger)
    if run.action is RunAction.SYNC and sync.target_key == report.target_key:
        if not sync.initialized and not failed(result.keys):
            sync = replace(sync, initialized=True)
            tx.syncs.update(sync)
        hand_over(tx, sync, ledger, now)
        enqueue_due(tx, sync, now)
    return ledger


def _cancelled(
    tx: Transaction, sync: SecretSync, run: SyncRun, report: RunReport, now: datetime
) -> SyncRun:
    """End a run that was cancelled, keeping all that its attempt has found out."""
    summary = ""
    if report.result is not None:
        _keep_result(tx, sync, replace(run, finish_time=now), report, report.result)
        summary = _summary(report.result.keys)
    cut_short = replace(run, may_have_written=True)
    ended = replace(
        cancel(cut_short, how_far(report, summary), now), outcome=outcome_of(cut_short, report)
    )
    tx.runs.update(ended)
    return ended


def _keep_sync(tx: Transaction, run: SyncRun, result: RunResult) -> SyncRun:
    """End a removal that was to precede the deletion of its sync and did not remove all.

    With the sync its ledger would go, and nobody would know any more whose the rest is.
    """
    left = listed(sorted({entry.name for entry in result.ledger}))
    ended = replace(
        run,
        state=RunState.FAILED,
        message=f"not everything could be removed: {left} may still be there. Let the credentials"
        " see it and try again, or delete the sync without removing secrets",
        error_reason=Reason.REMOVAL_FAILED,
        lease_until=None,
    )
    tx.runs.update(ended)
    return ended


def _summary(keys: Sequence[KeyResult]) -> str:
    counts = {action: sum(key.action is action for key in keys) for action in Action}
    told = [f"{count} {action}" for action, count in counts.items() if count]
    return ", ".join(told) or "nothing to do"
