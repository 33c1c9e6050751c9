"""A stream of what happens to syncs: the present state first, then every change, in order.

Everything that is told comes from the store, a page at a time, and the next page is read only when
the last has been taken. So a stream costs a page of memory however slow its reader is, and a change
that is committed is told, whatever became of the process that committed it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from secretsync.domain.entities import SecretSync
from secretsync.domain.problems import Code, Problem, Reason, Violations, not_found
from secretsync.domain.watching import Position, SyncEvent, WatchScope, scope_of
from secretsync.operations.app import App
from secretsync.operations.changes import KINDS, Change, ChangeKind, Place, cursor_of, place_of
from secretsync.store.protocol import Transaction

if TYPE_CHECKING:
    from secretsync.engine.protocol import Progress

PAGE = 50
"""How many syncs or events are read at a time."""
PAUSE = 0.1
"""Seconds between two looks at the store at least, so that bursts are read in pages."""
PROGRESS_PAUSE = 0.5
"""Seconds between two messages of progress at least."""

S = TypeVar("S")


async def watch(
    app: App, parent: str, cursor: str, show: Callable[[Transaction, SecretSync], S]
) -> AsyncGenerator[Change[S]]:
    """Yield what happens to the syncs that a name stands for, without end.

    Args:
        app: the parts to work with.
        parent: a sync's name, a project's, or `projects/-`.
        cursor: where an earlier stream of the same parent ended; empty for the present state first.
        show: turns a sync, as a transaction sees it, into what a message has of it.

    Raises:
        Problem: INVALID_ARGUMENT; RESOURCE_EXHAUSTED, if there are too many streams; NOT_FOUND, if
            what is watched does not exist, once all that is left to tell has been told;
            OUT_OF_RANGE, if the cursor is too old; UNAVAILABLE, when the server shuts down.
    """
    violations = Violations()
    scope = scope_of(parent, violations)
    place = None
    if cursor:
        place = place_of(cursor, parent)
        if place is None:
            violations.add(
                "cursor",
                "must be empty, or the cursor of a message that was sent for the same parent,"
                " unchanged",
            )
    violations.raise_if_any()
    with app.watchers.entered():
        stream = _Stream(app, parent, scope, show)
        async for change in stream.changes(place):
            yield change


class _Stream(Generic[S]):
    """One stream: reads pages, and tells what is in them."""

    def __init__(
        self,
        app: App,
        parent: str,
        scope: WatchScope,
        show: Callable[[Transaction, SecretSync], S],
    ) -> None:
        self._app = app
        self._parent = parent
        self._scope = scope
        self._show = show
        self._now = asyncio.get_running_loop().time
        self._place = Place(Position())
        # What has been told of each attempt, by run and claim.
        self._told: dict[tuple[str, int], Progress] = {}
        self._told_at = 0.0
        self._is_progress_due = False

    async def changes(self, place: Place | None) -> AsyncGenerator[Change[S]]:
        """Yield the present state, unless it has been told, then all changes.

        Args:
            place: how far an earlier stream has come; None for a new one.
        """
        self._place = place or Place(await self._app.read(self._begin))
        if place is None or place.listed != ("", ""):
            async for change in self._present():
                yield change
        watchers = self._app.watchers
        read_at = said_at = self._now()
        # What an earlier process has committed, nobody rings for.
        first = True
        while True:
            rung, said = watchers.rung, False
            if first or watchers.newest > self._place.position.seq:
                first, read_at = False, self._now()
                async for change in self._news():
                    said = True
                    yield change
            for change in self._progress():
                said = True
                yield change
            watchers.check_open()
            if not said and self._now() >= said_at + watchers.keep_alive:
                said = True
                yield self._message(ChangeKind.KEEP_ALIVE)
            if said:
                said_at = self._now()
            due = said_at + watchers.keep_alive
            if self._is_progress_due:
                due = min(due, self._told_at + PROGRESS_PAUSE)
            await watchers.wait(rung, due - self._now())
            await asyncio.sleep(read_at + PAUSE - self._now())

    def _begin(self, tx: Transaction) -> Position:
        if not self._exists(tx):
            raise self._missing()
        return tx.events.newest()

    async def _present(self) -> AsyncGenerator[Change[S]]:
        """Yield the state of each sync, then that these were all.

        Each page shows what is there when it is read; but the position stays what it was when the
        stream began, so what happens meanwhile is told afterwards.
        """
        while True:
            self._app.watchers.check_open()
            page = await self._app.read(self._read_present)
            for sync, shown in page:
                self._place = replace(self._place, listed=(sync.project_uid, sync.slug))
                yield self._message(
                    ChangeKind.PRESENT, sync_name=sync.name, sync_uid=sync.uid, sync=shown
                )
            if len(page) < PAGE:
                break
        self._place = Place(self._place.position)
        yield self._message(ChangeKind.SYNCED)

    def _read_present(self, tx: Transaction) -> Sequence[tuple[SecretSync, S]]:
        self._check_held(tx)
        return [(sync, self._show(tx, sync)) for sync in self._next_syncs(tx)]

    def _next_syncs(self, tx: Transaction) -> Sequence[SecretSync]:
        scope, listed = self._scope, self._place.listed
        if not scope.project:
            return tx.syncs.list_all(listed, PAGE)
        project = tx.projects.get(scope.project)
        if project is None:
            return []
        if not scope.sync_name:
            return tx.syncs.list(project.uid, listed[1], PAGE)
        sync = None if listed[1] else tx.syncs.get(project.uid, scope.slug)
        return [sync] if sync else []

    async def _news(self) -> AsyncGenerator[Change[S]]:
        """Yield all that has happened since the place that has been reached."""
        more = True
        while more:
            self._app.watchers.check_open()
            page = await self._app.read(self._read_news)
            for event, shown in page.events:
                self._place = Place(event.position)
                yield self._message(
                    KINDS[event.kind],
                    time=event.time,
                    sync_name=event.sync_name,
                    sync_uid=event.sync_uid,
                    sync=shown,
                    run=event.run,
                )
            self._place = Place(page.end)
            if page.is_missing:
                raise self._missing()
            more = page.has_more

    def _read_news(self, tx: Transaction) -> "_Page[S]":
        self._check_held(tx)
        found = tx.events.list(self._scope, self._place.position.seq, PAGE)
        has_more = len(found) == PAGE
        # A sync with many events is shown once, and as it is now.
        shown: dict[str, S | None] = {}
        for event in found:
            if event.sync_uid and event.sync_uid not in shown:
                sync = tx.syncs.by_uid(event.sync_uid)
                shown[event.sync_uid] = self._show(tx, sync) if sync else None
        return _Page(
            events=[(each, shown[each.sync_uid]) for each in found if each.kind in KINDS],
            # What others have caused lies behind, too: a position that is not carried along would
            # be pruned one day, though nothing was missed.
            end=found[-1].position if has_more else tx.events.newest(),
            has_more=has_more,
            is_missing=not has_more and not self._exists(tx),
        )

    def _progress(self) -> Sequence[Change[S]]:
        """Return what running runs have reported since the last time, unless that was just now."""
        if self._app.watchers.newest > self._place.position.seq:
            # That a run has begun comes first, and may be among what has not been read yet.
            return []
        now = {
            (run.uid, run.lease_token): (run, progress)
            for run, progress in self._app.engine.running()
            if self._scope.includes(run.sync_name)
        }
        self._told = {key: told for key, told in self._told.items() if key in now}
        new = {key: made for key, made in now.items() if self._told.get(key) != made[1]}
        self._is_progress_due = bool(new)
        if not new or self._now() < self._told_at + PROGRESS_PAUSE:
            return []
        self._told_at, self._is_progress_due = self._now(), False
        self._told |= {key: progress for key, (_, progress) in new.items()}
        return [
            self._message(
                ChangeKind.PROGRESS,
                sync_name=run.sync_name,
                sync_uid=run.sync_uid,
                run=run,
                progress=progress,
            )
            for run, progress in new.values()
        ]

    def _exists(self, tx: Transaction) -> bool:
        if not self._scope.project:
            return True
        project = tx.projects.get(self._scope.project)
        if project is None or not self._scope.sync_name:
            return project is not None
        return tx.syncs.get(project.uid, self._scope.slug) is not None

    def _missing(self) -> Problem:
        return not_found(self._parent, f"parent: {self._parent} does not exist")

    def _check_held(self, tx: Transaction) -> None:
        if not tx.events.holds(self._place.position):
            raise Problem(
                Code.OUT_OF_RANGE,
                Reason.CURSOR_EXPIRED,
                "cursor: what has happened since is not kept any more, or the server has another"
                " database now: start again without a cursor, which begins with the present state",
            )

    def _message(self, kind: ChangeKind, **fields: Any) -> Change[S]:  # noqa: ANN401
        return Change(kind=kind, cursor=cursor_of(self._place, self._parent), **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page(Generic[S]):
    """Some events, and what there is behind them.

    Attributes:
        events: each with its sync as it is shown now, None if it has been deleted.
        end: the position that has been reached with them.
        has_more: whether there may be further ones.
        is_missing: whether what is watched does not exist any more.
    """

    events: Sequence[tuple[SyncEvent, S | None]]
    end: Position
    has_more: bool
    is_missing: bool
