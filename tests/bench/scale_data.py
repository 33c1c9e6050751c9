"""Fills a database in bulk: syncs, each with secrets, a run that has succeeded, and a ledger."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from api import CONNECTION, PROJECT, environment_name
from checks import DemoFailedError

from secretsync.adapter import Action, KeyResult, LedgerEntry, SecretValue
from secretsync.crypto import FileKeyProvider, Vault
from secretsync.domain.entities import (
    Connection,
    Environment,
    HttpRequest,
    RunAction,
    RunOutcome,
    RunState,
    RunTrigger,
    Secret,
    SecretSync,
    SyncRun,
)
from secretsync.domain.sealing import secret_context
from secretsync.registry import Registry
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite import SqliteStore

ENVIRONMENT = "dev"
KEYS = 20
"""Secrets of each sync."""
PER_SET = 10
"""Syncs into one variable set."""
AT_A_TIME = 200
"""Syncs of one transaction."""


def path_of(number: int) -> str:
    """Return the folder that a sync reads."""
    return f"/team-{number % 100:02}/app-{number:05}"


def slug_of(number: int) -> str:
    """Return the id of a sync."""
    return f"app-{number:05}"


def fill(data_dir: Path, syncs: int, project_id: str) -> None:
    """Add syncs to the demo's project, whose environment `dev` and connection are there.

    Args:
        data_dir: of a service that is not running.
        syncs: how many.
        project_id: where in Octopus the first ones write; the others' projects are not there.
    """
    asyncio.run(_fill(data_dir, syncs, project_id))


async def _fill(data_dir: Path, syncs: int, project_id: str) -> None:
    store = SqliteStore.open(data_dir)
    try:
        filler = await store.read(lambda tx: _Filler(tx, data_dir, project_id))
        for start in range(0, syncs, AT_A_TIME):
            numbers = range(start, min(syncs, start + AT_A_TIME))
            await store.write(lambda tx, numbers=numbers: filler.add(tx, numbers))
    finally:
        await store.close()


class _Filler:
    """Makes what the service itself would have made."""

    def __init__(self, tx: Transaction, data_dir: Path, project_id: str) -> None:
        self._project_id = project_id
        self._vault = Vault(FileKeyProvider.open(data_dir / "secretsync.key", create=False))
        self._octopus = Registry.from_entry_points().get("octopus-deploy").info
        project = tx.projects.get(PROJECT.rpartition("/")[2])
        environment = project and tx.environments.get(project.uid, ENVIRONMENT)
        connection = project and tx.connections.get(project.uid, CONNECTION.rpartition("/")[2])
        if not (environment and connection):
            raise DemoFailedError(f"{environment_name(ENVIRONMENT)} and {CONNECTION} are there")
        self._environment: Environment = environment
        self._connection: Connection = connection
        self._now = datetime.now(UTC)

    def add(self, tx: Transaction, numbers: Sequence[int]) -> None:
        """Add syncs."""
        for number in numbers:
            keys = [f"KEY_{each:02}" for each in range(KEYS)]
            tx.secrets.put([self._secret(tx, path_of(number), key) for key in keys])
            sync = self._sync(number)
            tx.syncs.insert(sync)
            tx.runs.insert(self._run(sync, keys))
            # The first one is run in earnest, and its variables are not there yet.
            if number:
                tx.ledger.replace(sync.uid, self._ledger(sync, keys))

    def _secret(self, tx: Transaction, path: str, key: str) -> Secret:
        fields = {
            "uid": str(uuid4()),
            "environment_uid": self._environment.uid,
            "path": path,
            "key": key,
            "create_time": self._now,
            "update_time": self._now,
        }
        context = secret_context(Secret(sealed_value=b"", **fields))  # type: ignore[arg-type]
        value = SecretValue(f"a password of usual length for {key}")
        sealed = self._vault.seal(tx, self._environment.project_uid, context, value)
        return Secret(sealed_value=sealed, **fields)  # type: ignore[arg-type]

    def _sync(self, number: int) -> SecretSync:
        is_there = number < PER_SET
        config = {
            "spaceId": "Spaces-1",
            "projectId": self._project_id if is_there else f"Projects-{1000 + number // PER_SET}",
            "scopeValues": {"environments": [f"Environments-{1 + number % PER_SET}"]},
        }
        model = self._octopus.config_model.model_validate(config)
        return SecretSync(
            uid=str(uuid4()),
            project_uid=self._environment.project_uid,
            project=self._environment.project,
            slug=slug_of(number),
            destination=self._octopus.name,
            connection_uid=self._connection.uid,
            connection=self._connection.slug,
            environment_uid=self._environment.uid,
            environment=self._environment.slug,
            secret_path=path_of(number),
            destination_config=config,
            target_key=self._octopus.target_key(model, self._connection.instance),
            initialized=True,
            create_time=self._now,
            update_time=self._now,
        )

    def _run(self, sync: SecretSync, keys: Sequence[str]) -> SyncRun:
        done = [KeyResult(key=key, name=key, action=Action.CREATED) for key in keys]
        path = f"/api/Spaces-1/projects/{sync.destination_config['projectId']}/variables"
        asked = [
            HttpRequest(
                method=method,
                path=path,
                status_code=200,
                seconds=0.01,
                request_bytes=0,
                response_bytes=5000,
            )
            for method in ("GET", "PUT", "GET")
        ]
        return SyncRun(
            uid=str(uuid4()),
            sync_uid=sync.uid,
            sync_name=sync.name,
            action=RunAction.SYNC,
            trigger=RunTrigger.CREATE,
            state=RunState.SUCCEEDED,
            attempt=1,
            create_time=self._now,
            not_before=self._now,
            start_time=self._now,
            finish_time=self._now,
            lease_token=1,
            outcome=RunOutcome(
                keys=tuple(done), counts={Action.CREATED: KEYS}, http_requests=tuple(asked)
            ),
        )

    def _ledger(self, sync: SecretSync, keys: Sequence[str]) -> list[LedgerEntry]:
        identify = self._octopus.identity
        model = self._octopus.config_model.model_validate(sync.destination_config)
        return [
            LedgerEntry(
                key=key,
                name=key,
                identity=identify(model, key) if identify else key,
                remote_id=str(uuid4()),
                digest=uuid4().hex,
                version="1",
            )
            for key in keys
        ]
