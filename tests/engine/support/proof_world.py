"""An engine on a real SQLite file that can die at any moment, and all that happens around it."""

import asyncio
import contextlib
import functools
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine_kit import SETTINGS, Clock, Destination, Row, World
from proof_faults import RAISED, Nemesis
from proof_judge import Claim, Judge, claim_of_task
from proof_store import ProofStore

from secretsync.adapter import Conflict, RunRequest, SecretValue
from secretsync.crypto import Vault
from secretsync.domain.entities import (
    FolderRef,
    RunAction,
    RunTrigger,
    SecretSync,
    SyncRun,
)
from secretsync.domain.pauses import EVERYTHING
from secretsync.domain.runs import RetryPolicy
from secretsync.domain.schedules import Schedule
from secretsync.engine import queue
from secretsync.engine.embedded import EmbeddedEngine
from secretsync.engine.http import HttpPool
from secretsync.engine.runner import Runner
from secretsync.engine.schedules import begin_times
from secretsync.engine.sealed import open_secret
from secretsync.engine.unwanted import end_disabled
from secretsync.operations import pauses
from secretsync.operations.app import App
from secretsync.operations.secrets import SecretInput, delete_secrets, set_secrets
from secretsync.registry import Registry
from secretsync.store.errors import StoreError
from secretsync.store.protocol import StorageFullError, Transaction
from secretsync.store.sqlite import SqliteStore

LEASE = 60.0
PROOF_SETTINGS = replace(
    SETTINGS,
    lease=LEASE,
    poll=0.01,
    max_runs=4,
    max_runs_per_connection=2,
    retry=RetryPolicy(max_attempts=2, base=4.0, ceiling=60.0, later=300.0, later_ceiling=3600.0),
)
SYNCS = {
    "a": {"place": "x", "scope": "a"},
    "b": {"place": "x", "scope": "b"},
    "c": {"place": "y", "scope": "c"},
}
"""Two syncs write to one document."""
SOURCES = {"a": "dev", "b": "prod", "c": "dev"}
FOREIGN = "of somebody else"
OFTEN = Schedule(interval=timedelta(minutes=2))
PATIENCE_SECONDS = 60.0
REST_SECONDS = 20.0
Op = tuple[Any, ...]


class Template:
    """A data directory with a project, syncs and secrets, to begin executions from."""

    def __init__(self, directory: Path, vault: Vault) -> None:
        self.directory = directory
        self.vault = vault

    @classmethod
    async def make(cls, directory: Path) -> "Template":
        """Fill a directory."""
        world = await World.open(directory)
        for slug, config in SYNCS.items():
            environment = SOURCES[slug]
            await world.add_sync(
                slug,
                destination_config=config,
                environment_uid=f"e-{environment}",
                environment=environment,
            )
        await world.set_value("P", "in prod", environment="prod")
        await world.close()
        return cls(directory / "data", world.vault)


