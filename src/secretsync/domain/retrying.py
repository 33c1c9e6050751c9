"""Rules of retries: when a sync whose run gave up is run again by itself."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SyncRun
from secretsync.domain.problems import Reason
from secretsync.domain.runs import RetryPolicy

PASSING = frozenset(
    {
        Reason.RATE_LIMITED,
        Reason.DESTINATION_UNAVAILABLE,
        Reason.DESTINATION_NOT_LOADED,
        Reason.DESTINATION_CONFLICT,
        Reason.STORAGE_FULL,
        Reason.KEYS_FAILED,
    }
)
"""What passes by itself."""
MENDED_ELSEWHERE = frozenset(
    {
        Reason.AUTHENTICATION_FAILED,
        Reason.DESTINATION_PERMISSION_DENIED,
        Reason.DESTINATION_NOT_FOUND,
        Reason.INTERNAL,
    }
)
"""What somebody may mend at the destination, of which nobody hears here. It is looked for at the
slowest pace only: a destination may lock out whoever comes with wrong credentials too often."""
RETRIED = frozenset({RunAction.SYNC, RunAction.REMOVE})


def retry_of(
    run: SyncRun, *, policy: RetryPolicy, now: datetime, rng: random.Random
) -> SyncRun | None:
    """Return the run that is to do later what a run has left undone; None if there is to be none.

    Whatever breaks a rule of this service is not among what is retried: it takes a change here to
    mend it, and changes queue runs themselves. Neither is a plan that somebody asked for: that run
    does this plan or nothing.

    Args:
        run: the run, as it ended.
        policy: when to try again.
        now: the time.
        rng: the source of chance.
    """
    given_up = run.state in {RunState.FAILED, RunState.PARTIALLY_SUCCEEDED}
    if not (given_up and run.action in RETRIED and policy.later) or run.delete_sync:
        return None
    if run.approved_fingerprint and run.trigger is RunTrigger.MANUAL:
        return None
    if run.error_reason in PASSING:
        longest = min(policy.later_ceiling, policy.later * 2.0**run.retries)
    elif run.error_reason in MENDED_ELSEWHERE:
        longest = policy.later_ceiling
    else:
        return None
    delay = longest / 2 + rng.uniform(0, longest / 2)
    return SyncRun(
        uid=str(uuid4()),
        sync_uid=run.sync_uid,
        sync_name=run.sync_name,
        action=run.action,
        trigger=RunTrigger.RETRY,
        create_time=now,
        not_before=now + timedelta(seconds=delay),
        message=f"will try again what failed: {run.message}",
        error_reason=run.error_reason,
        requester=run.requester,
        follow_up=run.follow_up if run.action is RunAction.REMOVE else None,
        # So many that 2 to the power of it stays a number, and far more than reach the ceiling.
        retries=min(run.retries + 1, 100),
    )


def is_scheduled(run: SyncRun) -> bool:
    """Tell whether a run is a retry that waits for its time and has not begun yet."""
    waits = run.state is RunState.PENDING and run.start_time is None
    return waits and run.trigger is RunTrigger.RETRY


def brought_forward(retry: SyncRun, trigger: RunTrigger, requester: str, due: datetime) -> SyncRun:
    """Return a retry that waits for its time as the run of a newer trigger, due when that is.

    Whoever asks by hand may have mended what failed, so the next retry would come early again.
    """
    return replace(
        retry,
        trigger=trigger,
        requester=requester,
        not_before=due,
        message="",
        error_reason=None,
        retries=0 if trigger is RunTrigger.MANUAL else retry.retries,
    )
