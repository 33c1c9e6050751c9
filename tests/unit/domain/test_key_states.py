"""How the results of runs change what is known of a sync's keys."""

from datetime import UTC, datetime, timedelta

import pytest

from secretsync.adapter import Action, KeyResult
from secretsync.domain.key_states import KeyState, SyncKey, after_run

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def result(action: Action, name: str = "K", reason: str = "", key: str = "K") -> KeyResult:
    return KeyResult(key=key, name=name, action=action, reason=reason)


def after(
    before: dict[str, SyncKey], *results: KeyResult, run: str = "r2", now: datetime = LATER
) -> dict[str, SyncKey]:
    return after_run(before, results, run, now)


def known(state: KeyState = KeyState.SYNCED, **fields: object) -> dict[str, SyncKey]:
    given = {"reason": "", "change_time": NOW, **fields}
    return {"K": SyncKey(name="K", key="K", state=state, state_time=NOW, run_uid="r1", **given)}  # type: ignore[arg-type]


def test_a_key_is_known_from_its_first_result() -> None:
    assert after({}, result(Action.CREATED, reason="#{ in its value is escaped")) == {
        "K": SyncKey(
            name="K",
            key="K",
            state=KeyState.SYNCED,
            state_time=LATER,
            change_time=LATER,
            run_uid="r2",
        )
    }


def test_what_stays_as_it_is_stays_the_very_same_object() -> None:
    before = known()
    assert after(before, result(Action.UNCHANGED))["K"] is before["K"]
    skipped = known(KeyState.SKIPPED, reason="why")
    assert after(skipped, result(Action.SKIPPED, reason="why"))["K"] is skipped["K"]


def test_a_write_is_a_change_and_no_new_state() -> None:
    [key] = after(known(), result(Action.UPDATED)).values()
    assert (key.state_time, key.change_time, key.run_uid) == (NOW, LATER, "r2")


def test_a_key_that_was_never_written_has_no_time_of_change() -> None:
    [key] = after({}, result(Action.SKIPPED, reason="it is not ours")).values()
    assert (key.state, key.reason, key.change_time) == (KeyState.SKIPPED, "it is not ours", None)


@pytest.mark.parametrize("state", [KeyState.DRIFTED, KeyState.FAILED, KeyState.SKIPPED])
@pytest.mark.parametrize("action", [Action.UNCHANGED, Action.UPDATED, Action.CREATED])
def test_whatever_was_wrong_is_right_again_after_a_sync(state: KeyState, action: Action) -> None:
    [key] = after(known(state, reason="why", error="then", error_time=NOW), result(action)).values()
    assert (key.state, key.reason, key.state_time) == (KeyState.SYNCED, "", LATER)
    assert (key.error, key.error_time) == ("then", NOW)


def test_a_failure_is_remembered() -> None:
    failed = result(Action.FAILED, reason="too long")
    [key] = after(known(), failed).values()
    assert (key.state, key.reason, key.state_time) == (KeyState.FAILED, "too long", LATER)
    assert (key.error, key.error_time, key.change_time) == ("too long", LATER, NOW)
    [again] = after({"K": key}, failed, run="r3", now=LATER + timedelta(hours=1)).values()
    assert again.state_time == LATER
    assert again.error_time == LATER + timedelta(hours=1)


def test_what_was_deleted_or_is_not_told_of_any_more_is_not_known_any_more() -> None:
    assert after(known(), result(Action.DELETED)) == {}
    assert after(known()) == {}


@pytest.mark.parametrize("other", [Action.DELETED, Action.SKIPPED])
@pytest.mark.parametrize("order", [1, -1])
def test_of_one_name_at_two_places_the_wanted_one_counts(other: Action, order: int) -> None:
    results = [result(other, reason="the old scope"), result(Action.CREATED)][::order]
    [key] = after(known(), *results).values()
    assert (key.state, key.change_time) == (KeyState.SYNCED, LATER)


def test_every_action_of_adapters_is_known() -> None:
    for action in Action:
        after({}, result(action))
