"""What the fingerprint of a plan changes with, and what it tells nothing of."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from secretsync.adapter import (
    ChangeKind,
    DesiredSecret,
    LedgerEntry,
    PlannedChange,
    PlanResult,
    SecretValue,
)
from secretsync.domain.entities import RunAction, SecretSync, SyncOptions
from secretsync.domain.guards import MaxDeletions
from secretsync.domain.plans import moved_since
from secretsync.engine.fingerprints import fingerprint_of
from secretsync.engine.work import Work

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENTRY = LedgerEntry(
    key="K", name="K", identity="k", remote_id="1", digest="d", version="7", confirmed=True
)
INTENT = replace(ENTRY, identity="l", remote_id=None, confirmed=False)
DESIRED = DesiredSecret(key="K", name="K", value=SecretValue("1234"))
CHANGE = PlannedChange(key="K", name="K", kind=ChangeKind.UPDATE, reason="it changed", scope="s")
RESULT = PlanResult(changes=(CHANGE,), version="7")
SYNC = SecretSync(
    uid="y",
    project_uid="p",
    project="shop",
    slug="main",
    destination="memory",
    connection_uid="c",
    connection="main",
    environment_uid="e",
    environment="dev",
    destination_config={"place": "x", "labels": ["a"]},
    target_key="x",
    create_time=NOW,
    update_time=NOW,
)


def digest_of(key: str) -> Callable[..., str]:
    return lambda *parts: hashlib.sha256(repr((key, parts)).encode()).hexdigest()


WORK = Work(
    action=RunAction.SYNC,
    sync=SYNC,
    paced_as="c",
    credentials=None,
    config=None,
    desired=(DESIRED,),
    ledger=(ENTRY, INTENT),
    claimed_by_others={},
    known_versions=frozenset(),
    written_from={},
    digest=lambda *_: "",
    plan_digest=digest_of("project"),
)


def fingerprint(work: Work = WORK, result: PlanResult = RESULT) -> str:
    return fingerprint_of(work, result, result.changes)


def with_sync(**changes: object) -> Work:
    return replace(WORK, sync=replace(SYNC, **changes))


def with_options(**changes: object) -> Work:
    return with_sync(options=replace(SyncOptions(), **changes))


@pytest.mark.parametrize(
    ("work", "moved"),
    [
        (replace(WORK, action=RunAction.REMOVE), "configuration"),
        (with_sync(uid="other"), "configuration source"),
        (with_sync(environment_uid="other"), "configuration"),
        (with_sync(secret_path="/other"), "configuration"),
        (with_sync(recursive=True), "configuration"),
        (with_sync(connection_uid="other"), "configuration"),
        (with_sync(target_key="other"), "configuration"),
        (with_sync(destination="other"), "configuration"),
        (with_sync(destination_config={"place": "x", "labels": []}), "configuration"),
        (with_options(key_schema="X_{{secretKey}}"), "configuration"),
        (with_options(disable_secret_deletion=True), "configuration"),
        (with_options(require_approval=True), "configuration"),
        (with_options(max_deletions=MaxDeletions(count=1)), "configuration"),
        (replace(WORK, desired=()), "source"),
        (replace(WORK, source_missing="dev:/"), "source"),
        (replace(WORK, desired=(replace(DESIRED, key="L"),)), "source"),
        (replace(WORK, desired=(replace(DESIRED, comment="c"),)), "source"),
        (replace(WORK, desired=(replace(DESIRED, value=SecretValue("1235")),)), "source"),
        (with_sync(initialized=True), "destination"),
        (replace(WORK, ledger=(ENTRY,)), "destination"),
        (replace(WORK, ledger=(replace(ENTRY, digest="other"), INTENT)), "destination"),
        (replace(WORK, ledger=(replace(ENTRY, version=None), INTENT)), "destination"),
        (replace(WORK, ledger=(ENTRY, replace(INTENT, version="6"))), "destination"),
        (replace(WORK, claimed_by_others={"k": "other"}), "destination"),
    ],
)
def test_what_it_changes_with(work: Work, moved: str) -> None:
    assert moved_since(fingerprint(), fingerprint(work)) == tuple(moved.split())


@pytest.mark.parametrize(
    "result",
    [
        replace(RESULT, version="8"),
        replace(RESULT, version=None),
        replace(RESULT, refusal="no"),
        replace(RESULT, changes=()),
        replace(RESULT, changes=(replace(CHANGE, kind=ChangeKind.ADOPT),)),
        replace(RESULT, changes=(replace(CHANGE, name="L"),)),
        replace(RESULT, changes=(replace(CHANGE, scope=""),)),
        replace(RESULT, changes=(replace(CHANGE, reason="it is not certain"),)),
    ],
)
def test_what_is_planned_counts_as_the_destination(result: PlanResult) -> None:
    assert moved_since(fingerprint(), fingerprint(result=result)) == ("destination",)


@pytest.mark.parametrize(
    "work",
    [
        with_sync(description="other", version=9, update_time=NOW.replace(year=2027)),
        with_sync(is_auto_sync_enabled=False),
        with_sync(destination_config={"labels": ["a"], "place": "x"}),
        replace(WORK, ledger=(INTENT, ENTRY)),
        # What an attempt that is stopped afterwards may note of a write that was cut short.
        replace(WORK, ledger=(ENTRY, replace(INTENT, digest=""))),
        replace(WORK, written_from={"7": 1.0}),
    ],
)
def test_what_it_does_not_change_with(work: Work) -> None:
    assert fingerprint(work) == fingerprint()
    warned = replace(RESULT, warnings=("of something",))
    assert fingerprint(work, warned) == fingerprint()


def test_names_count() -> None:
    work = replace(WORK, desired=(replace(DESIRED, name="L"),))
    assert moved_since(fingerprint(), fingerprint(work))


def test_nobody_without_the_projects_key_can_try_values() -> None:
    other = replace(WORK, plan_digest=digest_of("other"))
    assert moved_since(fingerprint(), fingerprint(other)) == (
        "configuration",
        "source",
        "destination",
    )
