"""What becomes of a run whose attempt came to no result, or not to all of it."""

import random
from dataclasses import replace
from datetime import datetime

from secretsync.domain.entities import RunAction, RunState, SecretSync, SyncRun
from secretsync.domain.retrying import retry_of
from secretsync.domain.runs import (
    RetryPolicy,
    after_transient_failure,
    carries_follow_up,
    held_back,
    held_before_write,
    still_due,
    supersede,
)
from secretsync.engine.attempts import outcome_of, why_it_failed
from secretsync.engine.report import RunReport
from secretsync.store.protocol import Transaction


def fail(
    tx: Transaction,
    run: SyncRun,
    report: RunReport,
    *,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
) -> SyncRun:
    """Write down a failure, and return the run as it is then: ended, or waiting to be tried again.

    Args:
        tx: the transaction.
        run: the run.
        report: what came of its attempt.
        policy: when to try again.
        now: the time.
        rng: the source of chance.
    """
    problem = report.problem
    reason, message = why_it_failed(report)
    run = replace(
        run,
        outcome=outcome_of(run, report),
        plan=report.plan,
        may_have_written=run.may_have_written or report.may_have_written,
    )
    if report.held:
        return settle(tx, held_before_write(run, report.held, now), now)
    if not report.transient:
        ended = replace(
            run,
            state=RunState.FAILED,
            message=message,
            error_reason=reason,
            finish_time=now,
            lease_until=None,
        )
        tx.runs.update(ended)
        return ended
    next_state = held_back if report.unsent else after_transient_failure
    after = next_state(
        run,
        message=message,
        reason=reason,
        retry_after=problem.retry_after if problem else None,
        policy=policy,
        now=now,
        rng=rng,
    )
    return settle(tx, after, now)


def settle(tx: Transaction, after: SyncRun, now: datetime) -> SyncRun:
    """Store a run that waits for its next attempt or has ended, and return it as it is then."""
    waiting = tx.runs.pending(after.sync_uid, after.place_uid)
    if waiting and RunAction.CHECK in {waiting.action, after.action}:
        return _settle_beside_check(tx, after, waiting, now)
    if after.state is RunState.PENDING and waiting:
        # A sync has one waiting run at most: the newer one stays, and keeps to the pause and the
        # count of attempts that the failed one has earned.
        due = still_due(after) if carries_follow_up(waiting) else None
        tx.runs.update(
            replace(
                waiting,
                attempt=after.attempt,
                not_before=max(waiting.not_before, after.not_before),
                message=after.message,
                error_reason=after.error_reason,
                follow_up=waiting.follow_up or due,
            )
        )
        after = supersede(after, by=waiting, now=now)
    tx.runs.update(after)
    return after


def _settle_beside_check(
    tx: Transaction, after: SyncRun, waiting: SyncRun, now: datetime
) -> SyncRun:
    """Do as `settle` if a check is among the two: it gives way, and nothing of it is kept."""
    if after.state is RunState.PENDING:
        if after.action is RunAction.CHECK:
            after = supersede(after, by=waiting, now=now)
        else:
            tx.runs.update(supersede(waiting, by=after, now=now))
    tx.runs.update(after)
    return after


def retry_later(
    tx: Transaction,
    sync: SecretSync,
    ended: SyncRun,
    *,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
) -> None:
    """Queue a run that does later what this one has left undone, unless one waits already."""
    may_run = sync.is_enabled or ended.action is not RunAction.SYNC
    retry = retry_of(ended, policy=policy, now=now, rng=rng) if may_run else None
    waiting = tx.runs.pending(sync.uid)
    if retry is None or (waiting and waiting.action is not RunAction.CHECK):
        return
    if waiting:
        tx.runs.update(supersede(waiting, by=retry, now=now))
    tx.runs.insert(retry)
