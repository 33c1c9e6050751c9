"""A steerable destination, a clock that stands still, and a world of records to run syncs in."""

import asyncio
import contextlib
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from secretsync.adapter import (
    Action,
    AdapterModel,
    DesiredSecret,
    DestinationInfo,
    KeyResult,
    LedgerEntry,
    RemoveRequest,
    RunRequest,
    RunResult,
    SecretValue,
    SyncRequest,
    ValidateRequest,
    ValidateResult,
    hookimpl,
)
from secretsync.crypto import FileKeyProvider, Vault, check_key
from secretsync.domain.entities import (
    Connection,
    Environment,
    FolderRef,
    Project,
    RunAction,
    RunTrigger,
    Secret,
    SecretSync,
    SyncRun,
)
from secretsync.domain.runs import RetryPolicy
from secretsync.domain.sealing import credentials_context, secret_context
from secretsync.engine.embedded import EmbeddedEngine
from secretsync.engine.engine_settings import EngineSettings
from secretsync.engine.http import HttpPool
from secretsync.engine.queue import RunTerms
from secretsync.engine.runner import Runner
from secretsync.operations.app import App
from secretsync.registry import Registry
from secretsync.store.protocol import StorageFullError, Transaction
from secretsync.store.sqlite import SqliteStore

T = TypeVar("T")
Step = Callable[[RunRequest], Awaitable[None]]

PATIENCE_SECONDS = 20.0
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Retries later on have tests of their own; elsewhere they would be runs that nobody expects.
RETRY = RetryPolicy(max_attempts=3, base=4.0, ceiling=60.0, later=0.0)
# Longer than any test: only the tests about leases shorten it.
SETTINGS = EngineSettings(
    lease=300.0, poll=0.01, change_interval=0.0, attempt_timeout=60.0, retry=RETRY
)


async def eventually(condition: Callable[[], Awaitable[T | None]]) -> T:
    """Return the first true result of a condition that is asked again and again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        # What is waited for is in the store, which announces nothing.
        while not (found := await condition()):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
    return found


class Clock:
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Config(AdapterModel):
    """A place, and a scope within it."""

    place: str
    scope: str = ""


class Credentials(AdapterModel):
    """A key."""

    api_key: SecretValue


@dataclass
class Row:
    """What the destination holds under one identity."""

    id: str
    value: str


@dataclass
class Document:
    """What is at one place; like Octopus's variable sets, it has a version."""

    version: int = 1
    rows: dict[str, Row] = field(default_factory=dict)
    writes: int = 0

    def values(self) -> dict[str, str]:
        """Return the values by identity."""
        return {identity: row.value for identity, row in self.rows.items()}

    def change_by_somebody_else(self) -> None:
        """Let the version grow."""
        self.version += 1


