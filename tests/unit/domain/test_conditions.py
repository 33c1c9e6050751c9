"""The condition of a sync follows from its runs, its pauses and its keys, as a table says."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from secretsync.domain import meanings
from secretsync.domain.conditions import Status, status_of
from secretsync.domain.entities import (
    RunAction,
    RunState,
    RunTrigger,
    SecretSync,
    SyncOptions,
    SyncRun,
)
from secretsync.domain.key_states import KeyState
from secretsync.domain.meanings import MEANINGS, Condition
from secretsync.domain.pauses import Pause
from secretsync.domain.problems import Reason
from secretsync.v1 import connection_service_pb2, secret_service_pb2, secret_sync_service_pb2

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SYNC, REMOVE, CHECK = RunAction.SYNC, RunAction.REMOVE, RunAction.CHECK
PENDING, RUNNING, SUCCEEDED, FAILED, IN_PART = (
    RunState.PENDING,
    RunState.RUNNING,
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.PARTIALLY_SUCCEEDED,
)
WAITS = RunState.AWAITING_APPROVAL
CONNECTION = "projects/shop/connections/octopus"
BASE = SecretSync(
    uid="y",
    project_uid="p",
    project="shop",
    slug="web",
    destination="octopus-deploy",
    connection_uid="c",
    connection="octopus",
    environment_uid="e",
    environment="dev",
    destination_config={},
    target_key="t",
    initialized=True,
    key_counts={KeyState.SYNCED: 2},
    create_time=NOW,
    update_time=NOW,
)
KEEPING = SyncOptions(disable_secret_deletion=True)
# Reasons of calls, which no run can have: each run's reason has a meaning.
OF_CALLS = {
    Reason.RESOURCE_NOT_FOUND,
    Reason.RESOURCE_ALREADY_EXISTS,
    Reason.RESOURCE_IN_USE,
    Reason.ETAG_MISMATCH,
    Reason.REQUEST_ID_REUSED,
    Reason.SECRETS_LEFT_BEHIND,
    Reason.RUN_ENDED,
    Reason.SYNC_OVERLAP,
    Reason.CURSOR_EXPIRED,
    Reason.TOO_MANY_WATCHERS,
    Reason.SHUTTING_DOWN,
    Reason.APPROVAL_REQUIRED,  # a run waits instead
    # Of a run that waits; the pause itself says more, and without one it waits for its turn.
    Reason.PAUSED,
}


def run(
    state: RunState,
    reason: Reason | None = None,
    action: RunAction = SYNC,
    seq: int = 1,
    **fields: Any,  # noqa: ANN401
) -> SyncRun:
    return SyncRun(
        uid=f"r{seq}",
        seq=seq,
        sync_uid="y",
        sync_name=BASE.name,
        action=action,
        trigger=RunTrigger.MANUAL,
        state=state,
        error_reason=reason,
        create_time=NOW,
        not_before=NOW,
        start_time=NOW,
        **fields,
    )


def of(
    *runs: SyncRun,
    pauses: tuple[Pause, ...] = (),
    clean_ups: tuple[Reason | None, ...] = (),
    **changes: Any,  # noqa: ANN401
) -> Status:
    """Return the status of a sync with these newest runs, and these fields."""
    newest = {each.action: each for each in runs}
    return status_of(replace(BASE, **changes), newest, pauses, clean_ups)


PAUSE = Pause(name="-", reason="incident", create_time=NOW)
AUTH = Reason.AUTHENTICATION_FAILED
DONE, DONE_2 = run(SUCCEEDED), run(SUCCEEDED, seq=2)
GONE, GONE_2 = run(SUCCEEDED, action=REMOVE), run(SUCCEEDED, action=REMOVE, seq=2)
RETRY = replace(run(PENDING, AUTH), trigger=RunTrigger.RETRY, start_time=None)

TABLE: list[tuple[Condition, list[SyncRun], dict[str, Any]]] = [
    # Nothing has run.
    (Condition.NEVER_SYNCED, [], {"initialized": False}),
    (Condition.DISABLED, [], {"is_enabled": False}),
    (Condition.PAUSED, [], {"pauses": (PAUSE,)}),
    # A pause comes first, whatever else there is.
    (Condition.PAUSED, [run(RUNNING)], {"pauses": (PAUSE,)}),
    (Condition.PAUSED, [run(FAILED, AUTH)], {"pauses": (PAUSE,), "is_enabled": False}),
    # Then what goes on.
    (Condition.RUNNING, [run(RUNNING, AUTH)], {}),
    (Condition.RUNNING, [run(PENDING), run(RUNNING, action=REMOVE)], {}),
    (Condition.RUNNING, [DONE, run(RUNNING, action=REMOVE)], {"is_enabled": False}),
    (Condition.PENDING, [run(PENDING)], {}),
    (Condition.PENDING, [run(PENDING, Reason.PAUSED)], {}),
    (Condition.PENDING, [run(FAILED, AUTH, action=REMOVE, seq=2), run(PENDING)], {}),
    (Condition.PENDING, [DONE, run(PENDING, action=REMOVE)], {"is_enabled": False}),
    (Condition.RATE_LIMITED, [run(PENDING, Reason.RATE_LIMITED)], {}),
    (Condition.UNAVAILABLE, [run(PENDING, Reason.DESTINATION_UNAVAILABLE)], {}),
    (Condition.AUTH_FAILED, [RETRY], {}),
    (Condition.PENDING, [run(PENDING), run(WAITS, action=REMOVE, seq=2)], {}),
    (Condition.PAUSED, [run(WAITS)], {"pauses": (PAUSE,)}),
    # Then what the last run came to.
    (Condition.AWAITING_APPROVAL, [run(WAITS)], {}),
    (Condition.AWAITING_APPROVAL, [DONE, run(WAITS, action=REMOVE, seq=2)], {"is_enabled": False}),
    (Condition.SYNCED, [run(WAITS, action=REMOVE), DONE_2], {}),
    (Condition.SYNCED, [DONE], {}),
    (Condition.SYNCED, [GONE, DONE_2], {}),
    (Condition.DISABLED, [DONE], {"is_enabled": False}),
    (Condition.DISABLED, [run(FAILED, AUTH)], {"is_enabled": False}),
    (Condition.REMOVED, [DONE, GONE_2], {"key_counts": {}}),
    (Condition.REMOVED, [DONE, GONE_2], {"key_counts": {}, "is_enabled": False}),
    (Condition.AUTH_FAILED, [DONE, run(FAILED, AUTH, action=REMOVE, seq=2)], {}),
    (
        Condition.AUTH_FAILED,
        [DONE, run(FAILED, AUTH, action=REMOVE, seq=2)],
        {"is_enabled": False},
    ),
    # It leads elsewhere since.
    (Condition.NEVER_SYNCED, [DONE], {"initialized": False}),
    # Keys.
    (Condition.DRIFTED, [DONE], {"key_counts": {KeyState.DRIFTED: 1, KeyState.SKIPPED: 1}}),
    (Condition.BLOCKED, [DONE], {"key_counts": {KeyState.SYNCED: 1, KeyState.SKIPPED: 1}}),
    (Condition.SYNCED, [DONE], {"key_counts": {KeyState.SKIPPED: 1}, "options": KEEPING}),
    (Condition.BLOCKED, [GONE], {"key_counts": {KeyState.SKIPPED: 1}, "options": KEEPING}),
    (Condition.PARTIALLY_SYNCED, [run(IN_PART, Reason.KEYS_FAILED)], {}),
    (Condition.PARTIALLY_SYNCED, [run(PENDING, Reason.KEYS_FAILED)], {}),
    (
        Condition.BLOCKED,
        [run(FAILED, Reason.KEYS_FAILED)],
        {"key_counts": {KeyState.FAILED: 2}},
    ),
    # A check for drift that could not look.
    (Condition.AUTH_FAILED, [DONE, run(FAILED, AUTH, action=CHECK, seq=2)], {}),
    (
        Condition.UNAVAILABLE,
        [DONE, run(PENDING, Reason.DESTINATION_UNAVAILABLE, action=CHECK, seq=2)],
        {"key_counts": {KeyState.DRIFTED: 1}},
    ),
    (Condition.SYNCED, [DONE, run(FAILED, Reason.CANCELLED, action=CHECK, seq=2)], {}),
    (Condition.SYNCED, [DONE, run(RUNNING, action=CHECK, seq=2)], {}),
    (Condition.SYNCED, [DONE, run(SUCCEEDED, action=CHECK, seq=2)], {}),
    (Condition.SYNCED, [run(FAILED, AUTH, action=CHECK), DONE_2], {}),
    (Condition.REMOVED, [GONE, run(FAILED, AUTH, action=CHECK, seq=2)], {"key_counts": {}}),
    (Condition.NEVER_SYNCED, [run(FAILED, AUTH, action=CHECK)], {}),
    # Places that it was led away from.
    (Condition.BLOCKED, [DONE], {"clean_ups": (None, Reason.DESTINATION_UNAVAILABLE)}),
    (Condition.BLOCKED, [GONE_2], {"clean_ups": (AUTH,), "key_counts": {}}),
    (Condition.BLOCKED, [DONE], {"clean_ups": (AUTH,), "is_enabled": False}),
    (Condition.SYNCED, [DONE], {"clean_ups": (None,)}),
    (Condition.PAUSED, [DONE], {"clean_ups": (AUTH,), "pauses": (PAUSE,)}),
    (Condition.RUNNING, [run(RUNNING)], {"clean_ups": (AUTH,)}),
    (Condition.INVALID, [run(FAILED, Reason.UNSUPPORTED)], {"clean_ups": (AUTH,)}),
    # A reason that no run should have.
    (Condition.ERROR, [run(FAILED, Reason.ETAG_MISMATCH)], {}),
    (Condition.ERROR, [run(FAILED)], {}),
]


@pytest.mark.parametrize(("condition", "runs", "fields"), TABLE)
def test_the_condition(condition: Condition, runs: list[SyncRun], fields: dict[str, Any]) -> None:
    status = of(*runs, **fields)
    assert status.condition is condition
    check_hint(status)


def check_hint(status: Status) -> None:
    assert re.fullmatch(r"[A-Z0-9].*[^.]\.", status.hint), status.hint
    assert not set("{}\n") & set(status.hint)
    assert ". " not in status.hint, "one sentence"
    assert len(set(status.next_actions)) == len(status.next_actions)
    assert set(status.next_actions) <= methods()


def methods() -> set[str]:
    """Return the methods that next actions can name."""
    files = (connection_service_pb2, secret_service_pb2, secret_sync_service_pb2)
    return {
        f"{service.name}.{method.name}"
        for file in files
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_of_a_run_has_a_meaning(reason: Reason) -> None:
    assert (reason in MEANINGS) is not (reason in OF_CALLS)


@pytest.mark.parametrize("reason", MEANINGS)
@pytest.mark.parametrize("state", [PENDING, FAILED])
@pytest.mark.parametrize("action", [SYNC, REMOVE])
def test_what_is_told_of_each_reason(reason: Reason, state: RunState, action: RunAction) -> None:
    status = of(run(state, reason, action))
    assert status.condition is MEANINGS[reason].condition
    check_hint(status)
    retry = meanings.SYNC if action is SYNC else meanings.REMOVE
    if state is PENDING:
        assert status.hint.endswith("; the run is tried again by itself.")
        assert status.next_actions[-1] == meanings.CANCEL_RUN
    else:
        again = "run the sync again" if action is SYNC else "ask for the removal again"
        assert status.hint.endswith(f", then {again}.")
        assert status.next_actions[-1] == retry


def test_every_condition_can_come_about_and_the_api_has_them_all() -> None:
    reached = {condition for condition, _, _ in TABLE}
    reached |= {meaning.condition for meaning in MEANINGS.values()}
    assert reached == set(Condition)
    shown = secret_sync_service_pb2.SyncCondition.keys()
    names = [name.removeprefix("SYNC_CONDITION_") for name in shown]
    assert names == ["UNSPECIFIED", *Condition]


@pytest.mark.parametrize("state", RunState)
def test_every_state_of_a_run_has_a_condition(state: RunState) -> None:
    expected = {
        PENDING: Condition.PENDING,
        RUNNING: Condition.RUNNING,
        SUCCEEDED: Condition.SYNCED,
        FAILED: Condition.ERROR,
        IN_PART: Condition.PARTIALLY_SYNCED,
        WAITS: Condition.AWAITING_APPROVAL,
    }
    reason = Reason.KEYS_FAILED if state is IN_PART else None
    assert of(run(state, reason)).condition is expected[state]


def test_what_is_told() -> None:
    failed = of(run(FAILED, AUTH))
    assert failed == Status(
        condition=Condition.AUTH_FAILED,
        hint=f"The destination refuses the credentials of {CONNECTION}: give it new ones, then run"
        " the sync again.",
        next_actions=(
            "ConnectionService.UpdateConnection",
            "ConnectionService.ValidateConnection",
            "SecretSyncService.SyncSecrets",
        ),
    )
    later = of(RETRY)
    assert later.next_actions == failed.next_actions
    assert later.hint == (
        f"{failed.hint.removesuffix('.')}; otherwise that is done by itself later."
    )
    assert of(pauses=(PAUSE,)).hint == "Nothing is written until everything (incident) is resumed."
    both = of(pauses=(replace(PAUSE, name=CONNECTION, reason=""), PAUSE))
    assert f"until {CONNECTION} and everything (incident) are resumed" in both.hint
    assert of(DONE).next_actions == ()
    by_hand = of(DONE, is_auto_sync_enabled=False)
    assert by_hand.next_actions == ("SecretSyncService.SyncSecrets",)
    assert "auto-sync is off" in by_hand.hint
    gone = of(GONE, key_counts={})
    assert gone.next_actions[0] == "SecretSyncService.SyncSecrets"
    assert of(GONE, key_counts={}, is_enabled=False).next_actions == (
        "SecretSyncService.UpdateSecretSync",
        "SecretSyncService.DeleteSecretSync",
    )
    moved = of(DONE, clean_ups=(None,))
    assert moved.hint.endswith("; a place that the sync was led away from is not clean yet.")
    assert moved.next_actions == ("SecretSyncService.CleanUpSecretSync",)
    blocked = of(DONE, key_counts={KeyState.SKIPPED: 1})
    assert blocked.hint.startswith("1 key could not be touched")
    assert of(DONE, key_counts={KeyState.DRIFTED: 3}).hint.startswith("3 keys changed")
