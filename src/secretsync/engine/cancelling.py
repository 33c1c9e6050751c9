"""How runs are cancelled: at once while they wait, and with the end of their attempt otherwise."""

from dataclasses import replace
from datetime import datetime

from secretsync.domain.entities import ENDED, RunAction, RunState, SyncRun
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.domain.runs import cancel
from secretsync.engine.clean_up import call_off_clean_ups
from secretsync.engine.queue import call_off_deletion, make_up_for
from secretsync.engine.report import RunReport, shortened
from secretsync.store.protocol import Transaction

FINDS_OUT = "which the next run finds out"


def cancel_run(tx: Transaction, run: SyncRun, now: datetime) -> SyncRun:
    """Cancel a run; see `Engine.cancel`.

    Raises:
        Problem: FAILED_PRECONDITION, if it has ended.
    """
    if run.state in ENDED:
        raise Problem(
            Code.FAILED_PRECONDITION,
            Reason.RUN_ENDED,
            f"{run.name} has {run.state} already: there is nothing to cancel",
            metadata={"resource": run.name},
        )
    if run.state is RunState.AWAITING_APPROVAL:
        cancelled = cancel(run, "while its plan waited for approval", now)
    elif run.state is RunState.PENDING:
        told = "while it waited"
        if run.start_time is not None:
            told += f" for another attempt; an earlier one may have written, {FINDS_OUT}"
        cancelled = cancel(run, told, now)
    else:
        cancelled = replace(run, cancel_requested=True)
    if cancelled != run:
        tx.runs.update(cancelled)
        call_off_deletion(tx, run)
        if _has_asked_for_clean_ups(run):
            call_off_clean_ups(tx, run, now)
    if cancelled.state in ENDED:
        _make_up(tx, cancelled, now)
    return cancelled


def _has_asked_for_clean_ups(run: SyncRun) -> bool:
    """Tell whether a run may have brought clean-ups along; those of a deletion go on."""
    is_of_plan = run.approved_fingerprint or run.state is RunState.AWAITING_APPROVAL
    return run.action is RunAction.REMOVE and not is_of_plan and not run.delete_sync


def end_cancelled(tx: Transaction, now: datetime, *, at_work: bool) -> None:
    """End the cancelled runs that no worker will end any more.

    Args:
        tx: the transaction.
        now: the time; whose lease has ended by then has no worker.
        at_work: end those with a live lease too, since their workers are gone.
    """
    for run in tx.runs.cancelling():
        if at_work or run.lease_until is None or run.lease_until <= now:
            told = f"while it was under way; a write may have taken place, {FINDS_OUT}"
            tx.runs.update(cancel(replace(run, may_have_written=True), told, now))
            tx.attempts.cut_short(run.uid, "the run was cancelled", now)
            _make_up(tx, run, now)


def _make_up(tx: Transaction, run: SyncRun, now: datetime) -> None:
    """Queue a run for what came besides what the cancelled one was for itself."""
    sync = tx.syncs.by_uid(run.sync_uid)
    if sync:
        make_up_for(tx, sync, run.follow_up, now)


def how_far(report: RunReport, summary: str) -> str:
    """Return how far the attempt of a cancelled run had come, for people.

    Args:
        report: what came of the attempt.
        summary: what it did, if it came to a result.
    """
    if report.result is not None:
        return f"when its work was done: {summary}"
    told = "before this attempt had written anything"
    if report.write_announced:
        told = f"while it was writing; the write may have taken place, {FINDS_OUT}"
    if report.problem and report.problem.reason is not Reason.CANCELLED:
        told += f". The attempt had failed: {shortened(report.problem.message)}"
    return told