class Destination:
    """The plugin `memory`: writes to documents in memory, and waits or fails where a test says.

    Attributes:
        documents: by place.
        steps: awaited at `begin`, `write` (after the intents are recorded) and `written`.
        calls: (place, action) of each call, in order.
        most: how many calls were under way at the same time, at most.
        overlaps: places at which two calls were under way at the same time.
        refused: secret keys that it neither writes nor deletes, each by itself.
    """

    def __init__(self) -> None:
        self.documents: dict[str, Document] = {}
        self.steps: dict[str, Step] = {}
        self.calls: list[tuple[str, str]] = []
        self.requests: list[RunRequest] = []
        self.most = 0
        self.overlaps: list[str] = []
        self.refused: set[str] = set()
        self._active: list[str] = []
        self._ids = itertools.count(1)

    def at(self, place: str) -> Document:
        """Return the document of a place."""
        return self.documents.setdefault(place, Document())

    @hookimpl
    def destination(self) -> DestinationInfo:
        return DestinationInfo(
            name="memory",
            title="Memory",
            description="A destination for tests.",
            config_model=Config,
            credential_models={"api-key": Credentials},
            target_key=lambda config, _: str(config.place),
            name_identity=str.casefold,
        )

    @hookimpl
    async def validate(self, request: ValidateRequest) -> ValidateResult:
        del request
        return ValidateResult(summary="fine", instance="memory")

    @hookimpl
    async def sync(self, request: SyncRequest) -> RunResult:
        async with self._call(request, "sync"):
            return await self._converge(request, request.desired)

    @hookimpl
    async def remove(self, request: RemoveRequest) -> RunResult:
        async with self._call(request, "remove"):
            return await self._converge(request, ())

    @contextlib.asynccontextmanager
    async def _call(self, request: RunRequest, action: str) -> AsyncIterator[None]:
        place = request.config.place
        if place in self._active:
            self.overlaps.append(place)
        self._active.append(place)
        self.most = max(self.most, len(self._active))
        self.calls.append((place, action))
        self.requests.append(request)
        try:
            await self._step("begin", request)
            yield
        finally:
            self._active.remove(place)

    async def _step(self, name: str, request: RunRequest) -> None:
        if name in self.steps:
            await self.steps[name](request)

    async def _converge(self, request: RunRequest, desired: Sequence[DesiredSecret]) -> RunResult:
        document = self.at(request.config.place)
        before = str(document.version)
        owned = {entry.identity: entry for entry in request.ledger if entry.confirmed}
        for intent in (entry for entry in request.ledger if not entry.confirmed):
            row = document.rows.get(intent.identity)
            if row and intent.version != before and intent.identity not in owned:
                owned[intent.identity] = replace(intent, remote_id=row.id, digest="")
        wanted = {f"{each.name.casefold()}@{request.config.scope}": each for each in desired}
        digests = {one: request.digest(one, each.value) for one, each in wanted.items()}
        known = before in request.known_versions
        stale = [
            one
            for one in wanted
            if one not in owned
            or one not in document.rows
            or owned[one].digest != digests[one]
            or not known
        ]
        gone = [one for one in owned if one not in wanted and one in document.rows]
        deletes = not isinstance(request, SyncRequest) or request.delete_missing
        failed = [one for one in stale if wanted[one].key in self.refused]
        kept = [one for one in gone if owned[one].key in self.refused and deletes]
        unwanted = [] if deletes else gone
        stale = [one for one in stale if one not in failed]
        gone = [one for one in gone if deletes and one not in kept]
        created = [one for one in stale if one not in document.rows]
        if stale or gone:
            intents = [
                LedgerEntry(
                    key=wanted[one].key,
                    name=wanted[one].name,
                    identity=one,
                    remote_id=None,
                    digest=digests[one],
                    version=before,
                    confirmed=False,
                )
                for one in created
            ]
            await request.record_intent(intents)
            await self._step("write", request)
            for one in stale:
                row = document.rows.setdefault(one, Row(f"row-{next(self._ids)}", ""))
                row.value = wanted[one].value.reveal()
            for one in gone:
                del document.rows[one]
            document.version += 1
            document.writes += 1
            await self._step("written", request)
        after = str(document.version)
        results = [
            KeyResult(key=each.key, name=each.name, action=self._action(one, stale, created))
            for one, each in wanted.items()
            if one not in failed
        ]
        results += [
            KeyResult(key=each.key, name=each.name, action=Action.FAILED, reason="refused")
            for each in [*(wanted[one] for one in failed), *(owned[one] for one in kept)]
        ]
        results += [
            KeyResult(key=owned[one].key, name=owned[one].name, action=Action.DELETED)
            for one in gone
        ]
        ledger = tuple(
            LedgerEntry(
                key=each.key,
                name=each.name,
                identity=one,
                remote_id=document.rows[one].id,
                digest=digests[one],
                version=after,
            )
            for one, each in wanted.items()
            if one not in failed
        )
        # What was there before, but for which value it has: nobody has looked.
        ledger += tuple(
            replace(owned[one], version=None) for one in [*failed, *kept, *unwanted] if one in owned
        )
        return RunResult(
            keys=tuple(results), ledger=ledger, version_before=before, version_after=after
        )

    @staticmethod
    def _action(one: str, stale: Sequence[str], created: Sequence[str]) -> Action:
        if one in created:
            return Action.CREATED
        return Action.UPDATED if one in stale else Action.UNCHANGED


