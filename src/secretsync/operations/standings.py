"""How syncs stand: their newest runs, what holds them, and the condition that follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secretsync.domain.conditions import Status, status_of
from secretsync.domain.entities import RunAction, SecretSync, SyncRun
from secretsync.domain.pauses import Pause
from secretsync.operations.former_places import PlaceStatus, statuses
from secretsync.operations.pauses import pauses_of_each
from secretsync.store.protocol import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a sync stands.

    Attributes:
        newest: its newest run of each action, as far as there is one.
        pauses: what holds its runs, the narrowest first.
        status: its condition.
        former_places: where it was led away from, and what is left there.
    """

    newest: Mapping[RunAction, SyncRun]
    pauses: tuple[Pause, ...]
    status: Status
    former_places: Sequence[PlaceStatus]


def standings(tx: Transaction, syncs: Sequence[SecretSync]) -> Mapping[str, Standing]:
    """Return how syncs stand, by uid; a few statements, however many they are."""
    latest = tx.runs.latest([sync.uid for sync in syncs])
    pauses = pauses_of_each(tx, syncs)
    places = statuses(tx, syncs)
    found = {}
    for sync in syncs:
        newest = {action: run for action in RunAction if (run := latest.get((sync.uid, action)))}
        held = pauses[sync.uid]
        left = places.get(sync.uid, ())
        found[sync.uid] = Standing(
            newest=newest,
            pauses=held,
            status=status_of(sync, newest, held, [place.error_reason for place in left]),
            former_places=left,
        )
    return found
