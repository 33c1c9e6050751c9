"""All of secretsync in one process, with the wire to a sandbox in place of the network."""

import asyncio
import json
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine_kit import SETTINGS, START, Clock
from octopus_wire import API_KEY, Wire

from secretsync.adapter import LedgerEntry, SecretValue
from secretsync.crypto import FileKeyProvider, Vault, check_key
from secretsync.domain.entities import (
    Connection,
    Environment,
    Project,
    RunAction,
    RunTrigger,
    SecretSync,
    SyncOptions,
    SyncRun,
)
from secretsync.domain.sealing import credentials_context
from secretsync.engine.embedded import EmbeddedEngine
from secretsync.engine.http import HttpPool
from secretsync.engine.queue import RunTerms
from secretsync.engine.runner import Runner
from secretsync.operations.app import App
from secretsync.operations.secrets import SecretInput, delete_secrets, set_secrets
from secretsync.registry import Registry
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite import SqliteStore
from secretsync_octopus_deploy import plugin

BASE_URL = "http://127.0.0.1:8065"
MARK = "hush"
"""Stands in every secret value and, in capitals, in the API key; it must never be shown."""
ENVIRONMENTS = ("dev", "prod")
PATIENCE_SECONDS = 30.0
# Attempts enough for all the faults that one run is given.
_SETTINGS = replace(SETTINGS, retry=replace(SETTINGS.retry, max_attempts=5))


class Eavesdropper(logging.Handler):
    """Listens to all that is logged, and keeps what holds a secret."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.heard: list[str] = []
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one record."""
        self.count += 1
        text = record.getMessage()
        if MARK in text.casefold():
            self.heard.append(text)


