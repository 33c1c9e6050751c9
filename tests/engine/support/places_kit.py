"""Leads syncs of a `World` to other places, and looks at what is left at the old ones."""

from collections.abc import Sequence
from typing import Any

from engine_kit import Row, World, eventually

from secretsync.domain.entities import RunAction, SecretSync, SyncRun
from secretsync.domain.problems import Violations
from secretsync.operations import former_places, sync_settings, syncs
from secretsync.operations.former_places import PlaceStatus

FOREIGN = {"theirs@": "theirs", "also-theirs@prod": "theirs"}


async def change(world: World, sync: SecretSync, **changes: Any) -> SecretSync:  # noqa: ANN401
    """Change a sync as `UpdateSecretSync` does, and return it."""
    paths = {name.replace("__", "."): value for name, value in changes.items()}
    app = world.app
    before, proved = await sync_settings.prove_changes(app, sync.name, "", paths, Violations())
    changed = await world.disk.write(
        lambda tx: syncs.update_secret_sync(app, tx, sync.name, "", before, proved)
    )
    world.engine.wake()
    return changed


async def lead(world: World, sync: SecretSync, place: str, scope: str = "") -> SecretSync:
    """Lead a sync to another place."""
    return await change(world, sync, destination_config={"place": place, "scope": scope})


async def stored(world: World, sync: SecretSync) -> SecretSync:
    """Return a sync as it is stored now."""
    found = await world.disk.read(lambda tx: tx.syncs.by_uid(sync.uid))
    assert found
    return found


async def places(world: World, sync: SecretSync) -> Sequence[PlaceStatus]:
    """Return what people see of a sync's former places."""
    now = await stored(world, sync)
    found = await world.disk.read(lambda tx: former_places.statuses(tx, [now]))
    return found.get(sync.uid, [])


async def clean(world: World, sync: SecretSync) -> None:
    """Return when a sync has no former places any more."""

    async def condition() -> bool:
        return not await places(world, sync)

    await eventually(condition)


async def failed_clean_up(world: World, sync: SecretSync, count: int = 1) -> PlaceStatus:
    """Return the one former place of a sync when so many clean-ups of it have been given up."""

    async def condition() -> PlaceStatus | None:
        [status] = await places(world, sync)
        return status if status.place.failures >= count else None

    return await eventually(condition)


async def quiet(world: World, sync: SecretSync) -> list[SyncRun]:
    """Return a sync's runs when none is under way, and none is due."""

    async def condition() -> list[SyncRun] | None:
        runs = await world.runs(sync)
        busy = [run for run in runs if not run.finish_time and run.not_before <= world.clock.now]
        return None if busy else runs

    return await eventually(condition)


async def clean_ups(world: World, sync: SecretSync) -> list[SyncRun]:
    """Return a sync's clean-ups, oldest first."""
    return [run for run in await world.runs(sync) if run.action is RunAction.CLEAN_UP]


def add_foreign(world: World, place: str) -> None:
    """Put rows of somebody else to a place."""
    document = world.memory.at(place)
    for identity, value in FOREIGN.items():
        document.rows[identity] = Row(f"foreign {identity}", value)


def ours(world: World, place: str) -> dict[str, str]:
    """Return what is at a place besides the rows of somebody else, which must all be there."""
    held = world.memory.at(place).values()
    assert held.items() >= FOREIGN.items()
    return {identity: value for identity, value in held.items() if identity not in FOREIGN}
