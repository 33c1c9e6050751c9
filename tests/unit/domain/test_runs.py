"""What a trigger does to the queue, and when a failed attempt is tried again."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretsync.domain.entities import RunAction, RunState, RunTrigger, SyncRun
from secretsync.domain.problems import Code, Problem, Reason
from secretsync.domain.runs import (
    RetryPolicy,
    after_change,
    after_transient_failure,
    due_after,
    held_before_write,
    may_join,
    may_join_running,
    supersede,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(max_attempts=3, base=2.0, ceiling=10.0)
AUTOMATIC = [trigger for trigger in RunTrigger if trigger is not RunTrigger.MANUAL]


def a_run(action: RunAction = RunAction.SYNC, *, attempt: int = 1, **fields: object) -> SyncRun:
    values: dict[str, object] = {
        "uid": "r",
        "sync_uid": "y",
        "sync_name": "projects/p/secretSyncs/y",
        "trigger": RunTrigger.MANUAL,
        "state": RunState.RUNNING,
        "create_time": NOW,
        "not_before": NOW,
        "lease_token": 4,
        "lease_until": NOW,
    }
    return SyncRun(action=action, attempt=attempt, **{**values, **fields})  # type: ignore[arg-type]


class TestAfterChange:
    INTERVAL = timedelta(seconds=0.5)

    def begin(self, last: SyncRun | None) -> float:
        return (after_change(last, self.INTERVAL, NOW) - NOW).total_seconds()

    @pytest.mark.parametrize(
        ("ago", "wait"), [(0.0, 0.5), (0.2, 0.3), (0.5, 0.0), (9.0, 0.0), (-3600.0, 0.5)]
    )
    def test_it_keeps_a_distance_from_the_last_that_followed_one(
        self, ago: float, wait: float
    ) -> None:
        began = NOW - timedelta(seconds=ago)
        last = a_run(trigger=RunTrigger.SOURCE_CHANGE, start_time=began)
        assert self.begin(last) == pytest.approx(wait)

    def test_otherwise_it_begins_at_once(self) -> None:
        assert self.begin(None) == 0
        assert self.begin(a_run(trigger=RunTrigger.SOURCE_CHANGE)) == 0
        assert self.begin(a_run(trigger=RunTrigger.MANUAL, start_time=NOW)) == 0


class TestDelay:
    @given(st.integers(1, 100), st.randoms(use_true_random=False))
    def test_it_doubles_within_its_bounds(self, attempt: int, rng: random.Random) -> None:
        longest = min(10.0, 2.0 * 2 ** (attempt - 1))
        assert longest / 2 <= POLICY.delay(attempt, None, rng) <= longest

    @given(st.integers(1, 100), st.floats(0, 1e6), st.randoms(use_true_random=False))
    def test_what_the_destination_asks_for_is_waited_at_least(
        self, attempt: int, retry_after: float, rng: random.Random
    ) -> None:
        longest = min(10.0, 2.0 * 2 ** (attempt - 1))
        delay = POLICY.delay(attempt, retry_after, rng)
        assert delay >= retry_after
        assert longest / 2 <= delay <= max(longest, retry_after + 2.0)

    def test_runs_that_failed_together_spread_out(self) -> None:
        rng = random.Random(1)  # noqa: S311  chance, not a secret
        for retry_after in (None, 5.0):
            assert len({POLICY.delay(1, retry_after, rng) for _ in range(20)}) == 20


@pytest.mark.parametrize("trigger", RunTrigger)
@pytest.mark.parametrize("action", [RunAction.SYNC, RunAction.REMOVE])
@pytest.mark.parametrize("waiting", [RunAction.SYNC, RunAction.REMOVE])
def test_who_joins_whom(waiting: RunAction, action: RunAction, trigger: RunTrigger) -> None:
    joins = {
        # (what waits, what is asked for, whether by a person)
        (RunAction.SYNC, RunAction.SYNC, True): True,
        (RunAction.SYNC, RunAction.SYNC, False): True,
        (RunAction.SYNC, RunAction.REMOVE, True): False,
        (RunAction.REMOVE, RunAction.REMOVE, True): True,
        (RunAction.REMOVE, RunAction.REMOVE, False): True,
        (RunAction.REMOVE, RunAction.SYNC, True): False,
        (RunAction.REMOVE, RunAction.SYNC, False): True,
        # No automatic trigger removes anything; should one ever, it would not override a sync.
        (RunAction.SYNC, RunAction.REMOVE, False): True,
        # A check is answered by anything, and answers nothing else.
        **{
            (waits, RunAction.CHECK, by_hand): True
            for waits in RunAction
            for by_hand in (True, False)
        },
        **{
            (RunAction.CHECK, asked, by_hand): False
            for asked in (RunAction.SYNC, RunAction.REMOVE)
            for by_hand in (True, False)
        },
    }
    expected = joins[waiting, action, trigger is RunTrigger.MANUAL]
    assert may_join(a_run(waiting), action, trigger) is expected


@pytest.mark.parametrize("trigger", AUTOMATIC)
def test_a_removal_under_way_answers_automatic_triggers(trigger: RunTrigger) -> None:
    sync = RunAction.SYNC
    assert may_join_running(a_run(RunAction.REMOVE), sync, trigger)
    assert not may_join_running(a_run(RunAction.SYNC), sync, trigger)
    assert not may_join_running(a_run(RunAction.CHECK), sync, trigger)
    assert not may_join_running(a_run(RunAction.REMOVE), sync, RunTrigger.MANUAL)


@pytest.mark.parametrize("running", RunAction)
def test_whatever_is_under_way_answers_a_check_that_nobody_asked_for(running: RunAction) -> None:
    assert may_join_running(a_run(running), RunAction.CHECK, RunTrigger.DRIFT)
    assert not may_join_running(a_run(running), RunAction.CHECK, RunTrigger.MANUAL)


def test_a_superseded_run_names_its_successor() -> None:
    ended = supersede(a_run(state=RunState.PENDING), by=a_run(uid="s"), now=NOW)
    assert ended.state is RunState.FAILED
    assert ended.error_reason is Reason.SUPERSEDED
    assert ended.finish_time == NOW
    assert ended.lease_until is None
    assert ended.message == "a newer run took its place: projects/p/secretSyncs/y/runs/s"


def after(attempt: int, retry_after: float | None = None) -> SyncRun:
    return after_transient_failure(
        a_run(attempt=attempt),
        message="no answer",
        reason=Reason.DESTINATION_UNAVAILABLE,
        retry_after=retry_after,
        policy=POLICY,
        now=NOW,
        rng=random.Random(1),  # noqa: S311  chance, not a secret
    )


class TestAfterTransientFailure:
    def test_it_waits_for_its_next_attempt(self) -> None:
        waiting = after(2)
        assert waiting.state is RunState.PENDING
        assert waiting.attempt == 2
        assert waiting.error_reason is Reason.DESTINATION_UNAVAILABLE
        assert waiting.finish_time is None
        assert waiting.lease_until is None
        assert waiting.message == "attempt 2 of 3 failed, will try again: no answer"
        assert timedelta(seconds=2) <= waiting.not_before - NOW <= timedelta(seconds=4)

    def test_retry_after_is_honoured(self) -> None:
        assert after(1, 100.0).not_before >= NOW + timedelta(seconds=100)

    @pytest.mark.parametrize("attempt", [3, 4])
    def test_the_last_attempt_is_the_end(self, attempt: int) -> None:
        ended = after(attempt, 100.0)
        assert ended.state is RunState.FAILED
        assert ended.error_reason is Reason.DESTINATION_UNAVAILABLE
        assert ended.finish_time == NOW
        assert ended.lease_until is None
        assert ended.message == f"no answer (gave up after {attempt} attempts)"

    def test_the_lease_token_stays_so_that_claims_go_on_counting(self) -> None:
        assert after(1).lease_token == after(3).lease_token == 4


def test_an_attempt_that_was_held_before_a_write_does_not_count() -> None:
    why = Problem(Code.FAILED_PRECONDITION, Reason.PAUSED, "told")
    held = held_before_write(a_run(attempt=3), why, NOW)
    assert (held.state, held.attempt, held.lease_until) == (RunState.PENDING, 2, None)
    assert (held.error_reason, held.not_before) == (Reason.PAUSED, NOW)
    assert held.message == "its last attempt ended before a write: told"


class TestDueAfter:
    CHANGE = RunTrigger.SOURCE_CHANGE

    @pytest.mark.parametrize("action", [RunAction.SYNC, RunAction.REMOVE])
    def test_nothing_after_a_success(self, action: RunAction) -> None:
        assert due_after(a_run(action, state=RunState.SUCCEEDED, follow_up=self.CHANGE)) is None

    def test_what_came_besides_a_removal_only_if_that_was_cancelled(self) -> None:
        failed = a_run(RunAction.REMOVE, state=RunState.FAILED, follow_up=self.CHANGE)
        assert due_after(failed) is None
        cancelled = a_run(
            RunAction.REMOVE, state=RunState.FAILED, follow_up=self.CHANGE, cancel_requested=True
        )
        assert due_after(cancelled) is self.CHANGE

    def test_what_an_approved_run_was_for_unless_it_was_cancelled(self) -> None:
        failed = a_run(trigger=self.CHANGE, state=RunState.FAILED, approved_fingerprint="f")
        assert due_after(failed) is self.CHANGE
        cancelled = a_run(
            trigger=self.CHANGE,
            state=RunState.FAILED,
            approved_fingerprint="f",
            cancel_requested=True,
        )
        assert due_after(cancelled) is None

    @pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED])
    def test_what_came_while_former_places_were_cleaned(self, state: RunState) -> None:
        run = a_run(RunAction.CLEAN_UP, state=state, follow_up=self.CHANGE)
        assert due_after(run) is self.CHANGE
