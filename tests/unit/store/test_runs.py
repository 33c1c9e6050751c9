"""Runs as history, and as the queue: leases, releases and what is due."""

# ruff: noqa: ANN401  any field can be changed; dataclasses.replace knows which there are
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from secretsync.adapter import Action, KeyResult
from secretsync.domain.attempts import AttemptOutcome, RunAttempt, Traffic
from secretsync.domain.entities import (
    HttpRequest,
    RunAction,
    RunFilter,
    RunOutcome,
    RunState,
    RunTrigger,
)
from secretsync.domain.problems import Reason
from secretsync.store.errors import ConstraintError, StoreError
from secretsync.store.sqlite import SqliteStore
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]
SYNC = "y-to-octopus"
SUMMARY = RunOutcome(counts={Action.CREATED: 2, Action.DELETED: 0}, warnings=("mind the gap",))
OUTCOME = replace(
    SUMMARY,
    keys=(
        KeyResult(key="A", name="a", action=Action.CREATED),
        KeyResult(key="", name="Ü", action=Action.SKIPPED, reason="claimed by another sync"),
    ),
    http_requests=(
        HttpRequest(
            method="GET",
            path="/api/spaces",
            status_code=200,
            seconds=0.25,
            request_bytes=0,
            response_bytes=512,
        ),
    ),
)


