"""How syncs stand: their newest runs, and what holds them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from secretsync.domain.entities import RunAction, SecretSync, SyncRun
from secretsync.domain.pauses import Pause, holding, names_holding
from secretsync.store.protocol import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a sync stands.

    Attributes:
        newest: its newest run of each action, as far as there is one.
        pauses: what holds its runs, the narrowest first.
    """

    newest: Mapping[RunAction, SyncRun]
    pauses: tuple[Pause, ...]


def standings(tx: Transaction, syncs: Sequence[SecretSync]) -> Mapping[str, Standing]:
    """Return how syncs stand, by uid; a few statements, however many they are."""
    latest = tx.runs.latest([sync.uid for sync in syncs])
    pauses = tx.pauses.named(name for sync in syncs for name in names_holding(sync))
    return {
        sync.uid: Standing(
            newest={action: run for action in RunAction if (run := latest.get((sync.uid, action)))},
            pauses=holding(sync, pauses),
        )
        for sync in syncs
    }
