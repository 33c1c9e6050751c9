"""Rules of former places: why they are kept, and when they are cleaned again."""

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from secretsync.adapter import LedgerEntry
from secretsync.domain.entities import RunAction, RunTrigger, SecretSync, SyncOptions, SyncRun
from secretsync.domain.former_places import may_run, pause_after, uncertain, why_kept
from secretsync.domain.problems import Reason
from secretsync.domain.runs import RetryPolicy

NOW = datetime(2026, 3, 1, tzinfo=UTC)
POLICY = RetryPolicy(later=300.0, later_ceiling=3600.0)
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
    destination_config={},
    target_key="b",
    initialized=True,
    create_time=NOW,
    update_time=NOW,
)
RUN = SyncRun(
    uid="r",
    sync_uid="y",
    sync_name=SYNC.name,
    action=RunAction.CLEAN_UP,
    trigger=RunTrigger.UPDATE,
    create_time=NOW,
    not_before=NOW,
)
KEPT = {
    "disabled": replace(SYNC, is_enabled=False),
    "disable_secret_deletion": replace(SYNC, options=SyncOptions(disable_secret_deletion=True)),
    "approval": replace(SYNC, options=SyncOptions(require_approval=True)),
    "new place": replace(SYNC, initialized=False),
}


@pytest.mark.parametrize("word", KEPT)
def test_what_forbids_it_is_told_and_only_holds_what_nobody_asked_for(word: str) -> None:
    sync = KEPT[word]
    assert word in why_kept(sync)
    assert not may_run(sync, RUN)
    assert not may_run(sync, replace(RUN, trigger=RunTrigger.RETRY))
    assert may_run(sync, replace(RUN, trigger=RunTrigger.MANUAL))


def test_nothing_forbids_it() -> None:
    assert why_kept(SYNC) == ""
    assert may_run(SYNC, RUN)


@pytest.mark.parametrize(
    ("failures", "reason", "longest"),
    [
        (1, Reason.DESTINATION_UNAVAILABLE, 300),
        (2, Reason.CLEAN_UP_FAILED, 600),
        (4, Reason.DESTINATION_UNAVAILABLE, 2400),
        (5, Reason.DESTINATION_UNAVAILABLE, 3600),
        (5000, None, 3600),
        (1, Reason.AUTHENTICATION_FAILED, 3600),
    ],
)
def test_the_pause_grows_to_its_ceiling(failures: int, reason: Reason, longest: float) -> None:
    rng = random.Random(1)  # noqa: S311  chance, not a secret
    found = {pause_after(failures, reason, POLICY, rng).total_seconds() for _ in range(50)}
    assert longest / 2 <= min(found) <= max(found) <= longest
    assert len(found) > 40


def test_what_is_found_again_is_certain_only_of_what_was_to_be_done() -> None:
    entry = LedgerEntry(key="K", name="K", identity="k", remote_id="1", digest="d", version="7")
    intent = replace(entry, confirmed=False)
    assert uncertain([entry, intent]) == [replace(entry, version=None), intent]
