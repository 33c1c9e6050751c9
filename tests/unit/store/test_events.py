"""Events of syncs and runs: part of the change, in its order, none lost, none for nothing."""

import dataclasses
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.domain.entities import RunState
from secretsync.domain.pauses import Pause
from secretsync.domain.problems import Reason
from secretsync.domain.watching import EventKind, Position, SyncEvent, WatchScope
from secretsync.store.sqlite import SqliteStore
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]

ALL = WatchScope()
SHOP = WatchScope(project="shop")
ONE = WatchScope(project="shop", sync_name="projects/shop/secretSyncs/to-octopus")


def events(tx: SqliteTransaction, scope: WatchScope = ALL, after: int = 0) -> list[SyncEvent]:
    return list(tx.events.list(scope, after, 1000))


def told(found: Sequence[SyncEvent]) -> list[tuple[str, ...]]:
    return [
        (each.kind, each.sync_name.rpartition("/")[2], *([each.run.state] if each.run else []))
        for each in found
    ]


def test_each_change_of_a_sync_is_an_event(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        sync = make.sync()
        tx.syncs.update(dataclasses.replace(sync, description="new", version=2))
        tx.syncs.delete(sync.uid)
        found = events(tx)
        assert told(found) == [
            ("sync-created", "to-octopus"),
            ("sync-updated", "to-octopus"),
            ("sync-deleted", "to-octopus"),
        ]
        assert {each.sync_uid for each in found} == {sync.uid}
        assert {each.sync_name for each in found} == {sync.name}
        assert all(each.run is None for each in found)
        assert [each.position.seq for each in found] == [1, 2, 3]
        assert len({each.position.mark for each in found}) == 3


def test_the_next_time_of_a_schedule_is_shown(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.update(make.sync(next_run_time=make.at(1)))
        tx.syncs.update(make.sync(next_run_time=make.at(1)))
        tx.syncs.update(make.sync())
        assert told(events(tx))[1:] == [("sync-updated", "to-octopus")] * 2


def test_where_a_sync_leads_is_shown(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.update(make.sync(target_key="elsewhere", initialized=True))
        assert told(events(tx)) == [("sync-created", "to-octopus"), ("sync-updated", "to-octopus")]


def test_each_change_of_a_run_is_an_event_with_the_run_as_it_was_then(
    scratch: Scratch, make: "Make"
) -> None:
    with scratch() as tx:
        run = tx.runs.insert(make.run())
        claimed = tx.runs.claim(make.at(1), make.at(61), 5)
        assert claimed is not None
        failed = dataclasses.replace(
            claimed,
            state=RunState.FAILED,
            message="no",
            error_reason=Reason.INTERNAL,
            finish_time=make.at(2),
            lease_until=None,
        )
        tx.runs.update(failed)
        runs = [each.run for each in events(tx, ONE) if each.run]
        shown = [
            dataclasses.replace(each, seq=0, lease_token=0, lease_until=None, attempts=())
            for each in (run, claimed, failed)
        ]
        assert runs == shown


def test_what_nobody_is_shown_is_no_event(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.runs.insert(make.run())
        claimed = tx.runs.claim(make.at(1), make.at(61), 5)
        assert claimed is not None
        before = tx.events.newest()
        assert tx.runs.renew(claimed.uid, claimed.lease_token, make.at(99))
        tx.runs.update(claimed)
        tx.ledger.put_intents("y-to-octopus", [make.entry(confirmed=False)])
        tx.runs.delete([claimed.uid])
        tx.syncs.update(make.sync(initialized=True, clock_time=make.now))
        assert tx.events.newest() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"message": "x"},
        {"attempt": 7},
        {"cancel_requested": True},
        {"error_reason": Reason.RATE_LIMITED},
    ],
    ids=str,
)
def test_each_shown_field_of_a_run_counts(
    scratch: Scratch, make: "Make", changes: dict[str, Any]
) -> None:
    with scratch() as tx:
        run = tx.runs.insert(make.run())
        changed = dataclasses.replace(run, **changes)
        tx.runs.update(changed)
        tx.runs.update(changed)
        assert len([each for each in events(tx) if each.run]) == 2


def test_statements_that_change_many_runs_are_seen(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        for number in range(3):
            tx.syncs.insert(make.sync(f"sync-{number}"))
            tx.runs.insert(make.run(f"r-{number}", sync=f"sync-{number}"))
            assert tx.runs.claim(make.at(1), make.at(61), 5)
        before = tx.events.newest().seq
        assert tx.runs.release_all(make.at(2)) == 3
        assert told(events(tx, after=before)) == [
            ("run-changed", f"sync-{number}", "pending") for number in range(3)
        ]


@pytest.mark.parametrize(
    ("holder", "held"),
    [
        ({"name": "n", "sync_uid": "y-s1"}, {"s1"}),
        ({"name": "n", "connection_uid": "c-octopus"}, {"s1", "to-octopus"}),
        ({"name": "-"}, {"s1", "s2", "to-octopus"}),
    ],
    ids=["sync", "connection", "all"],
)
def test_what_a_pause_holds_or_lets_go_has_changed(
    scratch: Scratch, make: "Make", holder: dict[str, str], held: set[str]
) -> None:
    with scratch() as tx:
        tx.connections.insert(make.connection("other"))
        tx.syncs.insert(make.sync("s1"))
        tx.syncs.insert(make.sync("s2", connection_uid="c-other"))
        for change in (
            lambda: tx.pauses.put(Pause(create_time=make.now, **holder)),
            lambda: tx.pauses.put(Pause(create_time=make.now, reason="why", **holder)),
            lambda: tx.pauses.delete(holder["name"]),
        ):
            before = tx.events.newest().seq
            change()
            found = events(tx, after=before)
            assert {each.kind for each in found} == {EventKind.SYNC_UPDATED}
            assert sorted(each.sync_name.rpartition("/")[2] for each in found) == sorted(held)
        tx.pauses.put(Pause(create_time=make.now, **holder))
        before = tx.events.newest().seq
        for uid in ("y-s1", "y-s2", "y-to-octopus"):
            tx.syncs.delete(uid)
        assert {each.kind for each in events(tx, after=before)} == {EventKind.SYNC_DELETED}


def test_scopes(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        tx.syncs.insert(make.sync("other"))
        tx.projects.insert(make.project("shop-2"))
        foreign = make.sync("to-octopus", uid="y-2", project_uid="p-shop-2", project="shop-2")
        tx.syncs.insert(foreign)
        tx.projects.insert(make.project("gone"))
        tx.projects.delete("p-gone")
        assert told(events(tx, ONE)) == [("sync-created", "to-octopus")]
        assert [each.sync_name for each in events(tx, SHOP)] == [
            "projects/shop/secretSyncs/to-octopus",
            "projects/shop/secretSyncs/other",
        ]
        assert [each.kind for each in events(tx, WatchScope(project="gone"))] == [
            EventKind.PROJECT_DELETED
        ]
        assert len(events(tx)) == 4
        syncs = tx.syncs.list_all(("", ""), 10)
        assert [(each.project, each.slug) for each in syncs] == [
            ("shop", "other"),
            ("shop", "to-octopus"),
            ("shop-2", "to-octopus"),
        ]
        assert list(tx.syncs.list_all(("p-shop", "other"), 1)) == [syncs[1]]


def test_a_position_is_held_until_its_event_is_pruned(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        for number in range(9):
            tx.syncs.insert(make.sync(f"sync-{number}"))
        positions = [Position(), *(each.position for each in events(tx))]
        assert tx.events.newest() == positions[10]
        assert all(tx.events.holds(each) for each in positions)
        assert tx.events.prune(make.at(0), keep=4, limit=5) == 5
        assert tx.events.prune(make.at(0), keep=4, limit=5) == 1
        assert tx.events.prune(make.at(0), keep=4, limit=5) == 0
        assert [each for each in positions if tx.events.holds(each)] == positions[7:]
        # Everything is older than the year 9999, and the newest stays all the same.
        assert tx.events.prune(make.at(2e11), keep=100, limit=100) == 3
        assert [each for each in positions if tx.events.holds(each)] == positions[10:]


def test_a_position_of_another_history_is_not_held(scratch: Scratch) -> None:
    with scratch() as tx:
        newest = tx.events.newest()
        assert tx.events.holds(newest)
        assert not tx.events.holds(Position(newest.seq, "0" * 16))
        assert not tx.events.holds(Position(newest.seq + 1, newest.mark))


def test_age_prunes_no_event_behind_one_that_is_kept(scratch: Scratch, make: "Make") -> None:
    with scratch() as tx:
        for number in range(3):
            tx.syncs.insert(make.sync(f"sync-{number}"))
        # A clock that was set back.
        for seq, time in ((1, "2020"), (2, "2030"), (3, "2020")):
            tx.database.execute("UPDATE sync_events SET time = ? WHERE seq = ?", [time, seq])
        assert tx.events.prune(make.at(0), keep=100, limit=100) == 1
        assert [each[0] for each in tx.database.execute("SELECT seq FROM sync_events")] == [2, 3, 4]


async def test_what_is_rolled_back_is_no_event_and_told_to_nobody(
    store: SqliteStore, make: "Make"
) -> None:
    heard: list[int] = []
    store.notify(heard.append)
    await store.write(make.world)

    def broken(tx: SqliteTransaction) -> None:
        tx.syncs.insert(make.sync("second"))
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(broken)  # type: ignore[arg-type]
    await store.write(lambda tx: tx.keys.set_meta("nothing", b"of interest"))
    await store.write(lambda tx: tx.syncs.insert(make.sync("third")))
    assert await store.read(lambda tx: tx.events.newest().seq) == 2
    assert heard == [1, 2]


Y = "y-to-octopus"
CHANGES: dict[str, Callable[[SqliteTransaction, "Make", int], object]] = {
    "sync": lambda tx, make, n: tx.syncs.insert(make.sync(f"s{n}")),
    "run": lambda tx, make, n: (
        tx.syncs.by_uid(Y) and not tx.runs.pending(Y) and tx.runs.insert(make.run(f"r{n}"))
    ),
    "claim": lambda tx, make, n: tx.runs.claim(make.at(n), make.at(n + 60), 5),
    "release": lambda tx, make, n: tx.runs.release_all(make.at(n)),
    "touch": lambda tx, _, n: (
        (sync := tx.syncs.by_uid(Y)) and tx.syncs.update(dataclasses.replace(sync, version=n))
    ),
    "delete": lambda tx, _, n: n % 3 or tx.syncs.delete(Y),
    "prune": lambda tx, make, _: tx.events.prune(make.at(0), keep=5, limit=3),
}
STEPS = st.lists(st.sampled_from(sorted(CHANGES)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, size=st.integers(1, 4))
def test_whoever_goes_on_from_any_position_gets_exactly_the_rest(
    scratch: Scratch, make: "Make", steps: list[str], size: int
) -> None:
    scopes = (ALL, SHOP, ONE, WatchScope(project="shop", sync_name="projects/shop/secretSyncs/s1"))
    with scratch() as tx:
        history = events(tx)
        seen = [Position(), tx.events.newest()]
        for number, step in enumerate(steps):
            CHANGES[step](tx, make, number)
            known = {each.position for each in history}
            history += [each for each in events(tx) if each.position not in known]
            seen.append(tx.events.newest())
        for position in seen:
            for scope in scopes:
                rest = [
                    each
                    for each in history
                    if each.position.seq > position.seq and scope.includes(each.sync_name)
                ]
                if not tx.events.holds(position):
                    assert position != tx.events.newest()
                    continue
                got: list[SyncEvent] = []
                after = position.seq
                while page := tx.events.list(scope, after, size):
                    got += page
                    after = page[-1].position.seq
                assert got == rest