def test_a_run_comes_back_as_it_was(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        waiting = tx.runs.insert(make.run())
        assert waiting.seq > 0
        assert waiting == make.run(seq=waiting.seq)
        assert tx.runs.get(SYNC, "r-1") == waiting
        assert tx.runs.get("y-other", "r-1") is None
        assert tx.runs.pending(SYNC) == waiting
        assert tx.runs.running(SYNC) is None

        running = replace(
            waiting,
            action=RunAction.REMOVE,
            trigger=RunTrigger.SOURCE_CHANGE,
            state=RunState.RUNNING,
            message="m",
            error_reason=Reason.RATE_LIMITED,
            attempt=2,
            not_before=make.at(1),
            start_time=make.at(2),
            finish_time=make.at(3),
            lease_token=4,
            lease_until=make.at(5),
            delete_sync=True,
            outcome=OUTCOME,
        )
        tx.runs.update(running)
        assert tx.runs.get(SYNC, "r-1") == running
        assert tx.runs.running(SYNC) == running
        assert tx.runs.pending(SYNC) is None

        # The details of an earlier attempt do not outlive it.
        tx.runs.update(waiting)
        assert tx.runs.pending(SYNC) == waiting


def test_lists_are_newest_first_and_without_details(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.insert(make.sync("other"))
        tx.runs.insert(make.run("o", "other"))
        seqs = [
            tx.runs.insert(make.run(f"r-{i}", state=RunState.SUCCEEDED, outcome=OUTCOME)).seq
            for i in range(4)
        ]
        assert seqs == sorted(seqs)
        page = tx.runs.list(SYNC, seqs[3], 2)
        assert [run.uid for run in page] == ["r-2", "r-1"]
        assert [run.outcome for run in page] == [SUMMARY, SUMMARY]
        assert [run.uid for run in tx.runs.list(SYNC, 2**62, 9)] == ["r-3", "r-2", "r-1", "r-0"]
        assert tx.runs.list(SYNC, seqs[0], 9) == []


def test_lists_show_what_matches_every_filter(scratch: Scratch, make: "Make") -> None:
    def found(**only: Any) -> list[str]:
        return [run.uid for run in tx.runs.list(SYNC, 2**62, 9, RunFilter(**only))]

    ended = [
        ("a", RunState.SUCCEEDED, RunTrigger.CREATE),
        ("b", RunState.FAILED, RunTrigger.MANUAL),
        ("c", RunState.SUCCEEDED, RunTrigger.MANUAL),
        ("d", RunState.PENDING, RunTrigger.SOURCE_CHANGE),
    ]
    with scratch() as tx:
        for number, (uid, state, trigger) in enumerate(ended):
            made = make.run(uid, state=state, trigger=trigger, create_time=make.at(number))
            tx.runs.insert(made)
        assert found() == ["d", "c", "b", "a"]
        assert found(states=frozenset({RunState.SUCCEEDED})) == ["c", "a"]
        assert found(states=frozenset({RunState.FAILED, RunState.PENDING})) == ["d", "b"]
        assert found(triggers=frozenset({RunTrigger.MANUAL})) == ["c", "b"]
        both = {"states": frozenset({RunState.SUCCEEDED}), "triggers": {RunTrigger.MANUAL}}
        assert found(**both) == ["c"]
        assert found(created_from=make.at(1)) == ["d", "c", "b"]
        assert found(created_before=make.at(1)) == ["a"]
        assert found(created_from=make.at(1), created_before=make.at(3)) == ["c", "b"]
        only = RunFilter(triggers=frozenset({RunTrigger.MANUAL}))
        [first] = tx.runs.list(SYNC, 2**62, 1, only)
        assert [run.uid for run in tx.runs.list(SYNC, first.seq, 1, only)] == ["b"]


def test_a_run_that_is_asked_to_stop(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.runs.insert(make.run(outcome=OUTCOME))
        claimed = tx.runs.claim(make.at(0), make.at(60), 5)
        assert claimed
        assert tx.runs.cancelling() == []
        asked = replace(claimed, cancel_requested=True)
        tx.runs.update(asked)
        assert tx.runs.cancelling() == [asked]
        # Nobody takes it up when its lease has ended; whoever has it may still renew.
        assert tx.runs.claim(make.at(90), make.at(150), 5) is None
        assert tx.runs.renew("r-1", 1, make.at(200))
        tx.runs.update(replace(asked, state=RunState.FAILED))
        assert tx.runs.cancelling() == []


class TestPrunable:
    """Ended runs that the history need not keep."""

    def prunable(self, tx: SqliteTransaction, make: "Make", **changes: Any) -> list[str]:
        wanted = {
            "ended_before": make.at(0),
            "keep": 100,
            "settled": make.at(10_000),
            "limit": 100,
            **changes,
        }
        return list(tx.runs.prunable(SYNC, **wanted))

    def add(self, tx: SqliteTransaction, make: "Make", uid: str, **changes: Any) -> None:
        made = {"state": RunState.FAILED, "finish_time": make.at(5), **changes}
        tx.runs.insert(make.run(uid, **made))

    def test_by_age_and_by_count(self, scratch: Scratch, make: "Make") -> None:
        with scratch() as tx:
            for number in range(6):
                self.add(tx, make, f"r-{number}", finish_time=make.at(number))
            assert self.prunable(tx, make) == []
            assert self.prunable(tx, make, ended_before=make.at(2)) == ["r-0", "r-1"]
            assert self.prunable(tx, make, keep=3) == ["r-0", "r-1", "r-2"]
            both = {"ended_before": make.at(2), "keep": 3}
            assert self.prunable(tx, make, **both) == ["r-0", "r-1", "r-2"]
            assert self.prunable(tx, make, keep=3, limit=2) == ["r-0", "r-1"]
            assert self.prunable(tx, make, keep=3, settled=make.at(1)) == ["r-0"]
            assert self.prunable(tx, make, keep=6) == []

    def test_the_newest_and_the_newest_successful_of_each_action_stay(
        self, scratch: Scratch, make: "Make"
    ) -> None:
        removal: dict[str, Any] = {"action": RunAction.REMOVE}
        with scratch() as tx:
            self.add(tx, make, "good-1", state=RunState.SUCCEEDED)
            self.add(tx, make, "good-2", state=RunState.SUCCEEDED)
            self.add(tx, make, "bad-1")
            self.add(tx, make, "gone-1", state=RunState.SUCCEEDED, **removal)
            self.add(tx, make, "gone-2", **removal)
            self.add(tx, make, "gone-3", **removal)
            self.add(tx, make, "bad-2")
            old = self.prunable(tx, make, ended_before=make.at(9))
            assert old == ["good-1", "bad-1", "gone-2"]
            latest = tx.runs.latest([SYNC])
            tx.runs.delete(old)
            assert tx.runs.latest([SYNC]) == latest
            assert self.prunable(tx, make, ended_before=make.at(9), keep=1) == []

    def test_what_has_not_ended_stays(self, scratch: Scratch, make: "Make") -> None:
        with scratch() as tx:
            self.add(tx, make, "old")
            for uid, state in (("run", RunState.RUNNING), ("wait", RunState.PENDING)):
                self.add(tx, make, uid, state=state, finish_time=None)
            assert self.prunable(tx, make, ended_before=make.at(9), keep=1) == ["old"]

    def test_details_go_with_their_run(self, scratch: Scratch, make: "Make") -> None:
        with scratch() as tx:
            self.add(tx, make, "old", outcome=OUTCOME)
            self.add(tx, make, "new", outcome=OUTCOME)
            tx.runs.delete(["old", "unknown"])
            assert [run.uid for run in tx.runs.list(SYNC, 2**62, 9)] == ["new"]
            left = tx.database.execute("SELECT run_uid FROM run_details").fetchall()
            assert left == [("new",)]


def test_all_syncs_are_listed_by_uid(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.insert(make.sync("a"))
        tx.syncs.insert(make.sync("zoo"))
        assert tx.syncs.uids("", 2) == ["y-a", SYNC]
        assert tx.syncs.uids(SYNC, 9) == ["y-zoo"]


def test_the_latest_run_of_each_action(scratch: Scratch, make: "Make") -> None:
    done: dict[str, Any] = {"state": RunState.SUCCEEDED, "outcome": OUTCOME}
    with scratch() as tx:
        tx.syncs.insert(make.sync("other"))
        tx.syncs.insert(make.sync("idle"))
        tx.runs.insert(make.run("r-1", **done))
        tx.runs.insert(make.run("r-2", **done))
        tx.runs.insert(make.run("r-3", **done, action=RunAction.REMOVE))
        tx.runs.insert(make.run("o-1", "other"))
        latest = tx.runs.latest([SYNC, "y-other", "y-idle", "y-unknown"])
        assert {key: run.uid for key, run in latest.items()} == {
            (SYNC, RunAction.SYNC): "r-2",
            (SYNC, RunAction.REMOVE): "r-3",
            ("y-other", RunAction.SYNC): "o-1",
        }
        assert latest[SYNC, RunAction.SYNC].outcome == SUMMARY
        assert tx.runs.latest([]) == {}


async def test_a_second_waiting_run_is_refused(store: SqliteStore, make: "Make") -> None:
    await store.write(make.world)
    await store.write(lambda tx: tx.runs.insert(make.run("r-1")))
    with pytest.raises(ConstraintError, match=r"runs.sync_uid"):
        await store.write(lambda tx: tx.runs.insert(make.run("r-2")))


def test_an_update_of_a_run_that_is_gone_is_an_error(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx, pytest.raises(StoreError, match="nothing to update in runs"):
        tx.runs.update(make.run())


def test_numbers_of_deleted_runs_are_not_given_again(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        first = tx.runs.insert(make.run())
        tx.syncs.delete(SYNC)
        tx.syncs.insert(make.sync())
        assert tx.runs.insert(make.run()).seq > first.seq


def test_a_claim_takes_a_lease(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        waiting = tx.runs.insert(make.run(attempt=1, lease_token=3, outcome=OUTCOME))
        claimed = tx.runs.claim(make.at(1), make.at(61), 5)
        assert claimed == replace(
            waiting,
            state=RunState.RUNNING,
            attempt=2,
            lease_token=4,
            start_time=make.at(1),
            lease_until=make.at(61),
            attempts=(RunAttempt(number=4, start_time=make.at(1)),),
        )
        assert tx.runs.get(SYNC, "r-1") == claimed
        assert tx.runs.claim(make.at(1), make.at(61), 5) is None


def test_only_the_holder_of_the_lease_renews_it(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        run = tx.runs.insert(make.run())
        assert not tx.runs.renew("r-1", 0, make.at(9))
        tx.runs.claim(make.at(0), make.at(60), 5)
        assert tx.runs.renew("r-1", 1, make.at(99))
        held = tx.runs.get(SYNC, "r-1")
        assert held is not None
        assert held.lease_until == make.at(99)
        # Another worker takes over when the lease has ended.
        taken = tx.runs.claim(make.at(99), make.at(160), 5)
        assert taken is not None
        assert (taken.uid, taken.lease_token, taken.attempt) == (run.uid, 2, 2)
        assert not tx.runs.renew("r-1", 1, make.at(200))
        assert tx.runs.renew("r-1", 2, make.at(200))
        assert not tx.runs.renew("unknown", 2, make.at(200))


def test_a_lease_is_not_renewed_once_another_run_has_the_target(
    scratch: Scratch, make: "Make"
) -> None:
    with scratch() as tx:
        tx.syncs.update(make.sync(target_key="shared"))
        tx.syncs.insert(make.sync("other", target_key="shared"))
        tx.runs.insert(make.run("r-1"))
        tx.runs.claim(make.at(0), make.at(60), 5)
        # Late, but nobody came meanwhile.
        assert tx.runs.renew("r-1", 1, make.at(130))
        tx.syncs.update(make.sync(target_key="shared", is_enabled=False))
        tx.runs.insert(make.run("o-1", "other"))
        other = tx.runs.claim(make.at(130), make.at(190), 5)
        assert other is not None
        assert other.uid == "o-1"
        assert not tx.runs.renew("r-1", 1, make.at(200))
        assert tx.runs.renew("o-1", 1, make.at(200))


def test_what_is_due_next(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.insert(make.sync("other"))
        assert tx.runs.next_due() is None
        tx.runs.insert(make.run("r-0", state=RunState.SUCCEEDED))
        assert tx.runs.next_due() is None
        tx.runs.insert(make.run("r-1", not_before=make.at(50)))
        assert tx.runs.next_due() == make.at(50)
        tx.runs.insert(make.run("o-1", "other", not_before=make.at(20)))
        assert tx.runs.next_due() == make.at(20)
        tx.runs.claim(make.at(20), make.at(80), 5)
        assert tx.runs.next_due() == make.at(50)
        tx.runs.claim(make.at(50), make.at(75), 5)
        assert tx.runs.next_due() == make.at(75)


def test_released_runs_wait_again_and_keep_their_attempt(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.insert(make.sync("other"))
        tx.runs.insert(make.run("r-0", state=RunState.SUCCEEDED))
        first = tx.runs.insert(make.run("r-1", attempt=2))
        second = tx.runs.insert(make.run("o-1", "other"))
        tx.runs.claim(make.at(0), make.at(60), 5)
        tx.runs.claim(make.at(0), make.at(60), 5)
        assert tx.runs.release_all(make.at(9)) == 2
        for before, sync in ((first, SYNC), (second, "y-other")):
            waiting = tx.runs.pending(sync)
            assert waiting
            [attempt] = waiting.attempts
            assert (attempt.number, attempt.outcome) == (1, AttemptOutcome.CUT_SHORT)
            assert replace(waiting, attempts=()) == replace(
                before, lease_token=1, start_time=make.now, may_have_written=True
            )
        assert tx.runs.release_all(make.at(9)) == 0


def test_a_released_run_gives_way_to_a_newer_one(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.runs.insert(make.run("old"))
        tx.runs.claim(make.at(0), make.at(60), 5)
        newer = tx.runs.insert(make.run("new"))
        assert tx.runs.release_all(make.at(9)) == 1
        old = tx.runs.get(SYNC, "old")
        assert old is not None
        assert (old.state, old.error_reason) == (RunState.FAILED, Reason.SUPERSEDED)
        assert (old.finish_time, old.lease_until) == (make.at(9), None)
        assert "newer run" in old.message
        assert tx.runs.pending(SYNC) == newer


def test_of_two_cut_short_the_newer_waits(scratch: Scratch, make: "Make") -> None:
    # The older one lost its lease and could not go on, as the sync was disabled; the newer one is
    # a removal, which may start all the same.
    with scratch() as tx:
        tx.runs.insert(make.run("old"))
        tx.runs.claim(make.at(0), make.at(60), 5)
        tx.syncs.update(make.sync(is_enabled=False))
        tx.runs.insert(make.run("new", action=RunAction.REMOVE))
        claimed = tx.runs.claim(make.at(90), make.at(150), 5)
        assert claimed is not None
        assert claimed.uid == "new"
        assert tx.runs.running(SYNC) == claimed
        assert tx.runs.release_all(make.at(95)) == 2
        waiting, old = tx.runs.pending(SYNC), tx.runs.get(SYNC, "old")
        assert waiting is not None
        assert waiting.uid == "new"
        assert old is not None
        assert old.state is RunState.FAILED


def test_an_update_of_the_sync_does_not_free_its_target(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.update(make.sync(target_key="shared"))
        tx.syncs.insert(make.sync("other", target_key="shared"))
        tx.runs.insert(make.run("r-1"))
        tx.runs.insert(make.run("o-1", "other"))
        tx.runs.claim(make.at(0), make.at(60), 5)
        # The run at work still writes to where the sync pointed when it was claimed.
        tx.syncs.update(make.sync(target_key="moved"))
        assert tx.runs.claim(make.at(1), make.at(60), 5) is None
        after = tx.runs.claim(make.now + timedelta(seconds=60), make.at(120), 5)
        assert after is not None
        assert after.uid == "r-1"


def test_what_becomes_of_attempts(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.runs.insert(make.run())
        claimed = tx.runs.claim(make.at(1), make.at(61), 5)
        assert claimed
        ended = make.attempt(
            start_time=make.at(1),
            finish_time=make.at(2),
            outcome=AttemptOutcome.FAILED,
            error_reason=Reason.RATE_LIMITED,
            message="later",
            traffic=Traffic(1, 2, 3),
        )
        tx.attempts.end("r-1", ended)
        assert tx.attempts.of_run("r-1") == [ended]
        # What has ended is not cut short any more.
        tx.attempts.cut_short("r-1", "gone", make.at(3))
        assert tx.attempts.of_run("r-1") == [ended]
        tx.runs.claim(make.at(100), make.at(160), 5)
        tx.attempts.cut_short("other", "gone", make.at(101))
        assert [each.outcome for each in tx.attempts.of_run("r-1")] == [AttemptOutcome.FAILED, None]
        assert tx.runs.release_all(make.at(102)) == 1
        _, cut = tx.attempts.of_run("r-1")
        assert (cut.outcome, cut.finish_time) == (AttemptOutcome.CUT_SHORT, make.at(102))
        tx.runs.delete(["r-1"])
        assert tx.attempts.of_run("r-1") == []
        # The run may be gone when its attempt ends, with its sync.
        tx.attempts.end("r-1", ended)
        assert tx.attempts.of_run("r-1") == []