class Proof:
    """One execution: a world, an engine that may die, and what strikes it."""

    def __init__(self, template: Template, folder: Path, seen: Counter[str]) -> None:
        self.clock = Clock()
        self.seen = seen
        self.nemesis = Nemesis(seen)
        self.judge = Judge(seen)
        self.judge.max_per_connection = PROOF_SETTINGS.max_runs_per_connection
        self.memory = Destination()
        self.memory.steps = {
            "begin": self._begin,
            "write": self._write,
            "written": self._written,
        }
        for place in ("x", "y"):
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
        await self._strike("begin", request)
        claim = claim_of_task.get()
        assert claim
        # The document is read now, without a pause in between.
        claim.based_on = self.memory.at(claim.place).version

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

    # What happens

    async def do(self, op: Op) -> None:
        """Let something happen, and die if that is what it leads to."""
        if not await self._or_death(self._attempt(op)):
            await self.die()

    async def _attempt(self, op: Op) -> None:
        """Let something happen; what the store refuses has not happened."""
        name, *arguments = op
        try:
            await getattr(self, f"_{name}")(*arguments)
        except (StorageFullError, StoreError):
            self.seen["a change was refused"] += 1
        self.engine.wake()

    async def _change(self, work: Callable[[Transaction], object]) -> None:
        def change(tx: Transaction) -> object:
            return work(tx)

        await self.store.write(change)

    async def _set(self, environment: str, key: str, number: int) -> None:
        given = SecretInput(key, SecretValue(f"value {number}"), "")
        parent = f"projects/shop/environments/{environment}"
        await self._change(lambda tx: set_secrets(self.app, tx, parent, "/", [given]))

    async def _delete(self, environment: str, key: str) -> None:
        parent = f"projects/shop/environments/{environment}"
        await self._change(
            lambda tx: delete_secrets(self.app, tx, parent, "/", [key], allow_missing=True)
        )

    async def _sync(self, slug: str) -> None:
        await self._ask(slug, RunAction.SYNC)

    async def _remove(self, slug: str) -> None:
        await self._ask(slug, RunAction.REMOVE)

    async def _ask(self, slug: str, action: RunAction) -> None:
        def ask(tx: Transaction) -> None:
            sync = _sync_of(tx, slug)
            if sync.is_enabled or action is RunAction.REMOVE:
                self.engine.enqueue(tx, sync, action, RunTrigger.MANUAL)

        await self._change(ask)

    async def _cancel(self, slug: str) -> None:
        def cancel(tx: Transaction) -> None:
            uid = f"y-{slug}"
            run = tx.runs.pending(uid) or tx.runs.running(uid)
            if run:
                self.engine.cancel(tx, run)
                self.judge.call_off(uid)

        await self._change(cancel)

    async def _disable(self, slug: str) -> None:
        def disable(tx: Transaction) -> None:
            sync = replace(_sync_of(tx, slug), is_enabled=False)
            tx.syncs.update(sync)
            waiting = tx.runs.pending(sync.uid)
            if waiting:
                end_disabled(tx, waiting, self.clock())
            if self.judge.wishes.get(sync.uid) is RunAction.SYNC:
                self.judge.call_off(sync.uid)

        await self._change(disable)

    async def _enable(self, slug: str) -> None:
        def enable(tx: Transaction) -> None:
            sync = _sync_of(tx, slug)
            if not sync.is_enabled:
                enabled = replace(sync, is_enabled=True)
                tx.syncs.update(enabled)
                self.engine.enqueue(tx, enabled, RunAction.SYNC, RunTrigger.UPDATE)

        await self._change(enable)

    async def _schedule(self, slug: str) -> None:
        await self._change(lambda tx: self._set_schedule(tx, slug, OFTEN))

    async def _unschedule(self, slug: str) -> None:
        await self._change(lambda tx: self._set_schedule(tx, slug, None))

    def _set_schedule(self, tx: Transaction, slug: str, schedule: Schedule | None) -> None:
        sync = replace(_sync_of(tx, slug), schedule=schedule)
        tx.syncs.update(begin_times(sync, self.clock()))

    async def _pause(self, slug: str) -> None:
        name = EVERYTHING if slug == EVERYTHING else f"projects/shop/secretSyncs/{slug}"
        await self._change(lambda tx: pauses.pause_syncing(self.app, tx, name, ""))

    async def _resume(self, slug: str) -> None:
        name = EVERYTHING if slug == EVERYTHING else f"projects/shop/secretSyncs/{slug}"
        await self._change(lambda tx: pauses.resume_syncing(tx, name))

    async def _heartbeats(self) -> None:
        """Let every worker renew its lease, one that has lost it included."""
        for claim in [each for each in self.judge.claims.values() if each in self._at_work()]:
            token = claim_of_task.set(claim)
            try:
                renew = functools.partial(self.engine._worker._renew, claim.run)
                await self.store.write(renew)
            finally:
                claim_of_task.reset(token)

    def _at_work(self) -> list[Any]:
        stops = self.engine._worker._stops
        return [self.judge.claims[each] for each in stops if each in self.judge.claims]

    async def _clock(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def _restart(self) -> None:
        # It goes on in a process of its own, so to speak: the next one begins with its files.
        self.nemesis.in_a_hurry = True
        self.nemesis.let_go()
        with contextlib.suppress(StoreError):
            await self.engine.stop(grace=0)
        self.seen["restarted"] += 1
        await self.nemesis.die()

    async def _kill(self) -> None:
        await self.nemesis.die()

    async def _foreign(self, place: str) -> None:
        self.memory.at(place).change_by_somebody_else()

    async def _refuse(self, key: str) -> None:
        self.memory.refused = {key}

    async def _accept(self) -> None:
        self.memory.refused = set()

    async def _let_go(self) -> None:
        self.nemesis.let_go()

    # Rest

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
        left: object = None
        while time.monotonic() < deadline:
            await self.settle()
            left, due = await self.store.store.read(_left)
            if not left:
                await self._look()
                return
            if due and due > self.clock.now:
                self.clock.now = due
            elif not self.engine._tasks:
                # What is due waits for the lease of one that died to end.
                self.clock.advance(5)
            else:
                # A result waits for room, or for a moment before it is tried to be stored again.
                await asyncio.sleep(PROOF_SETTINGS.poll)
            self.engine.wake()
        self.judge.blame(f"it does not come to rest: {left}")

    async def _look(self) -> None:
        """Compare the destination with what was asked for last."""
        for slug, config in SYNCS.items():
            rows = self.memory.at(config["place"]).rows
            mine = {
                identity: row.value
                for identity, row in rows.items()
                if identity.endswith(f"@{config['scope']}")
            }
            wanted, ledger = await self.store.store.read(lambda tx, s=slug: self._wanted(tx, s))
            wish = self.judge.wishes.get(f"y-{slug}")
            if wish is RunAction.SYNC and mine != wanted:
                self.judge.blame(f"{slug} is to hold {wanted}, and holds {mine}")
            if wish is RunAction.REMOVE and mine:
                self.judge.blame(f"{slug} is to hold nothing, and holds {mine}")
            if wish and ledger != set(mine):
                self.judge.blame(f"the ledger of {slug} has {ledger}, it holds {set(mine)}")
            if rows.get(FOREIGN) != Row("foreign", "keep"):
                self.judge.blame("what belongs to somebody else was changed")

    def _wanted(self, tx: Transaction, slug: str) -> tuple[dict[str, str], set[str]]:
        sync = _sync_of(tx, slug)
        folder = FolderRef(sync.environment_uid, "/")
        wanted = {
            f"{secret.key.casefold()}@{slug}": open_secret(self._vault, tx, "p", secret).reveal()
            for secret in tx.secrets.in_folder(folder)
        }
        ledger = {entry.identity for entry in tx.ledger.of_sync(sync.uid) if entry.confirmed}
        return wanted, ledger


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


def _sync_of(tx: Transaction, slug: str) -> SecretSync:
    sync = tx.syncs.by_uid(f"y-{slug}")
    assert sync
    return sync


def _left(tx: Transaction) -> tuple[list[tuple[str, str, str]], Any]:
    database = tx.database  # type: ignore[attr-defined]
    left = database.execute(
        "SELECT sync_uid, state, message FROM runs WHERE state IN ('pending', 'running')"
    ).fetchall()
    return left, tx.runs.next_due()
