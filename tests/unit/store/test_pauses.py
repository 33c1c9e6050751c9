"""The table of pauses."""

import dataclasses
from typing import TYPE_CHECKING

from secretsync.domain.pauses import Pause
from secretsync.store.protocol import Transaction
from secretsync.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from tests.unit.store.conftest import Make

SYNC = "projects/shop/secretSyncs/to-octopus"
CONNECTION = "projects/shop/connections/octopus"


def pauses(make: "Make") -> list[Pause]:
    """Return one of each kind, in the order of their names."""
    return [
        Pause(name="-", create_time=make.now, reason="everything \u00fc"),
        Pause(name=CONNECTION, connection_uid="c-octopus", create_time=make.at(1)),
        Pause(name=SYNC, sync_uid="y-to-octopus", create_time=make.at(2), reason="why"),
    ]


async def test_pauses_are_kept_as_they_are(store: SqliteStore, make: "Make") -> None:
    everything, connection, sync = pauses(make)

    def work(tx: Transaction) -> None:
        make.world(tx)
        for pause in (sync, everything, connection):
            tx.pauses.put(pause)

    await store.write(work)
    listed = await store.read(lambda tx: tx.pauses.list("", 10))
    assert listed == [everything, connection, sync]
    assert await store.read(lambda tx: tx.pauses.list("-", 1)) == [connection]
    named = await store.read(lambda tx: tx.pauses.named([SYNC, "-", "projects/x/secretSyncs/y"]))
    assert named == {"-": everything, SYNC: sync}

    other = dataclasses.replace(sync, reason="another")
    await store.write(lambda tx: tx.pauses.put(other))
    await store.write(lambda tx: tx.pauses.delete("-"))
    await store.write(lambda tx: tx.pauses.delete("-"))
    assert await store.read(lambda tx: tx.pauses.list("", 10)) == [connection, other]


async def test_a_pause_goes_with_what_it_is_for(store: SqliteStore, make: "Make") -> None:
    def work(tx: Transaction) -> None:
        make.world(tx)
        for pause in pauses(make):
            tx.pauses.put(pause)
        tx.syncs.delete("y-to-octopus")

    await store.write(work)
    left = await store.read(lambda tx: tx.pauses.list("", 10))
    assert [pause.name for pause in left] == ["-", CONNECTION]
    await store.write(lambda tx: tx.connections.delete("c-octopus"))
    left = await store.read(lambda tx: tx.pauses.list("", 10))
    assert [pause.name for pause in left] == ["-"]
