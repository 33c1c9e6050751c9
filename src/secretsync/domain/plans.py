"""What a run would do, as it is told, compared, kept, and waits for approval."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from secretsync.adapter import ChangeKind, PlannedChange

WRITING = frozenset(
    {
        ChangeKind.CREATE,
        ChangeKind.UPDATE,
        ChangeKind.ADOPT,
        ChangeKind.CONVERT,
        ChangeKind.DELETE,
    }
)
"""The kinds that change something at the destination."""

_REASONS = {
    ChangeKind.CREATE: "it is not there yet",
    ChangeKind.UPDATE: "it is not there as it should be",
    ChangeKind.ADOPT: "a secret of this name is there, which no sync owns",
    ChangeKind.CONVERT: "something of this name is there that can be read",
    ChangeKind.DELETE: "the source does not have it any more",
    ChangeKind.UNCHANGED: "it is there as it should be",
    ChangeKind.CONFLICT: "another sync owns it",
    ChangeKind.BLOCKED: "it cannot be touched",
}
"""Why, if the adapter does not tell more."""
_REMOVED = "this sync has written it"
_ELSEWHERE = "its secret has another name or scope now"
_STAYING = frozenset(ChangeKind) - {ChangeKind.DELETE}

PART_LENGTH = 32
"""Hexadecimal digits of each part of a fingerprint: 128 bits of a keyed digest."""
_PARTS = ("configuration", "source", "destination")
"""What the first parts of a fingerprint are about; the last one is about what follows from them."""
_FINGERPRINT = re.compile(rf"[0-9a-f]{{{PART_LENGTH}}}(\.[0-9a-f]{{{PART_LENGTH}}}){{3}}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What a run of a sync would do.

    Attributes:
        sync_name: the sync's resource name.
        action: what the run would be for: `sync` or `remove`.
        changes: by name in ascending order.
        warnings: for people.
        version: the destination's version that was looked at, None if it has none.
        refusal: why the run would change nothing at all; empty if it would not.
        fingerprint: see `moved_since`.
        plan_time: when the plan was made.
    """

    sync_name: str
    action: str
    changes: tuple[PlannedChange, ...]
    warnings: tuple[str, ...] = ()
    version: str | None = None
    refusal: str = ""
    fingerprint: str
    plan_time: datetime


def in_order(changes: Sequence[PlannedChange]) -> tuple[PlannedChange, ...]:
    """Return changes as plans have them: by name in ascending order."""
    return tuple(
        sorted(changes, key=lambda one: (one.name, one.key, one.scope, one.kind.value, one.reason))
    )


def explained(changes: Sequence[PlannedChange], *, is_removal: bool) -> tuple[PlannedChange, ...]:
    """Return changes of which each has a reason.

    Args:
        changes: as the adapter tells them. Those that have a reason keep it.
        is_removal: whether all that the sync has written is to be removed.
    """
    staying = {change.key for change in changes if change.kind in _STAYING}

    def reason(change: PlannedChange) -> str:
        if change.kind is ChangeKind.DELETE and is_removal:
            return _REMOVED
        if change.kind is ChangeKind.DELETE and change.key and change.key in staying:
            return _ELSEWHERE
        return _REASONS[change.kind]

    return tuple(
        change if change.reason else replace(change, reason=reason(change)) for change in changes
    )


def is_writing(changes: Sequence[PlannedChange]) -> bool:
    """Tell whether anything would be changed at the destination."""
    return any(change.kind in WRITING for change in changes)


def fingerprint_complaint(fingerprint: str) -> str | None:
    """Return what is wrong with a text as a fingerprint, or None."""
    if _FINGERPRINT.fullmatch(fingerprint):
        return None
    return "must be the fingerprint of a plan, as PlanSecretSync returns it"


def moved_since(approved: str, present: str) -> tuple[str, ...]:
    """Return what has moved between two fingerprints: configuration, source, destination.

    What would be done follows from these, so that alone it tells nothing. If it has changed and
    none of them has, it is the destination: not all have a version that tells of each change.

    Args:
        approved: the earlier one.
        present: the later one.
    """
    moved = tuple(
        name
        for name, before, now in zip(_PARTS, approved.split("."), present.split("."), strict=False)
        if before != now
    )
    if approved == present or moved:
        return moved
    return ("destination",)
