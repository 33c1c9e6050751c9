"""Former places: where a sync wrote to before it was led elsewhere, until nothing is left there."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from secretsync.adapter import LedgerEntry
from secretsync.domain.entities import RunTrigger, SecretSync, SyncRun
from secretsync.domain.problems import Reason
from secretsync.domain.retrying import MENDED_ELSEWHERE
from secretsync.domain.runs import RetryPolicy

ARRIVAL = timedelta(minutes=10)
"""After this time, a write that was announced does not arrive at its destination any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerPlace:
    """A place that a sync has left, with what was put there.

    Attributes:
        uid: never used again.
        sync_uid: the sync, which has one former place of each target key at most.
        project_uid: of the sync.
        destination: the type of destination.
        connection_uid: the connection that led there.
        connection: its slug.
        instance: the instance that it led to.
        destination_config: where the sync wrote to.
        target_key: names the document there.
        method: the way to authenticate with the credentials that are kept here.
        sealed_credentials: the encrypted JSON of the credentials that led there, kept only while
            those of the connection lead elsewhere; empty otherwise.
        leave_time: when the sync was led elsewhere.
        initialized: whether a run had succeeded there.
        failures: how many clean-ups were given up in a row.
    """

    uid: str
    sync_uid: str
    project_uid: str
    destination: str
    connection_uid: str
    connection: str
    instance: str
    destination_config: Mapping[str, Any]
    target_key: str
    method: str
    sealed_credentials: bytes = b""
    leave_time: datetime
    initialized: bool = False
    failures: int = 0

    def describe(self) -> str:
        """Return where it is, for people."""
        held = ", ".join(
            f"{name} {value}"
            for name, value in sorted(self.destination_config.items())
            if isinstance(value, str)
        )
        return f"{held or self.target_key} (connection {self.connection})"


def sync_at(sync: SecretSync, place: FormerPlace) -> SecretSync:
    """Return a sync as it was when it led to a former place."""
    return replace(
        sync,
        destination=place.destination,
        connection_uid=place.connection_uid,
        connection=place.connection,
        destination_config=place.destination_config,
        target_key=place.target_key,
    )


def why_kept(sync: SecretSync) -> str:
    """Return why the former places of a sync are not cleaned by themselves; empty if they are.

    The new place is written first, so that a sync which was led to a wrong place, and writes
    nothing there, can be led back before anything is gone.
    """
    if sync.options.disable_secret_deletion:
        return "nothing is deleted by itself while disable_secret_deletion is set"
    if not sync.is_enabled:
        return "nothing is deleted by itself while the sync is disabled"
    if sync.options.require_approval:
        return "the sync requires approval: nothing is deleted by itself, but if somebody asks"
    if not sync.initialized:
        return "it is cleaned when the sync has written its new place"
    return ""


def may_run(sync: SecretSync, run: SyncRun) -> bool:
    """Tell whether a clean-up may delete anything: somebody asked for it, or nothing forbids it."""
    return run.trigger is RunTrigger.MANUAL or not why_kept(sync)


def pause_after(
    failures: int, reason: Reason | None, policy: RetryPolicy, rng: random.Random
) -> timedelta:
    """Return how long to wait after a clean-up that was given up.

    What somebody has to mend at the destination is looked for at the slowest pace at once. Half of
    the pause is fixed and half random, so that places of one server do not come back together.

    Args:
        failures: how many were given up in a row, from 1.
        reason: why the last one was.
        policy: when to try again.
        rng: the source of chance.
    """
    longest = policy.later_ceiling
    if reason not in MENDED_ELSEWHERE:
        longest = min(longest, policy.later * 2.0 ** min(failures - 1, 100))
    return timedelta(seconds=longest / 2 + rng.uniform(0, longest / 2))


def uncertain(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """Return the ledger of a former place as that of a place which a sync is led back to.

    Others may have written there meanwhile, and so may a run that was cut short before the sync
    left. So no value is taken for certain, and all are written again.
    """
    return [replace(each, version=None) if each.confirmed else each for each in entries]
