"""The queue against a model: random sequences of everything that happens to runs."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from secretsync.domain.entities import RunAction, RunState, SecretSync, SyncRun
from secretsync.domain.pauses import Pause
from secretsync.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

Scratch = Callable[[], AbstractContextManager[SqliteTransaction]]

LEASE = 10
MAX_PER_CONNECTION = 2
# Slug, target, connection: two syncs share a target, and three a connection.
SYNCS = [("a", "t-1", "c-1"), ("b", "t-1", "c-1"), ("c", "t-2", "c-1"), ("d", "t-3", "c-1")]
SYNCS += [("e", "t-4", "c-2")]

# What can be paused, by name: a sync, a connection, everything.
HOLDERS: dict[str, dict[str, str]] = {
    "a": {"sync_uid": "y-a"},
    "d": {"sync_uid": "y-d"},
    "c-1": {"connection_uid": "c-1"},
    "c-2": {"connection_uid": "c-2"},
    "-": {},
}

SLUGS = st.sampled_from([slug for slug, _, _ in SYNCS])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enqueue"), SLUGS, st.sampled_from(RunAction), st.integers(0, 15)),
        st.tuples(st.just("claim")),
        st.tuples(st.just("claim")),
        st.tuples(st.just("wait"), st.integers(1, 12)),
        st.tuples(st.just("finish"), SLUGS),
        st.tuples(st.just("retry"), SLUGS, st.integers(0, 15)),
        st.tuples(st.just("renew"), SLUGS),
        st.tuples(st.just("enable"), SLUGS, st.booleans()),
        st.tuples(st.just("pause"), st.sampled_from([*HOLDERS])),
        st.tuples(st.just("resume"), st.sampled_from([*HOLDERS])),
        st.tuples(st.just("restart")),
    ),
    max_size=40,
)


def without_attempts(run: SyncRun | None) -> SyncRun:
    assert run
    return replace(run, attempts=())


class Model:
    """Does to plain lists what the store does to tables, and compares the two."""

    def __init__(self, tx: SqliteTransaction, make: "Make") -> None:
        self.tx = tx
        self.make = make
        self.seconds = 0
        self.renewed_late = False
        self.paused: set[str] = set()
        self.runs: list[SyncRun] = []
        self.syncs: dict[str, SecretSync] = {}
        for connection in ("1", "2"):
            tx.connections.insert(make.connection(connection))
        for slug, target, connection in SYNCS:
            sync = make.sync(slug, target_key=target, connection_uid=connection)
            self.syncs[sync.uid] = sync
            tx.syncs.insert(sync)

    @property
    def now(self) -> datetime:
        return self.make.at(self.seconds)

    @property
    def until(self) -> datetime:
        return self.make.at(self.seconds + LEASE)

    def live(self) -> list[SyncRun]:
        return [run for run in self.runs if self.is_running(run) and not self.has_ended(run)]

    def is_running(self, run: SyncRun) -> bool:
        return run.state is RunState.RUNNING

    def has_ended(self, run: SyncRun) -> bool:
        return run.lease_until is not None and run.lease_until <= self.now

    def may_start(self, run: SyncRun) -> bool:
        due = run.state is RunState.PENDING and run.not_before <= self.now
        lost = self.is_running(run) and self.has_ended(run)
        sync = self.syncs[run.sync_uid]
        live = [self.syncs[other.sync_uid] for other in self.live()]
        return (
            (due or lost)
            and (sync.is_enabled or not self.needs_enabled(run))
            and not self.is_held(run)
            and sync.target_key not in [other.target_key for other in live]
            and [other.connection_uid for other in live].count(sync.connection_uid)
            < MAX_PER_CONNECTION
        )

    def needs_enabled(self, run: SyncRun) -> bool:
        return run.action in {RunAction.SYNC, RunAction.CHECK}

    def is_held(self, run: SyncRun) -> bool:
        sync = self.syncs[run.sync_uid]
        return bool(self.paused & {sync.slug, sync.connection_uid, "-"})

    def replace(self, old: SyncRun, new: SyncRun) -> None:
        self.runs[self.runs.index(old)] = new

    def of(self, slug: str, state: RunState) -> SyncRun | None:
        found = [run for run in self.runs if run.sync_uid == f"y-{slug}" and run.state is state]
        # The store tells of the one with the longest lease.
        return max(found, key=lambda run: run.lease_until or self.now, default=None)

    def enqueue(self, slug: str, action: RunAction, delay: int) -> None:
        if self.of(slug, RunState.PENDING) is None:
            not_before = self.make.at(self.seconds + delay)
            run = self.make.run(f"r-{len(self.runs)}", slug, action=action, not_before=not_before)
            self.runs.append(self.tx.runs.insert(run))

    def claim(self) -> None:
        ready = [run for run in self.runs if self.may_start(run)]
        # Checks give way to all others.
        ready.sort(key=lambda run: run.action is RunAction.CHECK)
        expected = next(iter(ready), None)
        claimed = self.tx.runs.claim(self.now, self.until, MAX_PER_CONNECTION)
        if expected is None:
            assert claimed is None
            return
        taken = replace(
            expected,
            state=RunState.RUNNING,
            attempt=expected.attempt + 1,
            lease_token=expected.lease_token + 1,
            lease_until=self.until,
            start_time=self.now,
            may_have_written=expected.may_have_written or self.is_running(expected),
        )
        assert without_attempts(claimed) == taken
        self.replace(expected, taken)

    def wait(self, seconds: int) -> None:
        self.seconds += seconds

    def finish(self, slug: str) -> None:
        if run := self.of(slug, RunState.RUNNING):
            done = replace(run, state=RunState.SUCCEEDED, finish_time=self.now, lease_until=None)
            self.tx.runs.update(done)
            self.replace(run, done)

    def retry(self, slug: str, delay: int) -> None:
        run = self.of(slug, RunState.RUNNING)
        if run and self.of(slug, RunState.PENDING) is None:
            again = replace(
                run,
                state=RunState.PENDING,
                not_before=self.make.at(self.seconds + delay),
                lease_until=None,
            )
            self.tx.runs.update(again)
            self.replace(run, again)

    def renew(self, slug: str) -> None:
        if run := self.of(slug, RunState.RUNNING):
            assert not self.tx.runs.renew(run.uid, run.lease_token - 1, self.until)
            sync = self.syncs[run.sync_uid]
            lost = any(
                self.syncs[other.sync_uid].target_key == sync.target_key
                and other.lease_until > run.lease_until
                for other in self.runs
                if self.is_running(other) and other.lease_until and run.lease_until
            )
            assert self.tx.runs.renew(run.uid, run.lease_token, self.until) is not lost
            if not lost:
                self.renewed_late = self.renewed_late or self.has_ended(run)
                self.replace(run, replace(run, lease_until=self.until))

    def enable(self, slug: str, is_enabled: bool) -> None:  # noqa: FBT001  drawn by hypothesis
        sync = replace(self.syncs[f"y-{slug}"], is_enabled=is_enabled)
        self.syncs[sync.uid] = sync
        self.tx.syncs.update(sync)

    def pause(self, name: str) -> None:
        self.paused.add(name)
        self.tx.pauses.put(Pause(name=name, create_time=self.now, **HOLDERS[name]))

    def resume(self, name: str) -> None:
        self.paused.discard(name)
        self.tx.pauses.delete(name)

    def restart(self) -> None:
        running = [run for run in self.runs if self.is_running(run)]
        waiting_checks = [
            run
            for run in self.runs
            if run.state is RunState.PENDING and run.action is RunAction.CHECK
        ]
        assert self.tx.runs.release_all(self.now) == len(running)
        for run in [*running, *waiting_checks]:
            stored = self.tx.runs.get(run.sync_uid, run.uid)
            assert stored is not None
            assert stored.state in (RunState.PENDING, RunState.FAILED)
            self.replace(run, without_attempts(stored))
        self.renewed_late = False
        # Nothing is lost: whoever was at work has a run that waits, unless none of it may start.
        waiting = {run.sync_uid for run in self.runs if run.state is RunState.PENDING}
        assert waiting >= {
            run.sync_uid
            for run in running
            if self.syncs[run.sync_uid].is_enabled or not self.needs_enabled(run)
        }

    def check(self) -> None:
        stored = [without_attempts(self.tx.runs.get(run.sync_uid, run.uid)) for run in self.runs]
        assert stored == self.runs
        waiting = Counter(run.sync_uid for run in self.runs if run.state is RunState.PENDING)
        assert set(waiting.values()) <= {1}
        live = [self.syncs[run.sync_uid] for run in self.live()]
        assert len({sync.uid for sync in live}) == len(live)
        assert len({sync.target_key for sync in live}) == len(live)
        per_connection = Counter(sync.connection_uid for sync in live)
        # A worker that renews late never stopped, whatever the number at work has become.
        assert self.renewed_late or set(per_connection.values()) <= {1, MAX_PER_CONNECTION}
        free = [run for run in self.runs if not self.is_held(run)]
        moments = [run.not_before for run in free if run.state is RunState.PENDING]
        moments += [run.lease_until for run in free if self.is_running(run) and run.lease_until]
        assert self.tx.runs.next_due() == min(moments, default=None)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_the_queue_does_what_the_model_does(
    scratch: Scratch, make: "Make", steps: list[tuple[str, ...]]
) -> None:
    with scratch() as tx:
        model = Model(tx, make)
        for step, *arguments in steps:
            getattr(model, step)(*arguments)
            model.check()