class Stack:
    """A store, an engine that can be killed, the Octopus plugin, and the wire to a sandbox."""

    def __init__(self, store: SqliteStore, vault: Vault, wire: Wire) -> None:
        self.store = store
        self.vault = vault
        self.clock = Clock()
        self.wire = wire
        self.registry = Registry()
        self.registry.register(plugin, "octopus-deploy")
        self.http = HttpPool()
        self.engine = self._make_engine()
        self.is_up = False
        self.number = 0

    @classmethod
    async def open(cls, directory: Path, wire: Wire) -> "Stack":
        """Return a stack whose store is in the directory; its engine starts with the first run.

        Whoever calls this makes `wire` the transport of the engine's pool.
        """
        store = SqliteStore.open(directory / "data")
        provider = FileKeyProvider.open(directory / "key", create=True)
        await store.write(lambda tx: check_key(tx, provider))
        return cls(store, Vault(provider), wire)

    async def close(self) -> None:
        """Stop the engine and let go of the store."""
        await self.engine.stop(grace=0)
        await self.http.close()
        await self.store.close()

    def _make_engine(self) -> EmbeddedEngine:
        runner = Runner(self.store, self.registry, self.vault, self.http, self.clock)
        return EmbeddedEngine(
            self.store,
            runner,
            self.clock,
            _SETTINGS,
            random.Random(1),  # noqa: S311  jitter, not a secret
        )

    async def kill(self) -> None:
        """End the engine as if its process had died, with another one ready to take over.

        What it does at that moment is to wait for the network, so nothing more of it reaches the
        store.
        """
        tasks = [*self.engine._tasks]
        if self.engine._dispatcher:
            tasks.append(self.engine._dispatcher)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.engine = self._make_engine()
        self.is_up = False

    @property
    def app(self) -> App:
        """The parts that operations work with."""
        return App(
            store=self.store,
            engine=self.engine,
            registry=self.registry,
            vault=self.vault,
            clock=self.clock,
        )

    async def new_project(self) -> str:
        """Add a project here and in the sandbox, and use these; return its slug."""
        self.number += 1
        slug = f"p{self.number}"
        world = self.wire.app.state.world
        remote = world.add_project(world.find_space(None), f"Machine {self.number}")
        self.wire.variable_set = world.sets[remote["VariableSetId"]]
        self.wire.late = None
        self.clock.now = START
        await self.store.write(lambda tx: self._populate(tx, slug))
        return slug

    def _populate(self, tx: Transaction, slug: str) -> None:
        now: dict[str, Any] = {"create_time": self.clock(), "update_time": self.clock()}
        tx.projects.insert(Project(uid=slug, slug=slug, **now))
        for name in ENVIRONMENTS:
            uid = f"{slug}-{name}"
            tx.environments.insert(
                Environment(uid=uid, project_uid=slug, project=slug, slug=name, **now)
            )
        connection = Connection(
            uid=f"{slug}-c",
            project_uid=slug,
            project=slug,
            slug="octopus",
            destination="octopus-deploy",
            method="api-key",
            instance=BASE_URL,
            sealed_credentials=b"",
            public_credentials={},
            credentials_hash="",
            **now,
        )
        text = SecretValue(json.dumps({"instanceUrl": BASE_URL, "apiKey": API_KEY}))
        sealed = self.vault.seal(tx, slug, credentials_context(connection), text)
        tx.connections.insert(replace(connection, sealed_credentials=sealed))

    async def add_sync(
        self,
        project: str,
        uid: str,
        environment: str,
        scope: Mapping[str, Sequence[str]],
        options: SyncOptions,
    ) -> SecretSync:
        """Store a sync into the variable set in use; it runs only when it is told to."""
        owner = self.wire.variable_set.owner_id
        config = {"spaceId": "Spaces-1", "projectId": owner, "scopeValues": dict(scope)}
        sync = SecretSync(
            uid=uid,
            project_uid=project,
            project=project,
            slug=uid,
            destination="octopus-deploy",
            connection_uid=f"{project}-c",
            connection="octopus",
            environment_uid=f"{project}-{environment}",
            environment=environment,
            destination_config=config,
            options=options,
            is_auto_sync_enabled=False,
            target_key=f"{BASE_URL}/Spaces-1/variables/variableset-{owner}",
            create_time=self.clock(),
            update_time=self.clock(),
        )
        await self.store.write(lambda tx: tx.syncs.insert(sync))
        return sync

    async def set_secret(
        self, project: str, environment: str, key: str, value: str, comment: str
    ) -> None:
        """Store a secret as the service does."""
        given = SecretInput(key, SecretValue(value), comment)
        parent = f"projects/{project}/environments/{environment}"
        await self.store.write(lambda tx: set_secrets(self.app, tx, parent, "/", [given]))

    async def delete_secret(self, project: str, environment: str, key: str) -> None:
        """Delete a secret as the service does."""
        parent = f"projects/{project}/environments/{environment}"
        await self.store.write(
            lambda tx: delete_secrets(self.app, tx, parent, "/", [key], allow_missing=True)
        )

    async def queue(self, sync: SecretSync, action: RunAction) -> SyncRun:
        """Queue a run as somebody does who asks for it."""
        run = await self.store.write(
            lambda tx: self.engine.enqueue(
                tx, sync, action, RunTrigger.MANUAL, terms=RunTerms(override_guards=True)
            )
        )
        self.engine.wake()
        return run

    async def finish(self, run: SyncRun) -> SyncRun | None:
        """Let a run come to its end, attempts and pauses included; None if the process dies."""
        if not self.is_up:
            self.is_up = True
            await self.engine.start()
        death = asyncio.create_task(self.wire.died.wait())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self.wire.died.is_set():
                    # Begun before the store is looked at, so that no end is missed.
                    pulse = asyncio.create_task(self.engine.attempt_ended(PATIENCE_SECONDS))
                    try:
                        found = await self.store.read(lambda tx: tx.runs.get(run.sync_uid, run.uid))
                        assert found
                        if found.finish_time:
                            return found
                        if found.not_before > self.clock():
                            self.clock.now = found.not_before
                            self.engine.wake()
                        await asyncio.wait({pulse, death}, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        pulse.cancel()
        finally:
            death.cancel()
        await self.kill()
        return None

    async def ledger(self, sync: SecretSync) -> list[LedgerEntry]:
        """Return a sync's ledger."""
        return list(await self.store.read(lambda tx: tx.ledger.of_sync(sync.uid)))

    async def ledger_of_others(self, sync: SecretSync) -> frozenset[str]:
        """Return the identities that other syncs into the same set have in their ledgers."""
        return frozenset(
            await self.store.read(
                lambda tx: dict(tx.ledger.claimed_by_others(sync.uid, sync.target_key))
            )
        )
