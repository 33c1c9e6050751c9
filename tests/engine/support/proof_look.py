"""Compares what the destination holds with what was asked for, when all has come to rest."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine_kit import Destination, Row
from proof_judge import Judge
from proof_stage import FOREIGN, PLACES, SYNCS, Op, sync_of

from secretsync.crypto import Vault
from secretsync.domain.entities import FolderRef, RunAction
from secretsync.engine.sealed import open_secret
from secretsync.store.protocol import Transaction


@dataclass(frozen=True, slots=True)
class Known:
    """What the service knows of a sync.

    Attributes:
        place: where it leads to.
        wanted: what its source holds, by identity.
        ledger: identities of what it has there for certain.
        former: identities of what may be at its former places, by place.
    """

    place: str
    wanted: dict[str, str]
    ledger: set[str]
    former: dict[str, set[str]]


def known(tx: Transaction, vault: Vault) -> dict[str, Known]:
    """Return what the service knows of each sync, by slug."""
    return {slug: _known(tx, vault, slug) for slug in SYNCS}


def _known(tx: Transaction, vault: Vault, slug: str) -> Known:
    sync = sync_of(tx, slug)
    folder = FolderRef(sync.environment_uid, "/")
    former = tx.former_places
    return Known(
        place=sync.target_key,
        wanted={
            f"{secret.key.casefold()}@{slug}": open_secret(vault, tx, "p", secret).reveal()
            for secret in tx.secrets.in_folder(folder)
        },
        ledger={entry.identity for entry in tx.ledger.of_sync(sync.uid) if entry.confirmed},
        former={
            place.target_key: {entry.identity for entry in former.ledger.of(place.uid)}
            for place in former.of_syncs([sync.uid])
        },
    )


def compare(judge: Judge, memory: Destination, syncs: dict[str, Known]) -> None:
    """Let the judge know of whatever is not as it was asked for last."""
    for slug, sync in syncs.items():
        held = {place: _rows_of(memory, slug, place) for place in PLACES}
        here = held.pop(sync.place)
        wish = judge.wishes.get(f"y-{slug}")
        if wish is RunAction.SYNC and here != sync.wanted:
            judge.blame(f"{slug} is to hold {sync.wanted}, and holds {here}")
        if wish is RunAction.REMOVE and here:
            judge.blame(f"{slug} is to hold nothing, and holds {here}")
        if wish and sync.ledger != set(here):
            judge.blame(f"the ledger of {slug} has {sync.ledger}, it holds {set(here)}")
        if wish and sync.former:
            judge.blame(f"{slug} did not clean {sync.former}")
        for place, rows in held.items():
            if not rows.keys() <= sync.former.get(place, set()):
                judge.blame(f"{slug} left {rows} at {place}, and knows of {sync.former}")
    for place in PLACES:
        if memory.at(place).rows.get(FOREIGN) != Row("foreign", "keep"):
            judge.blame("what belongs to somebody else was changed")


def _rows_of(memory: Destination, slug: str, place: str) -> dict[str, str]:
    held = memory.at(place).values()
    return {identity: held[identity] for identity in held if identity.endswith(f"@{slug}")}


@dataclass(frozen=True, slots=True)
class Rest:
    """What keeps an execution from being at rest.

    Attributes:
        runs: sync, state and message of those that have not ended.
        due: when the next of them is due.
        by_hand: what goes on only if somebody asks for it.
    """

    runs: list[tuple[str, str, str]]
    due: datetime | None
    by_hand: list[Op]


def left_to_do(tx: Transaction) -> Rest:
    """Return what keeps an execution from being at rest."""
    database: Any = tx.database  # type: ignore[attr-defined]
    runs = database.execute(
        "SELECT sync_uid, state, message FROM runs WHERE state IN ('pending', 'running')"
    ).fetchall()
    syncs = [sync_of(tx, slug) for slug in SYNCS]
    by_hand = [("approve", sync.slug) for sync in syncs if tx.runs.awaiting_approval(sync.uid)]
    by_hand += [
        ("clean_up", sync.slug)
        for sync in syncs
        if sync.options.require_approval and tx.former_places.of_syncs([sync.uid])
    ]
    return Rest(runs, tx.runs.next_due(), by_hand)
