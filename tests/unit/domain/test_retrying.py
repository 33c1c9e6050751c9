"""When a sync whose run gave up is run again, and what becomes of such a run."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SyncRun
from secretsync.domain.problems import Reason
from secretsync.domain.retrying import brought_forward, is_scheduled, retry_of
from secretsync.domain.runs import RetryPolicy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(later=300.0, later_ceiling=3600.0)
SELDOM = {
    Reason.AUTHENTICATION_FAILED,
    Reason.DESTINATION_PERMISSION_DENIED,
    Reason.DESTINATION_NOT_FOUND,
    Reason.INTERNAL,
}
SOON = {
    Reason.RATE_LIMITED,
    Reason.DESTINATION_UNAVAILABLE,
    Reason.DESTINATION_NOT_LOADED,
    Reason.DESTINATION_CONFLICT,
    Reason.STORAGE_FULL,
    Reason.KEYS_FAILED,
}


def ended(**fields: object) -> SyncRun:
    values: dict[str, object] = {
        "uid": "r",
        "sync_uid": "y",
        "sync_name": "projects/p/secretSyncs/y",
        "action": RunAction.SYNC,
        "trigger": RunTrigger.SOURCE_CHANGE,
        "state": RunState.FAILED,
        "error_reason": Reason.DESTINATION_UNAVAILABLE,
        "message": "it is down",
        "requester": "ann",
        "create_time": NOW,
        "not_before": NOW,
        **fields,
    }
    return SyncRun(**values)  # type: ignore[arg-type]


def retry(run: SyncRun, policy: RetryPolicy = POLICY) -> SyncRun | None:
    return retry_of(run, policy=policy, now=NOW, rng=random.Random(1))  # noqa: S311


def longest(run: SyncRun) -> float:
    """Return the longest pause before a run's retry, in seconds, out of many."""
    rng = random.Random(1)  # noqa: S311  chance, not a secret
    delays = []
    for _ in range(300):
        again = retry_of(run, policy=POLICY, now=NOW, rng=rng)
        assert again
        delays.append((again.not_before - NOW).total_seconds())
    assert min(delays) < 0.55 * max(delays)
    assert min(delays) >= max(delays) / 2 - 1
    return round(max(delays), -2)


@pytest.mark.parametrize("reason", sorted(SOON))
def test_what_can_pass_comes_soon_and_then_ever_later(reason: Reason) -> None:
    pauses = [longest(ended(error_reason=reason, retries=number)) for number in range(6)]
    assert pauses == [300, 600, 1200, 2400, 3600, 3600]


@pytest.mark.parametrize("reason", sorted(SELDOM))
def test_what_may_be_mended_elsewhere_comes_seldom(reason: Reason) -> None:
    assert {longest(ended(error_reason=reason, retries=number)) for number in (0, 3)} == {3600}


@pytest.mark.parametrize("reason", sorted({None, *Reason} - SOON - SELDOM, key=str))
def test_nothing_else_comes_again(reason: Reason | None) -> None:
    assert retry(ended(error_reason=reason)) is None


def test_what_it_takes_along() -> None:
    state = RunState.PARTIALLY_SUCCEEDED
    again = retry(ended(state=state, action=RunAction.REMOVE, retries=2, uid="r"))
    assert again
    assert (again.state, again.trigger) == (RunState.PENDING, RunTrigger.RETRY)
    assert (again.action, again.requester, again.retries) == (RunAction.REMOVE, "ann", 3)
    assert (again.error_reason, again.attempt) == (Reason.DESTINATION_UNAVAILABLE, 0)
    assert "it is down" in again.message
    assert again.uid != "r"


def test_the_count_of_retries_has_an_end() -> None:
    again = retry(ended(retries=100))
    assert again
    assert again.retries == 100


@pytest.mark.parametrize(
    "fields",
    [
        {"state": RunState.SUCCEEDED},
        {"state": RunState.PENDING},
        {"state": RunState.RUNNING},
        {"delete_sync": True, "action": RunAction.REMOVE},
    ],
)
def test_what_is_not_given_up_or_was_answered_is_left(fields: dict[str, object]) -> None:
    assert retry(ended(**fields)) is None


@pytest.mark.parametrize("action", [RunAction.SYNC, RunAction.REMOVE])
def test_a_plan_that_somebody_asked_for_is_that_plan_or_nothing(action: RunAction) -> None:
    asked = ended(trigger=RunTrigger.MANUAL, action=action)
    assert retry(asked)
    assert retry(replace(asked, approved_fingerprint="f")) is None
    assert retry(replace(asked, approved_fingerprint="f", trigger=RunTrigger.RETRY))


def test_it_can_be_turned_off() -> None:
    assert retry(ended(), RetryPolicy(later=0.0)) is None


def test_only_one_that_has_not_begun_is_scheduled() -> None:
    again = retry(ended())
    assert again
    assert is_scheduled(again)
    pending = RunState.PENDING
    assert not is_scheduled(ended(state=pending))
    assert not is_scheduled(ended(state=pending, trigger=RunTrigger.RETRY, start_time=NOW))
    assert not is_scheduled(ended(trigger=RunTrigger.RETRY))


@pytest.mark.parametrize(
    ("trigger", "retries"), [(RunTrigger.MANUAL, 0), (RunTrigger.SOURCE_CHANGE, 4)]
)
def test_a_newer_trigger_takes_it_over(trigger: RunTrigger, retries: int) -> None:
    again = retry(ended(retries=3))
    assert again
    later = NOW + timedelta(seconds=9)
    taken = brought_forward(again, trigger, "bob", later)
    assert (taken.uid, taken.trigger, taken.requester) == (again.uid, trigger, "bob")
    assert (taken.not_before, taken.retries) == (later, retries)
    assert (taken.message, taken.error_reason) == ("", None)
