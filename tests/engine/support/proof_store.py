"""A store that faults strike at, and that shows every transaction to the judge."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from proof_faults import DeadError, Nemesis
from proof_judge import Claim, Judge, claim_of_task

from secretsync.domain.entities import SyncRun
from secretsync.engine.runner import LeaseLostError
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite import SqliteStore

T = TypeVar("T")
POINTS = {
    "_claim": "claim",
    "_finish_attempt": "finish",
    "_renew": "renew",
    "_release_all": "release",
    "change": "change",
    "<lambda>": "due",
}
"""What a transaction is for, by the name of the function that does it."""
AWAITED = frozenset({"change", "release", "renew"})
"""What an execution does itself, and waits for."""
FENCED = frozenset({"intent", "finish", "renew"})
"""What a worker must not do any more once it has been fenced off."""


class ProofStore:
    """Implements `StateStore` on another one, until the process dies."""

    def __init__(
        self, store: SqliteStore, nemesis: Nemesis, judge: Judge, clock: Callable[[], datetime]
    ) -> None:
        self.store = store
        self.is_dead = False
        self.under_way: set[asyncio.Task[Any]] = set()
        self.writes = 0
        self._nemesis = nemesis
        self._judge = judge
        self._clock = clock

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """See `StateStore.read`."""
        if claim_of_task.get():
            await self._nemesis.before_write(self._nemesis.at("read"))
        return await self._run(self.store.read(work))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See `StateStore.write`."""
        claim = claim_of_task.get()
        name = str(getattr(getattr(work, "func", work), "__name__", ""))
        point = "intent" if claim and name == "work" else POINTS.get(name, "other")
        kind = self._nemesis.at(point)
        is_awaited = point in AWAITED
        await self._nemesis.before_write(kind, is_awaited=is_awaited)
        result = await self._run(self.store.write(lambda tx: self._judged(tx, point, claim, work)))
        self.writes += 1
        await self._nemesis.after_write(kind, is_awaited=is_awaited)
        return result

    async def close(self) -> None:
        """See `StateStore.close`."""
        await self.store.close()

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self.is_dead:
            work.close()
            raise DeadError
        # A transaction that has begun ends, even if whoever waits for it does not any more.
        task = asyncio.ensure_future(work)
        self.under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits has seen it, or nobody does

    def _judged(
        self,
        tx: Transaction,
        point: str,
        claim: Claim | None,
        work: Callable[[Transaction], T],
    ) -> T:
        judge = self._judge
        judge.begin()
        fenced = bool(claim and point in FENCED and judge.fenced(tx, claim))
        try:
            result = work(tx)
        except LeaseLostError:
            judge.seen[f"{point}: fenced off"] += 1
            raise
        if claim and fenced and result is not False:
            judge.blame(f"{point}: {claim.run.uid} was fenced off, and went on")
        if claim and point in {"intent", "renew"}:
            row = tx.runs.get(claim.run.sync_uid, claim.run.uid)
            if row and row.lease_token == claim.run.lease_token and row.lease_until:
                claim.until = row.lease_until
        if point == "claim" and isinstance(result, SyncRun):
            judge.claims[result.uid, result.lease_token] = judge.claimed(tx, result, self._clock())
        if claim and result is False:
            judge.seen["renewal refused"] += 1
        if point == "finish" and isinstance(result, SyncRun):
            judge.finished(tx, result)
        judge.commit(tx, point)
        return result
