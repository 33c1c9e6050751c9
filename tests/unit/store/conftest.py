"""A store in a temporary directory, and records to put into it."""

# ruff: noqa: ANN401  any field can be changed; dataclasses.replace knows which there are
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from secretsync.adapter import LedgerEntry
from secretsync.domain.attempts import RunAttempt
from secretsync.domain.entities import (
    Connection,
    Environment,
    Project,
    RunAction,
    RunTrigger,
    Secret,
    SecretImport,
    SecretSync,
    SyncRun,
)
from secretsync.domain.former_places import FormerPlace
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite import SqliteStore
from secretsync.store.sqlite.connection import connect
from secretsync.store.sqlite.migrations import migrate
from secretsync.store.sqlite.transaction import SqliteTransaction

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


class Make:
    """Makes records with sensible contents; any field can be given."""

    now = NOW

    def at(self, seconds: float) -> datetime:
        return NOW + timedelta(seconds=seconds)

    def project(self, slug: str = "shop", **changes: Any) -> Project:
        made = Project(uid=f"p-{slug}", slug=slug, create_time=NOW, update_time=NOW)
        return dataclasses.replace(made, **changes)

    def environment(self, slug: str = "dev", **changes: Any) -> Environment:
        made = Environment(
            uid=f"e-{slug}",
            project_uid="p-shop",
            project="shop",
            slug=slug,
            create_time=NOW,
            update_time=NOW,
        )
        return dataclasses.replace(made, **changes)

    def secret(self, key: str = "KEY", path: str = "/", **changes: Any) -> Secret:
        made = Secret(
            uid=f"s-{path}-{key}",
            environment_uid="e-dev",
            path=path,
            key=key,
            sealed_value=b"sealed " + key.encode(),
            create_time=NOW,
            update_time=NOW,
        )
        return dataclasses.replace(made, **changes)

    def secret_import(self, uid: str = "i-1", **changes: Any) -> SecretImport:
        made = SecretImport(
            uid=uid,
            project="shop",
            environment_uid="e-dev",
            environment="dev",
            path="/",
            import_environment_uid="e-prod",
            import_environment="prod",
            import_path="/",
            position=1,
            create_time=NOW,
        )
        return dataclasses.replace(made, **changes)

    def connection(self, slug: str = "octopus", **changes: Any) -> Connection:
        made = Connection(
            uid=f"c-{slug}",
            project_uid="p-shop",
            project="shop",
            slug=slug,
            destination="octopus-deploy",
            method="api-key",
            instance="octopus/1",
            sealed_credentials=b"sealed",
            public_credentials={"instanceUrl": "http://octopus.test", "übung": [1.5, None]},
            credentials_hash="abc",
            create_time=NOW,
            update_time=NOW,
        )
        return dataclasses.replace(made, **changes)

    def sync(self, slug: str = "to-octopus", **changes: Any) -> SecretSync:
        made = SecretSync(
            uid=f"y-{slug}",
            project_uid="p-shop",
            project="shop",
            slug=slug,
            destination="octopus-deploy",
            connection_uid="c-octopus",
            connection="octopus",
            environment_uid="e-dev",
            environment="dev",
            destination_config={"spaceId": "Spaces-1", "scope": {"environments": ["a"]}},
            target_key=f"target of {slug}",
            create_time=NOW,
            update_time=NOW,
        )
        return dataclasses.replace(made, **changes)

    def run(self, uid: str = "r-1", sync: str = "to-octopus", **changes: Any) -> SyncRun:
        made = SyncRun(
            uid=uid,
            sync_uid=f"y-{sync}",
            sync_name=f"projects/shop/secretSyncs/{sync}",
            action=RunAction.SYNC,
            trigger=RunTrigger.MANUAL,
            create_time=NOW,
            not_before=NOW,
        )
        return dataclasses.replace(made, **changes)

    def place(self, uid: str = "place", **changes: Any) -> FormerPlace:
        made = FormerPlace(
            uid=uid,
            sync_uid="y-to-octopus",
            project_uid="p-shop",
            destination="octopus-deploy",
            connection_uid="c-octopus",
            connection="octopus",
            instance="octopus/1",
            destination_config={"spaceId": "Spaces-1", "scope": {"environments": ["a"]}},
            target_key="old target",
            method="api-key",
            leave_time=NOW,
        )
        return dataclasses.replace(made, **changes)

    def attempt(self, number: int = 1, **changes: Any) -> RunAttempt:
        made = RunAttempt(number=number, start_time=NOW)
        return dataclasses.replace(made, **changes)

    def entry(self, identity: str = "key", **changes: Any) -> LedgerEntry:
        made = LedgerEntry(
            key=identity.upper(),
            name=identity,
            identity=identity,
            remote_id=f"id of {identity}",
            digest="d",
            version="1",
        )
        return dataclasses.replace(made, **changes)

    def world(self, tx: Transaction) -> None:
        """Store a project with environments dev and prod, a connection and a sync."""
        tx.projects.insert(self.project())
        tx.environments.insert(self.environment("dev"))
        tx.environments.insert(self.environment("prod"))
        tx.connections.insert(self.connection())
        tx.syncs.insert(self.sync())


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(tmp_path / "data")
    yield opened
    await opened.close()


class RollBackError(Exception):
    """Ends a transaction of `scratch`."""


@pytest.fixture(scope="session")
def scratch(
    tmp_path_factory: pytest.TempPathFactory, make: Make
) -> Iterator[Callable[[], contextlib.AbstractContextManager[SqliteTransaction]]]:
    """Transactions that begin with `Make.world` and are always rolled back, for many examples."""
    database = connect(tmp_path_factory.mktemp("scratch") / "scratch.db", read_only=False)
    migrate(database)

    @contextlib.contextmanager
    def transaction() -> Iterator[SqliteTransaction]:
        with contextlib.suppress(RollBackError), database.atomic():
            tx = SqliteTransaction(database)
            make.world(tx)
            yield tx
            raise RollBackError

    yield transaction
    database.close()
