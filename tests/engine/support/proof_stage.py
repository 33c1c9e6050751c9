"""Where the random executions take place: syncs, places, and a data directory to begin with."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from engine_kit import SETTINGS, World

from secretsync.crypto import Vault
from secretsync.domain.entities import (
    SecretSync,
)
from secretsync.domain.pauses import EVERYTHING
from secretsync.domain.runs import RetryPolicy
from secretsync.domain.schedules import Schedule
from secretsync.store.protocol import Transaction

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
PLACES = ("x", "y", "z")
"""Where syncs are led to."""
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


def name_of(slug: str) -> str:
    """Return the name of what is paused or changed."""
    return EVERYTHING if slug == EVERYTHING else f"projects/shop/secretSyncs/{slug}"


def sync_of(tx: Transaction, slug: str) -> SecretSync:
    """Return a sync as it is stored."""
    sync = tx.syncs.by_uid(f"y-{slug}")
    assert sync
    return sync
