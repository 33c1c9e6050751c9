"""Rules of runs: what a new trigger does to the queue, and when a failed attempt is tried again."""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SyncRun
from secretsync.domain.partial import has_changed
from secretsync.domain.problems import Problem, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When to try again.

    Attributes:
        max_attempts: attempts in all.
        base: seconds before the second attempt, at most; doubles with each further one.
        ceiling: seconds between attempts, at most, unless the destination asks for more.
        later: seconds until a sync is run again by itself after a run gave up, at most; doubles
            with each further one that does. 0: it is not.
        later_ceiling: the longest that gets, in seconds.
    """

    max_attempts: int = 5
    base: float = 3.0
    ceiling: float = 300.0
    later: float = 300.0
    later_ceiling: float = 3600.0

    def delay(self, attempt: int, retry_after: float | None, rng: random.Random) -> float:
        """Return the seconds to wait after an attempt.

        Half of it is fixed and half random, so that runs which failed together spread out.

        Args:
            attempt: number of the attempt that failed, from 1.
            retry_after: what the destination asked for, in seconds; never less is waited.
            rng: the source of chance.
        """
        longest = min(self.ceiling, self.base * 2.0 ** (attempt - 1))
        delay = longest / 2 + rng.uniform(0, longest / 2)
        if retry_after is None:
            return delay
        return max(delay, retry_after + rng.uniform(0, self.base))


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryPolicy:
    """Which ended runs of a sync are kept; the stricter of the two counts.

    Of each action, the newest run and the newest one that succeeded are kept in any case, and so is
    what has ended within the last hour: somebody may still be waiting for its result.

    Attributes:
        max_age: since they ended.
        max_count: runs of one sync, those that have not ended included.
    """

    max_age: timedelta = timedelta(days=90)
    max_count: int = 1000


SETTLED = timedelta(hours=1)
"""How long each run is kept at least."""


def may_join(waiting: SyncRun, action: RunAction, trigger: RunTrigger) -> bool:
    """Tell whether a waiting run answers a new trigger, so that no further run is needed.

    A run reads the source when it starts, so any number of triggers for one action are answered by
    one run. An automatic trigger also joins a waiting removal: somebody asked for the secrets to be
    taken away, and a change at the source is no reason to overrule that. A run that must keep to a
    plan may fail because of what has changed, so it answers an automatic trigger only together with
    its `follow_up`, and nothing that somebody asks for. A check looks for what any other run makes
    right, or is about to take away: it is answered by all, and answers none.
    """
    if RunAction.CHECK in {waiting.action, action}:
        return action is RunAction.CHECK
    if waiting.approved_fingerprint:
        return trigger is not RunTrigger.MANUAL
    return waiting.action is action or trigger is not RunTrigger.MANUAL


def may_join_running(running: SyncRun, action: RunAction, trigger: RunTrigger) -> bool:
    """Tell whether a run under way answers a new trigger, so that no further run is needed.

    A sync under way has read the source already, so it answers nothing. A removal answers automatic
    triggers, as it does while it waits: what was asked for must not depend on when it started, and
    a run in its wake would take its place if it has to be tried again. A check is answered by
    anything under way, unless somebody asks for it by hand, who may mean what happened since.
    """
    if action is RunAction.CHECK:
        return trigger is not RunTrigger.MANUAL
    return running.action is RunAction.REMOVE and trigger is not RunTrigger.MANUAL


def may_join_plan(planned: SyncRun, action: RunAction, trigger: RunTrigger) -> bool:
    """Tell whether a run whose plan waits for approval answers a new trigger.

    A removal does, as it does while it waits for its turn, and its plan says nothing of the source.
    What outdates it, a change of the sync, leads to a newer plan.
    """
    is_of_source = trigger in {RunTrigger.SOURCE_CHANGE, RunTrigger.SCHEDULE, RunTrigger.DRIFT}
    return planned.action is RunAction.REMOVE and action is RunAction.SYNC and is_of_source


def still_due(run: SyncRun) -> RunTrigger | None:
    """Return the trigger of a sync run that is still to come if a run comes to nothing.

    That is asked of runs that keep to a plan, and of those whose place such a run takes. Whoever
    asks for a plan by hand asks for nothing else, and a removal leaves no sync run to be made up
    for.
    """
    if run.follow_up:
        return run.follow_up
    is_of_plan = run.approved_fingerprint and run.trigger is RunTrigger.MANUAL
    return None if is_of_plan or run.action is not RunAction.SYNC else run.trigger


def carries_follow_up(run: SyncRun) -> bool:
    """Tell whether a run may answer a trigger, or take another's place, without a sync.

    One that must keep to a plan may turn out not to, and a removal may be cancelled: then what came
    besides is still due.
    """
    return bool(run.approved_fingerprint) or run.action is RunAction.REMOVE


def due_after(ended: SyncRun) -> RunTrigger | None:
    """Return the trigger of a sync run that is still due after a run has ended, None if none is.

    Whoever cancels a run gives up what it was for itself, not what came besides. A removal that
    fails is still what somebody wants, and no reason to write anything; but if it was to precede
    the deletion of its sync, nobody tries again. Then the sync goes on as it was, unless something
    may be gone.
    """
    if ended.action is RunAction.CLEAN_UP:
        return ended.follow_up
    if ended.state is RunState.SUCCEEDED:
        return None
    if ended.cancel_requested:
        return ended.follow_up
    if ended.delete_sync and not (ended.may_have_written or has_changed(ended.outcome.keys)):
        return ended.follow_up
    return still_due(ended) if ended.approved_fingerprint else None


def after_change(last: SyncRun | None, interval: timedelta, now: datetime) -> datetime:
    """Return when a run that follows from a change may begin.

    The first change is followed at once. Those that come in its wake wait, so that a burst of them
    leads to few runs: two that follow from changes begin at least an interval apart.

    Args:
        last: the newest run of the sync.
        interval: the interval.
        now: the time.
    """
    if last is None or last.start_time is None or last.trigger is not RunTrigger.SOURCE_CHANGE:
        return now
    # A clock that was set back must not make it wait for longer.
    return min(max(now, last.start_time + interval), now + interval)


def supersede(run: SyncRun, by: SyncRun, now: datetime) -> SyncRun:
    """Return the run as ended because a newer one takes its place."""
    return replace(
        run,
        state=RunState.FAILED,
        finish_time=now,
        error_reason=Reason.SUPERSEDED,
        message=f"a newer run took its place: {by.name}",
        lease_until=None,
    )


def cancel(run: SyncRun, told: str, now: datetime) -> SyncRun:
    """Return the run as ended because somebody cancelled it.

    Args:
        run: the run.
        told: how far it had come, for people.
        now: the time.
    """
    kept = f". {run.sync_name} is kept" if run.delete_sync else ""
    return replace(
        run,
        state=RunState.FAILED,
        finish_time=now,
        error_reason=Reason.CANCELLED,
        message=f"cancelled {told}{kept}",
        lease_until=None,
        cancel_requested=True,
    )


def after_transient_failure(
    run: SyncRun,
    *,
    message: str,
    reason: Reason,
    retry_after: float | None,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
) -> SyncRun:
    """Return the run as waiting for its next attempt, or as FAILED if that was the last."""
    if run.attempt >= policy.max_attempts:
        return replace(
            run,
            state=RunState.FAILED,
            finish_time=now,
            message=f"{message} (gave up after {run.attempt} attempts)",
            error_reason=reason,
            lease_until=None,
        )
    delay = policy.delay(run.attempt, retry_after, rng)
    return replace(
        run,
        state=RunState.PENDING,
        not_before=now + timedelta(seconds=delay),
        message=f"attempt {run.attempt} of {policy.max_attempts} failed, will try again: {message}",
        error_reason=reason,
        lease_until=None,
    )


def held_back(
    run: SyncRun,
    *,
    message: str,
    reason: Reason,
    retry_after: float | None,
    policy: RetryPolicy,
    now: datetime,
    rng: random.Random,
) -> SyncRun:
    """Return a run whose connection may not send as waiting until it may.

    The attempt does not count: the destination has not been asked for anything, and with many syncs
    of one connection the last ones would otherwise fail before their turn comes.
    """
    delay = policy.delay(1, retry_after, rng)
    return replace(
        run,
        state=RunState.PENDING,
        attempt=run.attempt - 1,
        not_before=now + timedelta(seconds=delay),
        message=f"waits for its connection: {message}",
        error_reason=reason,
        lease_until=None,
    )


def held_before_write(run: SyncRun, why: Problem, now: datetime) -> SyncRun:
    """Return a run as waiting that may not write now; its attempt does not count.

    It may begin again at once: a pause keeps it from that, and what has to be approved since its
    attempt began is planned by the next one.
    """
    return replace(
        run,
        state=RunState.PENDING,
        attempt=run.attempt - 1,
        not_before=now,
        message=f"its last attempt ended before a write: {why.message}",
        error_reason=why.reason,
        lease_until=None,
    )