class Gate:
    """A step of the destination that waits until it is opened; it counts who has come."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self._open = asyncio.Event()

    async def __call__(self, request: RunRequest) -> None:
        self.waiting.append(request.config.place)
        await self._open.wait()

    def open(self) -> None:
        self._open.set()

    async def reached(self, count: int = 1) -> None:
        """Return when so many calls have come."""

        async def condition() -> bool:
            return len(self.waiting) >= count

        await eventually(condition)


class Disk:
    """A store whose disk can be full, or out of order: then writes are refused.

    Attributes:
        refused: how often a write was refused, by the name of the engine's function.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._error: Exception | None = None
        self._only: str | None = None
        self.refused: Counter[str] = Counter()

    def fill(self, only: str | None = None) -> None:
        """Refuse every write, or only those of one function."""
        self.fail(StorageFullError("the disk is full"), only)

    def fail(self, error: Exception, only: str | None = None) -> None:
        """Refuse writes with this error."""
        self._error, self._only = error, only

    def clear(self) -> None:
        """Accept writes again."""
        self._error = None

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """See `StateStore.read`."""
        return await self._store.read(work)

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """See `StateStore.write`."""
        name = str(getattr(getattr(work, "func", work), "__name__", ""))
        if self._error is not None and self._only in {None, name}:
            self.refused[name] += 1
            raise self._error
        return await self._store.write(work)

    async def close(self) -> None:
        """See `StateStore.close`."""
        await self._store.close()

    async def has_refused(self, name: str, count: int = 2) -> None:
        """Return when so many writes of a function have been refused from now on."""
        wanted = self.refused[name] + count

        async def condition() -> bool:
            return self.refused[name] >= wanted

        await eventually(condition)


