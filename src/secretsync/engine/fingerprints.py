"""A fingerprint of all that a plan follows from."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from secretsync.adapter import LedgerEntry, PlannedChange, PlanResult
from secretsync.domain.plans import PART_LENGTH
from secretsync.engine.work import Work


def fingerprint_of(work: Work, result: PlanResult, changes: Sequence[PlannedChange]) -> str:
    """Return a text that changes with anything that a plan's outcome follows from.

    It has four parts, so that whoever compares two can tell what has moved: what is configured,
    what the source holds, what the destination holds with what is known of it, and what follows
    from these. Each is a digest under the project's key, so that it tells nothing of values.
    Descriptions, warnings and times are not in it.

    Args:
        work: what the run works with.
        result: what the adapter says of it.
        changes: those of the result, in order.
    """
    sync = work.sync
    configured = [
        work.action,
        sync.uid,
        [sync.environment_uid, sync.secret_path, sync.recursive],
        sync.connection_uid,
        sync.target_key,
        sync.destination,
        sync.destination_config,
        asdict(sync.options),
    ]
    held = [
        [
            each.key,
            each.comment,
            work.plan_digest("value", sync.uid, each.key, each.value.reveal()),
        ]
        for each in work.desired
    ]
    found = [
        result.version,
        sync.initialized,
        sorted(json.dumps(_known(entry), sort_keys=True) for entry in work.ledger),
        sorted(work.claimed_by_others.items()),
    ]
    following = [
        [each.name for each in work.desired],
        result.refusal,
        [asdict(change) for change in changes],
    ]
    parts = (
        ("configuration", configured),
        ("source", [work.source_missing, held]),
        ("destination", found),
        ("outcome", following),
    )
    return ".".join(
        work.plan_digest(name, json.dumps(state, sort_keys=True))[:PART_LENGTH]
        for name, state in parts
    )


def _known(entry: LedgerEntry) -> dict[str, Any]:
    """Return what a fingerprint has of an entry.

    An attempt that looks for a write which was cut short notes at its intents what it has found,
    before it can be stopped. What follows from that is among the changes.
    """
    return asdict(entry if entry.confirmed else replace(entry, digest=""))
