"""An engine on a real SQLite file that can die at any moment, and all that happens around it."""

import asyncio
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine_kit import Clock, Destination, Row
from planning_destination import PlanningDestination
from proof_events import Events
from proof_faults import RAISED, Nemesis
from proof_judge import Claim, Judge, claim_of_task
from proof_look import Rest, compare, known, left_to_do
from proof_stage import (
    FOREIGN,
    LEASE,
    PLACES,
    PROOF_SETTINGS,
    REST_SECONDS,
    SYNCS,
    Op,
    Template,
)
from proof_store import ProofStore

from secretsync.adapter import Conflict, RunRequest
from secretsync.domain.entities import (
    SecretSync,
    SyncRun,
)
from secretsync.domain.pauses import EVERYTHING
from secretsync.engine import queue
from secretsync.engine.embedded import EmbeddedEngine
from secretsync.engine.http import HttpPool
from secretsync.engine.runner import Runner
from secretsync.operations.app import App
from secretsync.registry import Registry
from secretsync.store.errors import StoreError
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite import SqliteStore


class Proof(Events):
    """One execution: a world, an engine that may die, and what strikes it.

    Args:
        template: what to begin with.
        folder: where to put its files; there is nothing yet.
        seen: takes how often something was met.
        makes_plans: whether the destination does, without which nothing can be approved.
    """

    def __init__(
        self, template: Template, folder: Path, seen: Counter[str], *, makes_plans: bool
    ) -> None:
        self.clock = Clock()
        self.seen = seen
        self.nemesis = Nemesis(seen)
        self.judge = Judge(seen)
        self.judge.max_per_connection = PROOF_SETTINGS.max_runs_per_connection
        self.makes_plans = makes_plans
        self.memory = PlanningDestination() if makes_plans else Destination()
        self.memory.steps = {
            "begin": self._begin,
            "write": self._write,
            "written": self._written,
        }
        for place in PLACES:
            self.memory.at(place).rows[FOREIGN] = Row("foreign", "keep")
        self.registry = Registry()
        self.registry.register(self.memory, "memory")
        self.http = HttpPool()
        self._vault = template.vault
        self._folder = folder
        folder.mkdir()
        self._lives = 0
        shutil.copytree(template.directory, self._directory)
        self.store: ProofStore
        self.engine: EmbeddedEngine

    @property
    def _directory(self) -> Path:
        return self._folder / f"life-{self._lives}"

    @property
    def app(self) -> App:
        """The parts that operations work with."""
        return App(
            store=self.store,
            engine=self.engine,
            registry=self.registry,
            vault=self._vault,
            clock=self.clock,
        )

    # Life and death

    async def be_born(self) -> None:
        """Open the store and start an engine, again if it dies at that."""
        self.store = ProofStore(
            SqliteStore.open(self._directory), self.nemesis, self.judge, self.clock
        )
        runner = Runner(self.store, self.registry, self._vault, self.http, self.clock)
        rng = random.Random(1)  # noqa: S311  jitter, not a secret
        self.engine = EmbeddedEngine(self.store, runner, self.clock, PROOF_SETTINGS, rng)
        self._watch()
        try:
            is_up = await self._or_death(self.engine.start())
        except StoreError:
            # It does not start with a broken disk; whoever looks after it starts it again.
            is_up = False
        if not is_up:
            await self.die()

    def _watch(self) -> None:
        """Let each task of a worker know its claim."""
        execute = self.engine._worker.execute

        async def watched(run: SyncRun) -> None:
            claim_of_task.set(self.judge.claims[run.uid, run.lease_token])
            await execute(run)

        self.engine._worker.execute = watched  # type: ignore[method-assign]

    async def die(self) -> None:
        """End the process as SIGKILL does, and let another one begin with what is on disk.

        What is on disk is copied with the log of the last transactions as it is at that moment:
        nothing is closed, flushed or taken back.
        """
        self.store.is_dead = True
        tasks = [*self.engine._tasks]
        tasks += [task for task in (self.engine._dispatcher, self.engine._pruning) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self.store.under_way:
            await asyncio.wait(set(self.store.under_way))
        before = self._directory
        self._lives += 1
        self._directory.mkdir()
        for name in ("secretsync.db", "secretsync.db-wal"):
            if (before / name).exists():
                shutil.copy(before / name, self._directory / name)
        await self.store.close()
        self.judge.forget_calls()
        self.nemesis.killed.clear()
        self.nemesis.in_a_hurry = False
        self.seen["died"] += 1
        await self.be_born()

    async def _or_death(self, work: Awaitable[object]) -> bool:
        """Do something; return False if the process dies meanwhile."""
        task = asyncio.ensure_future(work)
        death = asyncio.ensure_future(self.nemesis.killed.wait())
        await asyncio.wait({task, death}, return_when=asyncio.FIRST_COMPLETED)
        for each in (task, death):
            each.cancel()
        await asyncio.gather(task, death, return_exceptions=True)
        if self.nemesis.killed.is_set():
            return False
        await task
        return True

    async def close(self) -> None:
        """End it all."""
        self.nemesis.disarm()
        await self.engine.stop(grace=0)
        await self.http.close()
        await self.store.close()

    # What the destination is asked

    async def _begin(self, request: RunRequest) -> None:
        claim = claim_of_task.get()
        if claim is None:
            # Somebody looks at a plan.
            return
        await self._strike("begin", request)
        # The document is read now, without a pause in between.
        claim.based_on = self.memory.at(claim.place).version
        if request.config.place != claim.place:
            self.judge.blame(f"{claim.run.uid} has claimed {claim.place}, but writes elsewhere")

    async def _write(self, request: RunRequest) -> None:
        claim = claim_of_task.get()
        assert claim
        self.judge.announced(claim)
        try:
            await self._strike("write", request)
            # It is written now, unless it has changed since it was read.
            self._check_version(claim)
        except BaseException:
            self.judge.left(claim)
            raise

    def _check_version(self, claim: Claim) -> None:
        if self.memory.at(claim.place).version != claim.based_on:
            self.seen["a write at an old version was refused"] += 1
            raise Conflict("the document has changed meanwhile")

    async def _written(self, request: RunRequest) -> None:
        claim = claim_of_task.get()
        assert claim
        self.judge.left(claim)
        await self._strike("written", request)

    async def _strike(self, point: str, request: RunRequest) -> None:
        kind = self.nemesis.at(point)
        if kind in RAISED:
            error = RAISED[kind]()
            raise error
        scope = request.config.scope
        if kind == "die":
            await self.nemesis.die()
        elif kind == "stall":
            await self.nemesis.stall()
        elif kind == "lease lapses":
            self.clock.advance(LEASE + 1)
            self.engine.wake()
        elif kind == "clock set back":
            self.clock.advance(-1000)
        elif kind == "somebody writes":
            self.memory.at(request.config.place).change_by_somebody_else()
        elif kind:
            happens = {"cancelled": "cancel", "triggered": "sync", "disabled": "disable"}
            await self._attempt((happens.get(kind, "pause"), scope))

    # Rest

    async def do(self, op: Op) -> None:
        """Let something happen, and die if that is what it leads to."""
        if not await self._or_death(self._attempt(op)):
            await self.die()

    async def turns(self, count: int) -> None:
        """Let the event loop go on for a bit."""
        for _ in range(count):
            await asyncio.sleep(0)
        if self.nemesis.killed.is_set():
            await self.die()

    async def settle(self) -> None:
        """Wait until nothing goes on but waiting."""
        quiet = 0
        writes = -1
        while quiet < 6:
            if self.nemesis.killed.is_set():
                await self.die()
            await asyncio.sleep(0)
            if self.store.under_way or self.store.writes != writes:
                quiet, writes = 0, self.store.writes
                if self.store.under_way:
                    await asyncio.wait(set(self.store.under_way))
            else:
                quiet += 1

    async def come_to_rest(self) -> None:
        """Take all that is in the way away, let time pass until nothing is left to do, and look."""
        self.nemesis.disarm()
        await self.do(("accept",))
        for slug in (EVERYTHING, *SYNCS):
            await self.do(("resume", slug))
        for slug in SYNCS:
            await self.do(("unschedule", slug))
            await self.do(("enable", slug))
        deadline = time.monotonic() + REST_SECONDS
        rest: Rest | None = None
        while time.monotonic() < deadline:
            await self.settle()
            rest = await self.store.store.read(left_to_do)
            if not rest.runs and not rest.by_hand:
                found = await self.store.store.read(lambda tx: known(tx, self._vault))
                compare(self.judge, self.memory, found)
                return
            if not rest.runs:
                for op in rest.by_hand:
                    await self.do(op)
            elif rest.due and rest.due > self.clock.now:
                self.clock.now = rest.due
            elif not self.engine._tasks:
                # What is due waits for the lease of one that died to end.
                self.clock.advance(5)
            else:
                # A result waits for room, or for a moment before it is tried to be stored again.
                await asyncio.sleep(PROOF_SETTINGS.poll)
            self.engine.wake()
        self.judge.blame(f"it does not come to rest: {rest}")


def note_triggers(judge_of: Callable[[], Judge], patch: Any) -> None:  # noqa: ANN401
    """Let the judge know of every trigger that is accepted, from wherever it comes.

    Args:
        judge_of: returns the judge of the present execution.
        patch: pytest's monkeypatch, for as long as that lasts.
    """
    original = queue.enqueue

    def enqueue(tx: Transaction, sync: SecretSync, *args: Any, **options: Any) -> SyncRun:  # noqa: ANN401
        run = original(tx, sync, *args, **options)
        judge_of().accept(run)
        return run

    for name, module in list(sys.modules.items()):
        if name.startswith("secretsync.") and getattr(module, "enqueue", None) is original:
            patch.setattr(module, "enqueue", enqueue)