class World:
    """Project `shop` with environments `dev` and `prod` and a connection, and an engine."""

    def __init__(self, store: SqliteStore, vault: Vault) -> None:
        self.clock = Clock()
        self.disk = Disk(store)
        self.vault = vault
        self.memory = Destination()
        self.registry = Registry()
        self.registry.register(self.memory, "memory")
        self.http = HttpPool()
        self.engine = self.make_engine(SETTINGS)

    @classmethod
    async def open(cls, directory: Path) -> "World":
        """Return a world whose store is in the directory; what is there already stays."""
        store = SqliteStore.open(directory / "data")
        provider = FileKeyProvider.open(directory / "key", create=True)
        world = cls(store, Vault(provider))
        await store.write(lambda tx: check_key(tx, provider))
        await store.write(world._populate)
        return world

    async def close(self) -> None:
        """Stop the engine and let go of the store."""
        self.disk.clear()
        await self.engine.stop(grace=0)
        await self.http.close()
        await self.disk.close()

    def make_engine(self, settings: EngineSettings) -> EmbeddedEngine:
        """Return an engine that is not started."""
        runner = Runner(self.disk, self.registry, self.vault, self.http, self.clock)
        return EmbeddedEngine(
            self.disk,
            runner,
            self.clock,
            settings,
            random.Random(1),  # noqa: S311  jitter, not a secret
        )

    async def start(self, **settings: Any) -> None:  # noqa: ANN401
        """Start an engine with these settings changed."""
        self.engine = self.make_engine(replace(SETTINGS, **settings))
        await self.engine.start()

    @property
    def app(self) -> App:
        """The parts that operations work with."""
        return App(
            store=self.disk,
            engine=self.engine,
            registry=self.registry,
            vault=self.vault,
            clock=self.clock,
        )

    def _populate(self, tx: Transaction) -> None:
        if tx.projects.get("shop"):
            return
        tx.projects.insert(
            Project(uid="p", slug="shop", create_time=self.clock(), update_time=self.clock())
        )
        for slug in ("dev", "prod"):
            environment = Environment(
                uid=f"e-{slug}",
                project_uid="p",
                project="shop",
                slug=slug,
                create_time=self.clock(),
                update_time=self.clock(),
            )
            tx.environments.insert(environment)
        self.add_connection(tx, "main")
        for path in ("/", "/a"):
            self.put(tx, "K", f"{path} of K", path=path)

    def add_connection(self, tx: Transaction, slug: str) -> None:
        """Store a connection."""
        connection = Connection(
            uid=f"c-{slug}",
            project_uid="p",
            project="shop",
            slug=slug,
            destination="memory",
            method="api-key",
            instance="memory",
            sealed_credentials=b"",
            public_credentials={},
            credentials_hash="",
            create_time=self.clock(),
            update_time=self.clock(),
        )
        text = SecretValue(json.dumps({"apiKey": "hunter2"}))
        sealed = self.vault.seal(tx, "p", credentials_context(connection), text)
        tx.connections.insert(replace(connection, sealed_credentials=sealed))

    def put(
        self, tx: Transaction, key: str, value: str, *, path: str = "/", environment: str = "dev"
    ) -> None:
        """Store a secret, without telling the engine."""
        folder = FolderRef(f"e-{environment}", path)
        present = tx.secrets.find(folder, [key]).get(key)
        secret = Secret(
            uid=f"s-{environment}-{path}-{key}",
            environment_uid=folder.environment_uid,
            path=path,
            key=key,
            sealed_value=b"",
            version=present.version + 1 if present else 1,
            create_time=self.clock(),
            update_time=self.clock(),
        )
        sealed = self.vault.seal(tx, "p", secret_context(secret), SecretValue(value))
        tx.secrets.put([replace(secret, sealed_value=sealed)])

    async def add_sync(self, slug: str = "main", **changes: Any) -> SecretSync:  # noqa: ANN401
        """Store a sync that writes to the place of its own name; any field can be given."""
        config = changes.pop("destination_config", {"place": changes.pop("place", slug)})
        sync = SecretSync(
            uid=f"y-{slug}",
            project_uid="p",
            project="shop",
            slug=slug,
            destination="memory",
            connection_uid="c-main",
            connection="main",
            environment_uid="e-dev",
            environment="dev",
            destination_config=config,
            target_key=config["place"],
            create_time=self.clock(),
            update_time=self.clock(),
        )
        stored = replace(sync, **changes)
        await self.disk.write(lambda tx: tx.syncs.insert(stored))
        return stored

    async def enqueue(
        self,
        sync: SecretSync,
        action: RunAction = RunAction.SYNC,
        trigger: RunTrigger = RunTrigger.MANUAL,
        *,
        delete_sync: bool = False,
    ) -> SyncRun:
        """Queue a run as an operation does."""
        run = await self.disk.write(
            lambda tx: self.engine.enqueue(
                tx, sync, action, trigger, terms=RunTerms(delete_sync=delete_sync)
            )
        )
        self.engine.wake()
        return run

    async def enqueue_quietly(self, sync: SecretSync) -> SyncRun:
        """Queue a run without waking the engine."""
        return await self.disk.write(
            lambda tx: self.engine.enqueue(tx, sync, RunAction.SYNC, RunTrigger.MANUAL)
        )

    async def set_value(self, key: str, value: str, **where: str) -> None:
        """Store a secret, without telling the engine."""
        await self.disk.write(lambda tx: self.put(tx, key, value, **where))

    async def run(self, run: SyncRun) -> SyncRun:
        """Return a run as it is stored now."""
        found = await self.disk.read(lambda tx: tx.runs.get(run.sync_uid, run.uid))
        assert found is not None
        return found

    async def runs(self, sync: SecretSync) -> list[SyncRun]:
        """Return a sync's runs, oldest first."""
        found = await self.disk.read(lambda tx: tx.runs.list(sync.uid, 2**62, 1000))
        return sorted(found, key=lambda run: run.seq)

    async def ended(self, run: SyncRun) -> SyncRun:
        """Return a run when it has ended for good."""

        async def condition() -> SyncRun | None:
            found = await self.run(run)
            return found if found.finish_time else None

        return await eventually(condition)

    async def failed_attempt(self, run: SyncRun, attempt: int) -> SyncRun:
        """Return a run when it waits for the attempt after this one."""

        async def condition() -> SyncRun | None:
            found = await self.run(run)
            waits = found.state == "pending" and found.attempt == attempt
            return found if waits else None

        return await eventually(condition)

    async def stop_dispatching(self) -> None:
        """Let the engine take notice of nothing any more; what is under way goes on."""
        self.engine.stop_claiming()
        assert self.engine._dispatcher
        await self.engine._dispatcher

    async def looked(self) -> float:
        """Return when the engine has looked for runs to start, all of it after this call.

        Returns:
            In how many seconds it looks again if nobody wakes it.
        """
        rounds: asyncio.Queue[float] = asyncio.Queue()
        pause = self.engine._pause

        async def counted() -> float:
            seconds = await pause()
            rounds.put_nowait(seconds)
            return seconds

        self.engine._pause = counted  # type: ignore[method-assign]
        try:
            # A first look may have begun before.
            for _ in range(2):
                self.engine.wake()
                seconds = await rounds.get()
        finally:
            self.engine._pause = pause  # type: ignore[method-assign]
        return seconds

    async def sync(self, sync: SecretSync) -> SyncRun:
        """Run a sync and return its run when it has ended."""
        return await self.ended(await self.enqueue(sync))

    async def ledger(self, sync: SecretSync) -> list[LedgerEntry]:
        """Return a sync's ledger."""
        return list(await self.disk.read(lambda tx: tx.ledger.of_sync(sync.uid)))
